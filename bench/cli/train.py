"""``bench train``: train a denoiser by a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED
from denoisebench.cli.trainings import train_and_tell, training_options
from denoisebench.cli.types import FiniteRange


@click.command("train", short_help="Train a denoiser by a recipe.")
@click.argument("recipe")
@click.option(
    "--sigma",
    type=FiniteRange(0, 255),
    help="Noise to train for, on the 8-bit scale, if the recipe has no range.  [default: 25]",
)
@training_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results.  [default: results/training/RECIPE]",
)
def train_command(**choices: Any) -> None:
    """Train a denoiser by RECIPE: paper, best, dcgan, …, or the path of a TOML file.

    The folder gets weights.safetensors, card.json (the weights' description, and the command that
    makes them again), log.csv, curves.png, strip.png, and the checkpoint that an interrupted
    training goes on from. PSNR on the validation frames goes to stdout, everything else to stderr.
    On several GPUs: torchrun --nproc-per-node=N --no-python bench train RECIPE.

    A training fails if a loss is not finite, if its estimate no longer changes, or if that stays
    worse than the noisy input. What it has written is kept in a folder seed-SEED, and the card of a
    retry that succeeds tells of it.

    Exit code 0: trained; 2: the request cannot be carried out; 3: the training failed, with every
    seed that it was given; 130: interrupted.
    """
    from denoisebench.training.options import TrainingOptions
    from denoisebench.training.session import Ending

    codes = {Ending.INTERRUPTED: EXIT_INTERRUPTED, Ending.FAILED: EXIT_CELLS_FAILED}
    raise SystemExit(codes.get(train_and_tell(TrainingOptions(**choices)), 0))
