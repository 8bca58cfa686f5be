"""``bench run``: run the benchmark and print its table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cells import MOST_SEEDS
from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED, shared
from denoisebench.cli.types import (
    DATASETS,
    DURATION,
    METHODS,
    METRICS,
    SIGMA_LIST,
    CommaList,
)
from denoisebench.errors import UsageError, unknown
from denoisebench.files import read_toml
from denoisebench.text import command_line
from denoisebench.words import counted

if TYPE_CHECKING:
    from denoisebench.library import Run


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Take a TOML file's values as the options' defaults, so that both are checked alike.

    Raises:
        UsageError: the file cannot be read, or names an unknown option or an unfit value.
    """
    if path is None:
        return
    values = read_toml(path, f"--config {path}")
    known = {p.opts[0].removeprefix("--"): p for p in ctx.command.params if p.name != "config"}
    ctx.default_map = {}
    for key, value in values.items():
        flag = key.replace("_", "-")
        if flag not in known:
            raise UsageError(f"--config {path}: {unknown('option', key, known)}")
        try:
            ctx.default_map[known[flag].name] = _as_typed(known[flag], value)
        except ValueError as error:
            raise UsageError(f"--config {path}: {key}: {error}") from error


def _as_typed(option: click.Parameter, value: Any) -> str | list[str]:
    """Convert a TOML value to the text of the same option on the command line.

    Raises:
        ValueError: the option does not take a value of this kind.
    """
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str | int | float):
            raise ValueError(f"takes text, numbers or true and false, not {item!r}")
    texts = [str(item) for item in items]
    if any("\0" in text for text in texts):
        raise ValueError("a text cannot hold the letter NUL")
    if option.multiple:
        return texts
    if isinstance(value, list) and not isinstance(option.type, CommaList):
        raise ValueError("takes one value, not a list")
    return ",".join(texts)


@click.command("run", short_help="Run the benchmark and print its table.")
@click.option(
    "--methods",
    type=METHODS,
    default="all",
    show_default=True,
    help="Methods to run: all, names, globs, or names with parameters: nlm-skimage[h=0.7].",
)
@click.option(
    "--exclude",
    type=METHODS,
    default=(),
    help="Methods to leave out, named in the same ways.",
)
@click.option(
    "--dataset",
    "datasets",
    type=DATASETS,
    default=(),
    help="Data sets: documentary, stills, others of `bench data list`, folder:PATH, pairs:PATH "
    "(noisy and clean) or noisy:PATH (noisy only); of several, each has a run of its own.  "
    "[default: documentary, or stills where it cannot be fetched]",
)
@click.option("--split", default="test", show_default=True, help="Split of the data set.")
@click.option(
    "--sigma",
    "sigmas",
    type=SIGMA_LIST,
    help="Standard deviations of the noise, on the 8-bit scale.  [default: 15,25,50]",
)
@click.option(
    "--noise",
    help="Noise to add: gaussian, gaussian-8bit, poisson-gaussian, correlated, uneven or jpeg, "
    "also with parameters: jpeg[quality=50].  [default: gaussian, or the data set's own noise]",
)
@click.option(
    "--told",
    type=SIGMA_LIST,
    default=(),
    help="Sigmas that methods are told in place of the true or estimated one.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, MOST_SEEDS),
    default=1,
    show_default=True,
    help="Number of noise draws for each frame.",
)
@shared.some_frames
@click.option(
    "--budget",
    type=DURATION,
    help="Time for the whole run, such as 90s, 10m or 2h: it gets the methods and the number of "
    "frames that allow most comparisons, and says what is left out.  [default: no limit]",
)
@click.option(
    "--metrics",
    type=METRICS,
    default="psnr,ssim",
    show_default=True,
    help="Metrics to compute: all, names or globs; `bench list --metrics` lists them.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device; auto runs each method on every device that it supports and this machine has.",
)
@shared.timeout
@shared.process_memory
@shared.threads
@click.option(
    "--jobs",
    type=click.IntRange(1),
    help="Number of processes that score frames side by side; times are taken afterwards, each "
    "method alone.  [default: one a physical core, from four cores on; else 1]",
)
@click.option(
    "--timed-frames",
    type=click.IntRange(0),
    help="Number of frames, evenly spread, on which methods are timed.  [default: all; 3 of more "
    "than 6 that are scored side by side; none with --scheduler]",
)
@click.option(
    "--throughput/--no-throughput",
    default=None,
    help="Time networks on batches of frames, too, and show the highest rate of megapixels a "
    "second.  [default: on CUDA]",
)
@click.option(
    "--scheduler",
    metavar="CLUSTER",
    help="Cluster on which frames are scored: tcp://HOST:PORT of a Dask scheduler, local:N for N "
    "workers here, or a TOML file that describes Slurm jobs. Times are taken here, if "
    "--timed-frames asks for them.",
)
@click.option(
    "--keep-images",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Number of frames of which crops are kept for the report; applies to new measurements.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the run; of several data sets, of a run each.  [default: results/DATASET]",
)
@shared.fresh
@click.option(
    "--force",
    type=METHODS,
    default=(),
    help="Measure these methods again.",
)
@click.option(
    "--machine",
    metavar="NAME",
    help="Name of this machine, to tell it apart from equal ones: without it, machines with the "
    "same processor and number of cores count as one, and their times are compared.",
)
@shared.plugins
@shared.torch
@shared.checkpoints
@shared.weights
@shared.wide
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file that sets any of these options; the command line takes precedence.",
)
def run_command(datasets: tuple[str, ...], wide: bool, **choices: Any) -> None:
    """Add noise to frames, denoise them with every method, score, time, and print the table.

    Frames with recorded noise are used as they are.

    Every cell is saved as it is measured: after an interruption the same command continues. The
    table goes to stdout, drawn on a terminal and as Markdown elsewhere, all else to stderr. Exit
    code 0: all cells measured; 2: the request cannot be carried out, or a plugin not imported; 3:
    some cells failed; 130: interrupted.
    """
    from denoisebench.machine import environment

    environment.watch_load()  # while modules are imported and the run is planned
    from denoisebench import library
    from denoisebench.running.plan import RunOptions
    from denoisebench.running.progress import for_stderr

    interrupted: library.RunInterrupted | None = None
    done: list[library.Run] = []
    with shared.terminated_as_interrupted():
        try:
            for run in library.run_sets(RunOptions(**choices), datasets, for_stderr, shared.say):
                done.append(run)
        except library.RunInterrupted as stop:
            interrupted = stop
            done.append(library.load(stop.folder))
    for run in done:
        run.write_tables()
    shared.show_tables(library.printed_tables(done), wide)
    for run in done:
        _tell_failures(run)
    if interrupted is not None:
        shared.say(f"Interrupted. To go on from here: {interrupted.command}")
        raise SystemExit(EXIT_INTERRUPTED)
    _tell_files(done)
    raise SystemExit(EXIT_CELLS_FAILED if any(run.results.failures() for run in done) else 0)


def _tell_failures(run: Run) -> None:
    """Name the first failure of a run."""
    if failures := run.results.failures():
        first = failures[0]
        methods = ", ".join(dict.fromkeys(m.cell.method for m in failures))
        shared.say(
            f"{counted(len(failures), 'cell')} failed ({methods}); the first: "
            f"{first.status.value}: {first.reason}; "
            f"see {run.folder / 'frames.csv'} and {run.folder / 'logs'}"
        )


def _tell_files(done: list[Run]) -> None:
    """Say where the files are, and which command makes a page of them."""
    folders = [str(run.folder) for run in done]
    strips = dict.fromkeys(f"{run.strip.name}, " for run in done if run.strip)
    further = [] if len(done) == 1 else ["--out", "report"]
    shared.say(
        f"Wrote {''.join(strips)}table1.md, table1.csv and frames.csv to {', '.join(folders)}; "
        f"to see {'it' if len(done) == 1 else 'them'} as a page: "
        f"{command_line(['bench', 'report', *folders, *further])} --open"
    )
