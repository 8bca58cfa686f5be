"""``bench list``: the methods and whether they can run here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from denoisebench.denoisers.registry import Card


@click.command("list", short_help="List the methods.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "md"]),
    default="table",
    show_default=True,
)
@click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A Python file with further methods.",
)
def list_(form: str, plugins: tuple[Path, ...]) -> None:
    """List the methods: what they are, where they run, and whether they can run here."""
    from denoisebench.denoisers import registry

    for plugin in plugins:
        registry.load_file(plugin)
    rows = [_row(card) for card in registry.cards().values()]
    click.echo(_render(rows, form), nl=form != "csv")


def _row(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "family": card.family,
        "licence": card.licence,
        "devices": " ".join(card.devices),
        "blind": "yes" if card.blind else "no",
        "available": "yes" if card.unavailable is None else f"no: {card.unavailable}",
    }


def _render(rows: list[dict[str, Any]], form: str) -> str:
    if form == "json":
        import json

        return json.dumps(rows, indent=1, ensure_ascii=False)
    if form == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
    from tabulate import tabulate

    return tabulate(rows, headers="keys", tablefmt="github" if form == "md" else "simple")
