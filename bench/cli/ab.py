"""``bench ab``: two installed versions, launched in turn."""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.cli.compare import conclude, limits_of, verdict_options

FEWEST_LAUNCHES = 6


@click.command(short_help="Launch two versions in turn, and tell whether one is slower or worse.")
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
def ab(
    base_env: Path,
    head_env: Path,
    run_options: tuple[str, ...],
    launches: int,
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    formats: tuple[str, ...],
    out: Path,
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
    from denoisebench.compare import ab as versions
    from denoisebench.compare import launches as launcher

    launcher.check_words(run_options)
    limits = limits_of(fail_on, calibration)
    base, head = launcher.version("base", base_env), launcher.version("head", head_env)

    def look(name: str, methods: list[str]) -> list[launcher.Pair]:
        words = [*run_options, *(["--methods", ",".join(methods)] if methods else [])]
        return launcher.in_turn(
            base, head, words, launches, out / name, lambda line: click.echo(line, err=True)
        )

    def again(methods: list[str]) -> list[launcher.Pair]:
        click.echo(f"Slower at first look: {', '.join(methods)}; looking again", err=True)
        return look("second", methods)

    findings = versions.judge(look("first", []), limits, again)
    about = [
        f"BASE: {base_env}; HEAD: {head_env}; {launches} launches each, in turn, of "
        f"`bench run {' '.join(run_options)}`.",
        "Times are medians over launches; a change is the Hodges–Lehmann estimate over pairs.",
    ]
    raise SystemExit(conclude(findings, about, formats, out))
