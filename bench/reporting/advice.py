"""Advice from a run: the methods for best quality, for quality per second, and under free licences.

Quality is compared frame by frame, by the rule of the bold type in Table 1. Times are compared on
the run's one machine. Controls, and methods that lack frames, are not advised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median, stdev
from typing import TYPE_CHECKING

import numpy as np

from denoisebench import statistics
from denoisebench.reporting.figures.frontier import pareto
from denoisebench.reporting.formatting import DEVICE_NAMES
from denoisebench.reporting.licences import is_free
from denoisebench.reporting.table import head
from denoisebench.store.scores import frame_scores, unranked_methods
from denoisebench.text import command_line
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from denoisebench.cells import Level
    from denoisebench.store.manifest import Row
    from denoisebench.store.results import Results

__all__ = ["Advice", "Estimated", "LevelAdvice", "Standing", "advise_on"]


@dataclass(frozen=True)
class Estimated:
    """Figure with its 95 % interval.

    Attributes:
        value: the figure.
        low: lower end of the interval; None for a single frame, which does not show how frames
            differ.
        high: upper end of the interval.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Standing:
    """Method at a noise level.

    Attributes:
        method: the method's spec.
        psnr: mean PSNR in dB.
        loss: mean PSNR that it loses to the best method of the level, in dB, frame by frame.
        device: the device on which it is fastest; empty if it was not timed.
        ms_per_megapixel: median time there; None if it was not timed.
        speedup: times as fast as that best method; None for that one itself, and if one of them was
            not timed.
    """

    method: str
    psnr: float
    loss: Estimated
    device: str = ""
    ms_per_megapixel: float | None = None
    speedup: Estimated | None = None


@dataclass(frozen=True)
class LevelAdvice:
    """Advice at a noise level; its lists are empty where no method has all frames.

    Attributes:
        label: the level's name in reports.
        compared: number of methods that have all frames.
        best: the method of the best mean PSNR, then those that are not significantly worse.
        free: the same among the methods under free licences; losses are to ``best[0]``.
        front: the methods that no other surpasses in both PSNR and time, the fastest first.
        value: the method of the front for quality per second; None without times. It lies furthest
            above the line from the fastest to the best, in dB against the logarithm of time.
    """

    label: str
    compared: int = 0
    best: tuple[Standing, ...] = ()
    free: tuple[Standing, ...] = ()
    front: tuple[Standing, ...] = ()
    value: Standing | None = None


@dataclass(frozen=True)
class Advice:
    """Advice from a run.

    Attributes:
        rows: the row of each method, by its spec.
        levels: the advice at each noise level.
        frames: number of frames.
        dataset: name of the data set.
        machine: the machine of all times, in words.
        spread: by what share the machine's speed differed from process to process, as the
            reference work tells; it is part of the intervals of times. None if it is not known.
        lacking: the methods that are not advised, each with its reason.
        scored: False if nobody knows the clean frames.
        state: ``complete``, or the state of a run that is not.
        command: the command that tells of the noise of cameras; empty if this run does.
    """

    rows: Mapping[str, Row]
    levels: tuple[LevelAdvice, ...]
    frames: int
    dataset: str
    machine: str
    spread: float | None
    lacking: tuple[str, ...]
    scored: bool
    state: str
    command: str


def advise_on(results: Results) -> Advice:
    """Give advice from a stored run.

    Args:
        results: the run; nothing is measured.
    """
    manifest, machine = results.manifest, results.manifest.environment
    rows = {row.method: row for row in reversed(results.rows)}
    drift = _drift(results)
    levels = tuple(_at(results, level, rows, drift) for level in results.levels)
    return Advice(
        rows=rows,
        levels=levels,
        frames=len(results.frames()),
        dataset=manifest.dataset.name,
        machine=f"{machine.name or machine.cpu}, {counted(machine.cores, 'core')}, "
        f"{counted(manifest.threads, 'thread')}",
        spread=None if drift is None else math.expm1(drift.deviation),
        lacking=tuple(_lacking(results)),
        scored=bool(results.metrics),
        state=manifest.state,
        command="" if manifest.is_recorded else _on_real_noise(levels),
    )


def _at(
    results: Results, level: Level, rows: Mapping[str, Row], drift: _Drift | None
) -> LevelAdvice:
    """Give advice at a noise level."""
    label = head(level, results) or "recorded noise"
    scores = _ranked(results, level)
    if not scores:
        return LevelAdvice(label)
    order = sorted(scores, key=lambda method: -scores[method].mean())
    behind = statistics.behind_best([scores[method] for method in order])
    timed = {method: _fastest(results, method, level) for method in order}
    standings = {
        method: _standing(method, scores[method], interval, timed[method], timed[order[0]], drift)
        for method, interval in zip(order, behind, strict=True)
    }
    front = _front([one for one in standings.values() if one.ms_per_megapixel])
    free = [method for method in order if is_free(rows[method].licence)]
    return LevelAdvice(
        label,
        len(order),
        tuple(standings[method] for method in _leaders(order, scores)),
        tuple(standings[method] for method in _leaders(free, scores)),
        front,
        _best_value(front),
    )


def _ranked(results: Results, level: Level) -> dict[str, np.ndarray]:
    """Return the PSNR by frame, in dB, of the methods whose means rank them; see `frame_scores`."""
    metric = next((metric for metric in results.metrics if metric.name == "psnr"), None)
    if metric is None:
        return {}
    unranked = unranked_methods(results, level, metric)
    found = frame_scores(results, level, metric)
    return {method: scores for method, scores in found.items() if method not in unranked}


def _leaders(order: Sequence[str], scores: Mapping[str, np.ndarray]) -> list[str]:
    """Return the first method, and those that are not significantly worse; one frame shows none.

    Args:
        order: the methods, the best first.
        scores: PSNR by frame of each.
    """
    if not order or len(scores[order[0]]) == 1:
        return list(order[:1])
    good = statistics.not_worse([scores[method] for method in order])
    return [method for method, is_good in zip(order, good, strict=True) if is_good]


@dataclass(frozen=True)
class _Timed:
    """Times of a method on a device at a noise level.

    Attributes:
        device: the device.
        ms_per_megapixel: the median, as Table 1 has it.
        logs: mean logarithm of the time for a pixel, by frame, (frames,); nan if it was not timed.
    """

    device: str
    ms_per_megapixel: float
    logs: np.ndarray


def _fastest(results: Results, method: str, level: Level) -> _Timed | None:
    """Return the times of a method on its fastest device; None if it was timed on none."""
    rows = [row for row in results.rows if row.method == method]
    found = [timed for row in rows if (timed := _timed(results, row, level)) is not None]
    return min(found, key=lambda timed: timed.ms_per_megapixel, default=None)


def _timed(results: Results, row: Row, level: Level) -> _Timed | None:
    """Return the times of a row; None if it lacks frames or was not timed."""
    if not results.is_complete(row, level):
        return None
    places = results.places(row, level)
    columns = results.columns
    by_size = columns.times("call_ns").ns[places] / columns.numbers("pixels")[places]
    known = ~np.isnan(by_size)
    if not known.any():
        return None
    logs = np.full(len(places), np.nan)
    logs[known] = np.log(by_size[known])
    by_frame = logs.reshape(-1, results.manifest.seeds).mean(axis=1)
    return _Timed(row.device, float(np.median(by_size[known])), by_frame)


@dataclass(frozen=True)
class _Drift:
    """Scatter of the machine's speed between the processes of a run.

    Attributes:
        deviation: standard deviation of the logarithm of the reference work's time.
        half_width: half the 95 % interval of the logarithm of two processes' ratio.
    """

    deviation: float
    half_width: float


def _drift(results: Results) -> _Drift | None:
    """Measure the scatter of the machine's speed; None if fewer than three processes tell it.

    Calls that are repeated in one process do not show it, and each method has a process of its own.
    """
    from scipy import stats

    columns = results.columns
    sessions = columns.numbers("session")[columns.times("call_ns").rounds > 0]
    timed = set(sessions[~np.isnan(sessions)].astype(int).tolist())
    logs = [math.log(median(ns)) for of, ns in results.reference_ns.items() if ns and of in timed]
    if len(logs) < _FEWEST_PROCESSES:
        return None
    deviation = stdev(logs)
    quantile = float(stats.t.ppf((1 + statistics.LEVEL) / 2, len(logs) - 1))
    return _Drift(deviation, quantile * math.sqrt(2) * deviation)


_FEWEST_PROCESSES = 3


def _standing(
    method: str,
    scores: np.ndarray,
    behind: statistics.Interval,
    timed: _Timed | None,
    best: _Timed | None,
    drift: _Drift | None,
) -> Standing:
    """Describe a method at a noise level.

    Args:
        method: the method's spec.
        scores: its PSNR by frame.
        behind: its differences from the best method.
        timed: its times.
        best: the times of the best method.
        drift: the scatter of the machine's speed.
    """
    loss = Estimated(0.0 - behind.mean, 0.0 - behind.high, 0.0 - behind.low)
    if len(scores) == 1:
        loss = Estimated(loss.value)
    psnr = float(np.mean(scores))
    if timed is None:
        return Standing(method, psnr, loss)
    speedup = None if best is None or best is timed else _ratio(best.logs - timed.logs, drift)
    return Standing(method, psnr, loss, timed.device, timed.ms_per_megapixel, speedup)


def _ratio(logs: np.ndarray, drift: _Drift | None) -> Estimated | None:
    """Return the mean ratio of times, with its interval over frames and processes.

    Args:
        logs: logarithms of the ratio, by frame; nan where one of the two was not timed.
        drift: the scatter of the machine's speed; None leaves it out.
    """
    known = logs[~np.isnan(logs)]
    if not len(known):
        return None
    found = statistics.mean_interval(known)
    if len(known) == 1:
        return Estimated(math.exp(found.mean))
    between = 0.0 if drift is None else drift.half_width
    low = found.mean - math.hypot(found.mean - found.low, between)
    high = found.mean + math.hypot(found.high - found.mean, between)
    return Estimated(*map(math.exp, (found.mean, low, high)))


def _front(timed: Sequence[Standing]) -> tuple[Standing, ...]:
    """Return the methods that no other surpasses in both PSNR and time, the fastest first."""
    points = [(one.ms_per_megapixel or 0.0, one.psnr) for one in timed]
    return tuple(timed[number] for number in pareto(points))


def _best_value(front: Sequence[Standing]) -> Standing | None:
    """Return the method furthest above the line from the front's one end to the other.

    The line gives each tenfold of time the same gain. Where nothing lies above it, that is the
    fastest method.
    """
    if not front:
        return None
    logs = [math.log(one.ms_per_megapixel or 1.0) for one in front]
    first, last = front[0], front[-1]
    if not math.isfinite(last.psnr) or len(front) == 1:
        return last
    slope = (last.psnr - first.psnr) / (logs[-1] - logs[0])
    above = [one.psnr - slope * log for one, log in zip(front, logs, strict=True)]
    return front[above.index(max(above))]


def _lacking(results: Results) -> Iterator[str]:
    """Yield the methods that lack frames or a mean, each with its reason."""
    infinite = {
        method
        for level in results.levels
        for metric in results.metrics
        if metric.name == "psnr"
        for method in unranked_methods(results, level, metric)
    }
    for row in results.rows:
        lacks = [level for level in results.levels if not results.is_complete(row, level)]
        if lacks and not row.is_control:
            have = max(len(results.complete_frames(row, level)) for level in lacks)
            where = "" if len(lacks) == len(results.levels) else f" at {lacks[0]}"
            places = results.places(row)
            failed = results.columns.texts("status", places[~results.columns.ok[places]])
            why = f" ({', '.join(dict.fromkeys(failed))})" if len(failed) else ""
            total = counted(len(results.frames()), "frame")
            yield f"{row.title} on {DEVICE_NAMES[row.device]} has {have} of {total}{where}{why}"
        elif row.method in infinite and not row.is_control:
            yield f"{row.title} has an infinite PSNR on some frames"


def _on_real_noise(levels: Sequence[LevelAdvice]) -> str:
    """Return the command that compares the advised methods on photographs of real noise."""
    advised = [one.method for at in levels for one in (*at.best, *at.free, at.value) if one]
    methods = ",".join(dict.fromkeys(advised)) or "all"
    return command_line(["bench", "run", "--methods", methods, "--dataset", "real:cc15"])
