"""Identities of cells: the keys under which stored scores and times may be reused."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from denoisebench.digests import value_digest
from denoisebench.machine import environment

if TYPE_CHECKING:
    from denoisebench.cells import Cell
    from denoisebench.datasets import Frame
    from denoisebench.denoisers.registry import Method
    from denoisebench.running.plan import Plan, PlannedRow


class Identities:
    """The two identities of each cell of a plan.

    The quality key covers everything that decides the scores: scores under the same key may be
    reused. The timing key adds everything that decides the times: times under another key are never
    reused or compared.

    Args:
        plan: the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._quality: dict[str, dict[str, Any]] = {}
        self._machine = environment.machine_id(plan.options.machine)

    def of(self, row: PlannedRow, cell: Cell, frame: Frame) -> tuple[str, str]:
        """Return the quality key and the timing key of a cell, 16 hex digits each."""
        quality = value_digest(
            self._method(row.method),
            row.device,
            self._plan.protocol,
            self._plan.dataset.name,
            [frame.id, frame.digest, cell.sigma, cell.seed, *_further(cell, frame)],
        )
        cuda = environment.cuda_description() if row.device == "cuda" else {}
        timing = value_digest(
            quality, self._machine, cuda, self._plan.threads, asdict(self._plan.rules)
        )
        return quality, timing

    def of_method(self, method: Method) -> str:
        """Return the digest of a method's part of the quality key, 16 hex digits."""
        return value_digest(self._method(method))

    def _method(self, method: Method) -> dict[str, Any]:
        """Return a method's part of the quality key: parameters, code, libraries and weights."""
        if method.spec not in self._quality:
            card = method.card
            identity = {
                "name": card.name,
                "parameters": method.parameters,
                "source": method.source,
                "libraries": environment.versions(("numpy", *card.requires, *card.uses)),
            }
            if method.trained is not None:
                identity["weights"] = method.trained
            self._quality[method.spec] = identity
        return self._quality[method.spec]


def _further(cell: Cell, frame: Frame) -> list[Any]:
    """Return the optional parts of the quality key: a forced sigma, a recorded noisy frame."""
    told = [] if cell.told is None else [{"told": cell.told}]
    return told + ([{"noisy": frame.noisy_digest}] if frame.noisy_digest else [])
