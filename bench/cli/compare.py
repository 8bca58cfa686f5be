"""``bench compare``: report whether one stored run is worse than another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from denoisebench.cli import shared
from denoisebench.cli.verdicts import conclude, limits_of, verdict_options
from denoisebench.errors import UsageError


@click.command("compare", short_help="Report whether one run is worse than another.")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@verdict_options("psnr,ssim")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the verdicts in every format; required for more than one format.",
)
def compare_command(
    base: Path,
    head: Path,
    fail_on: tuple[dict[str, float], frozenset[str]],
    calibration: Path | None,
    allow_missing: bool,
    formats: tuple[str, ...],
    out: Path | None,
) -> None:
    """Compare the runs in the folders BASE and HEAD: a verdict for each method and metric.

    Scores are compared cell by cell. A score is worse if its mean over frames fell by at least the
    size in --fail-on, and either the fall is significant or one frame alone fell by 25 times that
    size. Methods and cells of BASE that HEAD lacks fail the comparison, unless --allow-missing is
    given. Times are compared only if both runs are from one machine; to guard times, use bench ab,
    which launches both versions in turn.

    Exit code 0: nothing got worse; 1: something that --fail-on names got worse or is missing; 2:
    the request cannot be carried out, or something that --fail-on names could be compared for no
    method; 3: methods failed in HEAD.
    """
    if len(formats) > 1 and out is None:
        raise UsageError("several formats need a folder: give --out")
    from denoisebench import library

    found = library.compare(
        base, head, limits_of(fail_on, calibration, allow_missing=allow_missing)
    )
    commands = (*found.about.commands, shared.this_command())
    about = replace(found.about, commands=commands)
    raise SystemExit(conclude(found.findings, about, formats, out))
