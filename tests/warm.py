"""The command ``bench`` in forks of a process that has imported it already.

More than half of what a short command takes is to import modules, and to take them down at its end.
A fork has a process, a folder, variables and output of its own; plugins and workers know no
difference.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

_IMPORTED = (
    *("PIL.Image", "cv2", "filelock", "jinja2", "matplotlib.figure", "multiprocessing.popen_fork"),
    *("multiprocessing.popen_spawn_posix", "psutil", "scipy.optimize", "scipy.stats"),
    *("denoisebench.__main__", "denoisebench.library", "denoisebench.metrics.ssim_kernel"),
)
_PACKAGES = ("denoisebench.cli", "denoisebench.denoisers", "denoisebench.metrics")
"""Packages of which all modules are imported: commands and methods of ours."""


def hurry() -> None:
    """Have runs that this process starts time methods for a tenth as long, on any machine.

    What they would say of other work on the machine is not known before.
    """
    from denoisebench.machine import environment
    from denoisebench.machine.timing import TimingRules
    from denoisebench.running import plan

    plan.TimingRules = partial(TimingRules, warmup_s=0.02, budget_s=0.01)
    environment.busy_percent = lambda: 0.0


class WarmCommand:
    """Process that forks for each command; a context that ends it."""

    def __init__(self) -> None:
        self._connection: Connection[Any, Any]
        self._connection, theirs = Pipe()
        words = [sys.executable, __file__, str(theirs.fileno())]
        self._process = subprocess.Popen(words, pass_fds=[theirs.fileno()])
        theirs.close()

    def __enter__(self) -> WarmCommand:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.wait()

    def run(self, words: Sequence[str], cwd: Path, timeout: float) -> CompletedProcess[str]:
        """Run the command with these words in a folder.

        Raises:
            TimeoutExpired: it took too many seconds, and was killed.
        """
        with TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("out", "err")]
            self._connection.send((words, cwd, dict(os.environ), outputs))
            pid = self._connection.recv()
            if not self._connection.poll(timeout):
                os.kill(pid, signal.SIGKILL)
                self._connection.recv()
                print(*(path.read_text() for path in outputs), sep="\n")
                raise TimeoutExpired(words, timeout)
            return CompletedProcess(
                words, self._connection.recv(), *(path.read_text() for path in outputs)
            )


def serve(connection: Connection[Any, Any]) -> None:
    """Fork for each request; return in the fork, which is to run the command."""
    for module in _IMPORTED:
        importlib.import_module(module)
    from denoisebench import metrics, plugins

    for package in _PACKAGES:
        plugins.import_modules(package)
    Image.init()

    frame = np.zeros((metrics.SSIM_WINDOW, metrics.SSIM_WINDOW, 1), np.uint8)
    metrics.ssim(frame, frame)  # loads its compiled code
    hurry()
    gc.freeze()  # or a fork that ends would visit, and so copy, all that was imported
    while True:
        try:
            words, cwd, variables, outputs = connection.recv()
        except EOFError:
            raise SystemExit from None  # the tests are over
        child = os.fork()
        if not child:
            break
        connection.send(child)
        connection.send(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    connection.close()
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[1:] = words
    sys.path[:1] = filter(None, variables.get("PYTHONPATH", "").split(os.pathsep))
    for descriptor, path in enumerate((os.devnull, *outputs)):
        opened = os.open(path, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, descriptor)
        os.close(opened)


def end(code: object) -> NoReturn:
    """End a fork as an interpreter ends, but leave its modules to the system."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    is_fork = sys.argv[1].isdigit()
    if is_fork:
        serve(Connection(int(sys.argv[1])))
    else:
        hurry()
    sys.argv[0] = "bench"
    from denoisebench.__main__ import start

    try:
        start()
    except SystemExit as asked:
        if is_fork:
            end(asked.code)
        raise
