"""``bench ab``: two installed versions, launched in turn."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import EXIT_INTERRUPTED
from denoisebench.cli.run import terminated_as_interrupted
from denoisebench.cli.verdicts import conclude, limits_of, this_command, verdict_options

if TYPE_CHECKING:
    from collections.abc import Iterator

FEWEST_LAUNCHES = 6

resume_option = click.option(
    "--resume",
    is_flag=True,
    help="Keep the pairs of launches that the folder has; the versions must not have changed.",
)


@contextmanager
def to_be_resumed() -> Iterator[None]:
    """End on an interruption with the command that goes on."""
    with terminated_as_interrupted():
        try:
            yield
        except KeyboardInterrupt:
            click.echo(f"Interrupted. To go on from here: {this_command('--resume')}", err=True)
            raise SystemExit(EXIT_INTERRUPTED) from None


@click.command(
    "ab", short_help="Launch two versions in turn, and tell whether one is slower or worse."
)
@click.argument("base_env", type=click.Path(path_type=Path))
@click.argument("head_env", type=click.Path(path_type=Path))
@click.argument("run_options", nargs=-1, type=click.UNPROCESSED, metavar="-- RUN OPTIONS")
@click.option(
    "--launches",
    type=click.IntRange(FEWEST_LAUNCHES),
    default=10,
    show_default=True,
    help="Of each version; as many again before one is called slower.",
)
@verdict_options("psnr,ssim,time=5%,memory=20%")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results", "ab"),
    show_default=True,
    help="Folder for the launches and the verdicts.",
)
@resume_option
def ab_command(
    base_env: Path,
    head_env: Path,
    run_options: tuple[str, ...],
    launches: int,
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    formats: tuple[str, ...],
    out: Path,
    resume: bool,
) -> None:
    """Launch the versions in BASE_ENV and HEAD_ENV in turn, and compare what they measure.

    Each is a virtual environment's folder, its python, or a bench command. What follows -- goes to
    bench run, once a launch:

    \b
    bench ab venv-base venv-head -- --methods 'nlm-*' --sigma 25 --frames 2

    Times come from launches side by side, so that what else the machine does hits both. A method is
    slower if the change is significant and as large as --fail-on says, and a second look at as many
    launches confirms it. Exit codes as bench compare's.
    """
    from denoisebench.comparing import ab as versions
    from denoisebench.comparing import launches as launcher
    from denoisebench.comparing.render import About
    from denoisebench.running.folder import BUSY_PERCENT

    def tell(line: str) -> None:
        click.echo(line, err=True)

    launcher.check_words(run_options)
    limits = limits_of(fail_on, calibration)
    base, head = launcher.version("base", base_env), launcher.version("head", head_env)

    def look(name: str, methods: list[str]) -> list[launcher.Pair]:
        words = [*run_options, *(["--methods", ",".join(methods)] if methods else [])]
        return launcher.in_turn(base, head, words, launches, out / name, tell, resume=resume)

    def again(methods: list[str]) -> list[launcher.Pair]:
        tell(f"Slower at first look: {', '.join(methods)}; looking again")
        return look("second", methods)

    with to_be_resumed():
        first = look("first", [])
        findings = versions.judge(first, limits, again)
    remarks = [
        f"BASE: {base_env}; HEAD: {head_env}; {launches} launches each, in turn.",
        "Times are medians over launches; a change is the Hodges–Lehmann estimate over pairs.",
    ]
    if (busy := launcher.busy_percent(first)) > BUSY_PERCENT:
        remarks.append(f"Other work took {busy:.0f} % of the machine: times scatter.")
    about = About(tuple(remarks), (this_command(),))
    raise SystemExit(conclude(findings, about, formats, out))
