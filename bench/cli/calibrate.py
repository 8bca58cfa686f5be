"""``bench calibrate``: measure how much times scatter, and the changes that can be detected."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from denoisebench.comparing.calibration import Calibration


@click.command(
    "calibrate",
    short_help="Measure how much times scatter here, and which changes can be detected.",
)
@click.argument("run_options", nargs=-1, type=click.UNPROCESSED, metavar="-- RUN OPTIONS")
@click.option(
    "--env",
    type=click.Path(path_type=Path),
    help="Virtual environment: its folder, its python or bench command.  [default: this one]",
)
@click.option(
    "--pairs",
    type=click.IntRange(shared.FEWEST_LAUNCHES),
    default=20,
    show_default=True,
    help="Pairs of launches to measure.",
)
@click.option(
    "--launches",
    type=click.IntRange(shared.FEWEST_LAUNCHES),
    default=10,
    show_default=True,
    help="Launches per version that bench ab will make.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("results", "calibration"),
    show_default=True,
    help="Folder for the launches and calibration.toml.",
)
@shared.resume_launches
def calibrate_command(
    run_options: tuple[str, ...],
    env: Path | None,
    pairs: int,
    launches: int,
    out: Path,
    resume: bool,
) -> None:
    """Launch one version against itself, and derive the smallest change bench ab may report.

    \b
    bench calibrate -- --methods 'nlm-*' --sigma 25 --frames 2
    bench ab base head --calibration results/calibration/calibration.toml -- …

    The table shows for each method how much launches scatter, the smallest change that can be
    detected on this machine, and how often bench ab would raise a false alarm or detect a slowdown
    by 10 %. Where it detects too few, give both commands more --launches.
    """
    from denoisebench.comparing import launches as launcher
    from denoisebench.comparing.calibration import calibrate as learn
    from denoisebench.comparing.calibration import to_toml
    from denoisebench.comparing.limits import DEFAULT_SHARES
    from denoisebench.errors import UsageError
    from denoisebench.files import write_text

    launcher.check_words(run_options)
    one, other = (launcher.version(n, env or Path(sys.executable)) for n in ("first", "second"))
    with shared.launches_to_be_resumed():
        found = launcher.in_turn(one, other, run_options, pairs, out, shared.say, resume=resume)
    times = {row: launcher.launch_times(found, row) for row in launcher.common_rows(found)}
    known = {
        row: learn(values[0], values[1], launches, DEFAULT_SHARES["time"])
        for row, values in times.items()
        if values.shape[1] == pairs
    }
    if not known:
        raise UsageError(f"no method measured all cells in all launches; see {out}")
    shares: dict[str, Calibration] = {}
    for (method, _), calibration in known.items():
        if method not in shares or shares[method].share < calibration.share:
            shares[method] = calibration
    path = out / "calibration.toml"
    write_text(path, to_toml(shares, launches, shared.this_command()))
    click.echo(_table(known))
    click.echo(f"Wrote {path}", err=True)


def _table(known: Mapping[tuple[str, str], Calibration]) -> str:
    """Write the Markdown table, a row for each method and device."""
    from tabulate import tabulate

    body = [
        [
            method if device == "cpu" else f"{method} ({device})",
            *(f"{100 * v:.1f} %" for v in (c.scatter, c.share, c.alarms, c.detected)),
        ]
        for (method, device), c in known.items()
    ]
    headers = ["Method", "launch scatters", "smallest change", "false alarms", "+10 % is seen"]
    return tabulate(body, headers, "github", disable_numparse=True)
