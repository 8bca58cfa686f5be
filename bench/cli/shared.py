"""Options and helpers that several verbs share."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import EXIT_INTERRUPTED
from denoisebench.cli.types import THREAD_COUNT, FiniteRange
from denoisebench.machine.signals import answered_by
from denoisebench.text import command_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from denoisebench.reporting.table import Table

FEWEST_LAUNCHES = 6
"""Least number of launches of a version."""

timeout = click.option(
    "--timeout",
    type=FiniteRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Time limit in seconds for a cell, and for loading a method.",
)
some_frames = click.option(
    "--frames", type=click.IntRange(1), help="Number of frames, evenly spread.  [default: all]"
)
fastest_device = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device; auto takes CUDA where the method and this machine have it.",
)
process_memory = click.option(
    "--memory-limit",
    type=FiniteRange(0, min_open=True),
    help="Memory limit of a method's process in GB.  [default: 80 % of the free memory, shared by "
    "those that work side by side]",
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
torch = click.option(
    "--torch",
    multiple=True,
    metavar="FILE.py:CLASS",
    help="Network of yours: a class of a Python file, with arguments in parentheses and its use in "
    "brackets, as in 'my_net.py:MyNet(depth=17)[conditioning=map]'; may be repeated.",
)
checkpoints = click.option(
    "--checkpoint",
    "checkpoints",
    type=click.Path(path_type=Path),
    multiple=True,
    help="File of the network's weights, one for each --torch.",
)
weights = click.option(
    "--weights",
    multiple=True,
    metavar="METHOD=FILE",
    help="File with weights for a method of `bench weights list`, in place of its own; may be "
    "repeated.",
)
list_format = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Format of the list.",
)
resume_launches = click.option(
    "--resume",
    is_flag=True,
    help="Keep the complete pairs of launches in the folder; the versions must be unchanged.",
)


wide = click.option(
    "--wide", is_flag=True, help="Draw all columns of the table, also beyond the terminal's width."
)


def show_tables(tables: Sequence[Table], wide: bool) -> None:
    """Draw tables where stdout is a terminal, and print them as Markdown where it is none."""
    if sys.stdout.isatty():
        from denoisebench.reporting.terminal import draw_table

        for table in tables:
            draw_table(table, wide=wide)
        return
    from denoisebench.reporting.markdown import render

    click.echo("\n".join(map(render, tables)), nl=False)


def say(line: str) -> None:
    """Print a line on stderr."""
    click.echo(line, err=True)


def this_command(*further: str) -> str:
    """Return the command line, without --resume, plus `further` options."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    return command_line(["bench", *words[:1], *further, *words[1:]])


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Treat a request to end as Ctrl-C inside the block, so that the table so far is printed.

    Requests are SIGTERM, and SIGHUP, which a terminal sends as it closes; nohup has it ignored.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    requests = [signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        requests.append(signal.SIGHUP)
    with answered_by(interrupt, requests):
        yield


@contextmanager
def launches_to_be_resumed() -> Iterator[None]:
    """Answer an interruption of the block with the command that continues, and exit."""
    with terminated_as_interrupted():
        try:
            yield
        except KeyboardInterrupt:
            say(f"Interrupted. To go on from here: {this_command('--resume')}")
            raise SystemExit(EXIT_INTERRUPTED) from None
