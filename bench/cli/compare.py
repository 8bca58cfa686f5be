"""``bench compare``: is one stored run worse than another?"""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.cli.verdicts import conclude, limits_of, this_command, verdict_options
from denoisebench.errors import UsageError


@click.command("compare", short_help="Tell whether one run is worse than another.")
@click.argument("base", type=click.Path(path_type=Path))
@click.argument("head", type=click.Path(path_type=Path))
@verdict_options("psnr,ssim")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the verdicts, in every format; needed for more than one.",
)
def compare_command(
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
    from denoisebench.comparing.render import About
    from denoisebench.comparing.runs import compare_runs, load_finished

    limits = limits_of(fail_on, calibration)
    before, now = load_finished(base), load_finished(head)
    about = About(
        (f"BASE: {base}; HEAD: {head}. Scores on the frames and noise that both have.",),
        (now.manifest["command"], this_command()),
    )
    raise SystemExit(conclude(compare_runs(before, now, limits), about, formats, out))
