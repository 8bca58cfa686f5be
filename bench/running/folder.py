"""A run's folder: the store, the manifest beside it, and the lock that keeps a second run out."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from denoisebench import protocol
from denoisebench.errors import UsageError
from denoisebench.files import held, make_folder, set_aside, write_text
from denoisebench.machine import environment
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.store import crops as pictures
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.running.plan import Plan

STORE = "run.sqlite"
MANIFEST = "manifest.json"
LOGS = "logs"
MANIFEST_VERSION = 1
_MEASURED = (STORE, f"{STORE}-wal", f"{STORE}-shm", MANIFEST, LOGS, pictures.FOLDER)
_PARTS = {"options", "threads", "protocol", "dataset", "rows", "environment", "busy_percent"}
BUSY_PERCENT = 15
"""Other work above this share of the processor is told, and stands under the table."""


class RunFolder:
    """Opened for one run at a time, as a context.

    Attributes:
        path: the folder.
        busy_percent: how busy the machine was with other work before the run began.
        store: the measurements; there while it is open.

    Raises:
        UsageError: another run is at work there, it holds a run that this plan cannot go on from,
            or it cannot be used.
    """

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self._plan = plan
        self.busy_percent = environment.busy_percent()
        make_folder(path)

    def __enter__(self) -> RunFolder:
        with ExitStack() as stack:
            stack.enter_context(held(self.path, "run"))
            if self._plan.options.fresh:
                set_aside(self.path, _MEASURED)
            elif (self.path / MANIFEST).exists():
                self._check_same_run(read_manifest(self.path))
            make_folder(self.logs)
            self.store = stack.enter_context(Store(self.path / STORE))
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def logs(self) -> Path:
        """Where the methods' own output goes."""
        return self.path / LOGS

    def _check_same_run(self, manifest: dict[str, Any]) -> None:
        plan = self._plan
        before = manifest["dataset"]["name"], manifest["dataset"]["split"]
        if before != (plan.dataset.name, plan.options.split):
            raise UsageError(
                f"{self.path} holds a run on {' '.join(before)}; choose another --out, "
                "or pass --fresh to set it aside"
            )
        noise = manifest.get("noise", {"spec": WHITE_GAUSSIAN.name})["spec"]
        if noise != plan.observation.noise:
            raise UsageError(
                f"{self.path} holds a run with {noise} noise; choose another --out, "
                "or pass --fresh to set it aside"
            )
        if manifest["protocol"]["digest"] != plan.protocol:
            raise UsageError(
                f"{self.path} was measured under another protocol; choose another --out, "
                "or pass --fresh to set it aside"
            )

    def write_manifest(self, state: str, costs: dict[str, float] | None = None) -> None:
        """Record what is run, on what, and how far it came: running, interrupted or complete."""
        manifest = _manifest(self._plan)
        manifest |= {"state": state, "costs": costs, "busy_percent": self.busy_percent}
        write_text(self.path / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run's folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise UsageError(f"{folder} holds no run ({MANIFEST} is missing); give the folder of a run")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest["manifest"] != MANIFEST_VERSION:
            raise UsageError(f"{path} was written by another version of bench; pass --fresh")
        if missing := _PARTS - manifest.keys():
            raise ValueError(f"{', '.join(sorted(missing))} missing")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "pass --fresh to bench run to set the run aside and start anew"
        ) from error
    return manifest


def _manifest(plan: Plan) -> dict[str, Any]:
    behind = [row.method.card.requires for row in plan.rows]
    behind += [metric.requires for metric in plan.metrics]
    modules = {"numpy", "cv2"}.union(*behind)
    return {
        "manifest": MANIFEST_VERSION,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": plan.options.command,
        "options": json.loads(json.dumps(asdict(plan.options), default=str)),
        "threads": plan.threads,
        "timing": asdict(plan.rules),
        "protocol": {"digest": plan.protocol} | protocol.description(plan.observation.noise),
        "noise": {
            "spec": plan.observation.noise,
            "words": plan.observation.words,
            "telling": plan.observation.telling,
        },
        "levels": [asdict(level) for level in plan.levels],
        "dataset": {
            "name": plan.dataset.name,
            "title": plan.dataset.title,
            "licence": plan.dataset.licence,
            "split": plan.options.split,
            "frames": [
                {
                    "id": f.id,
                    "digest": f.digest,
                    "shape": f.shape,
                    "noisy_digest": f.noisy_digest,
                    "has_clean": f.has_clean,
                }
                for f in plan.frames
            ],
        },
        "rows": [
            {
                "method": row.method.spec,
                "name": row.method.card.name,
                "title": row.method.title,
                "device": row.device,
                "family": row.method.card.family,
                "blind": row.method.card.blind,
                "reference": row.method.card.reference,
                "licence": row.method.card.licence,
                "note": row.method.card.note,
                "parameters": row.method.parameters,
                "asked_by_name": row.asked_by_name,
                "problem": row.method.card.problem,
            }
            for row in plan.rows
        ],
        "metrics": [metric.description for metric in plan.metrics],
        "environment": environment.describe(modules),
    }
