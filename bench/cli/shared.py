"""Options that several verbs share, worded once."""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.cli.types import THREAD_COUNT, FiniteRange

timeout = click.option(
    "--timeout",
    type=FiniteRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Seconds for a cell, and for loading a method.",
)
threads = click.option(
    "--threads",
    type=THREAD_COUNT,
    help="Threads for every library.  [default: the number of cores]",
)
fresh = click.option(
    "--fresh/--resume",
    default=False,
    help="Set aside what the folder holds, or go on from it.  [default: resume]",
)
plugins = click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A Python file with further methods or metrics; may be repeated.",
)
