"""``bench data``: the data sets, where their files are, and whether they are intact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import shared
from denoisebench.cli.extract import extract_command
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from denoisebench.datasets.base import Frame, StoredDataset

_LISTED = 5  # files told by name
LICENCE_WIDTH = 60  # columns
SHOWN = 48  # frames on a contact sheet, and of which the noise is estimated

_name = click.argument("name", default="documentary", metavar="[NAME]")
_splits = click.option(
    "--split", "splits", multiple=True, help="Split to take; may be repeated.  [default: all]"
)


@click.group("data", short_help="Fetch, verify and show data sets.")
def data_command() -> None:
    """Fetch, verify and show data sets.

    `bench data list` names them; folder:PATH is a folder of your own images.

    DENOISEBENCH_DATA names a folder that already holds documentary/, standard/Set12/ and so on;
    without it the files are fetched into your cache.
    """


data_command.add_command(extract_command)


@data_command.command("list")
@shared.list_format
def _list(form: str) -> None:
    """List the data sets: their splits, whether they are on disk, their licences."""
    from denoisebench.datasets import catalogue

    rows = [_row(name) for name in catalogue.dataset_names()]
    if form == "json":
        import json

        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    from tabulate import tabulate

    shown = [row | {"splits": _in_words(row["splits"])} for row in rows if "unavailable" not in row]
    click.echo(tabulate(shown, "keys", maxcolwidths=[None, None, LICENCE_WIDTH]))
    for row in rows:
        if "unavailable" in row:
            click.echo(f"{row['name']}: unavailable: {row['unavailable']}", err=True)
    paths = ", ".join(f"{prefix}:PATH" for prefix in catalogue.PREFIXED)
    click.echo(f"For your own images: {paths}.", err=True)


def _row(name: str) -> dict[str, Any]:
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.errors import UsageError

    try:
        dataset = open_dataset(name)
        splits = {
            split: {"frames": dataset.size(split), "on_disk": not dataset.missing(split)}
            for split in dataset.splits
        }
    except UsageError as problem:
        return {"name": name, "unavailable": str(problem)}
    return {"name": name, "splits": splits, "licence": dataset.licence}


def _in_words(splits: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        f"{split}: {facts['frames']}{'' if facts['on_disk'] else ', not on disk'}"
        for split, facts in splits.items()
    )


@data_command.command("fetch")
@_name
@_splits
def _fetch(name: str, splits: tuple[str, ...]) -> None:
    """Fetch what is missing or damaged; NAME is documentary unless given.

    What has arrived stays: after an interruption the same command goes on.
    """
    from denoisebench.datasets.catalogue import open_dataset

    dataset = open_dataset(name)
    for split in splits or dataset.splits:
        dataset.fetch(split)
        click.echo(
            f"{name} {split}: {counted(dataset.size(split), 'frame')} in {dataset.folder}", err=True
        )
    _tell_trust(dataset)


def _tell_trust(dataset: StoredDataset) -> None:
    if trust := getattr(dataset, "trust", ""):
        click.echo(f"Verified by: {trust}", err=True)


@data_command.command("verify")
@_name
@_splits
def _verify(name: str, splits: tuple[str, ...]) -> None:
    """Check that every file is on disk, intact and decodes; NAME is documentary unless given."""
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.errors import UsageError

    dataset = open_dataset(name)
    missing: list[str] = []
    for split in splits or dataset.splits:
        if absent := dataset.missing(split):
            missing += absent
        else:
            click.echo(
                f"{name} {split}: {counted(len(dataset.frames(split)), 'frame')} intact", err=True
            )
    if missing:
        several = list(dict.fromkeys(missing))
        listed = ", ".join(several[:_LISTED]) + (", …" if len(several) > _LISTED else "")
        raise UsageError(
            f"{name}: {counted(len(missing), 'file')} missing or damaged in {dataset.folder} "
            f"({listed}); `bench data fetch {name}` restores them, or says what to do"
        )
    _tell_trust(dataset)


@data_command.command("path")
@_name
def _path(name: str) -> None:
    """Print the folder of the files, fetched or not; NAME is documentary unless given."""
    from denoisebench.datasets.catalogue import open_dataset

    click.echo(open_dataset(name).folder)


@data_command.command("show")
@_name
@click.option("--split", default=None, help="Split to show.  [default: test, or the first]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="File for the contact sheet.  [default: NAME-SPLIT.png]",
)
def _show(name: str, split: str | None, out: Path | None) -> None:
    """Describe a data set, and draw a contact sheet; NAME is documentary unless given."""
    import re

    from denoisebench.datasets.base import spread
    from denoisebench.datasets.catalogue import open_dataset
    from denoisebench.datasets.contact_sheet import contact_sheet

    dataset = open_dataset(name)
    split = split or ("test" if "test" in dataset.splits else dataset.splits[0])
    frames = dataset.frames(split)
    shown = spread(frames, SHOWN)
    sheet = out or Path(re.sub(r"[^\w.-]+", "-", f"{dataset.name}-{split}.png"))
    contact_sheet(
        shown, sheet, f"{dataset.title} · {split}: {len(shown)} of {counted(len(frames), 'frame')}"
    )
    facts = {
        "title": dataset.title,
        "licence": dataset.licence,
        "cite": getattr(dataset, "citation", ""),
        "folder": dataset.folder,
        "verified by": getattr(dataset, "trust", ""),
        "splits": ", ".join(f"{s} ({dataset.size(s)})" for s in dataset.splits),
        split: _resolutions(frames),
        "noise": _noise(shown),
        "contact sheet": sheet,
    }
    for what, fact in facts.items():
        if fact:
            click.echo(f"{what}: {fact}")


def _resolutions(frames: Sequence[Frame]) -> str:
    from collections import Counter

    counts = Counter(frame.shape for frame in frames).most_common()
    kinds = {1: "grey", 3: "RGB"}
    told = [f"{count} of {w}×{h} {kinds[c]}" for (h, w, c), count in counts[:_LISTED]]
    rest = sum(count for _, count in counts[_LISTED:])
    return ", ".join(told) + (f", {rest} of other sizes" if rest else "")


def _noise(frames: Sequence[Frame]) -> str:
    """Estimate the recorded noise, and the white noise that is left in the clean images."""
    from denoisebench.protocol.estimation import estimate_sigma, of_white_noise

    recorded = [estimate_sigma(_values(f.read_noisy)) for f in frames if f.read_noisy is not None]
    clean = [
        sum(of_white_noise(plane) for plane in _values(f.read).transpose(2, 0, 1)) / f.shape[2]
        for f in frames
        if f.has_clean
    ]
    told = [
        f"{what} images sigma {_range(sigmas)}"
        for what, sigmas in (("recorded", recorded), ("clean", clean))
        if sigmas
    ]
    source = counted(len(frames), "frame")
    return f"{', '.join(told)}; estimated from {source}, with texture taken for noise"


def _values(read: Callable[[], np.ndarray]) -> np.ndarray:
    return read().astype("float32")


def _range(values: list[float]) -> str:
    ordered = sorted(values)
    return f"{ordered[len(ordered) // 2]:.1f} ({ordered[0]:.1f} to {ordered[-1]:.1f})"
