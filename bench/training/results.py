"""Results of a training: its files, and the card that says what the weights are."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

from denoisebench import files, protocol
from denoisebench.denoisers.gan import checkpoint, parallel, pictures
from denoisebench.denoisers.gan.log import read_log
from denoisebench.machine import environment
from denoisebench.training.folder import (
    CARD_FILE,
    CURVES_FILE,
    LOG_FILE,
    STRIP_FILE,
    WEIGHTS_FILE,
)
from denoisebench.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.denoisers.gan.training import Trainer
    from denoisebench.training.data import TrainingData

_REPEATABLE = {
    "cpu": "to the bit, by the command, on the same processor and libraries",
    "cuda": "closely, not to the bit: cuDNN chooses its kernels by trial",
}


def write_results(
    out: Path, source: dict[str, Any], data: TrainingData, trainer: Trainer
) -> dict[float, float]:
    """Write weights, card and pictures beside the log of a finished training.

    Args:
        out: the training's folder.
        source: the recipe's name, the changes to it, the command that repeats the training, and
            the attempts that failed before it.
        data: frames of the training.
        trainer: the finished training.

    Returns:
        The last validation's PSNR in dB by sigma.

    Raises:
        UsageError: a file cannot be written.
    """
    recipe, rows = trainer.recipe, read_log(out / LOG_FILE)
    psnr = _last_psnr(rows)
    scores = {
        "val_psnr": {f"{k:g}": v for k, v in psnr.items()},
        "val_saturation": {f"{k:g}": v for k, v in data.saturation(trainer.averaged).items()},
    }
    card = source | scores | _card(data, trainer)
    about = {"generator": json.dumps(asdict(recipe.generator)), "recipe_digest": recipe.digest}
    checkpoint.save_weights(out / WEIGHTS_FILE, trainer.averaged, about)
    files.write_bytes(out / CURVES_FILE, pictures.curves(rows, recipe.title))
    files.write_bytes(out / STRIP_FILE, data.strip(trainer.averaged))
    # Last, as it says that the training is finished.
    files.write_text(out / CARD_FILE, json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    return psnr


def _card(data: TrainingData, trainer: Trainer) -> dict[str, Any]:
    """Describe the weights, ready for JSON."""
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
        "repeatable": _REPEATABLE[data.device.type],
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
    """Take PSNR by sigma from the last line of a log that has any."""
    for row in reversed(rows):
        scores = {name: value for name, value in row.items() if name.startswith("psnr_")}
        if scores:
            return {float(name.removeprefix("psnr_")): value for name, value in scores.items()}
    return {}


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"{environment.cpu_name()}, {counted(torch.get_num_threads(), 'thread')}"
