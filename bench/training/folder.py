"""Files in the folder of a training, and what they say of a finished one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench import files
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.json"
LOG_FILE = "log.csv"
CURVES_FILE = "curves.png"
STRIP_FILE = "strip.png"
CHECKPOINT_FILE = "checkpoint.pt"
TENSORBOARD_FOLDER = "tensorboard"
RESULT_FILES = (
    WEIGHTS_FILE,
    CARD_FILE,
    LOG_FILE,
    CURVES_FILE,
    STRIP_FILE,
    CHECKPOINT_FILE,
    TENSORBOARD_FOLDER,
)


def finished_scores(folder: Path) -> dict[str, float]:
    """Read the validation's PSNR in dB by sigma of a finished training; empty if it is not.

    Raises:
        UsageError: the card is damaged.
    """
    path = folder / CARD_FILE
    if not path.exists():
        return {}
    try:
        return {str(k): float(v) for k, v in files.read_json(path, f"{path}")["val_psnr"].items()}
    except (UsageError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is damaged ({error}); move it away to train again") from error
