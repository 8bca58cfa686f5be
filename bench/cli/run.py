"""``bench run``: the main job."""

from __future__ import annotations

import shlex
import signal
import tomllib
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED, shared
from denoisebench.cli.types import METHODS, METRICS, SIGMAS, CommaList, FiniteRange
from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from denoisebench.running.plan import Options, Plan


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Take a TOML file's values as the options' defaults, so that both are checked alike."""
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"--config {path}: not valid TOML: {error}") from error
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
    """A TOML value as the command line would have it.

    Raises:
        ValueError: it is not of a kind that the option takes.
    """
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str | int | float):
            raise ValueError(f"takes text, numbers or true and false, not {item!r}")
    texts = [str(item) for item in items]
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
    help="all, names, globs, or names with parameters: nlm-skimage[h=0.7].",
)
@click.option(
    "--dataset",
    help="documentary, stills, another of `bench data list`, folder:PATH, pairs:PATH (noisy and "
    "clean) or noisy:PATH (noisy only).  [default: the first to be had]",
)
@click.option("--split", default="test", show_default=True, help="Which split of the data set.")
@click.option(
    "--sigma",
    "sigmas",
    type=SIGMAS,
    help="Standard deviations of the noise, on the 8-bit scale.  [default: 15,25,50]",
)
@click.option(
    "--noise",
    help="gaussian, gaussian-8bit, poisson-gaussian, correlated, uneven or jpeg, also with "
    "parameters: jpeg[quality=50].  [default: gaussian, or what the data set brings]",
)
@click.option(
    "--told",
    type=SIGMAS,
    default=(),
    help="Sigmas that methods are told in place of the true or estimated one.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Noise draws for each frame.",
)
@click.option(
    "--frames", type=click.IntRange(1), help="Take so many frames, evenly spread.  [default: all]"
)
@click.option(
    "--metrics",
    type=METRICS,
    default="psnr,ssim",
    show_default=True,
    help="all, names or globs; `bench list --metrics` lists them.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="auto runs a method on every device that it knows and that is here.",
)
@shared.timeout
@click.option(
    "--memory-limit",
    type=FiniteRange(0, min_open=True),
    help="GB that a method's process may hold.  [default: 80 % of what is free]",
)
@shared.threads
@click.option(
    "--keep-images",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Keep crops of so many frames for the report, of cells that are measured from now on.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The run's folder.  [default: results/DATASET]",
)
@shared.fresh
@click.option(
    "--force",
    type=METHODS,
    default=(),
    help="Measure these methods again.",
)
@shared.plugins
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="A TOML file that sets any of these options; the command line wins.",
)
def run_command(**choices: Any) -> None:
    """Noise frames, denoise them with every method, score, time, and print the table.

    Frames that come with a recorded noise are taken as they are.

    What is measured is saved cell by cell: after an interruption the same command goes on. The
    table goes to stdout, everything else to stderr. Exit code 0: all cells measured; 2: the request
    cannot be carried out; 3: some cells failed; 130: interrupted.
    """
    from denoisebench.running.plan import Options

    raise SystemExit(_run(Options(**choices)))


def _run(options: Options) -> int:
    from denoisebench.running.plan import make_plan

    plan, line = make_plan(options)
    path = options.out or Path("results", plan.default_name)
    click.echo(line, err=True)
    for metric in plan.metrics:
        if metric.unavailable:
            click.echo(f"{metric.name}: unavailable: {metric.unavailable}", err=True)
    complete = measure(plan, path)
    return _conclude(path, plan.options, interrupted=not complete)


def measure(plan: Plan, path: Path) -> bool:
    """Carry a plan out in its folder, and show how it goes.

    Returns:
        False if it was interrupted.
    """
    from denoisebench.running import progress
    from denoisebench.running.folder import BUSY_PERCENT, RunFolder
    from denoisebench.running.runner import carry_out

    click.echo(f"Results: {path}", err=True)
    with RunFolder(path, plan) as folder, terminated_as_interrupted():
        if folder.busy_percent > BUSY_PERCENT:
            click.echo(
                f"Other work takes {folder.busy_percent:.0f} % of this machine: "
                "scores do not mind, times will be too long",
                err=True,
            )
        display = progress.for_stderr()
        folder.write_manifest("running")
        costs = None
        try:
            costs = carry_out(plan, folder, display)
            folder.write_manifest("complete", costs.summary())
        except KeyboardInterrupt:
            folder.write_manifest("interrupted")
        finally:
            display.end()
    return costs is not None


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let a polite kill end a run as Ctrl-C does: with the table of what is done."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _conclude(path: Path, options: Options, *, interrupted: bool) -> int:
    """Write and print the tables, and say how it went."""
    from denoisebench.reporting.figures.strip import STRIP, write_strip
    from denoisebench.reporting.write import write_tables
    from denoisebench.store.results import load

    results = load(path)
    click.echo(write_tables(results, path), nl=False)
    pictures = f"{STRIP}, " if write_strip(results, path, path) else ""
    failures = results.failures()
    if failures:
        first = failures[0]
        methods = ", ".join(dict.fromkeys(m.cell.method for m in failures))
        click.echo(
            f"{len(failures)} cells failed ({methods}); the first: {first.status.value}: "
            f"{first.reason}; see {path / 'frames.csv'} and {path / 'logs'}",
            err=True,
        )
    if interrupted:
        click.echo(f"Interrupted. To go on from here: {options.command}", err=True)
        return EXIT_INTERRUPTED
    click.echo(
        f"Wrote {pictures}table1.md, table1.csv and frames.csv to {path}; "
        f"to see it as a page: bench report {shlex.quote(str(path))} --open",
        err=True,
    )
    return EXIT_CELLS_FAILED if failures else 0
