"""Entry of the command ``bench``, which ends in one line, whatever happens, not in a traceback."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import click

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h; 1 would mean that a comparison found something worse


def start() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)  # nothing is at work while modules are imported
    from denoisebench import streams

    streams.make_safe()
    code = _run()
    gc.freeze()  # an interpreter that ends would look through all its modules for garbage
    raise SystemExit(code)


def _leave(*_: object) -> NoReturn:
    """End the process at once, as an interrupted command does."""
    os.write(2, b"Interrupted.\n")
    os._exit(130)


def _run() -> int:
    """Run the command line; return its exit code."""
    import click

    from denoisebench import cli
    from denoisebench.errors import UsageError
    from denoisebench.machine.signals import repeat_lost_interrupts

    repeat_lost_interrupts()
    try:
        if signal.getsignal(signal.SIGINT) is _leave:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        code = _code_of(cli.main)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        code = cli.EXIT_USAGE
    except (click.Abort, KeyboardInterrupt):
        print("Interrupted.", file=sys.stderr)
        code = cli.EXIT_INTERRUPTED
    except UsageError as error:  # stdout cannot be written to
        print(f"bench: {error}", file=sys.stderr)
        code = cli.EXIT_USAGE
    except Exception as error:
        print(f"bench: {_explained(error)}", file=sys.stderr)
        code = EXIT_BUG
    return code


def _code_of(command: click.Command) -> int:
    """Run a command; return the exit code that it asks for."""
    try:
        code = command.main(standalone_mode=False)
    except SystemExit as end:
        code = end.code
    return code if isinstance(code, int) else 0


def _explained(error: Exception) -> str:
    """Save the traceback of a mistake of ours, and say in one line where it is."""
    import tempfile
    import traceback

    from denoisebench.plugins import describe_error

    lines = ["bench ", " ".join(map(ascii, sys.argv[1:])), "\n", *traceback.format_exception(error)]
    report = "report it with the command that you gave"
    try:
        with tempfile.NamedTemporaryFile(
            *("w", -1, "utf-8"), prefix="bench-", suffix=".txt", delete=False, errors="replace"
        ) as file:
            file.writelines(lines)
            report = f"report it with the file {file.name}"
    except OSError:
        pass  # the disk is full, perhaps
    return f"a mistake in bench itself, {describe_error(error)}; please {report}"


if __name__ == "__main__":
    start()
