"""``bench data``: the data sets, where their files are, and whether they are intact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from denoisebench.datasets.catalogue import StoredDataset

LISTED = 5  # files told by name

_name = click.argument("name", default="documentary", metavar="[NAME]")
_splits = click.option("--split", "splits", multiple=True, help="Only this; may be repeated.")


@click.group(short_help="See to the data sets.")
def data() -> None:
    """See to the data sets: documentary, stills, or folder:PATH for your own images.

    DENOISEBENCH_DATA names a folder that already holds documentary/; without it the files are
    fetched into your cache.
    """


@data.command("list")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def list_(form: str) -> None:
    """List the data sets: their splits, whether they are on disk, their licences."""
    from denoisebench.datasets.catalogue import NAMED

    rows = [_row(opener()) for opener in NAMED.values()]
    if form == "json":
        import json

        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from tabulate import tabulate

    click.echo(tabulate([row | {"splits": _in_words(row["splits"])} for row in rows], "keys"))
    click.echo("folder:PATH stands for your own images.", err=True)


def _row(dataset: StoredDataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "splits": {
            split: {"frames": dataset.size(split), "on_disk": not dataset.missing(split)}
            for split in dataset.splits
        },
        "licence": dataset.licence,
    }


def _in_words(splits: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"{split}: {facts['frames']}{'' if facts['on_disk'] else ', not on disk'}"
        for split, facts in splits.items()
    )


@data.command()
@_name
@_splits
def fetch(name: str, splits: tuple[str, ...]) -> None:
    """Fetch what is missing or damaged; NAME is documentary unless given.

    What has arrived stays: after an interruption the same command goes on.
    """
    from denoisebench.datasets.catalogue import open_dataset

    dataset = open_dataset(name)
    for split in splits or dataset.splits:
        dataset.fetch(split)
        click.echo(f"{name} {split}: {dataset.size(split)} frames in {dataset.folder}", err=True)


@data.command()
@_name
@_splits
def verify(name: str, splits: tuple[str, ...]) -> None:
    """Check that every file is on disk, intact and decodes; NAME is documentary unless given."""
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.errors import UsageError

    dataset = open_dataset(name)
    missing: list[str] = []
    for split in splits or dataset.splits:
        if absent := dataset.missing(split):
            missing += absent
        else:
            click.echo(f"{name} {split}: {len(dataset.frames(split))} frames intact", err=True)
    if missing:
        listed = ", ".join(missing[:LISTED]) + (", …" if len(missing) > LISTED else "")
        raise UsageError(
            f"{name}: {len(missing)} files in {dataset.folder} are missing or damaged ({listed}); "
            f"`bench data fetch {name}` restores them"
        )


@data.command()
@_name
def path(name: str) -> None:
    """Print the folder of the files, fetched or not; NAME is documentary unless given."""
    from denoisebench.datasets.catalogue import open_dataset

    click.echo(open_dataset(name).folder)
