"""Base class of methods around a torch network: everything between a frame and a forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

    import torch

    Run = Callable[[torch.Tensor], torch.Tensor]

__all__ = ["TorchDenoiser", "by_symmetries", "by_tiles", "on_padded"]

_COMPILED_SHAPES = 64
"""Shapes of frames that a network is compiled for; torch then falls back on the eager one."""

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TorchDenoiser:
    """Base of methods that denoise by a torch network.

    A subclass defines `network`, and sets the class attributes that describe it. It gets loading
    once for each device, inference without gradients, half precision, compilation, tiles, batches,
    padding, self-ensembles, and frames of other channels than the network takes. It is registered
    with ``array="torch"``. A network with another signature, or another range of values at one of
    its ends, overrides `call`; a method with several networks overrides `networks` and `choice`.

    Attributes:
        channels: channels of the frames that the network takes: 3, 1, or None for those that it is
            given. Grey frames are repeated to three channels, and their estimates averaged; a
            colour frame's channels are denoised one by one.
        conditioning: the form in which the network gets sigma: not at all (``blind``), as a last
            ``channel`` of its input, or as a second argument: a ``map`` (N, 1, H, W) or a
            ``vector`` (N,).
        black: value of black at the network's input and output.
        white: value of white there; sigma is on the same scale.
        residual: True if the network returns the noise, which is then subtracted.
        multiple: factor of both sides of a frame that the network takes. Frames are padded by
            reflection at the bottom and right, and cropped back.
        overlap: pixels beyond a tile that its estimate depends on.
        channels_last: store weights in the order that convolutions are fastest in. A network that
            calls ``view`` on the result of a convolution may refuse it.
        precision: of the convolutions and products of matrices, by autocast; half precision is
            faster where the device has it.
        tile: side in pixels of the tiles that a larger frame is denoised by; bounds memory.
        compiled: translate the network by ``torch.compile``, once for each shape of frame. It
            needs a C++ compiler on a CPU, and the first frame of a shape takes a minute. On CUDA
            each shape's kernels are recorded as a CUDA graph, and replayed by one launch.
        self_ensemble: take the mean of the estimates for the frame turned and mirrored in all
            eight ways (Timofte, Rothe & Van Gool 2016): eight times the work.

    Raises:
        ValueError: ``tile`` is no positive multiple of ``multiple``.

    Examples:
        >>> import torch
        >>> class Mean(TorchDenoiser):
        ...     multiple = 4
        ...     def network(self):
        ...         return torch.nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        >>> Mean(self_ensemble=True).denoise(torch.ones(1, 1, 5, 7), sigma=0.1).shape
        torch.Size([1, 1, 5, 7])
    """

    channels: ClassVar[int | None] = 3
    conditioning: ClassVar[Literal["blind", "channel", "map", "vector"]] = "blind"
    black: ClassVar[float] = 0.0
    white: ClassVar[float] = 1.0
    residual: ClassVar[bool] = False
    multiple: ClassVar[int] = 1
    overlap: ClassVar[int] = 64
    channels_last: ClassVar[bool] = False

    precision: Precision = "float32"
    tile: int = 1024
    compiled: bool = False
    self_ensemble: bool = False

    def __post_init__(self) -> None:
        if self.tile < self.multiple or self.tile % self.multiple:
            raise ValueError(f"tile is a positive multiple of {self.multiple}")

    def network(self) -> torch.nn.Module:
        """Build the network with its weights, on the CPU."""
        raise NotImplementedError(f"{type(self).__name__} defines no network")

    def networks(self) -> Mapping[Hashable, Callable[[], torch.nn.Module]]:
        """Give builders of all networks that the method may use, by the names that `choice` has."""
        return {None: self.network}

    def choice(self, channels: int, sigma: float) -> Hashable:
        """Choose the network for a frame.

        Args:
            channels: of the frame.
            sigma: of its noise, on the [0, 1] scale; nan for a blind method.

        Returns:
            A key of `networks`.

        Raises:
            ValueError: none serves the frame; the message says why.
        """
        return None

    def call(self, network: torch.nn.Module, image: torch.Tensor, sigma: torch.Tensor) -> Any:
        """Call a network.

        Args:
            network: the network.
            image: (N, C, H, W), clean values from `black` to `white`, sides multiples of
                `multiple`.
            sigma: (N,), on the same scale; nan for a blind method.

        Returns:
            The estimate, or that of the noise if `residual`, with the shape of ``image``.
        """
        import torch

        if self.conditioning == "blind":
            return network(image)
        if self.conditioning == "vector":
            return network(image, sigma)
        sigma_map = sigma.view(-1, 1, 1, 1).expand(-1, 1, *image.shape[2:])
        if self.conditioning == "map":
            return network(image, sigma_map)
        return network(torch.cat([image, sigma_map], dim=1))

    def told(self, channels: int, sigma: float) -> float:
        """Compute the sigma that a network is told for a frame of so many channels.

        The noise of a grey frame that is repeated to three channels is the same in all: √3 times
        stronger along the grey axis than the independent noise of sigma that networks learn.
        """
        return sigma * math.sqrt(3) if self._repeats(channels) else sigma

    def load(self, device: str) -> str | None:
        """Have all networks on a device, so that no call is timed with their loading.

        Args:
            device: ``cpu`` or ``cuda``.

        Returns:
            A remark for readers of the run, or None.
        """
        for name, build in self.networks().items():
            self._loaded[device, name] = self._prepared(build(), device)
        return None

    def denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """Denoise frames of one size, (N, C, H, W), at one sigma; a batch counts as N frames.

        Raises:
            TypeError: the frames are no tensor.
            ValueError: no network serves them, or what it returns has another shape.
        """
        import torch

        if not isinstance(noisy, torch.Tensor):
            raise TypeError('frames are no tensors: register the method with array="torch"')
        if sigma == 0:
            return noisy.clone()
        channels = noisy.shape[1]
        network = self.loaded(noisy.device.type, self.choice(channels, sigma))
        run = partial(self._run, network, self.told(channels, sigma))
        tiled = partial(by_tiles, run, tile=self.tile, overlap=self._whole_overlap)
        with torch.no_grad():
            image = self._fitted(noisy)
            estimate = by_symmetries(tiled, image) if self.self_ensemble else tiled(image)
            if self._repeats(channels):
                return estimate.mean(1, keepdim=True)
            return estimate.reshape(noisy.shape)

    def loaded(self, device: str, name: Hashable = None) -> torch.nn.Module:
        """Return a network on a device; all are loaded when the first is asked for.

        Args:
            device: ``cpu`` or ``cuda``.
            name: its key in `networks`.
        """
        if (device, name) not in self._loaded:
            self.load(device)
        return self._loaded[device, name]

    # A frozen dataclass may cache a property: it is kept beside the fields, and not compared.
    @cached_property
    def _loaded(self) -> dict[tuple[str, Hashable], torch.nn.Module]:
        """The networks on each device, by their names."""
        return {}

    def _prepared(self, network: torch.nn.Module, device: str) -> Any:
        """Make a network ready for inference on a device; leave that of another engine as it is."""
        import torch

        if not isinstance(network, torch.nn.Module):
            return network

        network = network.to(device).requires_grad_(False).eval()
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        if not self.compiled:
            return network
        limits = torch._dynamo.config
        limits.cache_size_limit = max(limits.cache_size_limit, _COMPILED_SHAPES)
        mode = "reduce-overhead" if device == "cuda" else None
        return torch.compile(network, dynamic=False, mode=mode)

    def _repeats(self, channels: int) -> bool:
        """Tell whether frames of so many channels are repeated to three."""
        return self.channels == 3 and channels == 1

    def _fitted(self, noisy: torch.Tensor) -> torch.Tensor:
        """Give frames the channels that the network takes."""
        if self._repeats(noisy.shape[1]):
            return noisy.expand(-1, 3, -1, -1)
        if self.channels == 1:
            return noisy.reshape(-1, 1, *noisy.shape[2:])
        return noisy

    @property
    def _whole_overlap(self) -> int:
        """`overlap`, rounded up so that tiles begin where `multiple` divides the frame."""
        return -(-self.overlap // self.multiple) * self.multiple

    def forward(
        self, network: torch.nn.Module, image: torch.Tensor, sigma: torch.Tensor
    ) -> torch.Tensor:
        """Estimate clean images by one forward pass.

        Args:
            network: the network.
            image: (N, C, H, W), clean values in [0, 1], sides multiples of `multiple`.
            sigma: (N,), on the same scale; nan for a blind method.

        Raises:
            ValueError: the network returns no tensor of the image's shape.
        """
        span, is_scaled = self.white - self.black, (self.black, self.white) != (0, 1)
        given = image * span + self.black if is_scaled else image
        output = self.call(network, given, sigma * span if is_scaled else sigma)
        shape = getattr(output, "shape", None)
        if shape != image.shape:
            found = f"shape {tuple(shape)}" if shape is not None else type(output).__name__
            raise ValueError(f"the network returned {found}, not shape {tuple(image.shape)}")
        estimate = given - output if self.residual else output.float()
        return (estimate - self.black) / span if is_scaled else estimate

    def _run(self, network: torch.nn.Module, sigma: float, image: torch.Tensor) -> torch.Tensor:
        """Denoise images (N, C, H, W) of any size in one forward pass, in `precision`."""
        import torch

        precision = getattr(torch, self.precision)

        def run(padded: torch.Tensor) -> torch.Tensor:
            told = padded.new_full((len(padded),), sigma)
            with torch.autocast(padded.device.type, precision, enabled=self.precision != "float32"):
                estimate = self.forward(network, padded, told)
            return estimate.clone() if self.compiled else estimate  # a graph writes to one place

        return on_padded(run, image, self.multiple)


def on_padded(run: Run, image: torch.Tensor, multiple: int) -> torch.Tensor:
    """Call a network on an image padded to sides of a multiple, and crop what it returns.

    Args:
        run: takes and returns images (N, C, H, W).
        image: (N, C, H, W) of any size; padded at the bottom and right by reflection, repeated
            where a side is shorter than what is added.
        multiple: factor of both sides of what ``run`` gets.

    Examples:
        >>> import torch
        >>> image = torch.tensor([[[[1., 2.], [3., 4.]]]])
        >>> on_padded(lambda padded: print(padded[0, 0]) or padded, image, 4).shape
        tensor([[1., 2., 1., 2.],
                [3., 4., 3., 4.],
                [1., 2., 1., 2.],
                [3., 4., 3., 4.]])
        torch.Size([1, 1, 2, 2])
    """
    height, width = image.shape[2:]
    padded = image
    if height % multiple or width % multiple:
        rows, columns = (_reflected(side, -side % multiple, image) for side in (height, width))
        padded = image.index_select(2, rows).index_select(3, columns)
    return run(padded)[..., :height, :width]


def _reflected(side: int, added: int, like: torch.Tensor) -> torch.Tensor:
    """Compute the pixels of a side that stand in its extension by reflection: 0 1 2 1 0."""
    import torch

    period = max(1, 2 * (side - 1))
    place = torch.arange(side + added, device=like.device) % period
    return torch.minimum(place, period - place) if side > 1 else place


def by_symmetries(run: Run, image: torch.Tensor) -> torch.Tensor:
    """Average what a function makes of an image (N, C, H, W) turned and mirrored in 8 ways."""
    total = image.new_zeros(image.shape)
    for quarters in range(4):
        turned = image.rot90(quarters, (2, 3))
        back = run(turned) + run(turned.flip(3)).flip(3)
        total += back.rot90(-quarters, (2, 3))
    return total / 8


def by_tiles(run: Run, image: torch.Tensor, tile: int, overlap: int) -> torch.Tensor:
    """Denoise a large image tile by tile, without seams: tiles see as far beyond as they depend.

    Args:
        run: denoises images (N, C, H, W) of any size.
        image: (N, C, H, W).
        tile: side of a tile; an image no larger is denoised whole.
        overlap: pixels that a tile sees beyond its sides.
    """
    height, width = image.shape[2:]
    if max(height, width) <= tile:
        return run(image)
    estimate = image.new_empty(image.shape)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = max(0, top - overlap), max(0, left - overlap)
            seen = image[..., above : top + tile + overlap, before : left + tile + overlap]
            inner = run(seen)[..., top - above :, left - before :]
            estimate[..., top : top + tile, left : left + tile] = inner[..., :tile, :tile]
    return estimate
