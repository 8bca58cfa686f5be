"""The page in a real browser: what can be done with it, and that it asks nobody for anything."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from made_up import make_run, store

from denoisebench.reporting.write import write_reports
from denoisebench.store.results import load_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from denoisebench.cells import Measurement


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of a made-up run, on disk."""
    folder: Path = make_run(tmp_path_factory.mktemp("runs") / "made-up")
    out = tmp_path_factory.mktemp("report")
    write_reports({"made-up": (folder, load_run(folder))}, out, ["html"])
    return (out / "report.html").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Open the page from disk; its errors and requests fail the test."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.set_default_timeout(10_000)
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("dialog", lambda dialog: complaints.append(dialog.message))
    opened.on(
        "request",
        lambda r: (
            None if r.url == address or r.url.startswith("data:") else complaints.append(r.url)
        ),
    )
    opened.goto(address)
    yield opened
    opened.close()
    assert complaints == []


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".results tbody tr > :nth-child({number})").all_inner_texts()


def test_a_column_sorts_both_ways_and_rows_without_a_figure_stay_last(page: Page) -> None:
    before = column(page, 1)
    button = page.get_by_role("button", name="σ25").and_(page.locator(".results button")).first
    button.press("Enter")
    down = column(page, 3)
    assert down[0] == "∞"
    assert down[-1] == "–"
    figures = [float(text) for text in down[1:-1]]
    assert figures == sorted(figures, reverse=True)
    button.press("Enter")
    up = column(page, 3)
    assert up == [*down[:-1][::-1], "–"]
    assert page.locator("th[aria-sort=ascending]").count() == 1
    page.locator(".results button").first.click()
    assert column(page, 1) == sorted(before, key=str.casefold) or column(page, 1) != before


def test_one_level_of_noise_is_shown_at_a_time_and_all_without_javascript(
    page: Page, browser: Browser, address: str
) -> None:
    charts = page.locator("figure[data-level]")
    assert [c.get_attribute("data-level") for c in visible(charts)] == ["1"] * 3
    page.locator("[data-show-level='0']").first.click()
    assert [c.get_attribute("data-level") for c in visible(charts)] == ["0"] * 3
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(address)
    assert len(visible(plain.locator("figure[data-level]"))) == 6
    assert plain.locator(".results tbody tr").count() == 7
    assert plain.locator(".differences:visible").count() == 2
    assert plain.get_by_text("Comparing pictures needs JavaScript").is_visible()
    assert not plain.locator(".levels:visible").count()
    plain.close()


def test_runs_that_are_empty_or_perfect_on_a_frame_have_a_page_without_complaints(
    browser: Browser, tmp_path: Path
) -> None:
    whole = load_run(make_run(tmp_path / "whole"))
    changed = {
        "empty": {},
        "perfect": {cell: _perfect_on_a(m) for cell, m in whole.measurements.items()},
    }
    opened = browser.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    for name, measurements in changed.items():
        folder = store(tmp_path / name, replace(whole, measurements=measurements))
        write_reports({name: (folder, load_run(folder))}, folder, ["html"])
        opened.goto((folder / "report.html").as_uri())
        assert opened.locator(".results tbody tr").count() == 7
    assert "– dB [−∞, +∞]" in (folder / "report.html").read_text(encoding="utf-8")
    opened.close()
    assert complaints == []


def _perfect_on_a(m: Measurement) -> Measurement:
    is_it = (m.cell.method, m.cell.frame) == ("poor", "sea/a")
    return replace(m, psnr=math.inf) if is_it else m


def visible(found: Locator) -> list[Locator]:
    return [one for one in found.all() if one.is_visible()]


def test_another_method_can_be_the_reference(page: Page) -> None:
    chooser = page.get_by_label("Compared with")
    assert page.get_by_role("heading", name="Against Good").is_visible()
    chooser.select_option(label="Poor")
    assert not page.get_by_role("heading", name="Against Good").is_visible()
    first = page.locator(".differences:visible tbody tr").first
    assert first.locator("th").inner_text() == "Good"
    assert first.locator("td").nth(1).inner_text().startswith("+3.0")


def row(page: Page) -> list[list[int]]:
    """Return the first picture's colours at half its height, at each hundredth of its width."""
    pixels: list[list[int]] = page.evaluate(
        """() => {
          const shown = document.querySelector(".viewer canvas");
          const canvas = document.createElement("canvas");
          [canvas.width, canvas.height] = [100, shown.height];
          const context = canvas.getContext("2d", { willReadFrequently: true });
          context.imageSmoothingEnabled = false;
          context.drawImage(shown, 0, 0, 100, shown.height);
          const { data } = context.getImageData(0, Math.floor(shown.height / 2), 100, 1);
          return Array.from({ length: 100 }, (_, i) => [...data.slice(4 * i, 4 * i + 3)]);
        }"""
    )
    return pixels


def test_the_slider_moves_by_mouse_and_by_keyboard(page: Page) -> None:
    page.get_by_label("Left", exact=True).select_option(label="Noisy")
    page.get_by_label("Right", exact=True).select_option(label="Clean")
    page.wait_for_function(
        "document.querySelector('.viewer figcaption').innerText.includes('Clean')"
    )
    divider = page.get_by_label("Divider")
    divider.fill("1")
    noisy = row(page)
    divider.fill("0")
    clean = row(page)
    canvas = page.locator(".viewer canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    assert float(divider.input_value()) == pytest.approx(0.75, abs=0.01)
    assert row(page)[2:70] == noisy[2:70] != clean[2:70]
    assert row(page)[80:98] == clean[80:98] != noisy[80:98]
    divider.press("ArrowLeft")
    assert float(divider.input_value()) == pytest.approx(0.74, abs=0.011)


def test_side_by_side_shows_four_pictures_under_one_zoom(page: Page) -> None:
    page.get_by_role("button", name="Side by side").click()
    page.wait_for_function("document.querySelectorAll('.viewer canvas').length === 4")
    names = page.locator(".viewer figcaption").all_inner_texts()
    assert [name.split()[0] for name in names] == ["Noisy", "Twin", "Good", "Clean"]
    whole = page.evaluate(PICTURES)
    page.get_by_label("Zoom").fill("4")
    zoomed = page.evaluate(PICTURES)
    assert all(a != b for a, b in zip(whole, zoomed, strict=True))


PICTURES = "[...document.querySelectorAll('.viewer canvas')].map(c => c.toDataURL())"


def test_error_maps_are_black_where_there_is_no_error(page: Page) -> None:
    page.get_by_label("Left", exact=True).select_option(label="Clean")
    page.get_by_label("Right", exact=True).select_option(label="Noisy")
    page.get_by_role("button", name="Error maps").click()
    page.wait_for_function("document.querySelectorAll('.viewer canvas').length === 2")
    assert row(page) == [[8, 8, 20]] * 100
    assert "∞" not in page.locator(".viewer figcaption").last.inner_text()


def test_the_worst_and_best_frames_of_a_method_are_found(page: Page) -> None:
    frame = page.get_by_label("Frame", exact=True)
    page.get_by_role("button", name="Best frame").click()
    assert frame.evaluate("s => s.selectedOptions[0].text") == "sea/f, σ25"
    page.get_by_role("button", name="Worst frame").click()
    assert frame.evaluate("s => s.selectedOptions[0].text") == "sea/a, σ25"


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate("(e => e.dataset.mode || e.type || e.tagName)(document.activeElement)")
        )
    assert {"slider", "side", "error", "range", "select-one", "SUMMARY", "A"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_cut_off_and_text_stands_out(
    browser: Browser, address: str, scheme: str, width: int
) -> None:
    opened = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened.goto(address)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("body", ".remarks", "figure svg text", "strong", "a[href]", "tbody td"):
        assert opened.locator(selector).evaluate_all(CONTRAST) >= 4.5, selector
    # The edges of what can be operated: WCAG 2.2, 1.4.11.
    assert opened.locator(".levels, select").evaluate_all(CONTRAST, "borderTopColor") >= 3
    opened.close()


# WCAG 2.2: the least contrast ratio of elements and page.
CONTRAST = """(elements, what) => {
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3)
    .map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const page = light(getComputedStyle(document.body).backgroundColor);
  return Math.min(...elements.map((element) => {
    const text = element.ownerSVGElement ? "fill" : "color";
    const ink = light(getComputedStyle(element)[what ?? text]);
    return (Math.max(ink, page) + 0.05) / (Math.min(ink, page) + 0.05);
  }));
}"""


def test_names_in_figures_are_whole_and_cover_no_other(page: Page) -> None:
    found = [figure.evaluate(NAMES) for figure in visible(page.locator(".plot svg"))]
    assert len(found) == 5
    for cut, covered in found:
        assert cut == []
        assert covered == []


def test_names_in_figures_for_markdown_are_whole_and_cover_no_other(
    browser: Browser, tmp_path: Path
) -> None:
    folder = make_run(tmp_path / "run")
    write_reports({"run": (folder, load_run(folder))}, tmp_path, ["md"], against="evil")
    opened = browser.new_page()
    for figure in sorted((tmp_path / "plots").iterdir()):
        opened.goto(figure.as_uri())
        assert opened.locator("svg").evaluate(NAMES) == [[], []], figure.name
    opened.close()


# The texts of a figure that leave it, and those that overlap others by more than a hair.
NAMES = """svg => {
  const room = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll("text")]
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  const cut = texts.filter(([, box]) => box.left < room.left - 1 || box.right > room.right + 1);
  const covered = texts.flatMap(([one, a], i) => texts.slice(i + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > a.height / 3)
    .map(([other]) => [one, other]));
  return [cut.map(([name]) => name), covered];
}"""


def test_the_page_prints_whole_on_light_ground(browser: Browser, address: str) -> None:
    opened = browser.new_page(viewport={"width": 1032, "height": 700}, color_scheme="dark")
    opened.goto(address)
    opened.emulate_media(media="print")
    for table in visible(opened.locator("table")):
        box = table.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1032
    assert not visible(opened.locator("nav, select, .levels, .viewer"))
    assert opened.get_by_role("columnheader", name="Digest of its pixels").is_visible()
    ground = opened.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgb(253, 253, 252)"
    opened.close()


def test_every_figure_and_picture_has_words(page: Page) -> None:
    for plot in page.locator(".plot").all():
        assert len(plot.get_attribute("aria-label") or "") > 40
    assert len(page.locator(".viewer canvas").get_attribute("aria-label") or "") > 20
