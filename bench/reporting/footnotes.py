"""Sentences under a table that explain its figures and the way they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from denoisebench.store.manifest import BUSY_PERCENT
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection

    from denoisebench.store.manifest import (
        EnvironmentRecord,
        MetricRecord,
        PartRecord,
        RunManifest,
    )
    from denoisebench.store.results import Results

_BEST_IN_WORDS = {
    "higher": "higher is better",
    "lower": "lower is better",
    "zero": "closest to 0 is best",
}


def legend(results: Results, figures: Collection[str], *, lacking: bool) -> list[str]:
    """Explain a table: the data, the units, the bold type, further metrics, methods left out.

    Args:
        results: the stored run.
        figures: the columns of `table1` that the table shows.
        lacking: True if a row has only some of the frames, and hence no means.
    """
    units = " ".join(_units(results, figures))
    common = [ON_COMMON_FRAMES] if lacking else []
    metrics = map(metric_line, results.further_metrics)
    return [data_line(results), *common, units, *metrics, *results.manifest.left_out]


ON_COMMON_FRAMES = (
    "A method that lacks frames has no means, since means over other frames cannot be compared: "
    "`bench report RUN --common` takes the means over the frames that all methods have."
)


BOLD = (
    "Bold: the best, and scores that are not significantly worse (paired bootstrap over frames, "
    "95 %)."
)


def data_line(results: Results) -> str:
    """Name the data and the noise."""
    manifest = results.manifest
    data, seeds = manifest.dataset, manifest.seeds
    draws = "one noise draw each" if seeds == 1 else f"{seeds} noise draws each"
    words = [
        f"Data: {data.title}, split `{data.split}`, {counted(len(data.frames), 'frame')}"
        + ("" if manifest.is_recorded else f", {draws}"),
        manifest.noise.words,
    ]
    return "; ".join([*words, *_told(results)]) + f". {_means(results)}.{_timed(results)}"


def _means(results: Results) -> str:
    """Name the frames over which means are taken."""
    if results.common is None:
        return "Means over frames"
    total = len(results.frames())
    counts = [
        f"{len(results.frames(level))} of {total}" + (f" at {level}" if level.sigma else "")
        for level in results.levels
    ]
    return f"Means over the frames that all methods have ({', '.join(counts)})"


def _timed(results: Results) -> str:
    """Say on which frames methods were timed, where others were scored alone; '' for all."""
    columns = results.columns
    if set(columns.texts("frame", np.flatnonzero(columns.ok))) <= results.timed_frames:
        return ""
    if not results.timed_frames:
        return " No method was timed."
    others = "measured elsewhere" if results.manifest.parts else "scored side by side"
    return (
        f" Times are those of {counted(len(results.timed_frames), 'frame')}, each method alone on "
        f"the machine; the others were {others}."
    )


def _told(results: Results) -> list[str]:
    """Explain the sigma that methods were told, where it is not the true one."""
    if any(level.told is not None for level in results.levels):
        return ["told is the sigma that was given to methods that need one"]
    telling = results.manifest.noise.telling
    given = results.columns.numbers("sigma_given")
    given = given[~np.isnan(given)]
    return [f"{telling}, {given.min():.1f} to {given.max():.1f}"] if telling and len(given) else []


def _units(results: Results, figures: Collection[str]) -> list[str]:
    """Explain the units and the columns that are no means of metrics."""
    sentences = [
        "PSNR in dB; MB is peak memory." if "psnr_mean" in figures else "MB is peak memory."
    ]
    if "psnr_paper" in figures:
        sentences.append(
            "The column `paper` is Table 1 of Gong, Liu & Lv 2020, which prints neither its sigma "
            "nor its frames: it is for orientation."
        )
    if "mp_per_s" in figures:
        sentences.append("MP/s: megapixels a second in batches of frames, of the fastest size.")
    if "psnr_gain" in figures:
        sentences.append("Gain is the mean PSNR less that of the noisy frames.")
    if len(results.contestants) > 1:
        sentences.append(BOLD)
    return sentences


def metric_line(metric: MetricRecord) -> str:
    """Explain a further metric's column, or say why there is none."""
    if metric.unavailable:
        return f"{metric.title}: unavailable: {metric.unavailable}."
    unit = f" in {metric.unit}" if metric.unit else ""
    undefined = f", not defined for {metric.undefined}" if metric.undefined else ""
    source = f" ({metric.source})" if metric.source else ""
    return f"{metric.title}{unit}: {_BEST_IN_WORDS[metric.direction]}{undefined}{source}."


def origin(results: Results) -> list[str]:
    """Name the protocol, machine and versions of a run, and the command that repeats it."""
    manifest = results.manifest
    share = manifest.busy_percent
    busy = f" It was {share:.0f} % busy with other work." if share > BUSY_PERCENT else ""
    return [
        f"Protocol {manifest.protocol['version']}, digest `{manifest.protocol_digest}`.",
        f"Machine: {_machine(manifest)}.{busy}{_timed_here(manifest)}",
        f"Versions: {_versions(manifest.environment)}.",
        f"Command: `{manifest.command}`",
        *parts(manifest),
    ]


def _machine(run: RunManifest | PartRecord) -> str:
    """Name the machine of a run, with its number of threads."""
    machine = run.environment
    named = f"{machine.name}: " if machine.name else ""
    cuda = f"; {machine.cuda['name']}, CUDA {machine.cuda['cuda']}" if machine.cuda else ""
    limits = f", limited to {machine.limits}" if machine.limits else ""
    return (
        f"{named}{machine.cpu}, {counted(machine.cores, 'core')}, {machine.memory_gb:g} GB, "
        f"{counted(run.threads, 'thread')}{cuda}{limits}; {machine.system}"
    )


def _versions(machine: EnvironmentRecord) -> str:
    """Name the versions of the software."""
    libraries = [f"{name} {version}" for name, version in machine.libraries.items()]
    own = [f"denoisebench {machine.denoisebench}", f"Python {machine.python}"]
    return ", ".join([*own, *libraries])


def _timed_here(manifest: RunManifest) -> str:
    """Say that all times of a merged run are of one machine; '' for a run that was not merged."""
    if not manifest.parts:
        return ""
    left_out = sum(part.untimed for part in manifest.parts)
    further = f"; those of {counted(left_out, 'cell')} are left out" if left_out else ""
    return f" All times and memory were measured on it alone{further}."


def parts(manifest: RunManifest) -> list[str]:
    """Describe the runs of which a run was merged: their cells, machines, versions, commands."""
    return [
        f"Part {number}: {counted(part.cells, 'cell')}{_left_out(part)}; {_machine(part)}; "
        f"{_versions(part.environment)}; `{part.command}`"
        for number, part in enumerate(manifest.parts, 1)
    ]


def _left_out(part: PartRecord) -> str:
    """Say what a merged run has of another part, or not at all."""
    doubled = f"{part.doubled} of them in an earlier part, too" if part.doubled else ""
    untimed = f"without the times of {part.untimed}" if part.untimed else ""
    return "".join(f", {words}" for words in (doubled, untimed) if words)
