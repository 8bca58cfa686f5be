"""Plan of a run: its options, resolved to methods, frames, noise levels and cells."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from denoisebench import plugins, protocol
from denoisebench.cells import LARGEST_SIGMA, MOST_SEEDS, NOISY_CONTROL, Cell, Level, told_to
from denoisebench.datasets import catalogue
from denoisebench.datasets.base import spread
from denoisebench.denoisers import registry, torch_model
from denoisebench.denoisers.registry import Method
from denoisebench.errors import UsageError
from denoisebench.machine import environment, threads
from denoisebench.machine.timing import TimingRules
from denoisebench.metrics.registry import PROTOCOL, Metric, select_metrics
from denoisebench.protocol import noise
from denoisebench.protocol import observation as observations
from denoisebench.running.budget import LOAD_S, affordable, seconds_a_cell
from denoisebench.text import command_line, plain
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from _typeshed import DataclassInstance

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.protocol.observation import Observation

_log = logging.getLogger("denoisebench")

_FLAGS = {"sigmas": "--sigma", "plugins": "--plugin", "checkpoints": "--checkpoint"}
"""Flags that are not called as their options."""

DEFAULT_SIGMAS = (15.0, 25.0, 50.0)
"""Sigmas of a run that names none, on the 8-bit scale."""

DEFAULT_TIMED = 3
"""Number of frames on which methods are timed where frames are scored side by side."""

_SCHEDULER = re.compile(r"(tcp|tls)://.+:[0-9]+|local:[1-9][0-9]{0,2}|.+\.toml")
"""Form of ``--scheduler``."""

_CORES_TO_SHARE = 4
"""Number of cores from which frames are scored side by side unless the user says otherwise."""


@dataclass(frozen=True)
class RunOptions:
    """Options of ``bench run``, with their defaults.

    Attributes:
        methods: expressions that name methods, see `registry.select`.
        exclude: expressions that name methods to leave out, see `registry.without`.
        dataset: expression that names a data set, see `catalogue.open_dataset`; None takes the
            default one.
        split: name of the split.
        noise: spec of the noise to draw, see `protocol.noise`; None draws white Gaussian noise, or
            takes the frames' recorded noise.
        sigmas: standard deviations of the noise on the 8-bit scale; None takes `DEFAULT_SIGMAS`, or
            the recorded noise.
        told: sigmas, on the 8-bit scale, that methods are told in place of the true one or its
            estimate; empty for none.
        seeds: number of noise draws for each frame and sigma.
        frames: number of frames, spread evenly over the split; None takes all.
        budget: seconds within which the run should end, see `running.budget`; None for no limit.
        metrics: expressions that name the metrics to score and show, see `select_metrics`.
        device: ``auto`` (every device that a method can use here), ``cpu`` or ``cuda``.
        timeout: time limit of a cell, and of loading a method, in seconds.
        memory_limit: resident memory that a method's process may hold, in GB; None takes 80 % of
            what is free.
        threads: number of threads of every library; None takes the number of cores.
        jobs: number of processes that score side by side; None takes one a physical core, and 1
            where there are fewer than four. Times are always taken alone, afterwards.
        timed_frames: number of frames, spread evenly, on which methods are timed; None takes
            `DEFAULT_TIMED` of many frames that are scored side by side, else all; 0 times none.
        throughput: True to time batches of frames of one size, too, by methods that take them; None
            does so on CUDA alone.
        scheduler: cluster on which frames are scored, see `running.dask_link`; None scores them
            here.
        plugins: Python files with further methods.
        torch: expressions that name networks of the user's, see `torch_model.read_model`.
        checkpoints: files of these networks' weights, in the same order; empty for none.
        weights: files of the user's, each ``METHOD=FILE``, see `registry.use_weights`.
        force: expressions that name methods to measure again.
        keep_images: number of frames, spread evenly, whose crops are kept for the report.
        out: the run's folder; None takes one in ``results``, see `Plan.default_name`.
        fresh: True to set aside what the folder holds.
        machine: name that tells this machine apart from others with the same processor and number
            of cores; None for none.

    Examples:
        >>> RunOptions(methods=("bm3d", "nlm-*"), sigmas=(25.0,)).command
        "bench run --methods 'bm3d,nlm-*' --sigma 25"
    """

    methods: tuple[str, ...] = ("all",)
    exclude: tuple[str, ...] = ()
    dataset: str | None = None
    split: str = "test"
    noise: str | None = None
    sigmas: tuple[float, ...] | None = None
    told: tuple[float, ...] = ()
    seeds: int = 1
    frames: int | None = None
    budget: float | None = None
    metrics: tuple[str, ...] = PROTOCOL
    device: str = "auto"
    timeout: float = 600.0
    memory_limit: float | None = None
    threads: int | None = None
    jobs: int | None = None
    timed_frames: int | None = None
    throughput: bool | None = None
    scheduler: str | None = None
    plugins: tuple[Path, ...] = ()
    torch: tuple[str, ...] = ()
    checkpoints: tuple[Path, ...] = ()
    weights: tuple[str, ...] = ()
    force: tuple[str, ...] = ()
    keep_images: int = 4
    out: Path | None = None
    fresh: bool = False
    machine: str | None = None

    @property
    def command(self) -> str:
        """The command that repeats the run, without ``--fresh`` and ``--force``."""
        words = option_words(self, always=("methods",), never=("fresh", "force"))
        return command_line(["bench", "run", *words])

    def times_batches(self, device: str) -> bool:
        """Return True if batches of frames are timed on a device, too."""
        return device == "cuda" if self.throughput is None else self.throughput


class FurtherOptions(TypedDict, total=False):
    """Further options of `denoisebench.run`; see `RunOptions` for the defaults.

    Attributes:
        exclude: methods to leave out, as ``methods``.
        split: of the data set.
        noise: the noise to draw, with its parameters, such as ``jpeg[quality=50]``.
        told: sigmas that methods are told in place of the true one, on the 8-bit scale.
        seeds: number of noise draws for each frame.
        frames: number of frames, evenly spread; None takes all.
        budget: seconds within which the run should end.
        metrics: ``all``, names or globs, as ``methods``.
        device: ``auto``, ``cpu`` or ``cuda``.
        timeout: seconds for a cell, and for loading a method.
        memory_limit: GB that a method's process may hold; None is 80 % of what is free.
        threads: for every library; None is the number of cores.
        jobs: processes that score side by side; None is one a physical core.
        timed_frames: number of frames on which methods are timed, each alone.
        throughput: time batches of frames, too, where a method takes them; None does on CUDA.
        scheduler: cluster on which frames are scored, see docs/many-machines.md.
        torch: networks of yours, ``FILE.py:CLASS``, see docs/your-model.md.
        checkpoints: files of their weights, one for each.
        weights: files in place of the public weights of methods, each ``METHOD=FILE``.
        force: methods to measure again, as ``methods``.
        keep_images: number of frames whose crops are kept for the report.
        fresh: set aside what the folder holds.
        machine: name that tells this machine apart from its equals.
    """

    exclude: str | Sequence[str]
    split: str
    noise: str | None
    told: float | Sequence[float]
    seeds: int
    frames: int | None
    budget: float | None
    metrics: str | Sequence[str]
    device: str
    timeout: float
    memory_limit: float | None
    threads: int | None
    jobs: int | None
    timed_frames: int | None
    throughput: bool | None
    scheduler: str | None
    torch: str | Sequence[str]
    checkpoints: str | Path | Sequence[str | Path]
    weights: str | Sequence[str]
    force: str | Sequence[str]
    keep_images: int
    fresh: bool
    machine: str | None


def option_words(
    options: DataclassInstance, *, always: Collection[str] = (), never: Collection[str] = ()
) -> list[str]:
    """Return the words of a command line that set options; usual values are left out.

    Args:
        options: the options, by the names of their flags.
        always: names of options that are set though their values are the usual ones.
        never: names of options that are not set.

    Examples:
        >>> option_words(RunOptions(sigmas=(25.0,)), never=("methods",))
        ['--sigma', '25']
    """
    words = []
    for option in fields(options):
        value = getattr(options, option.name)
        implied = value == option.default and option.name not in always
        if implied or option.name in never:
            continue
        flag = _FLAGS.get(option.name, f"--{option.name.replace('_', '-')}")
        if option.name in ("plugins", "torch", "checkpoints", "weights"):
            words += [word for item in value for word in (flag, str(item))]
        elif isinstance(value, tuple):
            words += [flag, ",".join(map(_word, value))]
        elif isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, _word(value)]
    return words


def _word(value: object) -> str:
    """Write a value as it is typed: 25 for 25.0, without loss of digits."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class PlannedRow:
    """Method on a device: one supervised process, one row of the table.

    Attributes:
        method: the method with its parameters.
        device: ``cpu`` or ``cuda``.
        asked_by_name: False if only a pattern such as ``all`` names it.
    """

    method: Method
    device: str
    asked_by_name: bool


@dataclass(frozen=True)
class Plan:
    """Run that is yet to be carried out.

    Attributes:
        options: the options that were resolved.
        dataset: the source of the frames.
        frames: the chosen frames, in the data set's order.
        observation: the source of the noisy frames.
        levels: noise levels, with the sigmas that methods are told.
        rows: the methods on their devices. If the noise was recorded, the control `noisy` is among
            them, since it alone scores the noisy frames.
        metrics: the metrics to score and show; empty if nobody knows the clean frames.
        forced: specs of the methods to measure again.
        threads: number of threads of every library.
        rules: rules of timing.
        jobs: number of processes that score side by side.
        timed: ids of the frames on which methods are timed, each alone.
        left_out: sentences on methods that patterns leave out, for readers of the table.
    """

    options: RunOptions
    dataset: Dataset
    frames: list[Frame]
    observation: Observation
    levels: list[Level]
    rows: list[PlannedRow]
    metrics: list[Metric]
    forced: frozenset[str]
    threads: int
    rules: TimingRules
    jobs: int
    timed: frozenset[str]
    left_out: tuple[str, ...] = ()

    def is_shared(self, row: PlannedRow) -> bool:
        """Return True if a row's frames are scored beside others; no other device is shared."""
        is_partly_timed = len(self.timed) < len(self.frames)
        return row.device == "cpu" and (is_partly_timed or self.options.scheduler is not None)

    def is_timed(self, row: PlannedRow, frame: Frame) -> bool:
        """Return True if a row is timed on a frame."""
        return not self.is_shared(row) or frame.id in self.timed

    def levels_of(self, row: PlannedRow) -> list[Level]:
        """List the noise levels that differ for a row; a blind method is told nothing."""
        return told_to(row.method.card.blind, self.levels)

    def cells(self, row: PlannedRow) -> Iterator[tuple[Cell, Frame]]:
        """Yield a row's cells with their frames; cells of the same frame are neighbours."""
        for frame in self.frames:
            for level in self.levels_of(row):
                for seed in range(self.options.seeds):
                    yield level.cell(row.method.spec, row.device, frame.id, seed), frame

    @property
    def protocol(self) -> str:
        """Digest of the protocol under which the scores stand."""
        return protocol.digest(self.observation.noise)

    @property
    def folder(self) -> Path:
        """Folder of the run; a run that is in a folder of an older name goes on there."""
        older = Path("results", self._folder_name(self.dataset.name))
        default = older if older.is_dir() else Path("results", self.default_name)
        return self.options.out or default

    @property
    def default_name(self) -> str:
        """Default name of the run's folder."""
        return self._folder_name(getattr(self.dataset, "place", self.dataset.name))

    def _folder_name(self, dataset: str) -> str:
        """Name a folder after a data set, with what else is not usual."""
        parts = [dataset]
        if self.options.split != "test":
            parts.append(self.options.split)
        if self.observation.noise not in (noise.WHITE_GAUSSIAN.name, protocol.RECORDED):
            parts.append(self.observation.noise)
        return re.sub(r"[^A-Za-z0-9._=-]+", "-", "-".join(parts)).strip("-")

    @property
    def seconds(self) -> float:
        """Time that the run takes, roughly, where costs of methods are known."""
        return sum(LOAD_S + cost * len(self.frames) for cost in self.frame_seconds.values())

    @property
    def frame_seconds(self) -> dict[PlannedRow, float]:
        """Seconds that each row takes for a frame, roughly."""
        megapixels = sum(math.prod(f.shape) for f in self.frames) / len(self.frames) / 3e6
        draws = len(self.levels) * self.options.seeds
        return {
            row: draws * seconds_a_cell(row.method.card, row.device, megapixels, self.threads)
            for row in self.rows
        }

    @property
    def size(self) -> int:
        """Number of cells."""
        levels = sum(len(self.levels_of(row)) for row in self.rows)
        return levels * len(self.frames) * self.options.seeds


def make_plan(options: RunOptions) -> tuple[Plan, str]:
    """Resolve the options of a run.

    Args:
        options: the options.

    Returns:
        The plan, and one line for the user: the data set, and the reason if it was chosen here.

    Raises:
        UsageError: something that the options name does not exist or cannot be used.
    """
    plan, line = make_whole_plan(options)
    return within_budget(plan), line


def make_whole_plan(options: RunOptions) -> tuple[Plan, str]:
    """Resolve the options of a run but for its budget; see `make_plan`."""
    _check_numbers(options)
    _check_names(options)
    registry.load_files(options.plugins, options.timeout)
    registry.use_weights(options.weights)
    _check_plugins(options)
    torch_model.load_models(options.torch, options.checkpoints, options.timeout)
    rows, lacking = _able(_rows(options))
    metrics = select_metrics(options.metrics)
    model = None if options.noise is None else noise.select_noise(options.noise)
    forced = frozenset(method.spec for method in registry.select(options.force))
    if unused := forced - {row.method.spec for row in rows}:
        raise UsageError(f"--force {', '.join(sorted(unused))}: not among --methods; add it there")
    if options.dataset is None:
        dataset, line = catalogue.default_dataset(options.split)
        options = replace(options, dataset=dataset.name)
    else:
        dataset = catalogue.open_dataset(options.dataset)
        line = f"Frames: {dataset.title}"
    frames = spread(dataset.frames(options.split), options.frames)
    observation = observations.choose_observation(model, dataset, frames)
    if observation.noise == protocol.RECORDED:
        rows = _with_noisy(rows)
    if not all(frame.has_clean for frame in frames):
        if options.metrics != PROTOCOL:
            raise UsageError(f"--metrics: {dataset.name} has no clean frames to score against")
        metrics = []
    jobs = options.jobs or _default_jobs()
    plan = Plan(
        options,
        dataset,
        frames,
        observation,
        _levels(options, dataset, observation),
        rows,
        metrics,
        forced,
        options.threads or threads.available_cores(),
        TimingRules(),
        jobs,
        _timed(options, frames, jobs),
        _left_out(options, rows, lacking),
    )
    return plan, line


def within_budget(plan: Plan) -> Plan:
    """Return the part of a plan for which its budget suffices.

    Raises:
        UsageError: it suffices for nothing.
    """
    options, frames = plan.options, plan.frames
    if options.budget is None:
        return plan
    costs = plan.frame_seconds
    by_cost = sorted(plan.rows, key=costs.__getitem__)
    chosen = affordable([costs[row] for row in by_cost], len(frames), options.budget)
    if chosen is None:
        raise UsageError(
            f"--budget: {options.budget:g} s do not suffice for one frame; a method takes some "
            f"{LOAD_S + costs[by_cost[0]]:.0f} s"
        )
    less = len(frames) - chosen.frames
    left = [f"{less} of {counted(len(frames), 'frame')}"] if less else []
    left += [
        f"{row.method.title} ({_about(LOAD_S + costs[row] * chosen.frames)})"
        for row in by_cost[chosen.rows :]
    ]
    kept = spread(frames, chosen.frames)
    return replace(
        plan,
        rows=[row for row in plan.rows if row in by_cost[: chosen.rows]],
        frames=kept,
        timed=_timed(options, kept, plan.jobs),
        left_out=(*plan.left_out, *([f"Left out by --budget: {'; '.join(left)}."] if left else [])),
    )


def _about(seconds: float) -> str:
    """Write a time, roughly."""
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"


def _check_numbers(options: RunOptions) -> None:
    """Check that the numbers of the options are in their ranges.

    Raises:
        UsageError: a number is out of its range, or nan.
    """
    # The conditions are negated because every comparison with nan is false.
    for sigma in (*(options.sigmas or ()), *options.told):
        if not 0 <= sigma <= LARGEST_SIGMA:
            raise UsageError(f"sigma {sigma:g} is not between 0 and 255, on the 8-bit scale")
    for name in ("seeds", "frames", "threads", "jobs", "timed_frames", "keep_images"):
        value, least = getattr(options, name), int(name not in ("timed_frames", "keep_images"))
        if value is not None and not (isinstance(value, int) and value >= least):
            raise UsageError(f"{name} is {value!r}: give a whole number of at least {least}")
    if options.seeds > MOST_SEEDS:
        raise UsageError(f"seeds is {options.seeds}: give at most {MOST_SEEDS}")
    for name in ("timeout", "memory_limit", "budget"):
        value = getattr(options, name)
        if value is not None and not (isinstance(value, int | float) and 0 < value < math.inf):
            raise UsageError(f"{name} is {value!r}: give a number above 0")


def _default_jobs() -> int:
    """Return the number of processes that score side by side where the user names none.

    On few cores, what several threads of one method leave idle is less than what it costs to load
    each method twice, and to repeat the frames on which it is timed.
    """
    cores = threads.physical_cores()
    return cores if cores >= _CORES_TO_SHARE else 1


def _timed(options: RunOptions, frames: list[Frame], jobs: int) -> frozenset[str]:
    """Return the ids of the frames on which methods are timed."""
    count = options.timed_frames
    if count is None and options.scheduler is not None:
        count = 0
    if count is None and jobs > 1 and len(frames) > 2 * DEFAULT_TIMED:
        count = DEFAULT_TIMED
    return frozenset(frame.id for frame in spread(frames, count))


def _check_names(options: RunOptions) -> None:
    """Raise UsageError if a table cannot show the machine's name, or there is no such cluster."""
    _check_scheduler(options.scheduler)
    name = options.machine
    if name is not None and not (isinstance(name, str) and name.strip() and name.isprintable()):
        raise UsageError(f"machine is {name!r}: give a name of printable characters")


def _check_scheduler(scheduler: str | None) -> None:
    """Raise UsageError if a scheduler is none that can be asked for, or Dask is not installed."""
    if scheduler is None:
        return
    if not _SCHEDULER.fullmatch(scheduler):
        raise UsageError(
            f"--scheduler {scheduler}: give tcp://HOST:PORT, local:N or the name of a TOML file"
        )
    needed = "dask_jobqueue" if scheduler.endswith(".toml") else "distributed"
    if plugins.lacking([needed]):
        raise UsageError("--scheduler needs Dask: pip install 'denoisebench[cluster]'")


def _levels(options: RunOptions, dataset: Dataset, observation: Observation) -> list[Level]:
    """Combine every sigma with every sigma that methods are told.

    Raises:
        UsageError: the options set sigmas or seeds of recorded noise.
    """
    sigmas: tuple[float | None, ...] = options.sigmas or DEFAULT_SIGMAS
    if observation.noise == protocol.RECORDED:
        if options.sigmas is not None:
            raise UsageError(
                f"--sigma: {dataset.name} brings its own noise; leave it out, or have methods "
                "told a sigma of yours with --told"
            )
        if options.seeds > 1:
            raise UsageError(f"--seeds: {dataset.name} has one recording of each frame")
        sigmas = (None,)
    truth_known = observation.noise == noise.WHITE_GAUSSIAN.name
    return [
        Level(sigma, None if truth_known and told == sigma else told)
        for sigma in sigmas
        for told in options.told or (None,)
    ]


def _with_noisy(rows: list[PlannedRow]) -> list[PlannedRow]:
    """Return the rows with the control `noisy` among them."""
    if any(row.method.spec == NOISY_CONTROL for row in rows):
        return rows
    [noisy] = registry.select([NOISY_CONTROL])
    return [PlannedRow(noisy, noisy.card.devices[0], False), *rows]


def _left_out(
    options: RunOptions, rows: list[PlannedRow], lacking: dict[str, str]
) -> tuple[str, ...]:
    """Say which methods patterns leave out that the user did not, and how to add them."""
    return (*_omitted(options, rows), *_in_words(lacking))


def _in_words(lacking: dict[str, str]) -> tuple[str, ...]:
    """Name the methods that lack something, those that lack the same together; one sentence."""
    sharing: dict[str, list[str]] = {}
    for name, reason in lacking.items():
        sharing.setdefault(reason, []).append(f"`{name}`")
    told = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in sharing.items())
    return (f"Left out, as they cannot run here: {told}.",) if told else ()


def _omitted(options: RunOptions, rows: list[PlannedRow]) -> tuple[str, ...]:
    """Say which methods are not among ``all``, and how to add them."""
    if "all" not in options.methods:
        return ()
    here = {row.method.card.name for row in rows}
    omitted = [Method(c) for c in registry.cards().values() if c.omitted and not c.unavailable]
    return tuple(
        f"{method.title} is not among `all`: {method.card.omitted}. To add it: "
        f"`{replace(options, methods=(*options.methods, method.spec)).command}`."
        for method in registry.without(omitted, options.exclude)
        if method.card.name not in here
    )


def _chosen(options: RunOptions) -> list[Method]:
    """Return the methods to run.

    Raises:
        UsageError: there is none, or an expression names none.
    """
    methods = registry.select(options.methods)
    if not methods:
        raise UsageError("no method is given; name one, or take all")
    try:
        left = registry.without(methods, options.exclude)
    except UsageError as error:
        raise UsageError(f"--exclude: {error}") from error
    if not left:
        raise UsageError(f"--exclude {','.join(options.exclude)}: no method is left to run")
    return left


def _rows(options: RunOptions) -> list[PlannedRow]:
    """Return the methods on the devices on which they run.

    Raises:
        UsageError: there is none, or a method that was asked for by name cannot run there.
    """
    methods = _chosen(options)
    named = [e for e in options.methods if not registry.is_pattern(e)]
    by_name = {method.spec for method in registry.select(named)}
    rows = [
        PlannedRow(method, device, method.spec in by_name)
        for method in methods
        for device in _devices(method, options.device, method.spec in by_name)
    ]
    for row in rows:
        _check_importable(row.method)
        if row.asked_by_name and row.method.card.problem is not None:
            raise UsageError(f"{row.method.card.name}: {row.method.card.problem}")
    if not rows:
        raise UsageError(f"none of these methods runs on {options.device}; `bench list` shows all")
    return rows


def _able(rows: list[PlannedRow]) -> tuple[list[PlannedRow], dict[str, str]]:
    """Set aside the methods that a pattern brought in though they lack a library or weights.

    A plugin that is broken stays: readers of the table must see it fail.

    Returns:
        The other rows, and what each method lacks, by its name.

    Raises:
        UsageError: no row is left.
    """
    lacking = {
        row.method.card.name: reason
        for row in rows
        if not row.asked_by_name
        and row.method.card.problem is None
        and (reason := row.method.card.unavailable)
    }
    able = [row for row in rows if row.asked_by_name or row.method.card.name not in lacking]
    if not able:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in lacking.items())
        raise UsageError(f"none of these methods can run here: {reasons}")
    return able, lacking


def _check_plugins(options: RunOptions) -> None:
    """Check that the plugin files can be imported; those that a pattern brings in need not.

    Raises:
        UsageError: one cannot be imported.
    """
    broken = {path: registry.broken_file(path) for path in options.plugins}
    if not any(broken.values()):
        return
    patterns = [e for e in options.methods if registry.is_pattern(e)]
    brought_in = [method.card for method in registry.select(patterns)]
    for path, card in broken.items():
        if card is None:
            continue
        if card not in brought_in:
            raise UsageError(f"--plugin {plain(path.name)}: {card.problem}")
        _log.warning("--plugin %s: %s", plain(path.name), card.problem)


def _check_importable(method: Method) -> None:
    """Check that a worker process can import a method.

    Raises:
        UsageError: the method is defined in a notebook or a script.
    """
    if method.module == "__main__":
        file = f"{re.sub(r'[^A-Za-z0-9_]', '_', method.card.name)}.py"
        raise UsageError(
            f"{method.card.name} is defined in a notebook or script, where worker processes cannot "
            f"import it: put its code into a file, such as {file} (in Jupyter, %%writefile {file} "
            f"as the cell's first line), and pass plugins=['{file}']"
        )


def _devices(method: Method, wanted: str, asked_by_name: bool) -> Sequence[str]:
    """Return the devices on which a method will run."""
    if wanted == "cuda" and not environment.has_cuda():
        raise UsageError("--device cuda: torch finds no CUDA device here; use --device cpu")
    if wanted in method.card.devices:
        return [wanted]
    if wanted == "auto":
        here = {"cpu", "cuda"} if environment.has_cuda() else {"cpu"}
        return [d for d in method.card.devices if d in here] or ["cpu"]
    if asked_by_name:
        runs_on = ", ".join(method.card.devices)
        raise UsageError(f"{method.spec} does not run on {wanted}, only on {runs_on}")
    return []
