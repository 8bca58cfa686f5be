"""Folder of a run with its store, manifest and logs, held for one run at a time."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from denoisebench import protocol
from denoisebench.errors import UsageError
from denoisebench.files import held, make_folder, set_aside
from denoisebench.machine import environment
from denoisebench.running.identity import Identities
from denoisebench.store.crops import CROPS_FOLDER
from denoisebench.store.manifest import (
    MANIFEST_FILE,
    DatasetRecord,
    EnvironmentRecord,
    FrameRecord,
    MetricRecord,
    NoiseRecord,
    Row,
    RunManifest,
    read_manifest,
)
from denoisebench.store.mending import mend
from denoisebench.store.rows import DamagedStoreError
from denoisebench.store.sqlite import STORE, STORE_FILES, Store

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.denoisers.registry import Card
    from denoisebench.running.plan import Plan, PlannedRow

_LOGS = "logs"
_MEASURED = (*STORE_FILES, MANIFEST_FILE, _LOGS, CROPS_FOLDER)


class RunFolder:
    """Folder of a run; a context that is open for one run at a time.

    Args:
        path: the folder; created if it is absent.
        plan: the run.

    Attributes:
        path: the folder.
        busy_percent: share of the machine that other work took before the run began, in percent.
        store: the stored measurements, while the context is open.
        remarks: lines for the user on the store, while the context is open.

    Raises:
        UsageError: another run uses the folder, it holds a run that this plan cannot continue, or
            it cannot be read or written.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan
        self.busy_percent = environment.busy_percent()
        make_folder(path)

    def __enter__(self) -> RunFolder:
        with ExitStack() as stack:
            stack.enter_context(held(self.path, "run"))
            seal = None
            if self._plan.options.fresh:
                set_aside(self.path, _MEASURED)
            elif (self.path / MANIFEST_FILE).exists():
                manifest = read_manifest(self.path)
                self._check_same_run(manifest)
                seal = manifest.seal
            make_folder(self.logs)
            self.remarks: list[str] = []
            self.store = stack.enter_context(self._store(seal))
            self.remarks += self.store.remarks
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def logs(self) -> Path:
        """Folder of the methods' own output."""
        return self.path / _LOGS

    def _store(self, seal: str | None) -> Store:
        """Open the store, and mend a damaged one.

        Args:
            seal: the store's seal in the manifest; None for none.
        """
        path = self.path / STORE
        try:
            store = Store(path)
            if seal in (None, store.seal):
                return store
            fate = f"does not match its seal in {MANIFEST_FILE}"
        except DamagedStoreError:
            fate = f"was damaged, and is now in {mend(path)}"
            store = Store(path)
        kept = store.measurements()
        lost = sum(cell not in kept for row in self._plan.rows for cell, _ in self._plan.cells(row))
        self.remarks.append(
            f"{path} {fate}; intact measurements, which are kept: {len(kept)}; cells of this run "
            f"that are measured again: {lost}"
        )
        return store

    def _check_same_run(self, manifest: RunManifest) -> None:
        """Raise UsageError unless the plan can continue the stored run."""
        plan = self._plan
        if manifest.parts:
            self._refuse("holds runs that were merged")
        before = manifest.dataset.name, manifest.dataset.split
        if before != (plan.dataset.name, plan.options.split):
            self._refuse(f"holds a run on {' '.join(before)}")
        if manifest.noise.spec != plan.observation.noise:
            self._refuse(f"holds a run with {manifest.noise.spec} noise")
        if manifest.protocol_digest != plan.protocol:
            self._refuse("was measured under another protocol")

    def _refuse(self, reason: str) -> None:
        """Raise UsageError with the reason and the ways out."""
        raise UsageError(
            f"{self.path} {reason}; choose another --out, or pass --fresh to set it aside"
        )

    def write_manifest(self, state: str, costs: dict[str, float] | None = None) -> None:
        """Write the manifest.

        Args:
            state: ``running``, ``interrupted`` or ``complete``.
            costs: sums of wall time, see `Costs.summary`; None until the run is complete.

        Raises:
            UsageError: it cannot be written.
        """
        manifest = _manifest(self._plan, state, self.busy_percent, costs)
        seal = self.store.seal if state == "complete" else None
        replace(manifest, seal=seal).write(self.path)


def _manifest(
    plan: Plan, state: str, busy_percent: float, costs: dict[str, float] | None
) -> RunManifest:
    """Describe a plan; the libraries behind its methods and metrics are recorded."""
    behind = [(*row.method.card.requires, *row.method.card.uses) for row in plan.rows]
    behind += [metric.requires for metric in plan.metrics]
    modules = {"numpy", "cv2"}.union(*behind)
    observation, identities = plan.observation, Identities(plan)
    return RunManifest(
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        command=plan.options.command,
        options=json.loads(json.dumps(asdict(plan.options), default=str)),
        threads=plan.threads,
        timing=asdict(plan.rules),
        protocol={"digest": plan.protocol} | protocol.description(observation.noise),
        noise=NoiseRecord(observation.noise, observation.words, observation.telling),
        levels=tuple(plan.levels),
        dataset=_dataset(plan),
        rows=tuple(_row(row, identities) for row in plan.rows),
        metrics=tuple(MetricRecord(**metric.description) for metric in plan.metrics),
        environment=EnvironmentRecord(**environment.describe(modules, plan.options.machine)),
        state=state,
        costs=costs,
        busy_percent=busy_percent,
        left_out=plan.left_out,
    )


def _dataset(plan: Plan) -> DatasetRecord:
    """Describe the frames of a plan."""
    data = plan.dataset
    frames = [
        FrameRecord(f.id, f.digest, f.shape, f.noisy_digest, f.has_clean) for f in plan.frames
    ]
    return DatasetRecord(data.name, data.title, data.licence, plan.options.split, tuple(frames))


def _note(card: Card) -> str:
    """Return a card's note; one that competes although it sees the clean frame is remarked on."""
    if card.sees_clean and card.family != "control":
        return f"It sees the clean frame. {card.note}".strip()
    return card.note


def _row(row: PlannedRow, identities: Identities) -> Row:
    """Describe a method on a device."""
    card = row.method.card
    return Row(
        method=row.method.spec,
        name=card.name,
        title=row.method.title,
        device=row.device,
        family=card.family,
        blind=card.blind,
        reference=card.reference,
        licence=card.licence,
        note=_note(card),
        parameters=row.method.parameters,
        asked_by_name=row.asked_by_name,
        problem=card.problem,
        identity=identities.of_method(row.method),
    )
