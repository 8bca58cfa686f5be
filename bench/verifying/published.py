"""Figures that papers have printed, with tolerances for a rerun, as published.toml lists them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

_FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Source:
    """Publication that printed figures.

    Attributes:
        name: its name in the file.
        citation: the publication.
        convention: the way in which its authors made and scored the figures.
    """

    name: str
    citation: str
    convention: str


@dataclass(frozen=True)
class Expectation:
    """Printed figures of one method on one data set, with tolerances for a rerun.

    Attributes:
        method: the method's name in our registry.
        label: the method's name in the print.
        dataset: the data set's name in our catalogue.
        source: the publication.
        table: the table in that publication.
        psnr: printed mean PSNR in dB, by sigma on the 8-bit scale.
        images: printed PSNR of single images in dB, by frame id and sigma; empty where none were
            printed.
        tolerance: largest difference of a mean that agrees, in dB.
        image_tolerance: largest difference of a single image that agrees, in dB, by sigma.
        reason: the differences that the tolerances allow for.
        incomparable: reason why no rerun can be compared with it; empty if one can.
    """

    method: str
    label: str
    dataset: str
    source: Source
    table: str = ""
    psnr: dict[float, float] = field(default_factory=dict)
    images: dict[str, dict[float, float]] = field(default_factory=dict)
    tolerance: float = 0.0
    image_tolerance: dict[float, float] = field(default_factory=dict)
    reason: str = ""
    incomparable: str = ""

    def at(self, sigmas: tuple[float, ...]) -> Expectation:
        """Return its figures at some noise levels alone."""
        return replace(self, psnr={s: value for s, value in self.psnr.items() if s in sigmas})


@dataclass(frozen=True)
class Quick:
    """Part of one data set at one sigma, small enough for a quick check.

    Attributes:
        dataset: the data set's name.
        sigma: the noise level on the 8-bit scale.
        frames: ids of the frames.
    """

    dataset: str
    sigma: float
    frames: tuple[str, ...]

    def part(self, expectation: Expectation) -> Expectation:
        """Return an expectation of this part; its mean is that of the printed single images."""
        if expectation.incomparable:
            return expectation
        if not expectation.images:
            reason = "prints no single images, and the quick form measures some only"
            return replace(expectation.at((self.sigma,)), incomparable=reason)
        images = {f: {self.sigma: expectation.images[f][self.sigma]} for f in self.frames}
        mean = fmean(by_sigma[self.sigma] for by_sigma in images.values())
        return replace(expectation, psnr={self.sigma: mean}, images=images)


def load_published(path: Path = _FILE) -> tuple[list[Expectation], Quick]:
    """Read the printed figures.

    Args:
        path: a file of the form of published.toml, which is the default.

    Returns:
        The expectations in the order of the file, and the part that is quick to verify.

    Examples:
        >>> expectations, quick = load_published()
        >>> expectations[0].method, expectations[0].psnr[25.0]
        ('bm3d', 29.97)
    """
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = {name: Source(name, **source) for name, source in content["sources"].items()}
    quick = content["quick"]
    return (
        [_expectation(entry, sources) for entry in content["expectation"]],
        Quick(quick["dataset"], float(quick["sigma"]), tuple(quick["frames"])),
    )


def _expectation(entry: dict[str, Any], sources: dict[str, Source]) -> Expectation:
    """Read one entry of the file."""
    figures = {
        "source": sources[entry["source"]],
        "psnr": _by_sigma(entry.get("psnr", {})),
        "images": {f: _by_sigma(printed) for f, printed in entry.get("images", {}).items()},
        "image_tolerance": _by_sigma(entry.get("image_tolerance", {})),
    }
    return Expectation(**entry | figures)


def _by_sigma(printed: dict[str, float]) -> dict[float, float]:
    """Turn the keys, which TOML keeps as text, into numbers."""
    return {float(sigma): value for sigma, value in printed.items()}
