"""``bench reproduce``: the figures of docs/reproduction.md."""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.errors import UsageError


@click.command("reproduce", short_help="Write the figures of the reproduction report.")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--ablations",
    type=click.Path(path_type=Path),
    default=Path("results/ablations"),
    show_default=True,
    help="Folder of the cards of the paper's recipe with one thing changed.",
)
@click.option(
    "--into",
    "document",
    type=click.Path(path_type=Path),
    default=Path("docs/reproduction.md"),
    show_default=True,
    help="The document whose blocks of figures are made anew.",
)
def reproduce_command(runs: tuple[Path, ...], ablations: Path, document: Path) -> None:
    """Compare the RUNS' figures with the paper's, and write them into the reproduction report.

    The runs' tables hold the four rows of the paper's Table 1 at the sigmas of interest; the
    training of the shipped weights is told by the cards beside them.
    """
    from denoisebench.denoisers.gan.inference import WEIGHTS
    from denoisebench.files import write_text
    from denoisebench.training import reproduction

    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{document} cannot be read ({error.strerror})") from error
    evidence = reproduction.read(runs, WEIGHTS, ablations)
    write_text(document, reproduction.rewrite(text, evidence))
    click.echo(f"Wrote the figures of {document}", err=True)
