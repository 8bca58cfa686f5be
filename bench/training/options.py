"""Options of a training. They are read where no network is made, too, and need no torch."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from denoisebench.text import command_line

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.recipe import Recipe


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training: those of ``bench train``.

    Attributes:
        recipe: a shipped recipe's name, or the path of a TOML file.
        changes: to the recipe: dotted names and values, see `recipe.load`.
        sigma: noise to train for, on the 8-bit scale, where the recipe has no range; None is 25.
        data: a data set with train and val frames, or ``folder:PATH``.
        device: ``auto``, ``cpu`` or ``cuda``.
        iterations: total number; None is the recipe's.
        minutes: total time, after which the training ends; None is no limit.
        seed: of the weights, crops and noise.
        retries: number of further seeds, each the next, that are tried if a training fails.
        threads: CPU threads; None leaves torch's own choice.
        vgg: VGG-16's weights as safetensors, whose features the feature loss then compares.
        cuda_graph: replay the step as a CUDA graph, see `Trainer`.
        out: folder for the results; None is ``results/training/RECIPE``.
        fresh: set aside the folder's earlier results, in place of going on from them.
    """

    recipe: str
    changes: tuple[tuple[str, str], ...] = ()
    sigma: float | None = None
    data: str | None = None
    device: str = "auto"
    iterations: int | None = None
    minutes: float | None = None
    seed: int = 0
    retries: int = 0
    threads: int | None = None
    vgg: Path | None = None
    cuda_graph: bool = False
    out: Path | None = None
    fresh: bool = False

    @property
    def name(self) -> str:
        """Name of the recipe, without a path."""
        return Path(self.recipe).stem

    @property
    def folder(self) -> Path:
        """Folder for the results."""
        return self.out or Path("results", "training", self.name)

    @property
    def seeds(self) -> range:
        """Seeds of the attempts, in their order."""
        return range(self.seed, self.seed + self.retries + 1)

    @property
    def command(self) -> str:
        """Command line that repeats the training, or goes on with it."""
        processes = os.environ.get("WORLD_SIZE")
        words = ["torchrun", f"--nproc-per-node={processes}", "--no-python"] if processes else []
        return command_line([*words, "bench", *self.words])

    @property
    def words(self) -> list[str]:
        """Words of the command line after ``bench``."""
        words = ["train", self.recipe]
        words += [word for key, value in self.changes for word in ("--set", f"{key}={value}")]
        words += ["--device", self.device]
        for name in ("data", "sigma", "iterations", "minutes", "seed", "threads", "vgg", "out"):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name}", f"{value:.15g}" if isinstance(value, float) else str(value)]
        words += ["--retries", str(self.retries)] if self.retries else []
        return words + ["--cuda-graph"] * self.cuda_graph


def dataset_name(options: TrainingOptions, recipe: Recipe) -> str:
    """Name the data set of a training: the one asked for, the recipe's, or documentary."""
    return options.data or recipe.dataset or "documentary"
