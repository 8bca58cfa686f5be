"""Connection to Dask: it starts a cluster or joins one, knows its nodes, and hands them batches.

Each batch goes to the node that the caller names. Dask's own choice would hand a batch, whose
worker it lost, to the next one and the next, and would blame whatever ran beside it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from asyncio import CancelledError
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from denoisebench.errors import UsageError
from denoisebench.files import read_toml
from denoisebench.machine.signals import left_alone
from denoisebench.running.node import BatchResult, end_run, measure_batch
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client, Future

    from denoisebench.running.node import CellBatch

__all__ = ["DaskLink", "Node", "NodeLostError", "SchedulerLostError"]

_CONNECT_S = 10.0
"""Time for a scheduler to answer."""
_PATIENCE_S = 600.0
"""Time for a scheduler that is lost to come back."""
_LOCAL = re.compile(r"local:([1-9][0-9]{0,2})")


class NodeLostError(Exception):
    """Error for a batch whose node is lost while it was at work."""


class SchedulerLostError(Exception):
    """Error for a scheduler that does not answer, or was started anew."""


@dataclass(frozen=True)
class Node:
    """Worker of Dask's.

    Attributes:
        address: its address.
        host: its machine.
        threads: number of its threads.
        seen: time of its last sign of life, by the scheduler's clock.
    """

    address: str
    host: str
    threads: int
    seen: float


class DaskLink:
    """Connection to a scheduler; a context that ends what it has started.

    Args:
        scheduler: address of a scheduler; ``local:N`` for N workers on this machine; or the name
            of a TOML file that describes Slurm jobs.

    Attributes:
        run: name of the run among all that use the cluster.

    Raises:
        UsageError: the cluster cannot be reached or started.
    """

    def __init__(self, scheduler: str) -> None:
        self.run = uuid4().hex
        self._scheduler = scheduler
        self._futures: dict[int, Future] = {}
        self._news: SimpleQueue[tuple[int, Future]] = SimpleQueue()
        self._identity = ""

    def __enter__(self) -> DaskLink:
        with contextlib.ExitStack() as stack:
            logger = logging.getLogger("distributed")
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)  # what it says of lost nodes, the run says itself
            self._address = self._started(stack)
            self._client = self._connected()
            stack.callback(self._leave)
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _started(self, stack: contextlib.ExitStack) -> str:
        """Start a cluster if one is asked for; return the scheduler's address."""
        if local := _LOCAL.fullmatch(self._scheduler):
            return stack.enter_context(_local_cluster(int(local[1])))
        if self._scheduler.endswith(".toml"):
            return stack.enter_context(_slurm_cluster(Path(self._scheduler)))
        return self._scheduler

    def _connected(self) -> Client:
        """Connect to the scheduler.

        Raises:
            UsageError: it does not answer.
        """
        from distributed import Client

        try:
            return Client(self._address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise UsageError(
                one_line(f"--scheduler {self._scheduler}: no scheduler answers there ({error})")
            ) from error

    def reconnect(self) -> None:
        """Forget all batches, and connect to the scheduler when it is there again.

        Raises:
            UsageError: it does not come back.
        """
        self._futures.clear()
        self._close_client()
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                self._client = self._connected()
                self._identity = ""
                return
            except UsageError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)

    def nodes(self) -> dict[str, Node]:
        """Return the nodes by their addresses.

        Raises:
            SchedulerLostError: the scheduler does not answer, or is another one than before.
        """
        try:
            found = self._client.sync(self._client.scheduler.identity, callback_timeout=_CONNECT_S)
        except Exception as error:  # Dask has many for this
            raise SchedulerLostError from error
        known, self._identity = self._identity, found["id"]
        if known not in ("", self._identity):
            raise SchedulerLostError
        return {
            address: Node(address, worker["host"], worker["nthreads"], worker["last_seen"])
            for address, worker in found["workers"].items()
            if worker.get("status", "running") == "running"
        }

    def submit(self, number: int, batch: CellBatch, node: Node) -> None:
        """Hand a batch to a node.

        Args:
            number: the batch's number, a new one.
            batch: the batch.
            node: the node, to which nothing else was handed.

        Raises:
            SchedulerLostError: the scheduler is lost.
        """
        try:
            future = self._client.submit(
                measure_batch,
                batch,
                key=f"bench-{self.run}-{number}",
                workers=[node.address],
                allow_other_workers=False,
                pure=False,
            )
        except Exception as error:
            if self._client.status == "running":
                raise
            raise SchedulerLostError from error
        self._futures[number] = future
        future.add_done_callback(lambda done: self._news.put((number, done)))

    def forget(self, number: int) -> None:
        """Take a batch back; what comes of it is not heard of."""
        future = self._futures.pop(number, None)
        if future is not None:
            with contextlib.suppress(Exception):  # its scheduler may be gone
                future.cancel()

    def finished(self, seconds: float) -> int | None:
        """Wait for a batch to end; return its number, or None after some time."""
        try:
            number, _ = self._news.get(timeout=seconds)
        except Empty:
            return None
        return number if number in self._futures else None

    def result(self, number: int) -> BatchResult:
        """Return what came of a batch that has ended, and forget the batch.

        Raises:
            NodeLostError: its node is lost.
            SchedulerLostError: its scheduler is, or does not pass it on.
            UsageError: the node cannot run it.
        """
        from distributed.scheduler import KilledWorker

        future = self._futures.pop(number)
        if future.status not in ("finished", "error"):
            raise SchedulerLostError
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker):
            raise NodeLostError
        if error is not None:
            raise UsageError(
                one_line(f"a node cannot run bench ({type(error).__name__}: {error})")
                + "; install the same version of denoisebench there"
            )
        try:
            found: BatchResult = future.result(timeout=_CONNECT_S)
        except (Exception, CancelledError) as error:  # the batch has ended well: it is on its way
            raise SchedulerLostError from error
        return found

    def _leave(self) -> None:
        """End the processes of this run on all nodes, and close the connection."""
        for number in list(self._futures):
            self.forget(number)
        with contextlib.suppress(Exception):  # a node that does not answer ends by itself
            self._client.sync(
                self._client._run,
                end_run,
                self.run,
                on_error="ignore",
                callback_timeout=_CONNECT_S,
            )
        self._close_client()

    def _close_client(self) -> None:
        """Close the connection, whatever its state."""
        with contextlib.suppress(Exception):
            self._client.close(timeout=1)


@contextlib.contextmanager
def _local_cluster(workers: int) -> Iterator[str]:
    """Start a scheduler in this process and workers beside it; yield the scheduler's address."""
    from distributed import LocalCluster

    options = {"nworkers": workers, "nthreads": 1, "memory-limit": 0, "death-timeout": 60}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with _closing(LocalCluster(n_workers=0, dashboard_address=None)) as cluster:
        address = str(cluster.scheduler_address)
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", "worker", address, *words, "--no-dashboard"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for this process alone
        )
        try:
            yield address
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process that has a session of its own, and what it started."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_CONNECT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def _closing(cluster: Any) -> Iterator[Any]:
    """Close a cluster at the end; one that does not answer ends with this process."""
    try:
        yield cluster
    finally:
        with contextlib.suppress(Exception):
            cluster.close(timeout=_CONNECT_S)


@contextlib.contextmanager
def _slurm_cluster(path: Path) -> Iterator[str]:
    """Start a scheduler in this process, and Slurm jobs by the table ``slurm`` of a file.

    Raises:
        UsageError: it cannot be read, or does not describe jobs.
    """
    with left_alone([signal.SIGINT]):  # it has Ctrl-C end the process at once
        from dask_jobqueue import SLURMCluster

    label = f"--scheduler {path}"
    content = read_toml(path, label)
    arguments = content.get("slurm")
    if set(content) != {"slurm"} or not isinstance(arguments, dict):
        raise UsageError(f"{label}: give a table [slurm], and nothing else")
    jobs = arguments.pop("jobs", 1)
    if type(jobs) is not int or jobs < 1:
        raise UsageError(f"{label}: jobs is {jobs!r}; give a whole number of at least 1")
    try:
        cluster = SLURMCluster(**arguments)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise UsageError(one_line(f"{label}: {error}")) from error
    with _closing(cluster):
        cluster.scale(jobs=jobs)
        yield str(cluster.scheduler_address)
