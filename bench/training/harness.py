"""What the harness gives to a training, frames and validation, and what it records of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from denoisebench import files, metrics, protocol
from denoisebench.datasets.folder import Folder
from denoisebench.denoisers.gan import checkpoint, log, parallel, pictures
from denoisebench.errors import UsageError
from denoisebench.machine import environment
from denoisebench.metrics.saturation import saturation_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from denoisebench.datasets import Dataset, Frame
    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.denoisers.gan.training import Trainer

SIGMAS = (15.0, 25.0, 50.0)  # where a model for a range of sigmas is validated
HELD_OUT = 10  # every tenth image of a folder validates

WEIGHTS = "weights.safetensors"
CARD = "card.json"
LOG = "log.csv"
CURVES = "curves.png"
STRIP = "strip.png"
CHECKPOINT = "checkpoint.pt"
TENSORBOARD = "tensorboard"
FILES = (WEIGHTS, CARD, LOG, CURVES, STRIP, CHECKPOINT, TENSORBOARD)


@dataclass(frozen=True)
class TrainingData:
    """What is learned from, and how what was learned is validated.

    Attributes:
        dataset: whose frames they are.
        train: frames that crops are taken from.
        val: frames for validation.
        sigmas: of the validation, on the 8-bit scale.
        device: where all of it takes place.
    """

    dataset: Dataset
    train: list[Frame]
    val: list[Frame]
    sigmas: tuple[float, ...]
    device: torch.device

    @property
    def digest(self) -> str:
        """Of the digests of all frames."""
        digests = [[frame.digest for frame in frames] for frames in (self.train, self.val)]
        return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:16]

    def validate(self, network: nn.Module) -> dict[float, float]:
        """Mean PSNR in dB by sigma, under the protocol, noise seed 0."""
        return self._mean(metrics.psnr, network)

    def saturation(self, network: nn.Module) -> dict[float, float]:
        """Mean colour saturation error by sigma, likewise; see `metrics.saturation`."""
        return self._mean(saturation_error, network)

    def strip(self, network: nn.Module) -> bytes:
        """PNG of the first validation frame: noisy, denoised, clean."""
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
        """By sigma, over the frames that the metric is defined for."""
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
        """uint8 (H, W, C): a grey frame is repeated to three channels, which are then averaged."""
        height, width, channels = noisy.shape
        rgb = np.broadcast_to(noisy, (height, width, 3)).transpose(2, 0, 1)
        batch = torch.from_numpy(np.ascontiguousarray(rgb))[None].to(self.device)
        with torch.no_grad():
            estimate = network(batch, batch.new_tensor([sigma / 255]))[0].cpu().numpy()
        pixels = estimate.transpose(1, 2, 0)
        return protocol.quantise(pixels if channels == 3 else pixels.mean(2, keepdims=True))


def split(dataset: Dataset) -> tuple[list[Frame], list[Frame]]:
    """The frames to learn from, and those that validate.

    Raises:
        UsageError: the data set is not for training.
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
    train = [frame for number, frame in enumerate(frames) if number % HELD_OUT]
    return train, frames[::HELD_OUT]


def validation_sigmas(recipe: Recipe, sigma: float) -> tuple[float, ...]:
    """Where a training is validated: at its sigma, or well within its range."""
    if recipe.data.sigma_range is None:
        return (sigma,)
    low, high = recipe.data.sigma_range
    return tuple(s for s in SIGMAS if low <= s <= high) or ((low + high) / 2,)


def write_results(
    out: Path, source: dict[str, Any], data: TrainingData, trainer: Trainer
) -> dict[float, float]:
    """Write weights, card and pictures beside the log of a finished training.

    Args:
        source: the recipe's name, the changes to it, and the command that repeats the training.

    Returns:
        The last validation's PSNR in dB by sigma.

    Raises:
        UsageError: they cannot be written.
    """
    recipe, rows = trainer.recipe, log.read_log(out / LOG)
    psnr = _last_psnr(rows)
    scores = {
        "val_psnr": {f"{k:g}": v for k, v in psnr.items()},
        "val_saturation": {f"{k:g}": v for k, v in data.saturation(trainer.averaged).items()},
    }
    card = source | scores | _card(data, trainer)
    about = {"generator": json.dumps(asdict(recipe.generator)), "recipe_digest": recipe.digest}
    checkpoint.save_weights(out / WEIGHTS, trainer.averaged, about)
    files.write_bytes(out / CURVES, pictures.curves(rows, recipe.title))
    files.write_bytes(out / STRIP, data.strip(trainer.averaged))
    # Last, as it says that the training is finished.
    files.write_text(out / CARD, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return psnr


def finished_scores(folder: Path) -> dict[str, float]:
    """The validation's PSNR in dB by sigma, of a finished training; empty where none is.

    Raises:
        UsageError: the card is damaged.
    """
    path = folder / CARD
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"))["val_psnr"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is damaged ({error}); move it away to train again") from error


def _card(data: TrainingData, trainer: Trainer) -> dict[str, Any]:
    """What the weights are, ready for JSON."""
    return {
        "recipe_digest": trainer.recipe.digest,
        "recipe": asdict(trainer.recipe),
        "sigma": list(trainer.crops.bounds),
        "parameters": sum(weight.numel() for weight in trainer.generator.parameters()),
        "iterations": trainer.iteration,
        "seconds": round(trainer.seconds, 1),
        "seed": trainer.seed,
        "device": _device_name(data.device),
        "feature_network": trainer.identity["feature network"],
        "processes": parallel.size(),
        "precision": str(trainer.precision).removeprefix("torch."),
        "data": {
            "name": data.dataset.name,
            "licence": data.dataset.licence,
            "digest": data.digest,
            "train_frames": len(data.train),
            "val_frames": len(data.val),
        },
        "protocol": protocol.digest(),
        "libraries": environment.versions(("torch", "numpy")),
    }


def _last_psnr(rows: list[dict[str, float]]) -> dict[float, float]:
    """By sigma, from the last line of a log that has any."""
    for row in reversed(rows):
        scores = {name: value for name, value in row.items() if name.startswith("psnr_")}
        if scores:
            return {float(name.removeprefix("psnr_")): value for name, value in scores.items()}
    return {}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{environment.cpu_name()}, {torch.get_num_threads()} threads"
