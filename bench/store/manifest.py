"""A run's manifest, ``manifest.json``: what was run, on what and how, as frozen dataclasses."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from denoisebench.cells import Level
from denoisebench.errors import UsageError
from denoisebench.files import write_text
from denoisebench.metrics.registry import PROTOCOL, select_metrics
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.rules import RECORDED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST_FILE = "manifest.json"
_MANIFEST_VERSION = 1

BUSY_PERCENT = 15
"""Other work above this share of the processor is reported, and stands under the table."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Row:
    """A method on a device: one row of the table.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        name: the method's name, without parameters.
        title: its name in tables.
        device: ``cpu`` or ``cuda``.
        family, blind, reference, licence, note: see `denoisers.registry.Card`.
        parameters: all parameters with their values.
        asked_by_name: False if a pattern such as ``all`` brought it in.
        problem: why its plugin could not be imported.
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

    @property
    def key(self) -> tuple[str, str]:
        """Method and device: unique in a run, and the same in every run."""
        return self.method, self.device

    @property
    def is_control(self) -> bool:
        """True for a control, which does not compete with methods."""
        return self.family == "control"

    def label(self, level: Level | None = None) -> str:
        """Name the row in words, for one noise level if given; the same in every run."""
        name = f"{self.method} {self.device}"
        return name if level is None else f"{name} {level.as_told_to(self.blind)}"


@dataclass(frozen=True)
class FrameRecord:
    """A frame of the run; see `datasets.Frame`."""

    id: str
    digest: str | None = None
    shape: tuple[int, ...] = ()
    noisy_digest: str = ""
    has_clean: bool = True


@dataclass(frozen=True)
class DatasetRecord:
    """The frames of the run, and their source."""

    name: str
    title: str
    licence: str
    split: str
    frames: tuple[FrameRecord, ...]


@dataclass(frozen=True)
class NoiseRecord:
    """The noise of the run; see `protocol.observation.Observation`."""

    spec: str
    words: str
    telling: str


@dataclass(frozen=True)
class MetricRecord:
    """A metric of the run; see `metrics.registry.Metric`.

    Attributes:
        unavailable: why it could not be computed, or None.
        key: identity of its definition; None where the protocol's digest takes its place.
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
        """Name of the column of ``table1.csv`` that holds its mean."""
        return f"{self.name}_mean"


@dataclass(frozen=True)
class EnvironmentRecord:
    """Machine and software of the run; see `machine.environment.describe`."""

    denoisebench: str
    python: str
    system: str
    cpu: str
    cores: int
    memory_gb: float
    machine: str = "unknown"
    cuda: Mapping[str, str] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunManifest:
    """What was run, on what, and how.

    Attributes:
        written: when, as ISO 8601 in UTC.
        command: the command that repeats the run.
        options: what was asked for; see `running.plan.RunOptions`.
        threads: thread count of every library.
        timing: see `machine.timing.TimingRules`; None in runs of older versions.
        protocol: everything that changes a score, in words, with its ``version`` and ``digest``.
        levels: of noise, in the table's order.
        rows: in the order of the run.
        metrics: the metrics to show.
        busy_percent: share of the processor that other work took before the run.
        state: ``running``, ``interrupted`` or ``complete``.
        costs: sums of wall time by kind of work; None until the run is complete.
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

    @property
    def seeds(self) -> int:
        """Count the noise draws of each frame."""
        return int(self.options["seeds"])

    @property
    def protocol_digest(self) -> str:
        """Digest of the protocol that the scores stand under."""
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
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["manifest"] != _MANIFEST_VERSION:
            raise UsageError(f"{path} was written by another version of bench; pass --fresh")
        return _manifest(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "pass --fresh to bench run to set the run aside and start anew"
        ) from error


def _manifest(content: dict[str, Any]) -> RunManifest:
    """The manifest of stored JSON; what older versions did not write gets its meaning of then."""
    parts = {
        "noise": _record(NoiseRecord, content.get("noise", _OLDER_NOISE)),
        "levels": tuple(_levels(content)),
        "dataset": _dataset(content["dataset"]),
        "rows": tuple(_record(Row, row) for row in content["rows"]),
        "metrics": tuple(_record(MetricRecord, m) for m in content.get("metrics", _protocols())),
        "environment": _record(EnvironmentRecord, content["environment"]),
    }
    return _record(RunManifest, content | parts)


_OLDER_NOISE = {
    "spec": WHITE_GAUSSIAN.name,
    "words": "the same noise for every method",
    "telling": "",
}


def _levels(content: dict[str, Any]) -> list[Level]:
    """The noise levels; older manifests know sigmas alone."""
    stored = content.get("levels")
    if stored is None:
        return [Level(float(sigma)) for sigma in content["options"]["sigmas"]]
    return [Level(**level) for level in stored]


def _dataset(content: dict[str, Any]) -> DatasetRecord:
    frames = [_record(FrameRecord, f | {"shape": tuple(f["shape"])}) for f in content["frames"]]
    return _record(DatasetRecord, content | {"frames": tuple(frames)})


def _protocols() -> list[dict[str, Any]]:
    """The protocol's metrics, which older runs scored without saying so."""
    return [metric.description for metric in select_metrics(PROTOCOL)]


def _record(kind: type[_T], content: Mapping[str, Any]) -> _T:
    """A record from JSON; entries that it does not know are left out.

    Raises:
        TypeError: an entry is missing.
    """
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in content.items() if name in known})
