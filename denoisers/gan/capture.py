"""A training step's work on the device as a CUDA graph: recorded once, then replayed.

A step of the small networks here is thousands of short kernels, and launching them takes the host
longer than the card needs to run them. A replay launches them all at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Terms = dict[str, torch.Tensor]

_WARM_UP = 3
"""Steps before the recording: libraries make their plans, and cuDNN tries its kernels."""


class CapturedStep:
    """Function without arguments that does on CUDA what another one does, by a graph.

    Args:
        compute: the function. It waits for nothing, and takes what changes from call to call from
            tensors that stay in their places. It is really called the first few times.
        sources: the random generators that it draws from; they can be seeded anew before a call.
    """

    def __init__(self, compute: Callable[[], Terms], sources: Sequence[torch.Generator]) -> None:
        self._compute = compute
        self._sources = sources
        self._stream = torch.cuda.Stream()
        self._calls = 0
        self._graph = torch.cuda.CUDAGraph()
        self._terms: Terms = {}

    def __call__(self) -> dict[str, torch.Tensor]:
        """Do the work; return the function's tensors."""
        self._calls += 1
        if self._calls <= _WARM_UP:
            return self._beside()
        if self._calls == _WARM_UP + 1:
            self._record()
        self._graph.replay()
        return {name: term.clone() for name, term in self._terms.items()}

    def _beside(self) -> Terms:
        """Call the function on the stream that it will be recorded on."""
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            terms = self._compute()
        torch.cuda.current_stream().wait_stream(self._stream)
        return terms

    def _record(self) -> None:
        """Record the function's kernels, which are not run."""
        for source in self._sources:
            self._graph.register_generator_state(source)
        with torch.cuda.graph(self._graph, stream=self._stream):
            self._terms = self._compute()
