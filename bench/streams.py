"""Streams of this process: safe to write to, or redirected to a file."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_REDIRECTING = threading.Lock()


def make_safe() -> None:
    """Prepare the standard streams of a command, whatever the shell made of them.

    What stdout cannot show is replaced; what it cannot take raises UsageError. What stderr cannot
    take is dropped: messages may get lost, measurements not. A closed descriptor is opened, or the
    next file would take its place, and get what others print.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # the lowest that is free; writing to 1 fails as it should
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - it stays open
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout, "replace")
    sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr, "backslashreplace")


def _text(raw: io.FileIO, before: TextIO | None, errors: str) -> io.TextIOWrapper:
    """Return a text stream like another one."""
    encoding = getattr(before, "encoding", None) or "utf-8"
    terminal = raw.isatty() or isinstance(raw, _Messages)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=terminal)


class _Output(io.FileIO):
    """Standard output that tells its first error in one line, and drops what is written then."""

    def write(self, content: Any, /) -> int:
        """Write.

        Raises:
            UsageError: it is closed, or the disk is full.
        """
        try:
            return super().write(content)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            raise UsageError(f"cannot write the output: {error.strerror}") from error


class _Messages(io.FileIO):
    """Standard error whose errors are of no consequence."""

    def write(self, content: Any, /) -> int:
        """Write, if possible."""
        with contextlib.suppress(OSError):
            super().write(content)
        return len(content)


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    r"""Append to a file what this process and those that it starts print inside the block.

    Both streams are redirected, as Python knows them and as libraries in C do, which write to the
    descriptors 1 and 2. Threads share the streams; one block at a time redirects them.

    Args:
        path: the file; it is made if it is absent.

    Raises:
        OSError: the file cannot be opened.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     log = Path(folder, "plugin.log")
        ...     with output_to(log):
        ...         print("Using TensorFlow backend.")
        ...     log.read_text()
        'Using TensorFlow backend.\n'
    """
    with _REDIRECTING, contextlib.ExitStack() as stack:
        target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        stack.callback(os.close, target)
        for descriptor in (1, 2):
            stack.enter_context(_duplicated(target, descriptor))
        file = stack.enter_context(
            open(os.dup(target), "w", encoding="utf-8", errors="backslashreplace")
        )
        stack.enter_context(contextlib.redirect_stdout(file))
        stack.enter_context(contextlib.redirect_stderr(file))
        yield


@contextlib.contextmanager
def _duplicated(source: int, target: int) -> Iterator[None]:
    """Have a descriptor lead where another leads, inside the block."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    saved = os.dup(target)
    os.dup2(source, target)
    try:
        yield
    finally:
        os.dup2(saved, target)
        os.close(saved)
