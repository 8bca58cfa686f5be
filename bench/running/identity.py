"""Identities of cells: the keys under which stored scores and times may be reused."""

from __future__ import annotations

from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from denoisebench.digests import value_digest, value_text
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from denoisebench.cells import Cell, Level
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
        self._scenes: dict[tuple[Level, ...], list[bytes]] = {}

    def of(self, row: PlannedRow, cell: Cell, frame: Frame) -> tuple[str, str]:
        """Return the quality key and the timing key of a cell, 16 hex digits each."""
        [keys] = self._keys(row, _draws(frame, cell.level, [cell.seed]))
        return keys

    def of_row(self, row: PlannedRow) -> Iterator[tuple[str, str]]:
        """Yield the keys of a row's cells, as `of`, in the order of `Plan.cells`."""
        levels = tuple(self._plan.levels_of(row))
        if levels not in self._scenes:
            self._scenes[levels] = [
                scene
                for frame in self._plan.frames
                for level in levels
                for scene in _draws(frame, level, range(self._plan.options.seeds))
            ]
        return self._keys(row, self._scenes[levels])

    def _keys(self, row: PlannedRow, scenes: Iterable[bytes]) -> Iterator[tuple[str, str]]:
        """Yield the keys of some cells of a row: digests as `value_digest` takes them.

        All cells of a row begin their quality key alike, and end their timing key alike.
        """
        plan = self._plan
        start = value_text(
            self._method(row.method), row.device, plan.protocol, plan.dataset.name, None
        )
        begun = sha256(start.removesuffix("null]").encode())
        cuda = environment.cuda_description() if row.device == "cuda" else {}
        end = value_text(None, self._machine, cuda, plan.threads, asdict(plan.rules))
        timing = end.removeprefix("[null")
        for scene in scenes:
            whole = begun.copy()
            whole.update(scene)
            quality = whole.digest()[:8].hex()
            yield quality, sha256(f'["{quality}"{timing}'.encode()).digest()[:8].hex()

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


def _draws(frame: Frame, level: Level, seeds: Iterable[int]) -> Iterator[bytes]:
    """Yield the end of the text behind a quality key: a noisy frame, and a forced sigma."""
    told = [] if level.told is None else [{"told": level.told}]
    noisy = [{"noisy": frame.noisy_digest}] if frame.noisy_digest else []
    start = value_text(frame.id, frame.digest, level.sigma).removesuffix("]").encode()
    end = value_text(None, *told, *noisy).removeprefix("[null").encode()
    return (b"%b, %d%b]" % (start, seed, end) for seed in seeds)
