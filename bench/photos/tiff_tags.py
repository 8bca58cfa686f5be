"""Directories of TIFF tags, read and written byte by byte, so that nothing in them changes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

SHORT, LONG, UNDEFINED = 3, 4, 7

_SIZES = {1: 1, 2: 1, SHORT: 2, LONG: 4, 5: 8, 6: 1, UNDEFINED: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SIZES |= {13: 4}
"""Bytes of a value, by the number of its type."""
_NESTED: dict[int, Mapping[int, object]] = {34665: {40965: {}}, 34853: {}}
"""Tags that point to further directories, and those within these: EXIF, interoperability, GPS."""


class Tag(NamedTuple):
    """Value of a tag as a file holds it.

    Attributes:
        kind: number of its type.
        content: its bytes, or the directory that it points to.
    """

    kind: int
    content: bytes | Directory

    @classmethod
    def numbers(cls, order: str, kind: int, *values: int) -> Self:
        """Make a tag of integers, of the kind `SHORT` or `LONG`, in a byte order ``<`` or ``>``."""
        return cls(
            kind, struct.pack(f"{order}{len(values)}{'H' if kind == SHORT else 'L'}", *values)
        )


Directory = dict[int, Tag]
"""Tags by their numbers."""


def read_tags(data: bytes, place: int) -> Directory:
    """Read a directory of a TIFF file, and the directories of EXIF and GPS below it.

    Tags of an unknown type, or whose value lies outside of the file, are left out.

    Args:
        data: the file, of either byte order, TIFF or BigTIFF.
        place: byte at which the directory begins.
    """
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    return _read(
        data,
        place,
        (f"{order}Q", f"{order}HHQ", 8) if big else (f"{order}H", f"{order}HHL", 4),
        _NESTED,
    )


def _read(
    data: bytes, place: int, forms: tuple[str, str, int], nested: Mapping[int, Mapping[int, object]]
) -> Directory:
    """Read a directory.

    Args:
        data: the file.
        place: byte at which it begins.
        forms: of the count of entries and of an entry, and the bytes that hold a value or where
            it lies.
        nested: tags that point to further directories.
    """
    count_form, entry_form, room = forms
    try:
        (count,) = struct.unpack_from(count_form, data, place)
    except struct.error:
        return {}
    place += struct.calcsize(count_form)
    length = struct.calcsize(entry_form) + room
    found: Directory = {}
    left = len(data)  # values that overlap could be many times as long
    for entry in range(place, min(place + count * length, len(data) - length + 1), length):
        tag, kind, values = struct.unpack_from(entry_form, data, entry)
        size = _SIZES.get(kind, 0) * values
        at = entry + length - room
        pointer_form = count_form[0] + ("Q" if room == 8 else "L")
        if size > room or tag in nested:
            (at,) = struct.unpack_from(pointer_form, data, at)
        if tag in nested:
            found[tag] = Tag(LONG, _read(data, at, forms, nested[tag]))  # type: ignore[arg-type]
        elif 0 < size <= min(len(data) - at, left):
            found[tag] = Tag(kind, data[at : at + size])
            left -= size
    return found


def tags_bytes(tags: Directory, place: int, order: str) -> bytes:
    r"""Write a directory, and what it points to, for a place in a TIFF file.

    Args:
        tags: the tags.
        place: byte at which it will begin, even.
        order: byte order of the file, ``<`` or ``>``.

    Examples:
        >>> tags_bytes({271: Tag(2, b"Me\0")}, 8, "<")[:8]
        b'\x01\x00\x0f\x01\x02\x00\x03\x00'
    """
    entries, behind = [struct.pack(f"{order}H", len(tags))], b""
    end = place + 2 + 12 * len(tags) + 4
    for number, (kind, content) in sorted(tags.items()):
        if isinstance(content, dict):
            value = struct.pack(f"{order}L", end + len(behind))
            count = 1
            behind += tags_bytes(content, end + len(behind), order)
        else:
            count, value = len(content) // _SIZES[kind], content.ljust(4, b"\0")
            if len(content) > 4:
                value = struct.pack(f"{order}L", end + len(behind))
                behind += content + b"\0" * (len(content) % 2)
        entries.append(struct.pack(f"{order}HHL", number, kind, count) + value)
    return b"".join(entries) + b"\0\0\0\0" + behind
