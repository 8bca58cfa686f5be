"""Attempts of a training that failed: one for each seed, kept in a folder of its own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from denoisebench import files
from denoisebench.errors import UsageError
from denoisebench.training.folder import RESULT_FILES

if TYPE_CHECKING:
    from pathlib import Path

FAILURE_FILE = "failure.json"


@dataclass(frozen=True)
class FailedAttempt:
    """Attempt that diverged or collapsed.

    Attributes:
        seed: of the attempt.
        iteration: number of iterations done.
        reason: the reason in one line, which begins with ``diverged`` or ``collapsed``.
        identity: the training's, as `Trainer.identity` has it.
    """

    seed: int
    iteration: int
    reason: str
    identity: dict[str, Any]

    def __str__(self) -> str:
        place = f"seed {self.seed}, iteration {self.iteration}, kept in {_folder_of(self.seed)}"
        return f"{self.reason} ({place})"

    @property
    def told(self) -> dict[str, Any]:
        """Facts that a card tells of the attempt, ready for JSON."""
        return {"seed": self.seed, "iteration": self.iteration, "reason": self.reason}


def keep(folder: Path, failed: FailedAttempt) -> Path:
    """Move the results of a failed attempt into a folder of its own, with a note of its failure.

    Args:
        folder: the training's folder.
        failed: the attempt.

    Returns:
        The attempt's folder.

    Raises:
        UsageError: something cannot be written or moved.
    """
    files.write_text(folder / FAILURE_FILE, json.dumps(asdict(failed), indent=1) + "\n")
    return _move(folder, failed)


def failed_attempts(folder: Path) -> dict[int, FailedAttempt]:
    """Read the failed attempts of a training, by seed.

    If the process ended while it kept one, that is completed first.

    Raises:
        UsageError: a note is damaged, or something cannot be moved.
    """
    if (folder / FAILURE_FILE).exists():
        _move(folder, _read(folder / FAILURE_FILE))
    found = [_read(path) for path in sorted(folder.glob(f"{_folder_of('*')}/{FAILURE_FILE}"))]
    return {failed.seed: failed for failed in found}


def attempt_files(folder: Path) -> list[str]:
    """List the names of the folders of failed attempts, and of the note of one half moved."""
    kept = folder.glob(f"{_folder_of('*')}/{FAILURE_FILE}")
    return [*(path.parent.name for path in kept), FAILURE_FILE]


def _folder_of(seed: int | str) -> str:
    return f"seed-{seed}"


def _move(folder: Path, failed: FailedAttempt) -> Path:
    """Move the results, and last the note, which says that there is something to be moved."""
    aside = files.set_aside(folder, [*RESULT_FILES, FAILURE_FILE], _folder_of(failed.seed))
    assert aside is not None
    return aside


def _read(path: Path) -> FailedAttempt:
    """Read a note.

    Raises:
        UsageError: it is damaged.
    """
    try:
        return FailedAttempt(**files.read_json(path, f"{path}"))
    except (TypeError, UsageError) as error:
        raise UsageError(f"{path} is damaged ({error}); move its folder away") from error
