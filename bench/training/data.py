"""Frames to train on, and the validation of a network on the others."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import torch

from denoisebench import metrics, protocol
from denoisebench.datasets.folder import Folder
from denoisebench.denoisers.gan import pictures
from denoisebench.errors import UsageError
from denoisebench.metrics.saturation import saturation_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.gan.recipe import Recipe

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

    def validate(self, network: nn.Module) -> dict[float, float]:
        """Compute the mean PSNR in dB by sigma, under the protocol, with noise seed 0."""
        return self._mean(metrics.psnr, network)

    def saturation(self, network: nn.Module) -> dict[float, float]:
        """Compute the mean colour saturation error by sigma (see `metrics.saturation`)."""
        return self._mean(saturation_error, network)

    def strip(self, network: nn.Module) -> bytes:
        """Draw the first validation frame as a PNG file: noisy, denoised, clean."""
        frame, sigma = self.val[0], self.sigmas[len(self.sigmas) // 2]
        clean = frame.read()
        noisy = self._noisy(frame, clean, sigma)
        images = {"noisy": protocol.quantise(noisy), "denoised": self._run(network, noisy, sigma)}
        panels = {
            f"{name}, {metrics.psnr(clean, image):.2f} dB": image for name, image in images.items()
        }
        return pictures.strip(panels | {f"clean (sigma {sigma:g})": clean})

    def _mean(
        self, metric: Callable[[np.ndarray, np.ndarray], float | None], network: nn.Module
    ) -> dict[float, float]:
        """Average by sigma over the frames that the metric is defined for."""
        means = {}
        for sigma in self.sigmas:
            scores = []
            for frame in self.val:
                clean = frame.read()
                estimate = self._run(network, self._noisy(frame, clean, sigma), sigma)
                scores.append(metric(clean, estimate))
            if defined := [score for score in scores if score is not None]:
                means[sigma] = fmean(defined)
        return means

    def _noisy(self, frame: Frame, clean: np.ndarray, sigma: float) -> np.ndarray:
        return protocol.add_noise(clean, sigma, dataset=self.dataset.name, frame=frame.id, seed=0)

    def _run(self, network: nn.Module, noisy: np.ndarray, sigma: float) -> np.ndarray:
        """Denoise a frame to uint8 (H, W, C).

        A grey frame is repeated to three channels, and their estimates are averaged.
        """
        height, width, channels = noisy.shape
        rgb = np.broadcast_to(noisy, (height, width, 3)).transpose(2, 0, 1)
        batch = torch.from_numpy(np.ascontiguousarray(rgb))[None].to(self.device)
        with torch.no_grad():
            estimate = network(batch, batch.new_tensor([sigma / 255]))[0].cpu().numpy()
        pixels = estimate.transpose(1, 2, 0)
        return protocol.quantise(pixels if channels == 3 else pixels.mean(2, keepdims=True))


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
