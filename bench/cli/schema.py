"""``bench schema``: print the JSON Schema of ``report.json``."""

from __future__ import annotations

import click


@click.command("schema", short_help="Print the JSON Schema of report.json.")
def schema_command() -> None:
    """Print the JSON Schema (2020-12) of the report.json that `bench report --format json` writes.

    A change that breaks its readers gets a new name in the field "schema".
    """
    from importlib import resources

    file = resources.files("denoisebench.reporting") / "assets" / "report.schema.json"
    click.echo(file.read_text(encoding="utf-8"), nl=False)
