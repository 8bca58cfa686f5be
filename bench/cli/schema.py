"""``bench schema``: print the JSON Schema of ``report.json``."""

from __future__ import annotations

import click


@click.command("schema", short_help="Print the JSON Schema of report.json.")
def schema_command() -> None:
    """Print the JSON Schema (2020-12) of the report.json that `bench report --format json` writes.

    A change that breaks its readers gets a new name in the field "schema".
    """
    import json
    from importlib import resources

    from denoisebench.cells import Status

    file = resources.files("denoisebench.reporting") / "assets" / "report.schema.json"
    schema = json.loads(file.read_text(encoding="utf-8"))
    # The file lists the statuses that rows alone have.
    schema["$defs"]["row"]["properties"]["status"]["enum"][:0] = Status
    click.echo(json.dumps(schema, indent=1, ensure_ascii=False))
