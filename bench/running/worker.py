"""Process that runs one method: it gets noisy frames and returns estimates and times.

It never scores, and it sees clean frames only for a control that needs them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import math
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from multiprocessing.heap import BufferWrapper
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from denoisebench import plugins
from denoisebench.cells import Status
from denoisebench.denoisers import registry, torch_model
from denoisebench.denoisers.classic import COMPILING
from denoisebench.denoisers.torch_denoiser import TorchDenoiser
from denoisebench.machine import processes, threads
from denoisebench.machine.energy import energy_counter
from denoisebench.machine.throughput import Alone, find_throughput
from denoisebench.machine.timing import Samples, measure, reference_times
from denoisebench.machine.transfer import device_of, without_gradients
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.connection import Connection
    from pathlib import Path
    from typing import Required, Unpack

    from denoisebench.denoisers.registry import Card, Denoiser, Method
    from denoisebench.denoisers.torch_model import TorchModel
    from denoisebench.machine.throughput import BatchRules, Throughput
    from denoisebench.machine.timing import TimingRules


class _How(TypedDict, total=False):
    """Attributes of `Task` that do not follow from the method."""

    threads: Required[int]
    rules: Required[TimingRules | None]
    log: Required[Path]
    batches: BatchRules | None


@dataclass(frozen=True)
class Task:
    """Work of a worker process.

    Attributes:
        method: the method's spec, ``name[param=value,…]``.
        device: ``cpu`` or ``cuda``.
        plugins: Python files with further methods.
        threads: number of threads of every library.
        rules: rules of timing; None for cells that are scored and not timed.
        log: file for the method's output.
        module: name of the module that defines the method, to import if no plugin and no package
            announces it.
        source: `registry.source_digest` of the method, as its results will carry it.
        weights: `registry.weights_digest`, likewise.
        model: the user's network around which the method is made; None for any other method.
        given: files of the user's for it, see `registry.use_weights`.
        batches: bounds of the batches that are timed, too; None for none.
    """

    method: str
    device: str
    plugins: tuple[Path, ...]
    threads: int
    rules: TimingRules | None
    log: Path
    module: str | None = None
    source: str | None = None
    weights: str | None = None
    model: TorchModel | None = None
    given: tuple[str, ...] = ()
    batches: BatchRules | None = None

    @classmethod
    def of(
        cls,
        method: Method,
        device: str,
        plugins: Sequence[Path],
        weights: Iterable[str],
        **how: Unpack[_How],
    ) -> Task:
        """Describe the work of a process for a method of the registry.

        Args:
            method: the method.
            device: ``cpu`` or ``cuda``.
            plugins: Python files of the user's, of which those behind the method are taken.
            weights: files of the user's, each ``METHOD=FILE``, of which the method's are taken.
            how: the other attributes.
        """
        return cls(
            method=method.spec,
            device=device,
            plugins=registry.files_behind(method, plugins),
            module=method.module,
            source=method.source,
            weights=method.trained,
            model=torch_model.model_behind(method),
            given=tuple(w for w in weights if w.partition("=")[0] == method.card.name),
            **how,
        )


class SharedFrames:
    """Memory that the coordinator and a worker share, so that no frame goes through a pipe.

    It takes up what is written to, not the size of the largest frame.

    Args:
        size: number of values in the largest frame, H · W · C.
    """

    def __init__(self, size: int) -> None:
        self._pixels, self._clean = BufferWrapper(4 * size), BufferWrapper(4 * size)

    def pixels(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return the noisy frame, float32 (H, W, C), on which the estimate is written.

        Args:
            shape: (H, W, C).
        """
        return _array(self._pixels, shape)

    def clean(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Return the clean frame, float32 (H, W, C), for a control that sees it.

        Args:
            shape: (H, W, C).
        """
        return _array(self._clean, shape)


def _array(memory: BufferWrapper, shape: tuple[int, int, int]) -> np.ndarray:
    """Return the first values of some memory, float32 (H, W, C)."""
    return np.frombuffer(memory.create_memoryview(), np.float32, math.prod(shape)).reshape(shape)


@dataclass(frozen=True)
class CellRequest:
    """Request to replace the noisy frame in the shared memory by its estimate.

    Attributes:
        number: number of the request, which its reply repeats.
        sigma: standard deviation of the noise on the [0, 1] scale; nan for a blind method.
        shape: the frame's shape, (H, W, C).
    """

    number: int
    sigma: float
    shape: tuple[int, int, int]


@dataclass(frozen=True)
class Compiling:
    """Notice that the method compiles its code, which takes a while; sent once."""


@dataclass(frozen=True)
class Ready:
    """State of a worker after loading its method.

    Attributes:
        pid: the process that loaded it.
        load_ns: time to import and build the method.
        threads: thread counts of the libraries, see `machine.threads.thread_counts`.
        problem: one line on the error if the method cannot be loaded; else None.
        remark: the method's remark for readers of the run; empty for none.
        reference_ns: times of the reference work, see `machine.timing`.
    """

    pid: int
    load_ns: int
    threads: dict[str, Any]
    problem: str | None = None
    remark: str = ""
    reference_ns: tuple[int, ...] = ()


@dataclass(frozen=True)
class Reply:
    """Outcome of a request; if it is ok, the estimate lies in the shared memory.

    Attributes:
        status: the outcome.
        reason: one line that says why it is not ok; else empty.
        busy_ns: time of all calls together, warm-up included.
        samples: times and memory of the calls; None if the status is not ok.
        transfer_ns: time to move the frame to the device and the estimate back; empty on the CPU.
        peak_device_memory: bytes allocated on the device above the level before the call; None
            where it is not measured.
        throughput: what the search for the best batch of such frames found; None without one.
        number: number of the request that it answers.
        pid: the process that answers.
        has_children: True if that process has child processes.
    """

    status: Status
    reason: str = ""
    busy_ns: int = 0
    samples: Samples | None = None
    transfer_ns: tuple[int, ...] = ()
    peak_device_memory: int | None = None
    throughput: Throughput | None = None
    number: int = 0
    pid: int = 0
    has_children: bool = False


def serve(connection: Connection, task: Task, frames: SharedFrames) -> None:
    """Load the method, then serve requests until the coordinator hangs up or dies."""
    _detach()
    pid = os.getpid()
    _announce_compiling(connection)
    start = perf_counter_ns()
    try:
        denoiser, card, remark = load_method(task)
        session = _Session(denoiser, card, task)
        load_ns = perf_counter_ns() - start
        _check_unchanged(session.card, task)
    except BaseException as error:  # a plugin may raise anything
        connection.send(Ready(pid, 0, {}, _explain(error)))
        return
    if os.getpid() != pid:  # a copy that the method forked as it was loaded
        os._exit(1)
    threads.pin(task.threads)
    counts, reference = threads.thread_counts(), reference_times()
    connection.send(Ready(pid, load_ns, counts, remark=remark, reference_ns=reference))
    with contextlib.suppress(EOFError), without_gradients(session.card, task.device):
        while True:
            _serve(connection, session, frames)


def _announce_compiling(connection: Connection) -> None:
    """Tell the coordinator when the method first says that it compiles its code."""
    log = logging.getLogger(COMPILING)

    def announce(record: logging.LogRecord) -> bool:
        log.removeFilter(announce)
        connection.send(Compiling())
        return True

    log.setLevel(logging.INFO)
    log.addFilter(announce)


def _detach() -> None:
    """Leave the terminal to the coordinator, and tie this process's life to the coordinator's.

    The process ignores Ctrl-C, and gets a group of its own, so that the coordinator can kill all
    that a method starts. On Linux a guard does so even if one of the two can do nothing any more.
    """
    faulthandler.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        from denoisebench.running import guard

        guard.split_off()
        _be_first_out_of_memory()
    else:
        threading.Thread(target=_die_with_parent, daemon=True).start()


def _be_first_out_of_memory() -> None:
    """Ask the kernel to end this process first, not the coordinator, when memory runs out."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")


def _die_with_parent() -> None:
    """Wait for the coordinator's end, and end this process and all that it started."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)  # the group: this process and all that the method started
        os._exit(1)


def load_method(task: Task) -> tuple[Denoiser, Card, str]:
    """Build a task's method, and load what it needs.

    Returns:
        The method, its card, and its remark for readers of the run; empty for none.

    Raises:
        BaseException: whatever a plugin raises.
    """
    for plugin in task.plugins:
        registry.load_file(plugin)
    if task.model is not None:
        torch_model.enter(task.model)
    if task.module is not None and task.method.partition("[")[0] not in registry.cards():
        importlib.import_module(task.module)
    registry.use_weights(task.given)
    [method] = registry.select([task.method])
    for module in method.card.requires:
        importlib.import_module(module)
    denoiser = method.build()
    remark = denoiser.load(task.device) if hasattr(denoiser, "load") else None
    return denoiser, method.card, plain(remark) if isinstance(remark, str) else ""


def _check_unchanged(card: Card, task: Task) -> None:
    """Check that the method that was loaded is the one that the run was planned with.

    Raises:
        RuntimeError: its code or weights have changed since.
    """
    if (registry.source_digest(card), registry.weights_digest(card)) != (task.source, task.weights):
        raise RuntimeError(
            "its code or weights have changed since the run began; run the same command again"
        )


def _explain(error: BaseException) -> str:
    """Return one line for the table, and write the traceback to the log."""
    traceback.print_exception(error)
    sys.stderr.flush()
    return plugins.describe_error(error)


class _Session:
    """Loaded method on its device."""

    def __init__(self, denoiser: Denoiser, card: Card, task: Task) -> None:
        self.denoiser = denoiser
        self.card = card
        self.rules = task.rules
        self.batches = task.batches if isinstance(denoiser, TorchDenoiser) else None
        self.device = device_of(card, task.device)
        self.on_cuda = task.device == "cuda"
        self.shapes: set[tuple[int, ...]] = set()
        self.pid = os.getpid()

    def _call(self, given: Any, sigma: float, extra: dict[str, np.ndarray]) -> Any:
        """Call the method.

        Raises:
            RuntimeError: the method forked, and this is the copy: it must measure nothing.
        """
        output = self.denoiser.denoise(given, sigma, **extra)
        if os.getpid() != self.pid:
            raise RuntimeError("a forked copy of the process returned")
        return output

    def run(
        self, noisy: np.ndarray, clean: np.ndarray | None, sigma: float
    ) -> tuple[Reply, np.ndarray | None]:
        """Call the method on one frame, and check its estimate and that its input is unchanged.

        Args:
            noisy: float32 (H, W, C).
            clean: float32 (H, W, C) for a control that sees it; else None.
            sigma: on the [0, 1] scale.

        Returns:
            The reply, and the estimate, float32 (H, W, C), if it is ok.
        """
        device = self.device
        given, upload_ns = device.upload(noisy)
        extra = {} if clean is None else {"clean": clean.copy()}
        is_new = noisy.shape not in self.shapes
        device.reset_peak()
        start = perf_counter_ns()
        if self.rules is None:
            output, samples = self._call(given, sigma, extra), Samples()
        else:
            output, samples = measure(
                lambda: self._call(given, sigma, extra),
                device.clock,
                self.rules,
                cold=not self.shapes,
                warm_up=is_new,
            )
        busy_ns = perf_counter_ns() - start
        self.shapes.add(noisy.shape)
        peak = device.peak()
        if not np.array_equal(device.download(given)[0], noisy):
            return _refused("wrote into its input", busy_ns)
        if not isinstance(output, type(given)):
            return _refused(f"returned {_name(output)}, not {_name(given)}", busy_ns)
        output = device.plain(output)  # a subclass may hide what its values, shape and dtype are
        if (difference := _difference(output, given)) is not None:
            return _refused(difference, busy_ns)
        estimate, download_ns = device.download(output)
        transfer = () if upload_ns is None else (upload_ns + (download_ns or 0),)
        reply = Reply(Status.OK, "", busy_ns, samples, transfer, peak)
        return self._in_batches(reply, given, output, sigma) if is_new else reply, estimate

    def _in_batches(self, reply: Reply, given: Any, output: Any, sigma: float) -> Reply:
        """Add the throughput on frames of this shape to a reply, if it is asked for."""
        samples, rules = reply.samples, self.rules
        if self.batches is None or rules is None or samples is None:
            return reply
        start = perf_counter_ns()
        alone = Alone(given, output, samples.call_ns, samples.peak_memory)
        found = find_throughput(
            lambda frames: self._call(frames, sigma, {}),
            alone,
            self.device.clock,
            rules,
            self.batches,
            energy_counter() if self.on_cuda else None,
        )
        busy_ns = reply.busy_ns + perf_counter_ns() - start
        return replace(reply, throughput=found, busy_ns=busy_ns)


def _name(value: Any) -> str:
    """Return the name of a value's type."""
    return type(value).__name__


def _refused(reason: str, busy_ns: int) -> tuple[Reply, None]:
    """Return the reply for an output that is not valid."""
    return Reply(Status.INVALID_OUTPUT, reason, busy_ns), None


def _difference(output: Any, given: Any) -> str | None:
    """Name the difference in shape or dtype between output and input; None if there is none."""
    if output.shape != given.shape:
        return f"returned shape {tuple(output.shape)}, not {tuple(given.shape)}"
    if output.dtype != given.dtype:
        return f"returned {output.dtype}, not {given.dtype}"
    return None


def _serve(connection: Connection, session: _Session, frames: SharedFrames) -> None:
    """Serve one request: read the noisy frame, write the estimate, and reply.

    Raises:
        EOFError: the coordinator hung up.
    """
    request: CellRequest = connection.recv()
    noisy = frames.pixels(request.shape)
    clean = frames.clean(request.shape) if session.card.sees_clean else None
    try:
        reply, estimate = session.run(noisy, clean, request.sigma)
    except BaseException as error:  # a method may raise anything
        reply, estimate = Reply(Status.ERROR, _explain(error)), None
    pid = os.getpid()
    if estimate is not None and pid == session.pid:
        noisy[:] = estimate
    reply = replace(reply, number=request.number, pid=pid, has_children=processes.has_children())
    connection.send(reply)
    if pid != session.pid:  # a copy that the method forked; the coordinator ends us both
        os._exit(1)
