"""Trainings that collapse: noticed, kept, told, and tried again with the next seed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from denoisebench.denoisers.gan import collapse
from denoisebench.denoisers.gan.collapse import Validation
from denoisebench.training import attempts, folder

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

pytestmark = pytest.mark.usefixtures("one_torch_thread")

NOISY = {25.0: 20.2}

RECIPE = """
title = "Tiny"
reference = "none"
generator = { kind = "residual-cnn", width = 1, depth = 2, norm = "none" }
data = { batch = 1, patch = 8, symmetries = false }

[losses]
adversarial = 0.0
pixel = 1.0
feature = 0.0
smoothness = 0.0
colour = 0.0
norm = "l2"
reduction = "mean"

[schedule]
iterations = 40
learning_rate = 0.01
betas = [0.9, 0.999]
decay = "constant"
average = 0.0
mixed_precision = false
validate_every = 4
"""

# Seed 0 begins dead: with all weights at 0, nothing but the last bias has a gradient.
SEED_0_DIES = """
import sys
import torch
from denoisebench.cli import main
from denoisebench.denoisers.gan import collapse, training
collapse.FAIR_ITERATIONS = 20

def dead(self, *arguments, init=training.Trainer.__init__, **options):
    init(self, *arguments, **options)
    if self.seed == 0:
        with torch.no_grad():
            for weight in (*self.generator.parameters(), *self.averaged.parameters()):
                weight.zero_()

training.Trainer.__init__ = dead
main()
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return path


def history(*psnr: float, rate: float = 1.0) -> list[Validation]:
    """Make twenty validations of 10,000 iterations, the last ones all alike."""
    scores = [*psnr, *[psnr[-1]] * (20 - len(psnr))]
    return [Validation(500 * n, n / 20, rate, {25.0: p}) for n, p in enumerate(scores, 1)]


def test_an_estimate_that_no_longer_changes_is_a_collapse() -> None:
    stuck = history(20, 22, 25, 26, 27.19)
    assert collapse.collapse(stuck[:8], NOISY) == ""
    assert collapse.collapse(stuck[:9], NOISY) == (
        "the estimate no longer changes: 27.19 dB at sigma 25 from iteration 2500 on"
    )


def test_an_estimate_may_rest_when_the_learning_rate_is_small() -> None:
    assert collapse.collapse(history(30.0, rate=0.05), NOISY) == ""
    assert collapse.collapse(history(30.0, rate=0.5), NOISY) != ""


def test_a_training_that_moves_a_little_has_not_collapsed() -> None:
    moving = [30 + 0.003 * n for n in range(20)]
    assert collapse.collapse(history(*moving), NOISY) == ""


def test_validations_close_together_are_no_stretch() -> None:
    close = [Validation(5000 + n, 0.5 + n / 10_000, 1.0, {25.0: 30.0}) for n in range(50)]
    assert collapse.collapse(close, NOISY) == ""


def test_an_estimate_that_stays_under_the_noisy_input_is_a_collapse() -> None:
    bad = [10 + n % 3 for n in range(20)]
    assert collapse.collapse(history(*bad)[:4], NOISY) == ""  # a fair start
    assert collapse.collapse(history(*bad)[:5], NOISY) == (
        "the estimate is worse than the noisy input: 11.00 dB at sigma 25, not 20.20 dB"
    )
    assert collapse.collapse(history(*bad)[:5], {25.0: float("inf")}) == ""
    assert collapse.collapse(history(*bad[:8], 25)[:9], NOISY) == ""


def test_a_short_training_is_never_judged() -> None:
    short = [Validation(10 * n, n / 20, 1.0, {25.0: 5.0}) for n in range(1, 21)]
    assert collapse.collapse(short, NOISY) == ""


def test_one_good_sigma_is_no_collapse() -> None:
    mixed = [Validation(500 * n, n / 20, 1.0, {15.0: 20.0 + n, 50.0: 5.0}) for n in range(1, 21)]
    assert collapse.collapse(mixed, {15.0: 24.6, 50.0: 14.2}) == ""


def words(recipe: Path, photos: Path, *more: str) -> list[str]:
    shared = ["--data", f"folder:{photos}", "--device", "cpu", "--out", "out"]
    return ["train", str(recipe), *shared, *more]


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        ("0.0000000000001", "the estimate no longer changes: "),
        ("1000.0", "the estimate is worse than the noisy input: "),
    ],
)
def test_a_collapse_ends_the_training_and_the_next_seed_is_offered(
    ask: Bench, tiny: Path, photos: Path, tmp_path: Path, rate: str, reason: str
) -> None:
    asked = words(tiny, photos, "--set", f"schedule.learning_rate={rate}")
    asked += ["--set", "schedule.validate_every=250", "--iterations", "4000"]
    result = ask(*asked)
    assert result.returncode == 3, result.stderr
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"bench: the training collapsed: {reason}")
    assert last.endswith("--out out --retries 1")
    kept = {path.name for path in (tmp_path / "out" / "seed-0").iterdir()}
    assert {folder.CHECKPOINT_FILE, folder.LOG_FILE, attempts.FAILURE_FILE} <= kept
    assert not (tmp_path / "out" / folder.CARD_FILE).exists()

    again = ask(*asked)  # it is known, and not repeated
    assert again.returncode == 3
    assert again.stderr.splitlines() == [last]


def test_a_retry_takes_the_next_seed_and_the_card_tells_of_both(
    bench: Bench, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    asked = words(tiny, photos, "--retries", "2")
    command = [sys.executable, "-c", SEED_0_DIES, *asked]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "trying seed 1" in line:
                process.send_signal(signal.SIGKILL)  # between two attempts
    assert process.returncode == -signal.SIGKILL
    assert not (tmp_path / "out" / folder.CARD_FILE).exists()

    rest = bench(*asked)
    assert rest.returncode == 0, rest.stderr
    assert rest.stderr.startswith("The training collapsed: the estimate ")
    assert "kept in seed-0); trying seed 1" in rest.stderr.splitlines()[0]
    card = json.loads((tmp_path / "out" / folder.CARD_FILE).read_text())
    assert card["seed"] == 1
    assert "--seed 1" in card["command"]
    assert "--retries" not in card["command"]
    [told] = card["failed_attempts"]
    assert told["seed"] == 0
    assert 20 <= told["iteration"] < 40
    assert told["reason"].startswith("collapsed: the estimate ")


def test_results_of_a_failure_that_were_half_moved_are_moved(tmp_path: Path) -> None:
    failed = attempts.FailedAttempt(3, 500, "diverged: a weight is not finite", {"seed": 3})
    (tmp_path / folder.CHECKPOINT_FILE).write_bytes(b"state")
    attempts.keep(tmp_path, failed)
    # As if the process had been killed before the note was moved.
    note = tmp_path / "seed-3" / attempts.FAILURE_FILE
    note.rename(tmp_path / attempts.FAILURE_FILE)
    (tmp_path / folder.LOG_FILE).write_text("log")
    assert attempts.failed_attempts(tmp_path) == {3: failed}
    assert {path.name for path in (tmp_path / "seed-3").iterdir()} == {
        folder.CHECKPOINT_FILE,
        folder.LOG_FILE,
        attempts.FAILURE_FILE,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["seed-3"]


def test_failures_of_another_training_are_refused_and_set_aside_by_fresh(
    ask: Bench, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    failed = attempts.FailedAttempt(0, 500, "diverged: a weight is not finite", {"seed": 0})
    (tmp_path / "out").mkdir()
    attempts.keep(tmp_path / "out", failed)
    other = ask(*words(tiny, photos))
    assert other.returncode == 2
    assert "out is of another training (other recipe" in other.stderr
    fresh = ask(*words(tiny, photos, "--fresh"))
    assert fresh.returncode == 0, fresh.stderr
    assert list((tmp_path / "out").glob("before-*/seed-0/failure.json"))
    (tmp_path / "out" / "seed-0").mkdir()
    (tmp_path / "out" / "seed-0" / attempts.FAILURE_FILE).write_text("[]")
    damaged = ask(*words(tiny, photos))
    assert damaged.returncode == 2
    assert "failure.json is damaged" in damaged.stderr
