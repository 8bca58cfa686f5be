"""``bench train`` as a user runs it."""

from __future__ import annotations

import fcntl
import json
import math
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file

from conftest import COMMAND
from denoisebench import metrics, protocol
from denoisebench.datasets.folder import Folder
from denoisebench.denoisers.gan import log, recipe
from denoisebench.training import data, folder

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

pytestmark = pytest.mark.usefixtures("one_torch_thread")

CHANGES = {
    "width = 64": "width = 8",
    "width = 48": "width = 4",
    "bottleneck = 64": "bottleneck = 8",
    "batch = 48": "batch = 2",
    "patch = 96": "patch = 16",
    "iterations = 60000": "iterations = 6",
    "validate_every = 2000": "validate_every = 3",
}


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Return the recipe ``best`` with networks and batches that take milliseconds."""
    text = (recipe.SHIPPED / "best.toml").read_text()
    for old, new in CHANGES.items():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return path


def test_a_training_leaves_all_that_is_needed(
    bench: Bench, ask: Bench, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["train", tiny, "--data", f"folder:{photos}", "--device", "cpu", "--out", out]
    result = bench(*words)
    assert result.returncode == 0, result.stderr
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "sigma 15",
        "sigma 25",
        "sigma 50",
    ]
    assert "[3/6]" in result.stderr
    left = {path.name for path in out.iterdir()} - {"run.lock", folder.TENSORBOARD_FOLDER}
    assert left == set(folder.RESULT_FILES) - {folder.TENSORBOARD_FOLDER}
    card = json.loads((out / folder.CARD_FILE).read_text())
    assert card["name"] == "tiny"
    assert card["recipe_digest"] == recipe.load(str(tiny)).digest
    assert card["recipe"]["generator"]["width"] == 8
    assert (card["iterations"], card["sigma"], card["processes"]) == (6, [0, 55], 1)
    assert card["data"]["licence"] == "the owner's"
    assert (card["data"]["train_frames"], card["data"]["val_frames"]) == (2, 1)
    weights = load_file(out / folder.WEIGHTS_FILE)
    assert sum(w.numel() for w in weights.values()) == card["parameters"]
    rows = log.read_log(out / folder.LOG_FILE)
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert card["val_psnr"] == {s: rows[-1][f"psnr_{s}"] for s in ("15", "25", "50")}
    for name in (folder.CURVES_FILE, folder.STRIP_FILE):
        with Image.open(out / name) as image:
            image.verify()

    # The command goes on where another process ended, and comes to the same bits as that one.
    again = ask(*card["command"].split()[1:], "--out", out)
    assert again.returncode == 0, again.stderr
    assert "Going on from iteration 6" in again.stderr
    assert again.stdout == result.stdout

    fresh = ask(*words, "--fresh")
    assert fresh.returncode == 0, fresh.stderr
    [aside] = out.glob("before-*")
    assert (aside / folder.WEIGHTS_FILE).exists()
    for name, value in load_file(out / folder.WEIGHTS_FILE).items():
        assert torch.equal(value, weights[name])


def test_an_interrupted_training_says_how_to_go_on(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["train", tiny, "--data", f"folder:{photos}", "--device", "cpu", "--out", "out"]
    words += ["--iterations", "100000"]
    with subprocess.Popen(
        [COMMAND, *map(str, words)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("[3/100000]")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "Interrupted. To go on from here: bench train" in rest
    assert "--iterations 100000" in rest
    state = torch.load(tmp_path / "out" / folder.CHECKPOINT_FILE, weights_only=True)
    assert state["iteration"] >= 3


def test_an_interrupt_in_the_middle_of_a_line_is_taken_as_any_other(
    tiny: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["train", tiny, "--data", f"folder:{photos}", "--device", "cpu", "--out", "out"]
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    reader, writer = os.pipe()
    os.write(writer, b"." * (fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096) - 1))
    with subprocess.Popen(
        [COMMAND, *map(str, words)], cwd=tmp_path, stderr=writer, env=buffered
    ) as process:
        os.close(writer)
        history = tmp_path / "out" / folder.LOG_FILE
        while not (history.exists() and history.read_text().count("\n") > 3):
            assert process.poll() is None
            time.sleep(0.1)
        time.sleep(0.5)  # the line that follows is stuck in the full pipe by now
        process.send_signal(signal.SIGINT)
        with open(reader, encoding="utf-8") as stderr:
            rest = stderr.read()
    assert process.returncode == 130, rest
    assert "Stopping after this iteration" in rest
    assert "Interrupted. To go on from here: bench train" in rest


def test_a_training_that_diverges_says_so(
    ask: Bench, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    text = tiny.read_text().replace("learning_rate = 0.0006", "learning_rate = 1e30")
    tiny.write_text(text)
    result = ask("train", tiny, "--data", f"folder:{photos}", "--device", "cpu", "--out", "out")
    assert result.returncode == 3
    [line] = [line for line in result.stderr.splitlines() if line.startswith("bench:")]
    assert "the training diverged" in line
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["papper"], "unknown recipe 'papper'; did you mean paper"),
        (["best", "--sigma", "25"], "--sigma: best trains for all from 0 to 55 at once"),
        (["paper", "--data", "stills"], "stills has no train and val frames; train on documentary"),
        (["paper", "--sigma", "300"], "300.0 is not in the range"),
        (["paper", "--minutes", "0"], "0.0 is not in the range"),
        (["paper", "--device", "cpu", "--cuda-graph"], "--cuda-graph: needs a GPU; leave it out"),
        (["paper", "--retries", "-1"], "-1 is not in the range"),
    ],
)
def test_bad_input_gets_one_line_and_leaves_nothing(
    ask: Bench, words: list[str], line: str, tmp_path: Path
) -> None:
    result = ask("train", *words, "--out", "out")
    assert result.returncode == 2
    assert line in result.stderr
    assert not (tmp_path / "out").exists()


def test_two_trainings_do_not_share_a_folder(
    ask: Bench, tiny: Path, photos: Path, tmp_path: Path
) -> None:
    with FileLock(tmp_path / "run.lock"):
        result = ask("train", tiny, "--data", f"folder:{photos}", "--device", "cpu", "--out", ".")
    assert result.returncode == 2
    assert "another training is at work in" in result.stderr


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from denoisebench.cli import main\n"
        "main(['train', '--help'], standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_folder_is_split_and_grey_frames_validate(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:24, 0:24]
    for number in range(12):
        pixels = (100 + rows + columns + number).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:02}.png")
    dataset = Folder(str(tmp_path))
    learn, judge = data.split(dataset)
    assert [frame.id for frame in judge] == ["00.png", "10.png"]
    assert len(learn) == 10
    lesson = data.TrainingData(dataset, learn, judge, (25.0,), torch.device("cpu"))
    psnr = lesson.validate(lambda noisy, sigma: noisy)[25.0]  # type: ignore[arg-type]
    assert psnr == pytest.approx(20 * math.log10(255 / 25), abs=0.3)
    # The noise is that of a run's first draw.
    drawn = [
        (frame, protocol.add_noise(frame.read(), 25, dataset=dataset.name, frame=frame.id, seed=0))
        for frame in judge
    ]
    scores = [metrics.psnr(frame.read(), protocol.quantise(noisy)) for frame, noisy in drawn]
    assert psnr == pytest.approx(sum(scores) / len(scores), abs=0.005)
