"""ONNX files: write a method's network to one, and denoise by one with onnxruntime."""

from __future__ import annotations

import contextlib
import io
import json
import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from denoisebench import files, plugins
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from denoisebench.denoisers.torch_denoiser import TorchDenoiser

__all__ = ["TOLERANCE", "ExportedFile", "OnnxNetwork", "export_onnx"]

TOLERANCE = 1e-4
"""Greatest difference, on the [0, 1] scale, between an exported network and the original."""

_KEY = "denoisebench"
"""Key of our entry among the metadata of an ONNX file."""


@dataclass(frozen=True)
class ExportedFile:
    """ONNX file that was written and checked.

    Attributes:
        inputs: the shape of each input by its name, in words.
        difference: greatest difference from torch over the frames of the check.
        frames: the shapes of these frames.
    """

    inputs: dict[str, str]
    difference: float
    frames: tuple[tuple[int, ...], ...]


def export_onnx(
    method: TorchDenoiser, path: Path, sigma: float, channels: int, opset: int
) -> ExportedFile:
    """Write a method's network to an ONNX file, with any batch, height and width.

    The graph takes images (N, C, H, W), clean values in [0, 1], and sigma (N,) on the same scale
    unless the network is blind; height and width are multiples of the method's ``multiple``. It
    computes in float32.

    Args:
        method: the method.
        path: of the file.
        sigma: noise level on the [0, 1] scale, which chooses among networks; nan for a blind one.
        channels: of the frames, which does, too.
        opset: version of ONNX's set of operators.

    Returns:
        A description of the file, after it was compared with torch.

    Raises:
        UsageError: the network cannot be exported, or the file computes something else; nothing is
            left of it then.
        ValueError: no network serves such frames.
    """
    plain_method = replace(method, precision="float32", compiled=False, self_ensemble=False)
    network = plain_method.loaded("cpu", plain_method.choice(channels, sigma))
    channels = plain_method.channels or channels
    sides = [-(-side // method.multiple) * method.multiple for side in (61, 74, 37)]
    with files.replacing(path) as file:
        scratch = io.BytesIO()
        frame = _frame(2, channels, sides[0], sides[1])
        _trace(plain_method, network, frame, scratch, opset)
        content = _described(plain_method, channels, scratch.getvalue())
        found = _compared(plain_method, content, sigma, [frame, _frame(1, channels, *sides[1:])])
        file.write(content)
    return found


def _frame(count: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Make frames (N, C, H, W) of noise in [0, 1]."""
    import torch

    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def _trace(
    method: TorchDenoiser, network: Any, frame: torch.Tensor, file: io.BytesIO, opset: int
) -> None:
    """Write the forward pass of a network as ONNX.

    Raises:
        UsageError: it cannot be exported.
    """
    import torch

    class Pass(torch.nn.Module):  # type: ignore[misc]
        """The forward pass, as a module of images and sigmas."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, noisy: torch.Tensor, *sigma: torch.Tensor) -> torch.Tensor:
            told = sigma[0] if sigma else noisy.new_full((len(noisy),), math.nan)
            return method.forward(self.network, noisy, told)

    given = {"noisy": frame}
    if method.conditioning != "blind":
        given["sigma"] = torch.full((len(frame),), 0.1)
    free = {0: "batch", 2: "height", 3: "width"}
    axes = {name: free if value.ndim == 4 else {0: "batch"} for name, value in given.items()}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # the check tells if a trace does not generalise
            torch.onnx.export(
                Pass().eval(),
                tuple(given.values()),
                file,
                input_names=list(given),
                output_names=["estimate"],
                dynamic_axes={**axes, "estimate": free},
                opset_version=opset,
                dynamo=False,  # the other exporter needs onnxscript
            )
    except Exception as error:  # the exporter raises whatever it meets
        raise UsageError(f"it cannot be exported: {plugins.describe_error(error)}") from error


def _described(method: TorchDenoiser, channels: int, content: bytes) -> bytes:
    """Mend an ONNX file, and enter how its network is to be used.

    Raises:
        UsageError: the file is not valid.
    """
    import onnx

    model = onnx.load_from_string(content)
    for node in model.graph.node:  # the exporter leaves axes that count from the end
        if node.op_type == "Transpose":
            [order] = (one.ints for one in node.attribute if one.name == "perm")
            order[:] = [axis % len(order) for axis in order]
    use = {"channels": channels, "multiple": method.multiple, "overlap": method.overlap}
    onnx.helper.set_model_props(model, {_KEY: json.dumps(use)})
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise UsageError(f"it cannot be exported: {plugins.describe_error(error)}") from error
    return bytes(model.SerializeToString())


def _compared(
    method: TorchDenoiser, content: bytes, sigma: float, frames: list[torch.Tensor]
) -> ExportedFile:
    """Compare an ONNX file with its method on frames.

    Raises:
        UsageError: they differ by more than `TOLERANCE`, or the file refuses a frame.
    """
    exported = OnnxNetwork(content)
    worst = 0.0
    for frame in frames:
        told = frame.new_full((len(frame),), sigma)
        try:
            estimate = exported(frame, *([told] if len(exported.inputs) == 2 else []))
        except Exception as error:  # onnxruntime raises classes of its own
            raise UsageError(
                f"it cannot be exported: onnxruntime refuses a frame {tuple(frame.shape)}, other "
                f"than the one it was traced with: {plugins.describe_error(error)}"
            ) from error
        expected = method.denoise(frame, sigma)
        if estimate.shape != expected.shape:
            raise UsageError(
                f"it cannot be exported: the file returns shape {tuple(estimate.shape)} for a "
                f"frame {tuple(frame.shape)}"
            )
        difference = float((estimate - expected).abs().max())
        if not difference <= TOLERANCE:  # nan, too
            raise UsageError(
                f"the exported network differs from torch by {difference:.1g} on a frame "
                f"{tuple(frame.shape)}; no file is left"
            )
        worst = max(worst, difference)
    return ExportedFile(exported.inputs, worst, tuple(tuple(frame.shape) for frame in frames))


class OnnxNetwork:
    """Network of an ONNX file, run by onnxruntime on the CPU; called like one of torch.

    Its threads are as many as torch's when it is made.

    Args:
        content: of the file.

    Attributes:
        inputs: shape of each input by its name, in words.
        use: the attributes of `TorchDenoiser` that the file tells: its channels and conditioning
            and, if we wrote it, ``multiple`` and ``overlap``.

    Raises:
        UsageError: the file is damaged, or its network takes something else.
    """

    def __init__(self, content: bytes) -> None:
        import onnxruntime
        import torch

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own
            raise UsageError(f"is no ONNX file: {plugins.describe_error(error)}") from error
        given = self._session.get_inputs()
        if len(given) not in (1, 2) or any(one.type != "tensor(float)" for one in given):
            raise UsageError("takes other than float32 images (N, C, H, W), or these and sigma")
        self.inputs = {one.name: f"({', '.join(map(str, one.shape))})" for one in given}
        self.use = _use_of([one.shape for one in given]) | self._told()

    def _told(self) -> dict[str, Any]:
        """Read what we wrote about the use of the network."""
        entry = self._session.get_modelmeta().custom_metadata_map.get(_KEY, "{}")
        return dict(json.loads(entry))

    def __call__(self, *tensors: torch.Tensor) -> torch.Tensor:
        """Call the network with images (N, C, H, W) and, if it takes it, sigma."""
        import torch

        given = {
            name: tensor.numpy(force=True)
            for name, tensor in zip(self.inputs, tensors, strict=True)
        }
        [estimate, *_] = self._session.run(None, given)
        return torch.from_numpy(estimate)


def _use_of(shapes: list[list[Any]]) -> dict[str, Any]:
    """Tell from the shapes of a network's inputs its channels, and how it gets sigma.

    Raises:
        UsageError: they are not those of a denoiser.
    """
    image = shapes[0]
    if len(image) != 4 or (len(shapes) == 2 and len(shapes[1]) not in (1, 4)):
        raise UsageError(f"takes {shapes}, not images (N, C, H, W), or these and sigma")
    inputs = image[1] if isinstance(image[1], int) else None
    if len(shapes) == 2:
        return {"channels": inputs, "conditioning": "vector" if len(shapes[1]) == 1 else "map"}
    if inputs in (2, 4):
        return {"channels": inputs - 1, "conditioning": "channel"}
    return {"channels": inputs, "conditioning": "blind"}
