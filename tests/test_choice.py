"""The methods of a run: those left out, those that `all` does not name, and their order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import denoisebench as db
from denoisebench.denoisers import registry
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.store.measurements import Measurements

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

PLUGIN = """
from dataclasses import dataclass
from denoisebench.denoisers import register

def enter(name, **card):
    @register(name, title=name.title(), family="local", **card)
    @dataclass(frozen=True)
    class Method:
        factor: float = 0.9
        def denoise(self, noisy, sigma):
            return noisy * self.factor
    Method.__qualname__ = name
    globals()[name] = Method

enter("turtle", cost=40000.0)
enter("snail", cost=9e5, omitted="it would take more time than all others together")
enter("ant", cost=0.5)
enter("bee")
enter("unicorn", requires=("horn_of_it",))
enter("pegasus", requires=("horn_of_it",))
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "slow.py"
    path.write_text(PLUGIN)
    return path


def chosen(photos: Path, methods: str, exclude: str) -> list[str]:
    split = registry.split_expressions
    options = RunOptions(
        methods=tuple(split(methods)), exclude=tuple(split(exclude)), dataset=f"folder:{photos}"
    )
    return [row.method.spec for row in make_plan(options)[0].rows]


@pytest.mark.parametrize(
    ("methods", "exclude", "left"),
    [
        ("median,gaussian,bilateral", "median", ["gaussian", "bilateral"]),
        ("median,nlm-skimage,nlm-opencv", "nlm-*", ["median"]),
        ("nlm-skimage[h=0.7],nlm-skimage,median", "nlm-skimage", ["median"]),
        ("median,nlm-skimage[h=0.7],nlm-skimage", "nlm-skimage[h=0.7]", ["median", "nlm-skimage"]),
        ("median", "gaussian,b*", ["median"]),
    ],
)
def test_methods_are_left_out_by_name_glob_and_parameters(
    photos: Path, methods: str, exclude: str, left: list[str]
) -> None:
    assert chosen(photos, methods, exclude) == left


@pytest.mark.parametrize(
    ("exclude", "complaint"),
    [
        ("medain", "--exclude: unknown method 'medain'; did you mean median?"),
        ("zz*", "--exclude: no method matches 'zz*'"),
        ("median[sise=3]", "did you mean size"),
        ("m*,gaussian", "--exclude m*,gaussian: no method is left to run"),
        ("all", "--exclude all: no method is left to run"),
        (",", "give at least one"),
    ],
)
def test_a_wrong_exclusion_is_refused_in_one_line(
    ask: Bench, photos: Path, exclude: str, complaint: str
) -> None:
    words = ["--dataset", f"folder:{photos}", "--methods", "median,gaussian"]
    result = ask("run", *words, "--exclude", exclude)
    assert result.returncode == 2
    assert complaint in result.stderr.splitlines()[-1]


def test_an_exclusion_from_python_a_file_and_the_command_is_one_and_is_repeated(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    run = db.run("gaussian,median", photos, 25, exclude="med*", frames=1, quiet=True, out=tmp_path)
    assert run.results.manifest.command.startswith("bench run --methods gaussian,median --exclude")
    (tmp_path / "bench.toml").write_text("methods = 'gaussian,median'\nexclude = ['med*']\n")
    words = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--frames", "1"]
    result = bench(*words, "--config", "bench.toml", "--out", tmp_path)
    assert "1 cell, 1 measured before" in result.stderr


def test_cheap_methods_run_first_and_a_slow_one_says_how_long_it_takes(
    bench: Bench, photos: Path, plugin: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--out", "out"]
    words += ["--plugin", plugin, "--methods", "turtle,ant,bee", "--threads", "2"]
    result = bench(*words)
    lines = [line for line in result.stderr.splitlines() if " on cpu: " in line]
    assert [line.split(" on ")[0].split()[-1] for line in lines] == [
        "bee",
        "ant",
        "turtle",
        "turtle",
    ]
    # 40 × 48 pixels, three frames and one again, on two threads.
    assert lines[2] == "turtle on cpu: 3 cells, about 3 min"
    # The table and the stored rows keep the order asked for.
    rows = json.loads((plugin.parent / "out" / "manifest.json").read_text())["rows"]
    assert [row["method"] for row in rows] == ["turtle", "ant", "bee"]


def test_the_package_of_bm3d_comes_last(photos: Path, tmp_path: Path) -> None:
    from denoisebench.running.jobs import expected_seconds, pending
    from denoisebench.running.scoring import Scorer

    plan, _ = make_plan(RunOptions(dataset=f"folder:{photos}", device="cpu"))
    jobs = pending(plan, Measurements.of([]), Scorer(plan.metrics))
    last = list(jobs)[-1]
    assert last.method.spec == "bm3d"
    # Nine cells and one frame's shape: 127 s for a megapixel, on one core.
    expected = 127 * 10 * 40 * 48 / 1e6
    assert expected_seconds(last, jobs[last], 1) == pytest.approx(expected)
    assert expected_seconds(last, jobs[last], 2) == pytest.approx(expected / 2)


def test_what_all_leaves_out_is_said_under_the_table_with_the_command_that_adds_it(
    bench: Bench, photos: Path, plugin: Path, tmp_path: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--plugin", plugin]
    words += ["--frames", "1", "--out", "out"]
    installed = [n for n, card in registry.cards().items() if card.family != "control"]
    others = ",".join([*installed, "ant", "bee", "turtle"])
    result = bench(*words, "--methods", "all", "--exclude", others)
    assert result.returncode == 0, result.stderr
    [line] = [line for line in result.stdout.splitlines() if line.startswith("Snail is not")]
    assert "it would take more time than all others together. To add it: `bench run" in line
    bench("report", "out", "--format", "html,latex,md,json")
    for name in ("report.html", "table1.tex", "report.md", "report.json"):
        text = (tmp_path / "out" / name).read_text()
        assert "it would take more time than all others together" in text, name
        assert "all,snail" in text, name
    methods = set(pd.read_csv(tmp_path / "out" / "frames.csv").method)
    assert "snail" not in methods
    # Naming it, or a glob that it matches, includes it, and there is nothing to tell.
    for expressions in ("all,snail", "sn*,all"):
        again = bench(*words, "--methods", expressions, "--exclude", others)
        assert "Snail is not" not in again.stdout
        assert "Snail" in again.stdout
    silent = bench(*words, "--methods", "all", "--exclude", f"{others},snail")
    assert "Snail" not in silent.stdout


def test_a_pattern_leaves_out_what_lacks_a_library_and_says_so(
    ask: Bench, photos: Path, plugin: Path
) -> None:
    words = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--frames", "1"]
    words += ["--plugin", plugin, "--out", "out"]
    result = ask(*words, "--methods", "bee,unicorn,p*us")
    assert result.returncode == 3  # it was asked for by name
    assert "Pegasus |" not in result.stdout
    assert "Unicorn" in result.stdout
    sentence = "Left out, as they cannot run here: `pegasus` (needs horn_of_it, not installed)."
    assert sentence in result.stdout
    assert sentence in (plugin.parent / "out" / "table1.md").read_text(encoding="utf-8")
    among = ask(*words, "--methods", "bee,*us,*corn")
    assert among.returncode == 0
    assert "here: `pegasus`, `unicorn` (needs horn_of_it, not installed)." in among.stdout
    nothing = ask(*words, "--methods", "*corn")
    assert nothing.returncode == 2
    assert "can run here: unicorn: needs horn_of_it, not installed" in nothing.stderr
