"""``bench export``: write a run in the formats of other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from denoisebench.cli.types import CommaList

_FORMATS = ("github-action-benchmark", "bencher", "junit", "pytest-benchmark")


def _format(item: Any) -> str:
    if item not in _FORMATS:
        raise ValueError(f"{item!r} is none of {', '.join(_FORMATS)}")
    return str(item)


@click.command("export", short_help="Write a run in the formats of other tools.")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "formats",
    type=CommaList("format,…", lambda text: text.split(","), _format),
    default=",".join(_FORMATS),
    show_default=True,
    help="Formats to write, separated by commas.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder.  [default: the run's own]")
def export_command(run: Path, formats: tuple[str, ...], out: Path | None) -> None:
    """Write the run in the folder RUN for other tools.

    \b
    github-action-benchmark  bigger-is-better.json, smaller-is-better.json
    bencher                  bencher.json
    junit                    junit.xml
    pytest-benchmark         pytest-benchmark.json
    """
    from denoisebench import export as sinks
    from denoisebench.files import make_folder, write_text
    from denoisebench.store.results import load_run

    results = load_run(run)
    texts: dict[str, str] = {}
    if "github-action-benchmark" in formats:
        both = sinks.github_action_benchmark(results)
        texts |= zip(("bigger-is-better.json", "smaller-is-better.json"), both, strict=True)
    if "bencher" in formats:
        texts["bencher.json"] = sinks.bencher(results)
    if "junit" in formats:
        texts["junit.xml"] = sinks.junit_of_run(results)
    if "pytest-benchmark" in formats:
        texts["pytest-benchmark.json"] = sinks.pytest_benchmark(results)
    folder = out or run
    make_folder(folder)
    for name, text in texts.items():
        write_text(folder / name, text)
    click.echo(f"Wrote {', '.join(texts)} to {folder}", err=True)
