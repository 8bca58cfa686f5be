"""Manifest of a run, ``manifest.json``, as frozen dataclasses."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from denoisebench.cells import MOST_SEEDS, Level
from denoisebench.digests import value_digest
from denoisebench.errors import UsageError
from denoisebench.files import write_text
from denoisebench.metrics.registry import PROTOCOL, select_metrics
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.rules import RECORDED
from denoisebench.store.records import build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_FILE = "manifest.json"
"""Name of the manifest in a run's folder."""
_MANIFEST_VERSION = 2
_WITHOUT_DIGEST = 1  # the version of manifests that carry no digest of their own

_LONGEST_LABEL = 40

BUSY_PERCENT = 15
"""Share of the processor, in percent, above which other work is reported under the table."""


@dataclass(frozen=True)
class Row:
    """Method on a device: one row of the table.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        name: the method's name, without parameters.
        title: the method's name in tables.
        device: ``cpu`` or ``cuda``.
        family: see `denoisers.registry.Card`, as for the next four.
        blind: True if the method is told no sigma.
        reference: the publication.
        licence: the licence of the code that does the work.
        note: the author's note for readers of the table.
        parameters: all parameters with their values.
        asked_by_name: False if only a pattern such as ``all`` names it.
        problem: one line on the error if its plugin could not be imported; else None.
        identity: digest of its part of the quality keys: parameters, code, libraries and weights;
            empty in older runs.

    Examples:
        >>> Row("bm3d", "bm3d", "BM3D", "cpu", "patch").label(Level(25.0))
        'bm3d cpu sigma 25'
    """

    method: str
    name: str
    title: str
    device: str
    family: str
    blind: bool = False
    reference: str = ""
    licence: str = ""
    note: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    asked_by_name: bool = False
    problem: str | None = None
    identity: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Method and device; unique in a run, and the same in every run."""
        return self.method, self.device

    @property
    def is_control(self) -> bool:
        """True for a control, which does not compete with methods."""
        return self.family == "control"

    def label(self, level: Level | None = None) -> str:
        """Name the row in words, with its noise level if one is given; the same in every run."""
        name = f"{self.method} {self.device}"
        return name if level is None else f"{name} {level.as_told_to(self.blind)}"


@dataclass(frozen=True)
class FrameRecord:
    """Frame of a run; see `datasets.Frame`."""

    id: str
    digest: str | None = None
    shape: tuple[int, ...] = ()
    noisy_digest: str = ""
    has_clean: bool = True


@dataclass(frozen=True)
class DatasetRecord:
    """Frames of a run, and their source; see `datasets.Dataset`."""

    name: str
    title: str
    licence: str
    split: str
    frames: tuple[FrameRecord, ...]

    @property
    def label(self) -> str:
        """Short name in tables: the part of the title before its colon, or else the name."""
        short, colon, _ = self.title.partition(":")
        return short if colon and len(short) <= _LONGEST_LABEL else self.name

    @property
    def digest(self) -> str:
        """Digest of the frames, 16 hex digits: the same for the same pixels under the same ids."""
        return value_digest([(f.id, f.digest, f.noisy_digest) for f in self.frames])


@dataclass(frozen=True)
class NoiseRecord:
    """Noise of a run; see `protocol.observation.Observation`."""

    spec: str
    words: str
    telling: str


@dataclass(frozen=True)
class MetricRecord:
    """Metric of a run; fields that are not listed here are those of `metrics.registry.Metric`.

    Attributes:
        unavailable: one line that says why it could not be computed; else None.
        key: identity of its definition; None for the protocol's metrics, which the protocol's
            digest identifies.
    """

    name: str
    title: str
    direction: Literal["higher", "lower", "zero"]
    unit: str
    source: str
    decimals: int
    undefined: str
    unavailable: str | None = None
    key: str | None = None

    @property
    def column(self) -> str:
        """Name of the column of ``table1.csv`` with its mean."""
        return f"{self.name}_mean"


@dataclass(frozen=True)
class EnvironmentRecord:
    """Machine and software of a run; see `machine.environment.describe`.

    Attributes:
        machine: see `machine.environment.machine_id`; in older runs it also covers the host's name.
        name: the user's name for the machine; empty for none.
        limits: limits of the container in words; empty without any.
    """

    denoisebench: str
    python: str
    system: str
    cpu: str
    cores: int
    memory_gb: float
    machine: str = "unknown"
    cuda: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    limits: str = ""

    @property
    def identity(self) -> dict[str, object]:
        """The properties that tell machines apart, by the words for them."""
        return {"processor": self.cpu, "cores": self.cores, "--machine": self.name or None} | (
            {"limits of the container": self.limits} if self.limits else {}
        )


@dataclass(frozen=True)
class PartRecord:
    """Run that was merged with others; fields that are not listed are those of `RunManifest`.

    Attributes:
        seal: the seal of its store, which identifies its measurements.
        cells: number of its measured cells.
        doubled: number of them that an earlier part has, too.
        untimed: number of them whose times and memory were left out, since they were measured
            under other conditions than those of the merged run.
        parts: the parts of which it was merged itself.
    """

    command: str
    environment: EnvironmentRecord
    threads: int
    written: str | None
    seal: str
    cells: int
    doubled: int = 0
    untimed: int = 0
    parts: tuple[PartRecord, ...] = ()


@dataclass(frozen=True)
class RunManifest:
    """Description of a run: methods, data, noise, protocol, machine and state.

    Attributes:
        command: the command that repeats the run.
        options: the options of the run; see `running.plan.RunOptions`.
        threads: number of threads of every library.
        protocol: everything that changes a score, in words, with its ``version`` and ``digest``.
        noise: the noise.
        levels: the noise levels, in the table's order.
        dataset: the frames and their source.
        rows: the methods on their devices, in the order of the run.
        metrics: the metrics to show.
        environment: machine and software.
        busy_percent: share of the processor that other work took before the run, in percent.
        timing: see `machine.timing.TimingRules`; None in runs of older versions.
        written: time of writing, as ISO 8601 in UTC; None if it is not known.
        state: ``running``, ``interrupted`` or ``complete``.
        costs: sums of wall time, see `running.runner.Costs`; None until the run is complete.
        left_out: sentences on methods that were left out though their readers may miss them.
        seal: the seal of the store, see `store.rows`; None until the run is complete, and in runs
            of older versions.
        parts: the runs of which it was merged; empty for a run that was measured as one. Machine,
            threads and rules of timing are then those of its times.
    """

    command: str
    options: Mapping[str, Any]
    threads: int
    protocol: Mapping[str, Any]
    noise: NoiseRecord
    levels: tuple[Level, ...]
    dataset: DatasetRecord
    rows: tuple[Row, ...]
    metrics: tuple[MetricRecord, ...]
    environment: EnvironmentRecord
    busy_percent: float
    timing: Mapping[str, Any] | None = None
    written: str | None = None
    state: str = "complete"
    costs: Mapping[str, float] | None = None
    left_out: tuple[str, ...] = ()
    seal: str | None = None
    parts: tuple[PartRecord, ...] = ()

    @property
    def seeds(self) -> int:
        """Number of noise draws of each frame and sigma."""
        return int(self.options["seeds"])

    @property
    def protocol_digest(self) -> str:
        """Digest of the protocol under which the scores stand."""
        return str(self.protocol["digest"])

    @property
    def is_recorded(self) -> bool:
        """True where the noise was recorded with the frames, not drawn."""
        return self.noise.spec == RECORDED

    def write(self, folder: Path) -> None:
        """Replace the manifest in a run's folder.

        Raises:
            UsageError: it cannot be written.
        """
        content = {"manifest": _MANIFEST_VERSION} | asdict(self)
        content["digest"] = value_digest(content)
        write_text(folder / MANIFEST_FILE, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> RunManifest:
    """Read the manifest of a run's folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise UsageError(
            f"{folder} holds no run ({MANIFEST_FILE} is missing); give the folder of a run"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise ValueError("it holds no entries by name")
        if content.get("manifest") not in (_MANIFEST_VERSION, _WITHOUT_DIGEST):
            raise UsageError(f"{path} was written by another version of bench; pass --fresh")
        _check_digest(content)
        return _manifest(content)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}: {error}); delete it, and the same "
            "bench run goes on from what was measured, or pass --fresh to set the run aside"
        ) from error


def _check_digest(content: dict[str, Any]) -> None:
    """Raise ValueError unless the entries are those that were written."""
    if content["manifest"] == _WITHOUT_DIGEST and "digest" not in content:
        return
    entries = {name: value for name, value in content.items() if name != "digest"}
    if content.get("digest") != value_digest(entries):
        raise ValueError("an entry was changed: it does not match its digest")


def _manifest(content: dict[str, Any]) -> RunManifest:
    """Build a manifest from stored JSON.

    An entry that an older version did not write gets the value that it had in that version.

    Raises:
        ValueError: an entry is missing, or its value is not one that a run writes.
    """
    options = content.get("options")
    if "levels" not in content and isinstance(options, dict):
        content["levels"] = [{"sigma": sigma} for sigma in options.get("sigmas") or ()]
    manifest = build(RunManifest, {"noise": _OLDER_NOISE, "metrics": _protocols()} | content)
    for what, holds in _conditions(manifest).items():
        if not holds:
            raise ValueError(f"{what}: not what a run writes")
    return manifest


def _conditions(manifest: RunManifest) -> dict[str, bool]:
    """Check what readers rely on beyond the types, by the words for it."""
    seeds, machine = manifest.options.get("seeds"), manifest.environment
    shapes = [frame.shape for frame in manifest.dataset.frames]
    return {
        "options.seeds": type(seeds) is int and 1 <= seeds <= MOST_SEEDS,
        "protocol": manifest.protocol.keys() >= {"version", "digest"},
        "environment.cuda": not machine.cuda or machine.cuda.keys() >= {"name", "cuda"},
        "environment.system": machine.system.strip() != "",
        "a row's device": all(row.device in ("cpu", "cuda") for row in manifest.rows),
        "a frame's shape": all(len(shape) == 3 and min(shape) > 0 for shape in shapes),
        "a metric's decimals": all(0 <= m.decimals <= _MOST_DECIMALS for m in manifest.metrics),
    }


_OLDER_NOISE = {
    "spec": WHITE_GAUSSIAN.name,
    "words": "the same noise for every method",
    "telling": "",
}
_MOST_DECIMALS = 100


def _protocols() -> list[dict[str, Any]]:
    """Return the protocol's metrics, which older runs scored but did not record."""
    return [metric.description for metric in select_metrics(PROTOCOL)]
