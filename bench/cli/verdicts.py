"""Options and output of the commands that end in verdicts: compare and ab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli.types import format_list

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from denoisebench.comparing.findings import Finding
    from denoisebench.comparing.findings_report import About
    from denoisebench.comparing.limits import ComparisonLimits


class _FailOn(click.ParamType):  # type: ignore[type-arg]  # older releases take none
    """Limits such as ``psnr=0.02,time=10%``, as a dict of sizes and a set of metrics."""

    name = "metric[=size],…"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        from denoisebench.comparing.limits import read_fail_on

        if not isinstance(value, str):
            return value
        try:
            return read_fail_on(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _formats() -> Collection[str]:
    from denoisebench.comparing.findings_report import VERDICT_FORMATS

    return VERDICT_FORMATS


def verdict_options(fail_on: str) -> Callable[[Any], Any]:
    """Return a decorator that adds the options of all verdicts: --fail-on and so on.

    Args:
        fail_on: the default of --fail-on.
    """
    options = [
        click.option(
            "--fail-on",
            type=_FailOn(),
            default=fail_on,
            show_default=True,
            help="Metrics that end with exit code 1 when they get worse by this much: scores in "
            "their unit, time and memory in percent.",
        ),
        click.option(
            "--calibration",
            type=click.Path(path_type=Path),
            help="File that bench calibrate wrote on this machine; it raises the limits of times.",
        ),
        click.option(
            "--allow-missing",
            is_flag=True,
            help="Pass though HEAD lacks methods or cells of BASE; new ones never fail.",
        ),
        click.option(
            "--format",
            "formats",
            type=format_list(_formats),
            default="md",
            show_default=True,
            help="Formats of the verdicts: md, json and junit; the first is printed.",
        ),
    ]

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def limits_of(
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    *,
    allow_missing: bool,
) -> ComparisonLimits:
    """Return the limits that the options set.

    Args:
        fail_on: the sizes by metric, and the metrics that fail a comparison.
        calibration: a file of bench calibrate; None for none.
        allow_missing: True to pass though HEAD lacks methods or cells of BASE.

    Raises:
        UsageError: the calibration cannot be used.
    """
    from denoisebench.comparing.limits import ComparisonLimits, read_calibration

    sizes, gated = fail_on
    calibrated = {} if calibration is None else read_calibration(calibration)
    return ComparisonLimits(sizes, gated, calibrated, allow_missing)


def conclude(
    findings: Sequence[Finding], about: About, formats: Sequence[str], out: Path | None
) -> int:
    """Print the verdicts in the first format, write them in every format, and return the exit code.

    Args:
        findings: the verdicts.
        about: description of the comparison, for the Markdown and JSON formats.
        formats: names of the formats.
        out: folder for the files; None writes none.

    Raises:
        UsageError: the files cannot be written.
    """
    from denoisebench.comparing.findings import exit_code
    from denoisebench.comparing.findings_report import VERDICT_FORMATS
    from denoisebench.files import make_folder, write_text

    texts = {name: VERDICT_FORMATS[name][1](findings, about) for name in formats}
    if out is not None:
        make_folder(out)
        for name, text in texts.items():
            write_text(out / VERDICT_FORMATS[name][0], text)
    click.echo(texts[formats[0]], nl=False)
    return exit_code(findings)
