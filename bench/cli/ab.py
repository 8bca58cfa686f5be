"""``bench ab``: compare two installed versions, launched in turn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import shared
from denoisebench.cli.verdicts import conclude, limits_of, verdict_options

if TYPE_CHECKING:
    from denoisebench.comparing.findings_report import About
    from denoisebench.comparing.launches import Pair
    from denoisebench.comparing.limits import ComparisonLimits


@click.command(
    "ab", short_help="Launch two versions in turn, and report whether one is slower or worse."
)
@click.argument("base_env", type=click.Path(path_type=Path))
@click.argument("head_env", type=click.Path(path_type=Path))
@click.argument("run_options", nargs=-1, type=click.UNPROCESSED, metavar="-- RUN OPTIONS")
@click.option(
    "--launches",
    type=click.IntRange(shared.FEWEST_LAUNCHES),
    default=10,
    show_default=True,
    help="Launches per version; repeated once before a slowdown is reported.",
)
@verdict_options("psnr,ssim,time=5%,memory=20%")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results", "ab"),
    show_default=True,
    help="Folder for the launches and the verdicts.",
)
@shared.resume_launches
def ab_command(
    base_env: Path,
    head_env: Path,
    run_options: tuple[str, ...],
    launches: int,
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    allow_missing: bool,
    formats: tuple[str, ...],
    out: Path,
    resume: bool,
) -> None:
    """Launch the versions in BASE_ENV and HEAD_ENV in turn, and compare their measurements.

    Each is a virtual environment: its folder, its python, or its bench command. Every launch is a
    bench run with the options after --:

    \b
    bench ab venv-base venv-head -- --methods 'nlm-*' --sigma 25 --frames 2

    The versions take turns, so that other work on the machine affects both. A method is slower if
    the change is significant and at least as large as --fail-on says, and a second series of as
    many launches confirms it. The verdicts on time state the smallest slowdown that would have been
    seen; where it is above the limit, they are "cannot tell". Exit codes are those of bench
    compare; "cannot tell" does not fail.
    """
    from denoisebench.comparing import ab as versions
    from denoisebench.comparing import launches as launcher

    launcher.check_words(run_options)
    limits = limits_of(fail_on, calibration, allow_missing=allow_missing)
    base, head = launcher.version("base", base_env), launcher.version("head", head_env)

    def look(name: str, methods: list[str]) -> list[launcher.Pair]:
        words = [*run_options, *(["--methods", ",".join(methods)] if methods else [])]
        return launcher.in_turn(base, head, words, launches, out / name, shared.say, resume=resume)

    def again(methods: list[str]) -> list[launcher.Pair]:
        shared.say(f"Slower at first look: {', '.join(methods)}; looking again")
        return look("second", methods)

    with shared.launches_to_be_resumed():
        first = look("first", [])
        findings = versions.judge(first, limits, again)
    about = _about(first, (str(base_env), str(head_env)), limits)
    raise SystemExit(conclude(findings, about, formats, out))


def _about(pairs: list[Pair], names: tuple[str, str], limits: ComparisonLimits) -> About:
    """Describe the launches of a first look."""
    from denoisebench.comparing.findings_report import About
    from denoisebench.comparing.launches import median_busy_percent
    from denoisebench.comparing.subject import describe_limits, describe_runs
    from denoisebench.store.manifest import BUSY_PERCENT

    remarks = [
        f"{len(pairs)} launches each, in turn.",
        "Times are medians over launches; a change is the Hodges–Lehmann estimate over pairs. A "
        "slowdown is seen from the size that both looks find in about 8 of 10 comparisons.",
    ]
    if (busy := median_busy_percent(pairs)) > BUSY_PERCENT:
        remarks.append(f"Other work took {busy:.0f} % of the machine: times scatter.")
    return About(
        describe_runs(pairs[0].base, pairs[0].head, names),
        describe_limits(pairs[0].head, limits),
        tuple(remarks),
        (shared.this_command(),),
    )
