"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path

import click

from denoisebench.cli.types import THREAD_COUNT, FiniteRange

timeout = click.option(
    "--timeout",
    type=FiniteRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Time limit in seconds for a cell, and for loading a method.",
)
threads = click.option(
    "--threads",
    type=THREAD_COUNT,
    help="Number of threads for every library.  [default: the number of cores]",
)
fresh = click.option(
    "--fresh/--resume",
    default=False,
    help="Set the folder's results aside and start anew, or continue from them.  [default: resume]",
)
plugins = click.option(
    "--plugin",
    "plugins",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Python file with further methods or metrics; may be repeated.",
)
