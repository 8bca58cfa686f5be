"""``bench conventions``: find the conventions under which a method has a printed figure."""

from __future__ import annotations

from typing import Any

import click

from denoisebench.cells import LARGEST_SIGMA, MOST_SEEDS
from denoisebench.cli import EXIT_INTERRUPTED, shared
from denoisebench.cli.types import FiniteRange

_EXIT_NONE_FITS = 1


@click.command("conventions", short_help="Find the conventions that give a printed figure.")
@click.argument("method")
@click.option("--dataset", required=True, help="Data set of the figure, such as standard:set12.")
@click.option("--split", default="test", show_default=True, help="Split of the data set.")
@click.option(
    "--sigma",
    type=FiniteRange(0, LARGEST_SIGMA),
    help="Standard deviation of the noise, on the 8-bit scale; leave it out for recorded noise.",
)
@click.option(
    "--printed",
    metavar="FIGURE",
    help="Figure as it is printed, with all its digits, such as 31.20.  [default: none; the table "
    "then shows the effect of each convention]",
)
@click.option(
    "--metric",
    type=click.Choice(["psnr", "ssim"]),
    default="psnr",
    show_default=True,
    help="Metric of the figure.",
)
@shared.some_frames
@click.option(
    "--seeds",
    type=click.IntRange(1, MOST_SEEDS),
    default=2,
    show_default=True,
    help="Number of noise draws; two show the scatter.",
)
@click.option(
    "--changes",
    type=click.IntRange(1, 3),
    help="Largest number of changes from the protocol that are combined.  [default: 2 with "
    "--printed, else 1]",
)
@shared.fastest_device
@shared.timeout
@shared.process_memory
@shared.threads
@shared.plugins
@shared.torch
@shared.checkpoints
@shared.weights
@click.option(
    "--format",
    "form",
    type=click.Choice(["md", "csv", "json"]),
    default="md",
    show_default=True,
    help="Table for readers, or all conventions as CSV or JSON.",
)
def conventions_command(form: str, **choices: Any) -> None:
    """Find the conventions under which METHOD has a printed figure.

    Papers differ in how they clip and round, in colour, borders, means and windows. METHOD is run
    once on each distinct noisy frame, and the same estimates are scored under each convention. The
    table names those that give the figure, with the fewest changes from our protocol first.

    The table goes to stdout, everything else to stderr. Exit code 0: some convention gives the
    figure, or none was printed; 1: none gives it; 2: the request cannot be carried out; 130:
    interrupted.
    """
    from denoisebench.verifying.convention_search import SearchOptions, find_conventions
    from denoisebench.verifying.convention_table import CONVENTION_FORMATS

    with shared.terminated_as_interrupted():
        try:
            search = find_conventions(SearchOptions(**choices), shared.say)
        except KeyboardInterrupt:
            shared.say("Interrupted; nothing was stored.")
            raise SystemExit(EXIT_INTERRUPTED) from None
    click.echo(CONVENTION_FORMATS[form](search), nl=False)
    if search.printed is not None and not search.fitting:
        raise SystemExit(_EXIT_NONE_FITS)
