"""Read the weights of networks from files of others: PyTorch, safetensors, MatConvNet.

No file is ever allowed to run code: pickles are read by ``weights_only``.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch

from denoisebench.errors import UsageError
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    State = dict[str, torch.Tensor]

__all__ = ["load_into", "read_state"]

_WRAPPERS = ("params_ema", "params", "state_dict", "model_state_dict")
"""Names under which training programs store the weights beside other things."""

_BUFFERS = ("relative_position_index", "attn_mask", "num_batches_tracked")
"""Ends of the names of tensors that are no weights: our networks compute them."""

_PYTORCH = (".pth", ".pt", ".ckpt", ".bin")
_SUFFIXES = (*_PYTORCH, ".safetensors", ".mat")


def read_state(path: Path) -> State:
    """Read the tensors of a file, on the CPU, in float32, under the names that networks have.

    Args:
        path: a ``.pth`` (or ``.pt``, ``.ckpt``, ``.bin``), ``.safetensors`` or ``.mat`` file.

    Raises:
        UsageError: there is no such file, or it is damaged, holds no weights, or holds nan.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     torch.save({"params": {"conv.weight": torch.ones(1)}}, Path(folder, "x.pth"))
        ...     read_state(Path(folder, "x.pth"))
        {'conv.weight': tensor([1.])}
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path.name}: weights are read from {', '.join(_SUFFIXES)} files")
    if not path.is_file():
        raise UsageError(f"{path}: no such file of weights")
    content = _content(path)
    found = {name.removeprefix("module."): tensor for name, tensor in _tensors(content, "")}
    state = {n: t.float() for n, t in found.items() if not n.endswith(_BUFFERS)}
    if not state:
        raise UsageError(f"{path.name} holds no weights: no tensors by their names")
    if wild := [name for name, tensor in state.items() if not tensor.isfinite().all()]:
        raise UsageError(
            f"{path.name}: the tensor {plain(wild[0])} holds values that are nan or infinite"
        )
    return state


def _content(path: Path) -> Any:
    """Read a file by its kind.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        if path.suffix.lower() == ".mat":
            return _matconvnet(path)
        if path.suffix.lower() == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # of unusual pickles
            return torch.load(path, map_location="cpu", weights_only=True)
    except ImportError as error:
        raise UsageError(
            f"{path.name}: {error.name} is missing, which reads such files; "
            "`pip install denoisebench[weights]`"
        ) from error
    except Exception as error:  # each reader raises whatever it meets in a damaged file
        problem = plain(str(error).strip().split("\n")[0], 100) or type(error).__name__
        raise UsageError(
            f"{path.name} is damaged, or holds more than weights, and is not read ({problem})"
        ) from error


def _tensors(content: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of nested dictionaries, their names joined by dots."""
    if not isinstance(content, dict):
        return
    for wrapper in _WRAPPERS:
        if isinstance(content.get(wrapper), dict):
            content = content[wrapper]
            break
    for name, value in content.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{name}", value
        else:
            yield from _tensors(value, f"{prefix}{name}.")


def _matconvnet(path: Path) -> State:
    """Read a MatConvNet network (SimpleNN) of convolutions, MATLAB 7.3: an HDF5 file.

    Its layers get the names that the same network has in PyTorch: ``model.0``, ``model.2`` …, with
    a ReLU between any two. MATLAB stores arrays in the order of columns: HDF5 shows the axes of a
    kernel reversed, (outputs, inputs, columns, rows), and drops a last axis of one output.
    """
    import h5py

    with h5py.File(path) as file:
        layers = [file[reference] for reference in file["net/layers"][()].ravel()]
        kinds = [bytes(layer["type"][()].astype("u1").ravel()).decode() for layer in layers]
        convs = [layer for layer, kind in zip(layers, kinds, strict=True) if kind == "conv"]
        pairs = [[file[r][()] for r in conv["weights"][()].ravel()] for conv in convs]
    state = {}
    for number, (kernel, bias) in enumerate(pairs):
        weight = torch.from_numpy(kernel).reshape(-1, *kernel.shape[-3:]).transpose(2, 3)
        state[f"model.{2 * number}.weight"] = weight.contiguous()
        state[f"model.{2 * number}.bias"] = torch.from_numpy(bias).flatten()
    return _in_rows(state, len(pairs)) if "SubP" in kinds else state


def _in_rows(state: State, depth: int) -> State:
    """Reorder the sub-images of FFDNet: of each channel, MATLAB numbers the four by columns."""
    first, last = "model.0.weight", f"model.{2 * (depth - 1)}"
    inputs = state[first].shape[1] - 1  # the last one is the noise-level map
    order = torch.arange(inputs).view(-1, 2, 2).transpose(1, 2).flatten()
    state[first] = state[first][:, [*order.tolist(), inputs]]
    for name in (f"{last}.weight", f"{last}.bias"):
        state[name] = state[name][order]
    return state


def load_into(network: torch.nn.Module, state: Mapping[str, torch.Tensor], name: str) -> None:
    """Give a network the weights of a file; each must be there, and no other.

    Args:
        network: the network.
        state: of `read_state`.
        name: of the file, for the message.

    Raises:
        UsageError: names or shapes differ.

    Examples:
        >>> load_into(torch.nn.Linear(2, 1), {"weight": torch.ones(1, 2)}, "x.pth")
        Traceback (most recent call last):
            ...
        denoisebench.errors.UsageError: x.pth does not fit Linear: it lacks the tensor bias
    """
    wanted = network.state_dict()
    problems = [
        *(
            f"it lacks the tensor {n}"
            for n in wanted
            if n not in state and not n.endswith(_BUFFERS)
        ),
        *(f"it has a further tensor {plain(n)}" for n in state if n not in wanted),
        *(
            f"its tensor {n} has shape {tuple(state[n].shape)}, not {tuple(tensor.shape)}"
            for n, tensor in wanted.items()
            if n in state and state[n].shape != tensor.shape
        ),
    ]
    if problems:
        raise UsageError(f"{name} does not fit {type(network).__name__}: {problems[0]}")
    network.load_state_dict(dict(state), strict=False)
