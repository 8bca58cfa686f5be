"""``bench list``: the methods, or the metrics, and if they can run here."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from denoisebench.cli import shared
from denoisebench.text import as_cell, as_json, plain

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.denoisers.registry import Card
    from denoisebench.metrics.registry import Metric


@click.command("list", short_help="List the methods, or the metrics.")
@click.option("--metrics", is_flag=True, help="List the metrics instead.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv", "md"]),
    default="table",
    show_default=True,
    help="Form of the list.",
)
@shared.plugins
@shared.wide
def list_command(metrics: bool, form: str, plugins: tuple[Path, ...], wide: bool) -> None:
    """List the methods: their families, licences and devices, and if they can run here.

    A blind method ignores sigma. A deterministic one gives the same bits for the same input, on
    one machine. One that is not verified was never run with its authors' weights: only the shapes
    and numbers of its parameters are known to be right.

    With --metrics: the metrics, their best values, units and ranges, and if they can be computed
    here.
    """
    from denoisebench.denoisers import registry

    registry.load_files(plugins)
    if metrics:
        from denoisebench.metrics import registry as metric_registry

        rows = [_metric_row(metric) for metric in metric_registry.metrics().values()]
    else:
        rows = [_row(card) for card in registry.cards().values()]
    shown = [{key: plain(value) for key, value in row.items()} for row in rows]
    if form == "table" and sys.stdout.isatty():
        from denoisebench.reporting.terminal import draw_rows

        order = ("best", "unit") if metrics else ("family", "licence")
        draw_rows(shown, ("available", *order), wide=wide)
        return
    click.echo(_render(shown, form), nl=form != "csv")


def _row(card: Card) -> dict[str, str]:
    """Describe a method in one row."""
    return {
        "name": card.name,
        "title": card.title,
        "family": card.family,
        "licence": card.licence,
        "devices": " ".join(card.devices),
        "blind": _yes_or_no(card.blind),
        "deterministic": _yes_or_no(card.deterministic),
        "available": _answer(card.unavailable),
        "verified": "yes" if card.verified else "not verified",
    }


def _metric_row(metric: Metric) -> dict[str, str]:
    """Describe a metric in one row."""
    low, high = metric.range
    return {
        "name": metric.name,
        "title": metric.title,
        "best": {"higher": "highest", "lower": "lowest", "zero": "closest to 0"}[metric.direction],
        "unit": metric.unit,
        "range": f"{low:.4g} to {high:.4g}",
        "undefined": metric.undefined,
        "source": metric.source,
        "available": _answer(metric.unavailable),
    }


def _yes_or_no(fact: bool) -> str:
    return "yes" if fact else "no"


def _answer(unavailable: str | None) -> str:
    return "yes" if unavailable is None else f"no: {unavailable}"


def _render(rows: list[dict[str, str]], form: str) -> str:
    if form == "json":
        return as_json(rows)
    if form == "csv":
        import csv
        import io

        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: as_cell(value) for key, value in row.items()} for row in rows)
        return text.getvalue()
    from tabulate import tabulate

    return tabulate(rows, headers="keys", tablefmt="github" if form == "md" else "simple")
