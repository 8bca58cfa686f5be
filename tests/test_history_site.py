"""The site of a history: its page in a browser, its badge and its figures."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import made_up
import pandas as pd
import pytest

from denoisebench.comparing.history import read_history
from denoisebench.comparing.history_site import history_site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from playwright.sync_api import Browser

    from conftest import Bench
    from denoisebench.cells import Measurement

LABELS = ("a1b2c3d", "b2c3d4e", "c3d4e5f", "<img src=x>")


def make_history(folder: Path, losses: Sequence[float | None]) -> list[Path]:
    """Write a run for each loss of PSNR of the method `poor`, in dB; None leaves the method out."""
    folders = []
    for number, loss in enumerate(losses):

        def lower(m: Measurement, loss: float | None = loss) -> Measurement | None:
            if m.cell.method != "poor":
                return m
            return None if loss is None or m.psnr is None else replace(m, psnr=m.psnr - loss)

        path = made_up.make_changed_run(folder / LABELS[number], lower)
        manifest = read_history([path])[0].results.manifest
        replace(manifest, written=f"2026-01-0{number}").write(path)
        folders.append(path)
    return folders


def test_the_command_writes_the_page_the_badge_and_the_figures(ask: Bench, tmp_path: Path) -> None:
    runs = make_history(tmp_path / "runs", [0, 0, 0.5, 0.5])
    answer = ask("history", *reversed(runs), "--site", "public/history")
    assert answer.returncode == 0, answer.stderr
    site = tmp_path / "public" / "history"
    assert json.loads((site / "badge.json").read_text()) == {
        "schemaVersion": 1,
        "label": "denoise bench",
        "message": "1 worse of 7 methods",
        "color": "red",
    }
    content = json.loads((site / "history.json").read_text())
    assert [run["label"] for run in content["runs"]] == [*LABELS]
    courses = {course["course"]: course for course in content["figures"]["psnr"]}
    assert courses["poor cpu sigma 25"]["changed_with"] == [2]
    assert courses["poor cpu sigma 25"]["verdict"] == "worse"
    assert courses["oracle cpu sigma 25"]["values"] == [None] * 4  # infinite

    table = pd.read_csv(site / "history.csv")
    poor = table[(table.metric == "psnr") & (table.course == "poor cpu sigma 25")]
    assert poor.run.tolist() == [*LABELS]
    assert poor.change.round(6).tolist() == [0, 0, -0.5, -0.5]
    assert poor.changed.tolist() == [False, False, True, False]
    assert {"psnr", "ssim", "memory"} <= set(table.metric)

    # The next run is added, and the site written over.
    assert ask("history", *runs[:2], "--site", "public/history").returncode == 0
    assert len(json.loads((site / "history.json").read_text())["runs"]) == 2


@pytest.mark.parametrize(
    ("losses", "message", "colour"),
    [
        ([0], "1 run", "lightgrey"),
        ([0, 0.5, 0.01], "no loss in 7 methods", "brightgreen"),
        ([0, 0, None], "1 missing of 7 methods", "red"),
    ],
)
def test_the_badge_says_how_the_last_run_compares_with_the_first(
    tmp_path: Path, losses: list[float | None], message: str, colour: str
) -> None:
    badge = history_site(read_history(make_history(tmp_path, losses))).badge()
    assert (badge["message"], badge["color"]) == (message, colour)


def test_a_figure_that_cannot_be_followed_is_named_with_the_reason(tmp_path: Path) -> None:
    runs = make_history(tmp_path, [0, 0])
    manifest = read_history(runs[1:])[0].results.manifest
    replace(manifest, environment=replace(manifest.environment, cpu="sundial")).write(runs[1])
    site = history_site(read_history(runs))
    [remark] = [text for text in site.remarks if text.startswith("memory: ")]
    assert "other machine" in remark
    assert "memory" not in site.figures
    assert math.isfinite(site.figures["psnr"][0].values[0])
    assert "other machine" in site.files()["index.html"]


def test_a_site_that_cannot_be_written_is_refused_in_one_line(ask: Bench, tmp_path: Path) -> None:
    runs = make_history(tmp_path, [0])
    (tmp_path / "file").touch()
    refused = ask("history", *runs, "--site", "file")
    assert refused.returncode == 2
    assert "cannot make the folder file" in refused.stderr
    assert ask("history", "nothing", "--site", "site").returncode == 2
    assert ask("history", "--site", "site").returncode == 2
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_its_window_and_asks_nobody_for_anything(
    browser: Browser, ask: Bench, tmp_path: Path, width: int
) -> None:
    runs = make_history(tmp_path, [0, 0, 0.5, 0.5])
    assert ask("history", *runs, "--site", "site").returncode == 0
    page = browser.new_page(viewport={"width": width, "height": 844})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.append(request.url))
    address = (tmp_path / "site" / "index.html").as_uri()
    page.goto(address)
    assert complaints == [address]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    row = page.get_by_role("row").filter(has_text="poor cpu sigma 25").first
    assert "▼ c3d4e5f: −0.500" in row.inner_text()
    drawing = row.locator("svg")
    assert drawing.locator("circle.step").count() == 1
    box = drawing.bounding_box()
    assert box is not None
    assert box["width"] > 0.2 * width
    assert drawing.locator("circle title").nth(2).text_content() == "c3d4e5f: 25.758 (−0.500)"
    page.close()
