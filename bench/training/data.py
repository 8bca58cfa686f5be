"""Frames to train on, and the validation of a network on the others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property, partial
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from denoisebench import metrics, protocol
from denoisebench.cells import Level
from denoisebench.datasets.folder import Folder
from denoisebench.denoisers.gan import pictures
from denoisebench.errors import UsageError
from denoisebench.metrics.saturation import saturation_error
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.observation import Drawn
from denoisebench.running.evaluation import evaluate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.running.evaluation import Evaluation, Scene

    Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

_SIGMAS_IN_RANGE = (15.0, 25.0, 50.0)  # validated, of a model for a range of sigmas
_HELD_OUT = 10  # every tenth image of a folder validates


@dataclass(frozen=True)
class TrainingData:
    """Frames of a training, and the validation on them.

    Attributes:
        dataset: the data set of the frames.
        train: frames that crops are taken from.
        val: frames for validation.
        sigmas: noise levels of the validation, on the 8-bit scale.
        device: device of the validation.
    """

    dataset: Dataset
    train: list[Frame]
    val: list[Frame]
    sigmas: tuple[float, ...]
    device: torch.device

    @property
    def digest(self) -> str:
        """Digest of all frames: 16 hex digits."""
        digests = [[frame.digest for frame in frames] for frames in (self.train, self.val)]
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]

    def validate(self, network: Network) -> dict[float, float]:
        """Compute the mean PSNR in dB by sigma, under the protocol, with noise seed 0."""
        return self._mean(metrics.psnr, network)

    @cached_property
    def noisy_psnr(self) -> dict[float, float]:
        """Mean PSNR of the noisy frames in dB by sigma."""
        return self._mean(metrics.psnr, lambda noisy, sigma: noisy)

    def saturation(self, network: Network) -> dict[float, float]:
        """Compute the mean colour saturation error by sigma (see `metrics.saturation`)."""
        return self._mean(saturation_error, network)

    def strip(self, network: Network) -> bytes:
        """Draw the first validation frame as a PNG file: noisy, denoised, clean."""
        sigma = self.sigmas[len(self.sigmas) // 2]
        [found] = self._evaluate(network, sigma, self.val[:1])
        assert found.estimate is not None
        clean, noisy = found.scene.clean, protocol.quantise(found.scene.noisy)
        panels = {
            f"noisy, {metrics.psnr(clean, noisy):.2f} dB": noisy,
            f"denoised, {found.score(metrics.psnr):.2f} dB": found.estimate,
            f"clean (sigma {sigma:g})": clean,
        }
        return pictures.strip(panels)

    def _mean(
        self, metric: Callable[[np.ndarray, np.ndarray], float | None], network: Network
    ) -> dict[float, float]:
        """Average by sigma over the frames that the metric is defined for."""
        means = {}
        for sigma in self.sigmas:
            scores = [found.score(metric) for found in self._evaluate(network, sigma, self.val)]
            if defined := [score for score in scores if score is not None]:
                means[sigma] = fmean(defined)
        return means

    def _evaluate(
        self, network: Network, sigma: float, frames: Sequence[Frame]
    ) -> Iterator[Evaluation]:
        """Denoise frames with the first noise draw of a sigma."""
        level, device = Level(sigma), self.device.type
        cells = ((level.cell("network", device, frame.id, 0), frame) for frame in frames)
        observation = Drawn(WHITE_GAUSSIAN, self.dataset.name)
        return evaluate(cells, observation, partial(self._denoise, network))

    def _denoise(self, network: Network, scene: Scene) -> np.ndarray:
        """Denoise a frame: float32 (H, W, C).

        A grey frame is repeated to three channels, and their estimates are averaged.
        """
        import torch

        height, width, channels = scene.noisy.shape
        rgb = np.broadcast_to(scene.noisy, (height, width, 3)).transpose(2, 0, 1)
        batch = torch.from_numpy(np.ascontiguousarray(rgb))[None].to(self.device)
        with torch.no_grad():
            estimate = network(batch, batch.new_tensor([scene.sigma / 255]))[0].cpu().numpy()
        pixels: np.ndarray = estimate.transpose(1, 2, 0)
        return pixels if channels == 3 else pixels.mean(2, keepdims=True)


def split(dataset: Dataset) -> tuple[list[Frame], list[Frame]]:
    """Split a data set into the frames to train on and those for validation.

    Raises:
        UsageError: the data set has no frames for training.
    """
    if {"train", "val"} <= set(dataset.splits):
        return dataset.frames("train"), dataset.frames("val")
    if not isinstance(dataset, Folder):
        raise UsageError(
            f"{dataset.name} has no train and val frames; train on documentary or folder:PATH"
        )
    frames = dataset.frames("test")
    if len(frames) == 1:
        raise UsageError(f"{dataset.name} has a single image; one more is needed to validate")
    train = [frame for number, frame in enumerate(frames) if number % _HELD_OUT]
    return train, frames[::_HELD_OUT]


def validation_sigmas(recipe: Recipe, sigma: float) -> tuple[float, ...]:
    """Choose the sigmas of the validation: the training's own, or some within its range.

    Args:
        recipe: of the training.
        sigma: of the training, on the 8-bit scale, where the recipe has no range.
    """
    if recipe.data.sigma_range is None:
        return (sigma,)
    low, high = recipe.data.sigma_range
    return tuple(s for s in _SIGMAS_IN_RANGE if low <= s <= high) or ((low + high) / 2,)
