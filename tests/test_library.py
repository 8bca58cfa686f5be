"""The library's face, used as people use it: in a script, in a notebook, beside the command."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import made_up
import numpy as np
import pandas as pd
import pytest

import denoisebench as db
from denoisebench.columns import FRAMES_COLUMNS, TABLE1_COLUMNS, TEXT_COLUMNS
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.library import FurtherOptions
from denoisebench.running.plan import RunOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench

BOX = """
from dataclasses import dataclass
import denoisebench as db

@db.register("box", title="Box", family="local", requires=("cv2",))
@dataclass(frozen=True)
class Box:
    def denoise(self, noisy, sigma):
        import cv2
        return cv2.blur(noisy, (3, 3)).reshape(noisy.shape)
"""


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> db.Run:
    out = tmp_path_factory.mktemp("library") / "run"
    methods = ["gaussian", "median", "noisy"]
    return db.run(methods, photos, (15, 25), seeds=2, out=out, quiet=True)


def test_a_run_from_python_is_that_of_the_command(
    run: db.Run, bench: Bench, photos: Path, tmp_path: Path
) -> None:
    words = ["--methods", "gaussian,median,noisy", "--dataset", f"folder:{photos}"]
    words += ["--sigma", "15,25", "--seeds", "2", "--out", "out"]
    assert bench("run", *words).returncode == 0
    theirs = db.load(tmp_path / "out")
    scores = ["method", "frame", "sigma", "seed", "psnr", "ssim", "noisy_digest", "output_digest"]
    pd.testing.assert_frame_equal(run.frames()[scores], theirs.frames()[scores])
    assert (run.folder / "table1.csv").is_file()
    # And neither measures again what the other has measured.
    again = bench("run", *words, "--out", run.folder)
    assert "36 cells, 36 measured before" in again.stderr


def test_the_tables_have_the_documented_columns_as_numbers_and_text(run: db.Run) -> None:
    for table, columns in ((run.table(), TABLE1_COLUMNS), (run.frames(), FRAMES_COLUMNS)):
        assert list(table.columns) == list(columns)
        for name in columns:
            assert pd.api.types.is_numeric_dtype(table[name]) != (name in TEXT_COLUMNS), name
    merged = run.frames().merge(run.table(), on=["method", "device", "sigma", "told"])
    assert len(merged) == len(run.frames())
    means = merged.groupby(["method", "sigma"])[["psnr", "psnr_mean"]].mean()
    assert np.allclose(means.psnr, means.psnr_mean)


def test_the_noise_of_a_run_can_be_drawn_again(run: db.Run, photos: Path) -> None:
    dataset = open_dataset(f"folder:{photos}")
    frame = dataset.frames("test")[1]
    clean = frame.read()
    noisy = db.add_noise(clean, 25, seed=1, dataset=dataset.name, frame=frame.id)
    rounded = np.clip(np.rint(noisy * np.float32(255)), 0, 255).astype(np.uint8)
    cells = run.frames().query("method == 'noisy' and sigma == 25 and seed == 1")
    [cell] = cells[cells.frame == frame.id].to_dict("records")
    assert db.psnr(clean, rounded) == cell["psnr"]
    assert db.ssim(clean, rounded) == cell["ssim"]


def test_a_comparison_tells_what_the_command_tells(run: db.Run, bench: Bench) -> None:
    same = db.compare(run, run.folder)
    assert (same.exit_code, same.regressions) == (0, [])
    worse = db.compare(run, lowered(run, 0.5))
    assert worse.exit_code == 1
    assert {f.metric for f in worse.regressions} == {"psnr"}
    assert worse.table().query("metric == 'psnr'").change.max() == pytest.approx(-0.5)
    assert "Regression" in repr(worse)
    assert db.compare(run, lowered(run, 0.5), "psnr=0.6").exit_code == 0
    assert db.compare(run, lowered(run, 0.5), "ssim").exit_code == 0
    told = bench("compare", run.folder, run.folder)
    assert told.stdout.splitlines()[0] == same.markdown().splitlines()[0]


def lowered(run: db.Run, psnr: float) -> db.Run:
    measured = {
        cell: replace(m, psnr=None if m.psnr is None else m.psnr - psnr)
        for cell, m in run.results.measurements.items()
    }
    return db.Run(run.folder, replace(run.results, measurements=measured))


def test_a_notebook_shows_the_table_and_no_markup_of_strangers(tmp_path: Path) -> None:
    folder = made_up.make_run(tmp_path / "run")
    shown = db.load(folder)._repr_html_()
    assert shown.count("<tr>") == 8
    assert "<strong>" in shown
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert "<script>" not in db.compare(folder, folder)._repr_markdown_()


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda: db.run("medan", "stills"), "did you mean median"),
        (lambda: db.run("median", "still"), "did you mean stills"),
        (lambda: db.run("median", "stills", 256), "sigma 256 is not between 0 and 255"),
        (lambda: db.run("median", "stills", float("nan")), "sigma nan is not between"),
        (lambda: db.run("median", "stills", told=-1), "sigma -1 is not between"),
        (lambda: db.run("median", "stills", "25"), "'25' is no number"),  # type: ignore[arg-type]
        (lambda: db.run("median", "stills", []), "is empty"),
        (lambda: db.run([], "stills"), "no method is given"),
        (lambda: db.run("median", "stills", seeds=0), "seeds is 0: give a whole number"),
        (lambda: db.run("median", "stills", frames=1.5), "frames is 1.5"),  # type: ignore[arg-type]
        (lambda: db.run("median", "stills", keep_images=-1), "keep_images is -1"),
        (lambda: db.run("median", "stills", frames=0), "frames is 0"),
        (lambda: db.run("median", "stills", timeout=float("inf")), "timeout is inf"),
        (lambda: db.run("median", "stills", sede=1), "did you mean seeds"),  # type: ignore[call-arg]
        (lambda: db.run("median", "stills", metrics="pnsr"), "did you mean psnr"),
        (lambda: db.run("median", "stills", plugins="no.py"), "no such Python file"),
        (lambda: db.load("nowhere"), "nowhere holds no run"),
        (lambda: db.compare("nowhere", "nowhere"), "nowhere holds no run"),
        (lambda: db.compare("nowhere", "nowhere", "psnr=x"), "'x' is not a number"),
        (lambda: db.report([]), "at least one run"),
        (lambda: db.report("nowhere"), "nowhere holds no run"),
    ],
)
def test_bad_requests_are_refused_in_one_line(
    ask: Callable[[], object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(db.UsageError) as refused:
        ask()
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_before_anything_is_written(run: db.Run) -> None:
    with pytest.raises(db.UsageError, match="unknown format 'pdf'; known: html"):
        db.report(run, "md,pdf", out=run.folder / "reports")
    assert not (run.folder / "reports").exists()


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 2), (8, 8, 4)])
def test_only_frames_get_noise_and_scores(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"uint8 \(H, W, C\)"):
        db.add_noise(np.zeros(shape, np.uint8), 25)
    with pytest.raises(ValueError, match=r"uint8 \(H, W, C\)"):
        db.add_noise(np.zeros((8, 8, 3)), 25)
    with pytest.raises(ValueError, match="sigma"):
        db.add_noise(np.zeros((8, 8, 3), np.uint8), -1)


def test_scores_of_anything_but_frames_of_one_size_are_refused() -> None:
    frame = np.zeros((16, 16, 3), np.uint8)
    for score in (db.psnr, db.ssim):
        with pytest.raises(ValueError, match="uint8"):
            score(frame, frame / 255)
        with pytest.raises(ValueError, match="shape"):
            score(frame, frame[:, :, :1])


def test_a_script_needs_no_guard_and_a_method_stands_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "box.py").write_text(BOX)
    (tmp_path / "script.py").write_text(
        "import denoisebench as db\n"
        "print('started')\n"
        "run = db.run('box,median', 'stills', 25, frames=1, plugins='box.py', out='out')\n"
        "print(run)\n"
    )
    result = in_python(["script.py"], tmp_path)
    assert result.stdout.splitlines() == ["started", "Run('stills': 2 of 2 cells measured)"]
    assert db.load(tmp_path / "out").failures().empty


def test_a_module_that_is_imported_needs_no_announcement(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BOX)
    code = "import mine, denoisebench as db; print(db.run('box', 'stills', 25, frames=1, out='o'))"
    assert "1 of 1 cell measured" in in_python(["-c", code], tmp_path).stdout
    assert db.load(tmp_path / "o").failures().empty


def test_a_method_in_a_notebook_is_refused_and_the_way_out_told(tmp_path: Path) -> None:
    ask = "try:\n    db.run('box', 'stills')\nexcept db.UsageError as e:\n    print(e)\n"
    told = in_python(["-c", BOX + BOX + ask], tmp_path).stdout  # a cell is often run twice
    assert re.match("box is defined in a notebook or script, where worker processes cannot", told)
    assert "%%writefile box.py" in told
    assert "plugins=['box.py']" in told
    assert not (tmp_path / "results").exists()


def test_a_run_knows_its_own_plugin_files_alone_and_as_they_are_now(tmp_path: Path) -> None:
    """As in a notebook: one session, a file that changes, and two versions of one method."""
    source = "return cv2.blur(noisy, (3, 3)).reshape(noisy.shape)"
    for folder, factor in (("a", 0.9), ("b", 0.5)):
        (tmp_path / folder).mkdir()
        text = BOX.replace(source, f"return {factor} * noisy")
        (tmp_path / folder / "box.py").write_text(text)
    code = BOX + (
        "from pathlib import Path\n"
        "def score(*files):\n"
        "    return db.run('box', 'stills', 25, frames=1, plugins=files, out='o', quiet=True)\n"
        "first, second = score('a/box.py'), score('b/box.py')\n"
        "print(*(len(set(x)) for x in zip(*((r.frames().psnr[0], r.frames().quality_key[0])\n"
        "      for r in (first, second)))))\n"
        "path = Path('b/box.py')\n"
        "path.write_text(path.read_text().replace('0.5', '0.7').replace('class Box:\\n',\n"
        "                'class Box:\\n    extra: int = 2\\n'))\n"
        "third = score('b/box.py')\n"
        "print(third.frames().psnr[0] > second.frames().psnr[0])\n"
        "print(third.results.rows[0].parameters)\n"
        "try:\n"
        "    score()\n"
        "except db.UsageError as e:\n"
        "    print(e)\n"
    )
    told = in_python(["-c", code], tmp_path).stdout.splitlines()
    assert told[:3] == ["2 2", "True", "{'extra': 2}"]
    assert told[3].startswith("unknown method 'box'")


def in_python(words: list[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return result


def test_an_interrupted_call_goes_on_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        BOX.replace("import cv2\n", "import cv2, time\n        time.sleep(0.3)\n")
    )
    code = (
        "import denoisebench as db\n"
        "try:\n"
        "    print(db.run('box', 'stills', 25, plugins='slow.py', out='out'))\n"
        "except db.RunInterrupted as stop:\n"
        "    print(stop.folder)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and cells(tmp_path / "out") < 2:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[0].strip() == "out"
    done = cells(tmp_path / "out")
    assert 2 <= done < 6
    assert db.load(tmp_path / "out").results.manifest.state == "interrupted"
    assert "6 of 6 cells" in in_python(["-c", code], tmp_path).stdout


def cells(folder: Path) -> int:
    try:
        return len(db.load(folder).results.measurements)
    except db.UsageError:
        return 0


def test_every_option_of_the_command_is_one_of_the_function() -> None:
    named = {"methods", "dataset", "sigmas", "plugins", "out"}
    further = set(FurtherOptions.__annotations__)
    assert named | further == set(RunOptions.__dataclass_fields__)


def test_the_import_is_quick_and_light() -> None:
    code = "import sys, denoisebench; print(*(m for m in ('torch', 'numpy') if m in sys.modules))"
    assert in_python(["-c", code], Path.cwd()).stdout.strip() == ""
    assert set(db.__all__) <= set(dir(db))
    for name in db.__all__:
        assert callable(getattr(db, name))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        db.nothing  # noqa: B018
