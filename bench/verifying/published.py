"""Figures that papers have printed, and how closely a rerun should meet them: published.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import Any

_FILE = Path(__file__).with_name("published.toml")


@dataclass(frozen=True)
class Source:
    """Where figures were printed.

    Attributes:
        name: what the file calls it.
        citation: the publication.
        convention: how its authors made and scored them.
    """

    name: str
    citation: str
    convention: str


@dataclass(frozen=True)
class Expectation:
    """What was printed of one method on one data set.

    Attributes:
        method: what to run, by its name in the registry.
        label: what the print calls it.
        dataset: what to run it on.
        source: who printed it.
        table: where in that publication.
        psnr: the printed mean by sigma, in dB.
        images: printed PSNR of single images, by frame id and sigma; empty where there is none.
        tolerance: dB by which a mean may differ.
        image_tolerance: dB by which a single image may differ, by sigma.
        reason: what the tolerances allow for.
        incomparable: why no rerun can be compared with it; empty if one can.
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
        """What it says of some noise levels."""
        return replace(self, psnr={s: value for s, value in self.psnr.items() if s in sigmas})


@dataclass(frozen=True)
class Quick:
    """A part of one data set at one sigma, small enough to be measured in passing."""

    dataset: str
    sigma: float
    frames: tuple[str, ...]

    def part(self, expectation: Expectation) -> Expectation:
        """What an expectation says of this part: the mean is that of the printed single images."""
        if expectation.incomparable:
            return expectation
        if not expectation.images:
            reason = "prints no single images, and the quick form measures some only"
            return replace(expectation.at((self.sigma,)), incomparable=reason)
        images = {f: {self.sigma: expectation.images[f][self.sigma]} for f in self.frames}
        mean = fmean(by_sigma[self.sigma] for by_sigma in images.values())
        return replace(expectation, psnr={self.sigma: mean}, images=images)


def load_published(path: Path = _FILE) -> tuple[list[Expectation], Quick]:
    """The expectations, in the order of the file, and what of them is quick to verify."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    sources = {name: Source(name, **source) for name, source in content["sources"].items()}
    quick = content["quick"]
    return (
        [_expectation(entry, sources) for entry in content["expectation"]],
        Quick(quick["dataset"], float(quick["sigma"]), tuple(quick["frames"])),
    )


def _expectation(entry: dict[str, Any], sources: dict[str, Source]) -> Expectation:
    figures = {
        "source": sources[entry["source"]],
        "psnr": _by_sigma(entry.get("psnr", {})),
        "images": {f: _by_sigma(printed) for f, printed in entry.get("images", {}).items()},
        "image_tolerance": _by_sigma(entry.get("image_tolerance", {})),
    }
    return Expectation(**entry | figures)


def _by_sigma(printed: dict[str, float]) -> dict[float, float]:
    return {float(sigma): value for sigma, value in printed.items()}
