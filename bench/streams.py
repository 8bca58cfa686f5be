"""Output streams of this process: have what a block prints go to a file."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_REDIRECTING = threading.Lock()


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
