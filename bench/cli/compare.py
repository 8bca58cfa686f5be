"""``bench compare``: is one stored run worse than another?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli.types import CommaList
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from denoisebench.compare.findings import Finding
    from denoisebench.compare.limits import Limits

_FORMATS = {"md": "compare.md", "json": "compare.json", "junit": "compare.xml"}


class FailOn(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """``psnr=0.02,time=10%``, as sizes and names."""

    name = "metric[=size],…"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from denoisebench.compare.limits import read_fail_on

        if not isinstance(value, str):
            return value
        try:
            return read_fail_on(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _format(item: Any) -> str:
    if item not in _FORMATS:
        raise ValueError(f"{item!r} is none of {', '.join(_FORMATS)}")
    return str(item)


FORMATS = CommaList("format,…", lambda text: text.split(","), _format)


def verdict_options(fail_on: str) -> Callable[[Any], Any]:
    """What comparisons have in common: what fails them, and where their verdicts go.

    Args:
        fail_on: the default.
    """
    options = [
        click.option(
            "--fail-on",
            type=FailOn(),
            default=fail_on,
            show_default=True,
            help="What ends with exit code 1, and by how much worse: scores in their unit, "
            "time and memory in percent.",
        ),
        click.option(
            "--calibration",
            type=click.Path(path_type=Path),
            help="What bench calibrate wrote on this machine: times must grow by more.",
        ),
        click.option(
            "--format",
            "formats",
            type=FORMATS,
            default="md",
            show_default=True,
            help="md, json, junit; the first is printed.",
        ),
    ]

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def limits_of(fail_on: tuple[dict[str, float], frozenset[str]], calibration: Path | None) -> Limits:
    """What counts as a change, from the options.

    Raises:
        UsageError: the calibration cannot be used.
    """
    from denoisebench.compare.limits import Limits, read_calibration

    sizes, gated = fail_on
    if calibration is None:
        return Limits(sizes, gated)
    return Limits(sizes, gated, read_calibration(calibration))


def conclude(
    findings: Sequence[Finding], about: Sequence[str], formats: Sequence[str], out: Path | None
) -> int:
    """Print the verdicts in the first format, write all of them, and return the exit code.

    Raises:
        UsageError: they cannot be written.
    """
    from denoisebench import sinks
    from denoisebench.compare.findings import exit_code
    from denoisebench.compare.render import compare_json, compare_markdown
    from denoisebench.files import make_folder, write_text

    texts = {
        "md": lambda: compare_markdown(findings, about),
        "json": lambda: compare_json(findings, about),
        "junit": lambda: sinks.junit_of_comparison(findings),
    }
    if out is not None:
        make_folder(out)
        for name in formats:
            write_text(out / _FORMATS[name], texts[name]())
    click.echo(texts[formats[0]](), nl=False)
    return exit_code(findings)


@click.command(short_help="Tell whether one run is worse than another.")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@verdict_options("psnr,ssim")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the verdicts, in every format; needed for more than one.",
)
def compare(
    base: Path,
    head: Path,
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    formats: tuple[str, ...],
    out: Path | None,
) -> None:
    """Compare the runs in the folders BASE and HEAD: a verdict for each method and metric.

    Scores are compared cell by cell, so HEAD may be a part of what BASE measured. A score is worse
    if its mean over frames lost as much as --fail-on says and that is no accident of which frames
    there are, or one frame broke. Times are compared on one machine only; to guard them, launch
    both versions in turn: bench ab.

    Exit code 0: nothing got worse; 1: something that --fail-on names did; 2: the request cannot be
    carried out, or nothing of what --fail-on names could be compared; 3: methods failed in HEAD.
    """
    if len(formats) > 1 and out is None:
        raise UsageError("several formats need a folder: give --out")
    from denoisebench.compare.runs import compare_runs
    from denoisebench.report.results import load

    limits = limits_of(fail_on, calibration)
    findings = compare_runs(load(base), load(head), limits)
    about = [f"BASE: {base}; HEAD: {head}. Scores on the frames and noise that both have."]
    raise SystemExit(conclude(findings, about, formats, out))
