"""Search for the conventions that give a printed figure: one estimate, scored under each."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from denoisebench import protocol, statistics
from denoisebench.errors import UsageError
from denoisebench.machine import memory
from denoisebench.metrics.psnr_ssim import SSIM_WINDOW
from denoisebench.photos.engine import Engine, EngineOptions
from denoisebench.running.evaluation import FrameReader, evaluate
from denoisebench.running.plan import RunOptions, make_plan, option_words
from denoisebench.text import command_line
from denoisebench.verifying.conventions import AXES, Convention, axes_of, conventions_within
from denoisebench.verifying.variants import AlteredNoise, VariantScores
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from denoisebench.running.evaluation import Evaluation, Scene
    from denoisebench.running.plan import Plan

__all__ = [
    "ConventionScore",
    "ConventionSearch",
    "FurtherConventionOptions",
    "PrintedFigure",
    "SearchOptions",
    "find_conventions",
]

_TELL_S = 20.0  # seconds from one line on progress to the next

MOST_CHANGES = 3
"""Largest number of changes that can be asked for: more combine to any figure."""


@dataclass(frozen=True)
class SearchOptions:
    """Options of ``bench conventions``, with their defaults.

    Attributes:
        method: the method with its parameters.
        dataset: expression that names a data set.
        sigma: standard deviation of the noise on the 8-bit scale; None for recorded noise.
        printed: the printed figure as it stands there, such as ``31.20``; None for none.
        metric: ``psnr`` or ``ssim``.
        split: name of the split.
        frames: number of frames, spread evenly; None takes all.
        seeds: number of noise draws.
        changes: largest number of changes from the protocol that are combined; None takes 2 with a
            print, else 1.
        device: ``auto``, ``cpu`` or ``cuda``.
        timeout: time limit in seconds of a frame, and of loading the method.
        memory_limit: memory that the method's process may hold, in GB; None takes 80 % of what is
            free.
        threads: number of threads of every library; None takes the number of cores.
        plugins: Python files with further methods.
        torch: networks of the user's, see `torch_model.read_model`; the method is one of them.
        checkpoints: files of these networks' weights, in the same order; empty for none.
        weights: files of the user's, each ``METHOD=FILE``.
    """

    method: str
    dataset: str
    sigma: float | None = None
    printed: str | None = None
    metric: str = "psnr"
    split: str = "test"
    frames: int | None = None
    seeds: int = 2
    changes: int | None = None
    device: str = "auto"
    timeout: float = 600.0
    memory_limit: float | None = None
    threads: int | None = None
    plugins: tuple[Path, ...] = ()
    torch: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    weights: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that repeats the search.

        Examples:
            >>> SearchOptions("dct", "standard:set12", 25.0, "29.10").command
            'bench conventions dct --dataset standard:set12 --sigma 25 --printed 29.10'
        """
        words = option_words(self, never=("method",))
        return command_line(["bench", "conventions", self.method, *words])


class FurtherConventionOptions(TypedDict, total=False):
    """Further options of `denoisebench.conventions`; see `SearchOptions`."""

    metric: str
    split: str
    frames: int | None
    seeds: int
    changes: int | None
    device: str
    timeout: float
    memory_limit: float | None
    threads: int | None
    plugins: str | Path | Sequence[str | Path]
    torch: str | Sequence[str]
    checkpoints: str | Path | Sequence[str | Path]
    weights: str | Sequence[str]


@dataclass(frozen=True)
class PrintedFigure:
    """Figure of a paper.

    Attributes:
        text: as it is printed.
        value: its value.
        half_digit: half of its last digit: rounding has hidden up to so much.
    """

    text: str
    value: float
    half_digit: float

    @classmethod
    def read(cls, text: str) -> PrintedFigure:
        """Read a figure.

        Raises:
            UsageError: it is no decimal number.

        Examples:
            >>> PrintedFigure.read("31.20").half_digit
            0.005
        """
        if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,8})?", text.strip()):
            raise UsageError(
                f"--printed {text}: give the figure as it is printed, with all its digits, such as "
                "31.20 or 0.8721"
            )
        digits = len(text.strip().partition(".")[2])
        return cls(text.strip(), float(text), 0.5 * 10.0**-digits)


@dataclass(frozen=True)
class ConventionScore:
    """Figure that a convention gives.

    Attributes:
        convention: the convention.
        value: the figure: mean over frames and draws.
        effect: the figure less that of the protocol.
        scatter: standard deviation of the figure over single noise draws; nan if it is not known.
        distance: the figure less the printed one; nan without a print.
        tolerance: largest distance of a figure that fits: half of the print's last digit, and the
            scatter of the print's own draw and of ours, 95 %.
    """

    convention: Convention
    value: float
    effect: float
    scatter: float
    distance: float = math.nan
    tolerance: float = math.nan

    @property
    def fits(self) -> bool:
        """True if the figure is the printed one, as far as digits and draws tell."""
        return abs(self.distance) <= self.tolerance + 1e-12

    @property
    def record(self) -> dict[str, Any]:
        """Its row in tables, by column."""
        return {
            "convention": str(self.convention),
            "changes": len(self.convention.changes),
            "value": self.value,
            "effect": self.effect,
            "scatter": self.scatter,
            "distance": self.distance,
            "tolerance": self.tolerance,
            "fits": self.fits,
        }


@dataclass(frozen=True)
class ConventionSearch:
    """Figures of a method under conventions.

    Attributes:
        options: what was asked for.
        title: the method's name in tables.
        dataset: the data set's title.
        frames: number of frames.
        draws: number of noise draws.
        printed: the printed figure; None for none.
        scores: the figure of each convention: the protocol's, then those with fewer changes first,
            and of these those that are nearer to the print.
    """

    options: SearchOptions
    title: str
    dataset: str
    frames: int
    draws: int
    printed: PrintedFigure | None
    scores: tuple[ConventionScore, ...]

    @property
    def fitting(self) -> list[ConventionScore]:
        """The conventions that give the printed figure."""
        return [score for score in self.scores if score.fits]

    def table(self) -> pd.DataFrame:
        """Tabulate the conventions: columns as the attributes of `ConventionScore`."""
        import pandas as pd

        return pd.DataFrame([score.record for score in self.scores])

    @property
    def nearest(self) -> list[ConventionScore]:
        """All conventions, the nearest to the print first."""
        return sorted(self.scores, key=lambda score: abs(score.distance))


def find_conventions(options: SearchOptions, say: Callable[[str], None]) -> ConventionSearch:
    """Run a method once on each distinct noisy frame, and score its estimates by each convention.

    Args:
        options: what is asked for.
        say: function that gets lines for the user.

    Raises:
        UsageError: something that the options name does not exist or cannot be used, or the method
            fails.
    """
    printed = None if options.printed is None else PrintedFigure.read(options.printed)
    _check(options)
    plan = _plan(options)
    has_colour = all(frame.shape[2] == 3 for frame in plan.frames)
    axes = axes_of(
        options.metric,
        has_colour=has_colour,
        is_drawn=plan.observation.noise != protocol.RECORDED,
    )
    changes = options.changes or (1 if printed is None else 2)
    wanted = list(conventions_within(axes, changes))
    say(f"Frames: {plan.dataset.title}, {counted(len(plan.frames), 'frame')}")
    figures = _measured(plan, options, wanted, say)
    [row] = plan.rows
    return ConventionSearch(
        options,
        row.method.title,
        plan.dataset.title,
        len(plan.frames),
        plan.options.seeds,
        printed,
        tuple(_scored(wanted, figures, printed)),
    )


def _check(options: SearchOptions) -> None:
    """Check the options that a run does not have.

    Raises:
        UsageError: one is out of its range.
    """
    if options.metric not in ("psnr", "ssim"):
        raise UsageError(f"--metric {options.metric}: give psnr or ssim")
    if options.changes is not None and not 1 <= options.changes <= MOST_CHANGES:
        raise UsageError(f"--changes {options.changes}: give 1 to {MOST_CHANGES}")


def _plan(options: SearchOptions) -> Plan:
    """Plan the cells of the method, as a run does.

    Raises:
        UsageError: a name, number or file cannot be used, or nobody knows the clean frames.
    """
    plan, _ = make_plan(
        RunOptions(
            methods=(options.method,),
            dataset=options.dataset,
            split=options.split,
            sigmas=None if options.sigma is None else (options.sigma,),
            seeds=options.seeds,
            frames=options.frames,
            device=options.device,
            timeout=options.timeout,
            memory_limit=options.memory_limit,
            threads=options.threads,
            plugins=options.plugins,
            torch=options.torch,
            checkpoints=options.checkpoints,
            weights=options.weights,
        )
    )
    rows = [row for row in plan.rows if row.asked_by_name]
    if len({row.method.spec for row in rows}) != 1:
        raise UsageError(f"{options.method}: name one method, with its parameters in brackets")
    chosen = replace(plan, rows=rows[-1:])
    _check_plan(chosen, options)
    return chosen


def _check_plan(plan: Plan, options: SearchOptions) -> None:
    """Check that the method and the frames give the figure that is asked for.

    Raises:
        UsageError: they do not.
    """
    card = plan.rows[0].method.card
    if card.sees_clean:
        raise UsageError(f"{options.method} sees the clean frame; name a method that denoises")
    if problem := card.unavailable:
        raise UsageError(f"{card.name} cannot run here: {problem}")
    if not plan.metrics:
        raise UsageError(f"{plan.dataset.name} has no clean frames to score against")
    if len(plan.levels) > 1:
        raise UsageError("give the sigma of the printed figure with --sigma, on the 8-bit scale")
    for frame in plan.frames:
        height, width, _ = frame.shape
        if options.metric == "ssim" and min(height, width) < SSIM_WINDOW:
            raise UsageError(f"ssim is not defined for {frame.id}: {height} × {width} pixels")


_Figures = dict[Convention, np.ndarray]
"""Score and pooled error of each convention, (frames, draws, 2)."""


def _measured(
    plan: Plan, options: SearchOptions, wanted: Sequence[Convention], say: Callable[[str], None]
) -> _Figures:
    """Score the method's estimates under the conventions, one noisy input after the other."""
    by_input: dict[tuple[str, str], list[Convention]] = defaultdict(list)
    for convention in wanted:
        by_input[convention.input].append(convention)
    figures: _Figures = {}
    read = FrameReader()
    with TemporaryDirectory() as folder:
        engine = Engine(_engine_options(plan, Path(folder)))
        try:
            for number, (chosen, conventions) in enumerate(by_input.items(), 1):
                begin = time.monotonic()
                altered = AlteredNoise(plan.observation, chosen[0] == "shared", chosen[1])
                denoise = partial(_denoise, engine, plan)
                found = evaluate(plan.cells(plan.rows[0]), altered, denoise, read)
                told = _with_progress(found, plan.size, say)
                figures |= _collect(plan, told, conventions, options.metric)
                spent = time.monotonic() - begin
                done = f"{counted(plan.size, 'estimate')} scored in {spent:.0f} s"
                say(f"[{number}/{len(by_input)}] {_in_words(chosen)}: {done}")
        finally:
            engine.close()
    return figures


def _with_progress(
    found: Iterable[Evaluation], total: int, say: Callable[[str], None]
) -> Iterator[Evaluation]:
    """Yield evaluations, and say now and then how many are done."""
    told = time.monotonic()
    for number, evaluation in enumerate(found, 1):
        yield evaluation
        if number < total and time.monotonic() - told > _TELL_S:
            told = time.monotonic()
            say(f"{number} of {total} estimates")


def _in_words(chosen: tuple[str, str]) -> str:
    """Name a kind of noisy frame."""
    noise, noisy = chosen
    shared = f"; {AXES['noise'][noise]}" if noise != "independent" else ""
    return f"{AXES['noisy'][noisy]}{shared}"


def _engine_options(plan: Plan, folder: Path) -> EngineOptions:
    """Return the limits of the method's process."""
    options = plan.options
    return EngineOptions(
        devices=(plan.rows[0].device,),
        threads=plan.threads,
        timeout=options.timeout,
        memory=memory.memory_for_methods(options.memory_limit),
        plugins=options.plugins,
        weights=options.weights,
        log=folder / "method.log",
    )


def _denoise(engine: Engine, plan: Plan, scene: Scene) -> np.ndarray:
    """Have the method denoise a noisy frame; see `evaluate`."""
    return engine.denoise(plan.rows[0].method, scene.noisy, scene.sigma)


def _collect(
    plan: Plan, found: Iterable[Evaluation], conventions: Sequence[Convention], metric: str
) -> _Figures:
    """Score estimates of one noisy input.

    Raises:
        UsageError: the method failed on a frame.
    """
    pairs: dict[Convention, list[tuple[float, float]]] = defaultdict(list)
    for evaluation in found:
        if evaluation.failure is not None or evaluation.output is None:
            where = f"{plan.rows[0].method.title} failed on {evaluation.scene.frame.id}"
            raise UsageError(f"{where}: {evaluation.failure}")
        scores = VariantScores(evaluation.scene.clean, evaluation.output)
        for convention in conventions:
            if convention.mean == "frames":
                pairs[convention].append(
                    scores.psnr(convention)
                    if metric == "psnr"
                    else (scores.ssim(convention), math.nan)
                )
    shape = len(plan.frames), plan.options.seeds, 2
    return {convention: np.array(values).reshape(shape) for convention, values in pairs.items()}


def _scored(
    wanted: Sequence[Convention], figures: _Figures, printed: PrintedFigure | None
) -> Iterator[ConventionScore]:
    """Yield the figure of each convention that is defined for all frames, in order."""
    usual = _figure(Convention(), figures)[0]
    found = []
    for convention in wanted:
        value, scatter = _figure(convention, figures)
        if not math.isnan(value):
            score = ConventionScore(convention, value, value - usual, scatter)
            found.append(score if printed is None else _compared(score, printed, figures))
    yield from sorted(found, key=lambda s: (len(s.convention.changes), abs(s.distance)))


def _figure(convention: Convention, figures: _Figures) -> tuple[float, float]:
    """Return a convention's figure, and its standard deviation over single draws.

    Draws on different frames are independent, so that the variances of the frames, each over its
    draws, add up: few draws tell the scatter of a mean over many frames.
    """
    known = figures[replace(convention, mean="frames")]
    frames, draws, _ = known.shape
    if convention.mean == "frames":
        scores = known[..., 0]
        value, slope = float(scores.mean()), 1.0
    else:
        scores = known[..., 1]
        error = float(scores.mean())
        value = -10 * math.log10(error) if error > 0 else math.inf
        slope = 10 / math.log(10) / error if error > 0 else 0.0
    if draws == 1:
        return value, math.nan
    with np.errstate(invalid="ignore"):  # infinite scores
        variance = float(scores.var(axis=1, ddof=1).sum())
    return value, slope * math.sqrt(variance) / frames


def _compared(
    score: ConventionScore, printed: PrintedFigure, figures: Mapping[Convention, np.ndarray]
) -> ConventionScore:
    """Compare a figure with the print, whose authors had one draw of their own."""
    frames, draws, _ = next(iter(figures.values())).shape
    allowed = 0.0
    if draws > 1:
        from scipy import stats

        quantile = float(stats.t.ppf((1 + statistics.LEVEL) / 2, frames * (draws - 1)))
        allowed = quantile * score.scatter * math.sqrt(1 + 1 / draws)
    distance = score.value - printed.value
    return replace(score, distance=distance, tolerance=printed.half_digit + allowed)
