"""Command line of ``bench``. Each verb is one module, imported when it is used."""

from __future__ import annotations

import importlib
from typing import Any

import click

from denoisebench.errors import UsageError
from denoisebench.text import one_line

EXIT_USAGE = 2
EXIT_CELLS_FAILED = 3
EXIT_INTERRUPTED = 130

_SYSTEM_ERRORS = (OSError, UnicodeError, RecursionError, MemoryError)
"""Errors of input and output that a verb did not foresee; all others are our own mistakes."""

_VERBS = (
    "run",
    "denoise",
    "report",
    "advise",
    "schema",
    "list",
    "data",
    "weights",
    "tune",
    "train",
    "study",
    "reproduce",
    "verify",
    "conventions",
    "compare",
    "ab",
    "calibrate",
    "history",
    "merge",
    "export",
    "export-onnx",
)


class _Verbs(click.Group):
    """Group that imports a verb's module when it is used, and explains errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_VERBS]  # `list` is a module here, once it is imported

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _VERBS:
            return None
        word = name.replace("-", "_")
        module = importlib.import_module(f"denoisebench.cli.{word}")
        command: click.Command = getattr(module, f"{word}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            click.echo(f"bench: {one_line(str(error))}", err=True)
            ctx.exit(EXIT_USAGE)
        except _SYSTEM_ERRORS as error:
            click.echo(f"bench: {one_line(_described(error))}", err=True)
            ctx.exit(EXIT_USAGE)
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            ctx.exit(EXIT_INTERRUPTED)


def _described(error: BaseException) -> str:
    """Say in one line what the system refused, and of which file where that is known."""
    if isinstance(error, OSError):
        file = f"{error.filename}: " if isinstance(error.filename, str) else ""
        return f"{file}{error.strerror or error}"
    if isinstance(error, UnicodeError):
        return f"a text is not valid in its encoding: {error}"
    if isinstance(error, RecursionError):
        return "values are nested too deeply"
    return "not enough memory"


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="denoisebench", prog_name="bench")
def main() -> None:
    """Compare image denoisers fairly, fast and reproducibly.

    Start with: bench run --methods all
    """
