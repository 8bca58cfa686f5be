"""A stored run: its manifest, and what was measured of the cells that it planned."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Level, Status, told_to
from denoisebench.errors import UsageError, unknown
from denoisebench.metrics.registry import PROTOCOL, select_metrics
from denoisebench.naming import matching
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.running.folder import STORE, read_manifest
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from denoisebench.cells import Cell, Measurement, Score


@dataclass(frozen=True)
class Results:
    """A run as it is stored: its manifest, and the measurements of the cells it planned."""

    manifest: dict[str, Any]
    measurements: dict[Cell, Measurement]

    @property
    def levels(self) -> list[Level]:
        """Of noise, and what was told of it; older manifests know sigmas alone."""
        stored = self.manifest.get("levels")
        if stored is None:
            return [Level(float(sigma)) for sigma in self.manifest["options"]["sigmas"]]
        return [Level(**level) for level in stored]

    @property
    def noise(self) -> str:
        """The spec of the noise, or `protocol.RECORDED`; older runs drew white Gaussian noise."""
        return str(self.manifest.get("noise", {"spec": WHITE_GAUSSIAN.name})["spec"])

    @property
    def devices(self) -> list[str]:
        return list(dict.fromkeys(row["device"] for row in self.manifest["rows"]))

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics to show, as `Metric.description` has them; by default the protocol's."""
        stored: list[dict[str, Any]] | None = self.manifest.get("metrics")
        return [m.description for m in select_metrics(PROTOCOL)] if stored is None else stored

    @property
    def further_metrics(self) -> list[dict[str, Any]]:
        """Those beyond the protocol's, which every run scores."""
        return [metric for metric in self.metrics if metric["name"] not in PROTOCOL]

    def showing(self, expressions: Iterable[str]) -> Results:
        """The same run, showing these of its metrics and PSNR, by which methods are ordered.

        An expression is ``all``, a name, or a glob over names.

        Raises:
            UsageError: it has no metric that an expression means.
        """
        known = [metric["name"] for metric in self.metrics]
        chosen = {"psnr"}
        for expression in expressions:
            names = matching(expression, known)
            if not names and expression != "all":  # frames that nobody knows clean have none
                raise UsageError(f"--metrics: {unknown('metric', expression, known)}")
            chosen.update(names)
        shown = [metric for metric in self.metrics if metric["name"] in chosen]
        return replace(self, manifest=self.manifest | {"metrics": shown})

    def cells(self, row: dict[str, Any], level: Level | None = None) -> list[Cell]:
        """The cells that were planned for a row, at one level or at all."""
        levels = told_to(row.get("blind", False), [level] if level else self.levels)
        return [
            at.cell(row["method"], row["device"], frame["id"], seed)
            for frame in self.manifest["dataset"]["frames"]
            for at in levels
            for seed in range(self.manifest["options"]["seeds"])
        ]

    def measured(self, row: dict[str, Any], level: Level | None = None) -> list[Measurement]:
        known = self.measurements
        return [known[cell] for cell in self.cells(row, level) if cell in known]

    def failures(self) -> list[Measurement]:
        """What went wrong; a method that is not installed and was not asked for did not."""
        return [
            m
            for row in self.manifest["rows"]
            for m in self.measured(row)
            if m.status is not Status.OK
            and not (
                m.status is Status.UNAVAILABLE
                and m.session is None
                and not row["asked_by_name"]
                and row["problem"] is None
            )
        ]


def load(folder: Path) -> Results:
    """Read a run's folder.

    Raises:
        UsageError: it holds no run, or a damaged one.
    """
    manifest = read_manifest(folder)
    with Store(folder / STORE, read_only=True) as store:
        return Results(manifest, store.measurements())


def score(m: Measurement, metric: dict[str, Any]) -> Score | None:
    """A further metric's score, if it was measured under the definition that the run names."""
    score = m.scores.get(metric["name"])
    return score if score is not None and score.key == metric["key"] else None
