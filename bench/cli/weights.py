"""``bench weights``: public weights of the field's networks, on disk or to be fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from denoisebench.cli import shared

if TYPE_CHECKING:
    from denoisebench.denoisers.nets.public_weights import WeightsFile

_names = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.group("weights", short_help="List, fetch and verify the weights of the field's networks.")
def weights_command() -> None:
    """List, fetch and verify the weights of the field's networks.

    NAME is a method, such as drunet, or a file that `bench weights list` names. Nothing is ever
    fetched but by `bench weights fetch`.

    DENOISEBENCH_WEIGHTS names the folder of the files; without it they lie in your cache. A file
    that you put there under its name is used like a fetched one.
    """


@weights_command.command("list")
@_names
@shared.list_format
def _list(names: tuple[str, ...], form: str) -> None:
    """List the files of weights: method, frames, sigma, size, licence, whether on disk."""
    from denoisebench.denoisers.nets import public_weights

    files = public_weights.named(names or public_weights.methods())
    if form == "json":
        import json

        click.echo(json.dumps([_facts(file) for file in files], indent=1, ensure_ascii=False))
        return
    from tabulate import tabulate

    click.echo(tabulate([_row(file) for file in files], "keys", disable_numparse=True))
    shared.say(f"Folder: {public_weights.weights_folder()}")
    for file in files:
        if file.page and not file.on_disk:
            shared.say(f"{file.name}: to be had by hand from {file.page}")


def _row(file: WeightsFile) -> dict[str, str]:
    """Describe a file in a row of the table."""
    return {
        "method": file.method,
        "file": file.name,
        "frames": file.kind,
        "sigma": f"{file.sigma:g}" if file.sigma else "any",
        "MB": f"{'' if file.exact else 'about '}{file.size / 1e6:.0f}",
        "licence": file.licence,
        "on disk": "yes" if file.on_disk else "no",
    }


def _facts(file: WeightsFile) -> dict[str, Any]:
    """Describe a file for programs."""
    return {
        "method": file.method,
        "file": file.name,
        "channels": file.channels,
        "sigma": file.sigma or None,
        "bytes": file.size if file.exact else None,
        "about_bytes": file.size,
        "sha256": file.sha256 or None,
        "url": file.url or None,
        "page": file.page or None,
        "package": file.package or None,
        "licence": file.licence,
        "trained_on": file.trained_on,
        "citation": file.citation,
        "path": str(file.path),
        "on_disk": file.on_disk,
    }


@weights_command.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def _fetch(names: tuple[str, ...]) -> None:
    """Fetch what is missing of methods, or files by their names.

    Of several files for the same frames and sigma, a method needs the first alone. What has arrived
    stays: after an interruption the same command goes on.
    """
    from denoisebench.denoisers.nets import fetching, public_weights

    files = public_weights.to_fetch(names)
    fetching.fetch(files)
    for file in files:
        shared.say(f"{file.path}: {file.licence}; cite {file.citation}")
    if not files:
        shared.say(f"{', '.join(names)}: all on disk; to check them: bench weights verify")


@weights_command.command("verify")
@_names
def _verify(names: tuple[str, ...]) -> None:
    """Check that files are intact and fit their networks: those named, or all on disk."""
    from denoisebench.denoisers import registry
    from denoisebench.denoisers.nets import fetching, public_weights

    files = public_weights.named(names or public_weights.methods())
    chosen = [file for file in files if file.on_disk or file.name in names]
    for file in chosen:
        factory: Any = registry.cards()[file.method].factory
        shared.say(f"{file.name}: intact, by {fetching.check_file(file, factory.load_file)}")
    if not chosen:
        shared.say(f"none of these is on disk: {public_weights.weights_folder()}")


@weights_command.command("path")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def _path(names: tuple[str, ...]) -> None:
    """Print the places of files, on disk or not; of a method, those of all its files."""
    from denoisebench.denoisers.nets import public_weights

    for file in public_weights.named(names):
        click.echo(file.path)
