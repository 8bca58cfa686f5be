"""Description of two compared runs: methods, data, noise, versions, machines, and the limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench.comparing.limits import COSTS
from denoisebench.text import first_of
from denoisebench.words import counted

if TYPE_CHECKING:
    from denoisebench.comparing.limits import ComparisonLimits
    from denoisebench.store.results import Results


def describe_runs(
    base: Results, head: Results, names: tuple[str, str]
) -> tuple[tuple[str, ...], ...]:
    """Describe BASE and HEAD side by side.

    Args:
        base: the run to compare with.
        head: the run that is judged.
        names: the names of both, such as their folders.

    Returns:
        Lines of three texts: the property, and its value in each run.
    """
    before, now = _properties(base), _properties(head)
    return (("run", *names), *((what, before[what], now[what]) for what in now))


def _properties(run: Results) -> dict[str, str]:
    """Return the properties of a run that a reader of its verdicts asks for."""
    manifest, machine = run.manifest, run.manifest.environment
    data = manifest.dataset
    draws = f", {manifest.seeds} draws a frame" if manifest.seeds > 1 else ""
    sigmas = ", ".join(f"{level.sigma:g}" for level in manifest.levels if level.sigma is not None)
    cores = [machine.name or machine.cpu, counted(machine.cores, "core")]
    return {
        "methods": first_of(list(dict.fromkeys(row.method for row in run.rows))),
        "data": f"{data.name}, split {data.split}, {counted(len(data.frames), 'frame')}",
        "noise": manifest.noise.spec + (f", sigma {sigmas}" if sigmas else "") + draws,
        "denoisebench": f"{machine.denoisebench}, protocol {manifest.protocol_digest}",
        "machine": ", ".join([*cores, counted(manifest.threads, "thread")]),
        "measured": manifest.written or "at an unknown time",
    }


def describe_limits(run: Results, limits: ComparisonLimits) -> str:
    """Write a line on the changes that fail the comparison.

    Args:
        run: the run that is judged; its metrics have titles and units.
        limits: the sizes of change that count.
    """
    scores = [
        f"{metric.title} {limits.score(metric):g} {metric.unit}".rstrip()
        for metric in run.metrics
        if metric.name in limits.gated
    ]
    costs = [f"{cost} {100 * limits.share(cost):g} %" for cost in COSTS if cost in limits.gated]
    lacking = "may lack" if limits.allow_missing else "must hold"
    return f"Limits: {', '.join([*scores, *costs])}; HEAD {lacking} methods and cells of BASE."
