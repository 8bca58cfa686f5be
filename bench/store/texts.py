"""Texts of a stored run that plugins and errors wrote, made fit to be shown wherever it is read."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from denoisebench.text import one_line, plain

if TYPE_CHECKING:
    from denoisebench.cells import Measurement
    from denoisebench.store.manifest import RunManifest

_IDENTITIES = frozenset(["method", "name", "id"])
"""Names by which parts of a run find each other; they stay as they are."""
_TITLE = 200  # letters
_T = TypeVar("_T")


def shown_manifest(manifest: RunManifest) -> RunManifest:
    """Return a manifest with all titles, notes, licences and other remarks on one line, bounded."""
    return replace(
        manifest,
        dataset=_shown(manifest.dataset),
        rows=tuple(map(_shown, manifest.rows)),
        metrics=tuple(map(_shown, manifest.metrics)),
        noise=_shown(manifest.noise),
        environment=_shown(manifest.environment),
        left_out=tuple(map(one_line, manifest.left_out)),
    )


def shown_reasons(m: Measurement) -> Measurement:
    """Return a measurement with its reason, and those of missing scores, fit to be shown."""
    if not m.reason and not any(score.reason for score in m.scores.values()):
        return m
    scores = {name: _shown(score) for name, score in m.scores.items()}
    return replace(m, reason=plain(m.reason), scores=scores)


def _shown(record: _T) -> _T:
    """Return a record with its texts fit to be shown."""
    known: dict[str, Any] = {f.name: getattr(record, f.name) for f in fields(record)}  # type: ignore[arg-type]
    texts = {
        name: plain(value, _TITLE) if name == "title" else plain(value)
        for name, value in known.items()
        if isinstance(value, str) and name not in _IDENTITIES
    }
    return replace(record, **texts)  # type: ignore[type-var]
