"""Log of a training: a CSV file, and TensorBoard's events where that is installed."""

from __future__ import annotations

import csv
import importlib.util
import io
from typing import TYPE_CHECKING, Any

from denoisebench import files
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.denoisers.gan.training import Report

# The losses of the generator, its gradient, and the figures of the critic.
TERMS = (
    "pixel",
    "adversarial",
    "feature",
    "smoothness",
    "colour",
    "gradient_norm",
    "critic",
    "penalty",
    "wasserstein",
)


class CsvLog:
    """Log in a CSV file: call it with each report, and it appends a line at once.

    Args:
        path: of the file; lines that it already has are kept up to ``iteration``.
        sigmas: noise levels on the 8-bit scale, each with a column of PSNR.
        iteration: the one that the training goes on from; 0 for a new one.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, path: Path, sigmas: tuple[float, ...], iteration: int) -> None:
        self._path = path
        columns = ["iteration", "seconds", "images_per_second", "learning_rate"]
        self._columns = [*columns, *TERMS, *(f"psnr_{sigma:g}" for sigma in sigmas)]
        header = dict(zip(self._columns, self._columns, strict=True))
        kept = [row for row in _rows(path) if int(row["iteration"]) <= iteration]
        files.write_text(path, self._lines([header, *kept]))

    def __call__(self, report: Report) -> None:
        """Append a line.

        Raises:
            UsageError: the file cannot be written.
        """
        try:
            with self._path.open("a", encoding="utf-8", newline="") as file:
                file.write(self._lines([_scalars(report)]))
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror}") from error

    def _lines(self, rows: list[dict[str, Any]]) -> str:
        text = io.StringIO()
        csv.DictWriter(text, self._columns, lineterminator="\n").writerows(rows)
        return text.getvalue()


class TensorBoardLog:
    """Log of the same figures as TensorBoard's events.

    Args:
        folder: log directory, to be given to TensorBoard.
    """

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __call__(self, report: Report) -> None:
        """Write the figures of a report."""
        for name, value in _scalars(report).items():
            self._writer.add_scalar(name, value, report.iteration)
        self._writer.flush()


def has_tensorboard() -> bool:
    """Tell whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def read_log(path: Path) -> list[dict[str, float]]:
    """Read the lines of a log without their empty cells; none if there is no log."""
    return [{name: float(cell) for name, cell in row.items() if cell} for row in _rows(path)]


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return [row for row in csv.DictReader(io.StringIO(text)) if _is_whole(row)]


def _is_whole(row: dict[str, str]) -> bool:
    """Tell a whole line from one that a full disk cut short."""
    try:
        int(row["iteration"])
        for cell in row.values():
            float(cell or 0)
    except (KeyError, TypeError, ValueError):
        return False
    return None not in row.values()


def _scalars(report: Report) -> dict[str, Any]:
    scores = {f"psnr_{sigma:g}": psnr for sigma, psnr in report.psnr.items()}
    return {
        "iteration": report.iteration,
        "seconds": round(report.seconds, 1),
        "images_per_second": round(report.images_per_second, 2),
        "learning_rate": report.learning_rate,
        **{name: float(f"{value:.6g}") for name, value in report.terms.items()},
        **scores,
    }
