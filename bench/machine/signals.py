"""Signals to this process, answered in a way of one's own for a while."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["answered_by", "left_alone", "repeat_lost_interrupts"]

_SOON_S = 0.05


@contextmanager
def answered_by(handler: Callable[[int, object], None], numbers: Iterable[int]) -> Iterator[None]:
    """Have signals call a function inside the block, and their former handlers after it.

    Args:
        handler: called with the signal's number.
        numbers: of the signals.

    Examples:
        >>> import os
        >>> with answered_by(lambda number, frame: print("asked"), [signal.SIGTERM]):
        ...     os.kill(os.getpid(), signal.SIGTERM)
        asked
    """
    previous = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)


@contextmanager
def left_alone(numbers: Iterable[int]) -> Iterator[None]:
    """Put the handlers of signals back that the block may change, as importing a library can.

    Args:
        numbers: of the signals.

    Examples:
        >>> before = signal.getsignal(signal.SIGTERM)
        >>> with left_alone([signal.SIGTERM]):
        ...     _ = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        >>> signal.getsignal(signal.SIGTERM) == before
        True
    """
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def repeat_lost_interrupts() -> None:
    """Have Ctrl-C come again, until it is heard, where Python drops its exception.

    An exception in a callback without a caller, such as the one that removes an import's lock, is
    printed and dropped, and the command would go on as if nobody had pressed a key.
    """
    before = sys.unraisablehook

    def hook(dropped: sys.UnraisableHookArgs) -> None:
        if issubclass(dropped.exc_type, KeyboardInterrupt):
            threading.Timer(_SOON_S, _interrupt).start()
        else:
            before(dropped)

    sys.unraisablehook = hook


def _interrupt() -> None:
    """Send Ctrl-C to the main thread, and end what it waits for."""
    if sys.platform == "win32":
        signal.raise_signal(signal.SIGINT)
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
