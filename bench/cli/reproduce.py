"""``bench reproduce``: make the figures of docs/reproduction.md."""

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
    help="Folder with the cards of the paper's recipe with one change each.",
)
@click.option(
    "--into",
    "document",
    type=click.Path(path_type=Path),
    default=Path("docs/reproduction.md"),
    show_default=True,
    help="The document whose blocks of figures are made again.",
)
def reproduce_command(runs: tuple[Path, ...], ablations: Path, document: Path) -> None:
    """Compare the RUNS' figures with the paper's, and write them into the reproduction report.

    The runs must have measured the four rows of the paper's Table 1 at the sigmas of interest. The
    cards beside the shipped weights tell how these were trained.
    """
    from denoisebench.denoisers.gan.inference import WEIGHTS
    from denoisebench.files import write_text
    from denoisebench.training import reproduction

    try:
        text = document.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{document} cannot be read ({error.strerror})") from error
    evidence = reproduction.read_evidence(runs, WEIGHTS, ablations)
    write_text(document, reproduction.rewrite(text, evidence))
    click.echo(f"Wrote the figures of {document}", err=True)
