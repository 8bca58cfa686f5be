"""Camera noise with a ground truth: pairs of a noisy photograph and one that is (nearly) clean."""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import IO, TYPE_CHECKING

import numpy as np

from denoisebench.datasets.archives import FILE_BYTES, ArchiveError
from denoisebench.datasets.published import MANIFESTS, Published
from denoisebench.datasets.unpacked import Unpacked
from denoisebench.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_HEADER, _COMPRESSED = 128, 15  # a MATLAB file's first bytes; the tag of a compressed variable
_VARIABLES = 100
_CHUNK = 1 << 16


class SiddValidation(Unpacked):
    """The sRGB validation blocks of SIDD, which come as two MATLAB arrays.

    Each array, uint8 (40, 32, 256, 256, 3), holds 32 blocks of each of 40 photographs; they are
    cut into PNGs, so that a frame is read without 250 MB around it.
    """

    def _write_files(self, archive: Path) -> None:
        blocks = _array(archive)
        pattern = self._noisy if "Noisy" in archive.name else self._clean
        intact = self._intact()
        for scene, block in np.ndindex(blocks.shape[:2]):
            path = pattern.replace("*", f"{scene + 1:02}-{block + 1:02}")
            if path not in intact:
                _write_png(self.folder / path, blocks[scene, block])


def _array(path: Path) -> np.ndarray:
    """Read the blocks in a MATLAB file, whose variable has the file's name."""
    from scipy.io import loadmat

    try:
        _refuse_bomb(path)
        blocks: np.ndarray = loadmat(path, variable_names=[path.stem])[path.stem]
    except Exception as error:  # its reader of damaged data may raise anything
        if isinstance(error, ArchiveError) or (isinstance(error, OSError) and error.errno):
            raise
        raise ArchiveError(f"{path.name} is damaged ({error})") from error
    if blocks.ndim != 5 or blocks.shape[-1] != 3 or blocks.dtype != "uint8":
        raise ArchiveError(f"{path.name} holds {blocks.dtype} {blocks.shape}, no 8-bit RGB blocks")
    return blocks


def _refuse_bomb(path: Path) -> None:
    """Refuse a MATLAB file of many variables, or of one that unfolds to more than a file may.

    Raises:
        ArchiveError: it is such a file.
    """
    with path.open("rb") as file:
        order = ">" if file.read(_HEADER).endswith(b"MI") else "<"
        for _ in range(_VARIABLES):
            if len(tag := file.read(8)) < 8:
                return
            kind, size = struct.unpack(f"{order}LL", tag)
            end = file.tell() + size
            if kind == _COMPRESSED and _unfolded(file) > FILE_BYTES:
                raise ArchiveError(f"{path.name} unfolds to more than {FILE_BYTES:,} bytes")
            file.seek(end)
    raise ArchiveError(f"{path.name} has more than {_VARIABLES} variables")


def _unfolded(file: IO[bytes]) -> int:
    """Count the bytes that a compressed variable unfolds to, until they are more than allowed."""
    decoder, total = zlib.decompressobj(), 0
    while total <= FILE_BYTES and (data := decoder.unconsumed_tail or file.read(_CHUNK)):
        total += len(decoder.decompress(data, _CHUNK))
        if decoder.eof:
            break
    return total


def _write_png(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    make_folder(path.parent)
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1)


REAL_SETS: dict[str, Callable[[], Published]] = {
    "real:cc15": partial(Published, MANIFESTS / "cc15.toml"),
    "real:nam25": partial(Published, MANIFESTS / "nam25.toml"),
    "real:polyu": partial(Unpacked, MANIFESTS / "polyu.toml"),
    "real:sidd-val": partial(SiddValidation, MANIFESTS / "sidd-val.toml"),
}
