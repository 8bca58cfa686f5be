"""``bench study`` and ``bench reproduce``: trainings that differ by one thing, and their lesson."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from conftest import COMMAND
from denoisebench.denoisers.gan import recipe
from denoisebench.denoisers.gan.study import load_study, study_names
from denoisebench.errors import UsageError
from denoisebench.machine import processes, threads
from denoisebench.training import reproduction

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]

STUDY = """
[cpu]
"generator.width" = 4
"adversary.critic.width" = 2
"data.patch" = 16
"schedule.iterations" = 2

[[training]]
name = "with"
question = "an adversary"
recipe = "adversarial-cnn"
sigmas = [25, 7.5]

[[training]]
name = "without"
question = "no adversary"
recipe = "adversarial-cnn"
sigmas = [25]
set = { "losses.adversarial" = 0.0, "adversary" = "", "data.patch" = 24 }
cpu = { "schedule.iterations" = 3 }
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def test_a_study_is_reduced_where_a_recipe_has_what_is_reduced(listed: Path) -> None:
    first, second, third = load_study(str(listed), reduced=True)
    assert [t.name for t in (first, second, third)] == ["with-25", "with-7.5", "without-25"]
    assert second.sigma == 7.5
    small = recipe.load(first.recipe, first.changes)
    assert (small.generator.width, small.data.patch, small.schedule.iterations) == (4, 16, 2)
    assert small.adversary is not None
    assert small.adversary.critic.width == 2
    alone = recipe.load(third.recipe, third.changes)
    assert alone.adversary is None
    assert alone.data.patch == 24  # its own change stands
    assert alone.schedule.iterations == 3  # and its own reduction
    whole = load_study(str(listed), reduced=False)
    assert recipe.load(whole[0].recipe, whole[0].changes) == recipe.load("adversarial-cnn")


def test_the_shipped_study_has_the_published_rows() -> None:
    for name in study_names():
        for reduced in (False, True):
            assert load_study(name, reduced=reduced)
    trained = {training.name for training in load_study("paper", reduced=True)}
    shipped = {path.stem for path in (ROOT / "denoisers" / "weights").glob("*-[0-9]*.safetensors")}
    assert shipped <= trained


def test_what_is_missing_is_what_was_not_trained_by_its_full_recipe() -> None:
    whole = {t.name: t for t in load_study("paper", reduced=False)}
    missing = {t.name: t for t in load_study("missing", reduced=False)}
    assert missing == {name: t for name, t in whole.items() if name in missing}
    cards = {path.stem: path for path in (ROOT / "denoisers" / "weights").glob("*.json")}
    trained = {
        name
        for name, training in whole.items()
        if name in cards
        and json.loads(cards[name].read_text(encoding="utf-8"))["recipe_digest"]
        == recipe.load(training.recipe, training.changes).digest
    }
    assert missing.keys() == whole.keys() - trained


def test_a_study_takes_trainings_from_another(listed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    part = f'[[from]]\nstudy = "{listed}"\ntrainings = ["without-25", "with-7.5"]\n'
    other.write_text(part)
    whole = {t.name: t for t in load_study(str(listed), reduced=True)}
    chosen = load_study(str(other), reduced=True)
    assert chosen == [whole["without-25"], whole["with-7.5"]]
    other.write_text(part.replace("7.5", "7"))
    with pytest.raises(UsageError, match=r"unknown training of the study .* 'with-7'; did"):
        load_study(str(other), reduced=True)
    other.write_text(part.replace(str(listed), str(other)))
    with pytest.raises(UsageError, match="takes trainings from itself"):
        load_study(str(other), reduced=True)


def test_a_recipe_for_a_range_of_sigmas_has_one_training(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[training]]\nname = "all"\nquestion = "all sigmas"\nrecipe = "best"\n')
    [training] = load_study(str(path), reduced=False)
    assert (training.name, training.sigma) == ("all", None)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("[25]", "[-3]", "sigma -3 is not between 0 and 255"),
        ('name = "without"', 'name = "../else"', "the name '../else' has more than letters"),
        ("[25]", '["much"]', "each [[training]] needs name, question, recipe and, unless"),
        ('question = "no adversary"', "", "each [[training]] needs"),
        ('name = "without"', 'name = "with"', "two trainings have the same name and sigma"),
        ('"data.patch" = 24', '"data.patsh" = 24', "unknown key 'patsh'"),
        ('"data.patch" = 24', '"date.patch" = 24', "there is no table 'date'"),
        ("[[training]]", "[[training", "not valid TOML"),
    ],
)
def test_a_bad_study_gets_one_line(listed: Path, old: str, new: str, line: str) -> None:
    listed.write_text(STUDY.replace(old, new))
    with pytest.raises(UsageError) as caught:
        load_study(str(listed), reduced=True)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_finished_is_not_repeated_and_what_is_held_is_left(
    bench: Bench, ask: Bench, listed: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["study", listed, "--device", "cpu", "--out", "out", "--data", f"folder:{photos}"]
    words += ["--iterations", "1", "--seed", "7", "--set", "data.patch=32"]
    (tmp_path / "out" / "with-7.5").mkdir(parents=True)
    with FileLock(tmp_path / "out" / "with-7.5" / "run.lock"):
        held = bench(*words)
    assert held.returncode == 3
    assert "with-7.5: at work elsewhere" in held.stdout
    written = {
        path.parent.name: path.stat().st_mtime_ns for path in tmp_path.glob("out/*/card.json")
    }
    assert set(written) == {"with-25", "without-25"}
    rest = ask(*words)
    assert rest.returncode == 0, rest.stderr
    names = [line.split(":")[0] for line in rest.stdout.splitlines()[-3:]]
    assert names == ["with-25", "with-7.5", "without-25"]
    for name, when in written.items():
        assert (tmp_path / "out" / name / "card.json").stat().st_mtime_ns == when
    cards = {
        name: json.loads((tmp_path / "out" / name / "card.json").read_text()) for name in names
    }
    for name, card in cards.items():  # the options hold for all
        assert (card["iterations"], card["seed"]) == (1, 7)
        assert card["recipe"]["data"]["patch"] == 32
        assert f"--sigma {name.partition('-')[2]} --iterations 1 --seed 7" in card["command"]
    card = cards["without-25"]
    assert card["changes"]["adversary"] == ""
    assert recipe.load(card["name"], card["changes"]).digest == card["recipe_digest"]
    assert "--set adversary=" in card["command"]
    assert -50 < card["val_saturation"]["25"] < 50
    wrong = ask(*words, "--iterations", "0")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("Usage: main study [OPTIONS] STUDY")


def test_a_study_itself_needs_no_torch() -> None:
    code = "import sys, denoisebench.training.series; print('torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


LONG = """
[cpu]
"generator.width" = 2
"data.batch" = 1
"data.patch" = 8
"schedule.validate_every" = 20

[[training]]
name = "one"
question = "no adversary"
recipe = "unet-mse"
sigmas = [25]

[[training]]
name = "other"
question = "the same for another sigma"
recipe = "unet-mse"
sigmas = [15]
"""


class Study:
    """Study of two trainings at a time in the background, and what it prints."""

    def __init__(self, folder: Path, photos: Path, iterations: int) -> None:
        (folder / "long.toml").write_text(LONG)
        words = ["study", "long.toml", "--device", "cpu", "--data", f"folder:{photos}"]
        words += ["--jobs", "2", "--out", "out", "--iterations", str(iterations)]
        self.folder = folder / "out"
        self.process = subprocess.Popen(
            [COMMAND, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until_both_are_saved(self) -> None:
        """Wait for a checkpoint of each, while both are at work."""
        saved = [self.folder / name / "checkpoint.pt" for name in ("one-25", "other-15")]
        while not all(path.exists() for path in saved):
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.05)
        assert len(self.at_work()) == 2

    def at_work(self) -> dict[str, int]:
        """Return the trainings' processes by name."""
        lines = {p: processes.running(p) for p in processes.descendants(self.process.pid)}
        names = ("one-25", "other-15")
        return {n: pid for n in names for pid, line in lines.items() if line and f"/{n}" in line}


def test_a_training_that_is_killed_leaves_the_other_alone(photos: Path, tmp_path: Path) -> None:
    study = Study(tmp_path, photos, 400)
    study.wait_until_both_are_saved()
    os.kill(study.at_work()["one-25"], signal.SIGKILL)
    stdout, stderr = study.process.communicate(timeout=100)
    assert study.process.returncode == 3, stderr
    assert "one-25: ended by a signal (Killed)" in stdout
    assert re.search(r"other-15: \d+\.\d\d dB at sigma 15", stdout)
    for line in stderr.splitlines():
        assert re.match(r"(one-25|other-15): ", line), line
    assert {path.name for path in (tmp_path / "out" / "weights").iterdir()} == {
        "other-15.json",
        "other-15.safetensors",
    }
    card = json.loads((tmp_path / "out" / "other-15" / "card.json").read_text())
    assert f"--threads {max(1, threads.available_cores() // 2)}" in card["command"]

    rest = Study(tmp_path, photos, 400)
    stdout, stderr = rest.process.communicate(timeout=100)
    assert rest.process.returncode == 0, stderr
    assert re.search(r"one-25: Going on from iteration \d+", stderr)
    assert "other-15: Going on" not in stderr
    assert len(list((tmp_path / "out" / "weights").iterdir())) == 4


def test_an_interrupt_ends_all_trainings_which_save_their_work(
    photos: Path, tmp_path: Path
) -> None:
    study = Study(tmp_path, photos, 100_000)
    study.wait_until_both_are_saved()
    at_work = study.at_work()
    study.process.send_signal(signal.SIGINT)
    stdout, stderr = study.process.communicate(timeout=60)
    assert study.process.returncode == 130
    assert stdout == ""
    assert not any(processes.running(pid) for pid in at_work.values())
    for name in at_work:
        assert f"{name}: Interrupted. To go on from here: bench train" in stderr
        assert (tmp_path / "out" / name / "checkpoint.pt").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is needed")
def test_trainings_end_with_a_study_that_is_killed(photos: Path, tmp_path: Path) -> None:
    study = Study(tmp_path, photos, 100_000)
    study.wait_until_both_are_saved()
    at_work = study.at_work().values()
    study.process.kill()
    study.process.communicate()
    begin = time.monotonic()
    while any(processes.running(pid) for pid in at_work):
        assert time.monotonic() - begin < 30
        time.sleep(0.05)


def test_a_mistake_in_a_change_is_told(ask: Bench, tmp_path: Path) -> None:
    for words, line in {
        "data.patch": "'data.patch' is not of the form KEY=VALUE",
        "data.patch=wide": "data.patch is of type int, not 'wide'",
        "losses.colour=": "recipe paper: losses.colour is missing",
        "adversary.penalti=": "adversary.penalti: there is none that could be left out",
    }.items():
        result = ask("train", "paper", "--set", words, "--out", "out")
        assert result.returncode == 2
        assert line in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_meant_for_a_study_is_refused(
    bench: Bench, listed: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["study", listed, "--device", "cpu", "--out", "out", "--data", f"folder:{photos}"]
    assert "--sigma: a study names its own" in bench(*words, "--sigma", "30").stderr
    (tmp_path / "out" / "with-25").mkdir(parents=True)
    (tmp_path / "out" / "with-25" / "card.json").write_text("[]")
    damaged = bench(*words)
    assert damaged.returncode == 2
    assert "card.json is damaged" in damaged.stderr
    assert damaged.stderr.count("\n") == 1


def evidence(**psnr: float) -> reproduction.Evidence:
    import pandas as pd

    names = {"ours": "wgan-gp-unet-best", "gan": "wgan-gp-unet", "nlm": "nlm-skimage"}
    rows = [{"method": names.get(n, n), "sigma": 25.0, "psnr_mean": p} for n, p in psnr.items()]
    return reproduction.Evidence(pd.DataFrame(rows), {}, {})


def test_the_order_and_the_gap_are_judged() -> None:
    as_paper = reproduction.findings(evidence(bm3d=30, nlm=28, gan=27, dcgan=25.5))
    assert "bm3d > nlm-skimage > wgan-gp-unet > dcgan" in as_paper.splitlines()[-1]
    assert "yes" in as_paper.splitlines()[-1]
    assert "+1.50" in as_paper.splitlines()[-1]
    other = reproduction.findings(evidence(bm3d=30, nlm=28, gan=29, dcgan=25.5))
    assert "no" in other.splitlines()[-1]


def test_a_block_is_replaced_and_the_words_around_it_stay() -> None:
    text = "before\n<!-- figures: table -->\nold\n<!-- /figures -->\nafter\n"
    new = reproduction.rewrite(text, evidence(bm3d=30.004))
    assert new.startswith("before\n<!-- figures: table -->\n| method")
    assert new.endswith("|\n<!-- /figures -->\nafter\n")
    assert "30.00" in new
    assert "old" not in new
    with pytest.raises(UsageError, match="unknown block of figures 'tabel'"):
        reproduction.rewrite(text.replace("table", "tabel"), evidence(bm3d=30))


def test_the_figures_of_the_document_follow_from_the_stored_runs(
    ask: Bench, tmp_path: Path
) -> None:
    document = ROOT / "docs" / "reproduction.md"
    copy = tmp_path / "reproduction.md"
    shutil.copy(document, copy)
    runs: list[Any] = [ROOT / "results" / "baseline", ROOT / "results" / "sigma-11.4"]
    ablations = ["--ablations", ROOT / "results" / "ablations"]
    result = ask("reproduce", *runs, *ablations, "--into", copy)
    assert result.returncode == 0, result.stderr
    assert copy.read_text(encoding="utf-8") == document.read_text(encoding="utf-8")
