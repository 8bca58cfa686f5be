"""Choosing metrics, storing what they say, and metrics that are not as they should be."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from denoisebench import metrics, protocol
from denoisebench.columns import FRAMES_COLUMNS
from denoisebench.errors import UsageError
from denoisebench.metrics import registry
from denoisebench.metrics.psnr_y import psnr_y
from denoisebench.store.sqlite import Store

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]
BASELINE = ROOT / "results" / "baseline"

METRICS = """
from denoisebench.metrics import register

@register("darkest", title="Darkest | pixel", direction="lower", decimals=1, unit="levels")
def darkest(clean, estimate):
    return int(estimate.min()) + 0

@register("nan", title="Not a number")
def nan(clean, estimate):
    return float("nan")

@register("vandal", title="Vandal")
def vandal(clean, estimate):
    clean[:] = 0

@register("leaver", title="Leaver")
def leaver(clean, estimate):
    raise SystemExit(3)
"""


TAKEN = """
from denoisebench.metrics import register

@register("ms", title="Mean of squares")
def ms(clean, estimate):
    return 0.0
"""


@pytest.fixture
def words(photos: Path) -> list[str]:
    """Return the words of a small run in the folder ``out``."""
    return [
        *("run", "--dataset", f"folder:{photos}", "--methods", "noisy,median", "--out", "out"),
        *("--sigma", "25"),
    ]


def cells(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "frames.csv")


def names(*expressions: str) -> list[str]:
    return [metric.name for metric in registry.select_metrics(expressions)]


def test_metrics_are_chosen_by_name_or_glob_each_once_in_the_order_given() -> None:
    assert names("ssim", "psnr*", "ssim") == ["ssim", "psnr", "psnr-y"]
    assert names("all")[:2] == ["psnr", "ssim"]
    assert names("all")[2:] == sorted(names("all")[2:])
    with pytest.raises(UsageError, match=r"unknown metric 'saturatoin'; did you mean saturation\?"):
        names("psnr", "saturatoin")


def test_a_metric_is_a_function_with_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_metrics", dict(registry.metrics()))
    with pytest.raises(ValueError, match="two metrics are called 'psnr'"):
        registry.register("psnr", title="Mine")(lambda clean, estimate: 0.0)
    with pytest.raises(TypeError, match="a metric is a function"):
        registry.register("mine", title="Mine")(max.__call__)
    with pytest.raises(ValueError, match=r"no metric can be called 'status', as frames\.csv has"):
        registry.register("status", title="Mine")(lambda clean, estimate: 0.0)
    with pytest.raises(ValueError, match="no metric can be called 'all', as"):
        registry.register("all", title="Mine")(lambda clean, estimate: 0.0)
    with pytest.raises(ValueError, match="mine: direction is one of higher, lower, zero"):
        registry.register("mine", title="Mine", direction="up")(lambda clean, estimate: 0.0)


def test_a_metric_that_cannot_say_where_its_weights_are_is_unavailable() -> None:
    def lost() -> tuple[Path, ...]:
        raise KeyError("WHERE")

    assert registry.Metric("mine", "Mine", weights=lost).unavailable == "KeyError: 'WHERE'"
    with pytest.raises(TypeError, match="mine: requires must be a tuple of modules"):
        registry.Metric("mine", "Mine", requires="torch")  # type: ignore[arg-type]


def test_the_scores_of_further_metrics_can_be_computed_by_hand(
    bench: Bench, photos: Path, words: list[str], tmp_path: Path
) -> None:
    result = bench(*words, "--metrics", "saturation,psnr-y,ms-ssim,psnr")
    assert result.returncode == 0
    dataset = json.loads((tmp_path / "out" / "manifest.json").read_text())["dataset"]["name"]
    found = cells(tmp_path / "out").set_index(["method", "frame"])
    for photo in photos.iterdir():
        clean = np.array(Image.open(photo))
        noisy = protocol.add_noise(clean, 25, dataset=dataset, frame=photo.name, seed=0)
        row = found.loc[("noisy", photo.name)]
        scored = protocol.quantise(noisy)
        assert row["psnr-y"] == pytest.approx(psnr_y(clean, scored), rel=1e-5)
        error = metrics.saturation_error(clean, scored)
        assert row["saturation"] == pytest.approx(error, rel=1e-5)
        assert np.isnan(row["ms-ssim"]), "a photo is smaller than its window"
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    means = found.groupby("method")[["saturation", "psnr-y", "ssim"]].mean()
    for method, mean in means.iterrows():
        assert table.loc[method, "saturation_mean"] == pytest.approx(mean["saturation"], rel=1e-5)
        assert table.loc[method, "psnr-y_mean"] == pytest.approx(mean["psnr-y"], rel=1e-5)
        assert table.loc[method, "ssim_mean"] == pytest.approx(mean["ssim"], rel=1e-5)
    head = [cell.strip() for cell in result.stdout.splitlines()[0].split("|")]
    assert head[2:6] == ["Saturation σ25", "PSNR-Y σ25", "MS-SSIM σ25", "PSNR σ25"]
    assert r"Saturation in ΔC\*: closest to 0 is best, not defined for grey frames" in result.stdout
    closest = min(means["saturation"], key=abs)
    assert "SSIM σ25" not in head
    assert f"{closest:+.2f}" in result.stdout


def test_a_metric_that_is_added_later_is_scored_once_and_loses_nothing(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    bench(*words)
    before = cells(tmp_path / "out")
    assert "measured before" not in bench(*words, "--metrics", "psnr,psnr-y").stderr
    pd.testing.assert_series_equal(cells(tmp_path / "out").psnr, before.psnr)
    assert "measured before" not in bench(*words, "--metrics", "saturation").stderr
    both = bench(*words, "--metrics", "psnr-y,saturation")
    assert "6 cells, 6 measured before" in both.stderr
    assert cells(tmp_path / "out")[["psnr-y", "saturation"]].notna().all(axis=None)
    assert "6 cells, 6 measured before" in bench(*words).stderr
    assert "saturation" not in cells(tmp_path / "out")


def test_a_metric_that_cannot_be_had_is_said_to_be_unavailable(
    bench: Bench, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DENOISEBENCH_LPIPS", raising=False)
    result = bench(*words, "--metrics", "psnr,lpips")
    assert result.returncode == 0
    assert "lpips: unavailable: set DENOISEBENCH_LPIPS to a folder with" in result.stderr
    assert "LPIPS: unavailable: set DENOISEBENCH_LPIPS to a folder with" in result.stdout
    assert "LPIPS σ25" not in result.stdout
    assert cells(tmp_path / "out")["lpips"].isna().all()
    assert "6 cells, 6 measured before" in bench(*words, "--metrics", "psnr,lpips").stderr


def test_a_faulty_metric_costs_its_own_score_and_nothing_else(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(METRICS)
    words += ["--plugin", "mine.py", "--metrics", "psnr,darkest,nan,vandal,leaver,psnr-y"]
    result = bench(*words)
    assert result.returncode == 0
    found = cells(tmp_path / "out")
    assert (found.status == "ok").all()
    assert found[["psnr", "darkest", "psnr-y"]].notna().all(axis=None)
    assert found.reason.str.contains("nan: ValueError: it is not a number").all()
    assert found.reason.str.contains("vandal: ValueError: .*read-only").all()
    assert found.reason.str.contains("leaver: SystemExit: 3").all()
    assert "Darkest \\| pixel σ25" in result.stdout
    assert "Darkest \\| pixel in levels: lower is better." in result.stdout
    assert "Vandal: no mean, 3 of 3 cells without a score: ValueError" in result.stdout
    # The table needs no plugin; and scores of a metric that has changed are not used again.
    assert bench("report", "out").stdout == result.stdout
    (tmp_path / "mine.py").write_text(METRICS.replace("+ 0", "+ 7"))
    assert "measured before" not in bench(*words).stderr
    assert (cells(tmp_path / "out").darkest == found.darkest + 7).all()


def test_a_metric_that_would_hide_a_column_is_refused_in_one_line(
    bench: Bench, words: list[str], tmp_path: Path
) -> None:
    (tmp_path / "taken.py").write_text(TAKEN)
    result = bench(*words, "--plugin", "taken.py", "--metrics", "psnr,ms")
    assert result.returncode == 2
    [why] = result.stderr.splitlines()
    reason = "plugin fails to import: ValueError: no metric can be"
    assert why.startswith(f"bench: --plugin taken.py: {reason}")
    assert bench(*words).returncode == 0
    assert list(cells(tmp_path / "out").columns) == list(FRAMES_COLUMNS)


def test_the_metric_that_the_documents_add_works_as_they_say(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    [source] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "worst.py").write_text(source)
    [command] = re.findall(r"^bench (run --plugin worst.py .*)$", text, re.MULTILINE)
    result = bench(*command.split(), "--dataset", f"folder:{photos}", "--out", "out")
    assert result.returncode == 0
    assert "Worst error in levels: lower is better." in result.stdout
    assert (cells(tmp_path / "out").worst > 10).all()


def test_the_documents_list_every_metric() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \|.*\|.*\|.*\| (.*?) *\| \d+", text, re.MULTILINE)
    ours = {m.name: m.undefined for m in registry.metrics().values()}
    assert dict(rows) == ours


def test_other_packages_announce_metrics_and_a_broken_one_breaks_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(METRICS)
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[denoisebench.metrics]\ndarkest = theirs\nsaturation = broken\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    listed = json.loads(bench("list", "--metrics", "--format", "json").stdout)
    available = {row["name"]: row["available"] for row in listed}
    assert available["darkest"] == available["saturation"] == "yes"
    assert available["saturation (plugin)"].startswith("no: plugin fails to import: ModuleNotFound")


def test_a_store_of_an_older_version_is_read_as_it_is_and_grows_when_written_to(
    tmp_path: Path,
) -> None:
    with Store(BASELINE / "run.sqlite", read_only=True) as store:
        published = store.measurements()
    assert len(published) > 100
    copy = tmp_path / "run.sqlite"
    shutil.copyfile(BASELINE / "run.sqlite", copy)
    with Store(copy) as store:
        assert store.measurements() == published
        first, *_ = published.values()
        store.save(first)
        assert store.measurements() == published
