"""Licences of methods: the rule that tells which are free."""

from __future__ import annotations

import re

__all__ = ["is_free"]

_FREE = re.compile(
    r"(0BSD|AGPL|Apache|BSD|BSL-1\.0|CC0|EPL|EUPL|GPL|ISC|LGPL|MIT|MPL|PSF|Unlicense|WTFPL|Zlib)"
    r"(?![A-Za-z])",
    re.IGNORECASE,
)
_RESTRICTED = re.compile(r"non-?commercial|(research|academic) (use|only)|-NC\b", re.IGNORECASE)


def is_free(licence: str) -> bool:
    """Tell whether everybody may use, change and pass on a method for any purpose.

    Each part of the licence, of the code and of the weights, must begin with the name of a licence
    that the Free Software Foundation or the Open Source Initiative lists; so a part that is not
    given, not stated or not known is not free. Words such as non-commercial exclude the whole.

    Args:
        licence: as the method's card has it; parts are separated by semicolons and commas.

    Examples:
        >>> is_free("LGPL-3.0-or-later (FFmpeg)"), is_free("Apache-2.0; weights MIT")
        (True, True)
        >>> is_free("non-commercial (Tampere University)"), is_free("MIT; weights none given")
        (False, False)
    """
    plain = re.sub(r"\([^()]*\)", "", licence)
    parts = [part.strip().removeprefix("weights ") for part in re.split("[;,]", plain)]
    return not _RESTRICTED.search(licence) and all(_FREE.match(part) for part in parts)
