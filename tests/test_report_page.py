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
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

    from conftest import Opener
    from denoisebench.cells import Measurement


@pytest.fixture
def page(open_page: Opener, made_up_report: Path) -> Page:
    return open_page(made_up_report)


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
    page: Page, open_page: Opener, made_up_report: Path
) -> None:
    charts = page.locator("figure[data-level]")
    assert [c.get_attribute("data-level") for c in visible(charts)] == ["1"] * 3
    page.locator("[data-show-level='0']").first.click()
    assert [c.get_attribute("data-level") for c in visible(charts)] == ["0"] * 3
    plain = open_page(made_up_report, java_script_enabled=False)
    assert len(visible(plain.locator("figure[data-level]"))) == 6
    assert plain.locator(".results tbody tr").count() == 7
    assert plain.locator(".differences:visible").count() == 2
    assert plain.get_by_text("Comparing pictures needs JavaScript").is_visible()
    assert not plain.locator(".levels:visible, .filter:visible").count()


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


def methods(page: Page) -> list[str]:
    """Return the methods whose rows Table 1 shows."""
    return [row.get_attribute("data-method") or "" for row in visible(page.locator(RESULTS))]


RESULTS = ".results tbody tr"


def test_a_filter_hides_rows_of_tables_and_parts_of_figures_alike(page: Page) -> None:
    assert page.get_by_text("5 of 5 methods").is_visible()
    svg = page.locator(".course svg").first
    assert svg.locator("[data-method=poor]:visible").count()
    heights = page.locator(".ranks:visible svg").bounding_box()
    page.get_by_label("Licence").select_option("MIT")
    assert page.get_by_text("4 of 5 methods").is_visible()
    assert methods(page) == ["good", "twin", "evil", "crash", "oracle", "noisy"]
    assert not page.locator("[data-method=poor]:visible").count()
    assert svg.locator("[data-method=twin]:visible").count()
    closed = page.locator(".ranks:visible svg").bounding_box()
    assert heights is not None
    assert closed is not None
    assert closed["height"] < heights["height"]  # no gap is left
    page.get_by_role("button", name="Show all").click()
    assert len(methods(page)) == 7
    assert page.locator(".ranks:visible svg").bounding_box() == heights


def test_a_filter_by_device_leaves_its_columns_and_draws_the_front_anew(page: Page) -> None:
    front = page.locator(".frontier:visible [data-role=front] path").first
    whole = front.get_attribute("d")
    page.get_by_label("Device").select_option(label="CUDA")
    assert methods(page) == ["good", "oracle", "noisy"]
    heads = [head.inner_text() for head in visible(page.locator(".results th.group"))]
    assert heads == ["PSNR", "SSIM", "CUDA"]
    points = page.locator(".frontier:visible svg").first.locator("[data-role=point]")
    assert [p.get_attribute("data-device") for p in visible(points)] == ["cuda"]
    page.get_by_label("Device").select_option(label="CPU")
    assert methods(page)[:2] == ["good", "twin"]
    assert front.get_attribute("d") != whole
    assert (front.get_attribute("d") or "").count("H") == 2  # from Poor to Twin to Good


def test_a_method_under_the_mouse_stands_out_in_every_figure_and_row(page: Page) -> None:
    def lit() -> set[str]:
        found = page.locator(".lit").evaluate_all("all => all.map(e => e.dataset.method)")
        return set(found)

    page.locator(RESULTS).nth(1).hover()
    assert lit() == {"twin"}
    for figure in ("frontier", "course", "ranks", "frames", "times"):
        assert page.locator(f"figure.{figure}:visible svg:visible .lit").count(), figure
    assert page.locator(".differences:visible tr.lit").count() == 1
    others = page.locator(".course svg:visible [data-method=poor]").first
    assert float(others.evaluate("e => getComputedStyle(e).opacity")) < 0.5
    page.locator("h1").hover()
    assert lit() == set()
    line = page.locator(".course svg:visible [data-method=poor] text").first
    line.hover()
    assert lit() == {"poor"}


def test_a_method_is_marked_by_keyboard_and_by_a_tap_and_stays_so(
    page: Page, open_page: Opener, made_up_report: Path
) -> None:
    button = page.get_by_role("button", name="Poor")
    button.press("Enter")
    page.locator("h1").click()
    assert page.locator(".results tr.lit").get_attribute("data-method") == "poor"
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Escape")
    assert not page.locator("button.name[aria-pressed=true]").count()
    phone = open_page(made_up_report, viewport={"width": 390, "height": 844}, has_touch=True)
    name = phone.locator(".frontier:visible svg:visible [data-role=quiet]", has_text="Poor")
    assert not name.is_visible()  # there is no room for names off the front, until one is marked
    phone.locator(".frontier:visible svg:visible [data-role=point][data-method=poor]").tap()
    assert name.is_visible()


def test_figures_stand_abreast_in_a_wide_window_and_are_drawn_anew_for_a_phone(
    open_page: Opener, made_up_report: Path
) -> None:
    wide = open_page(made_up_report, viewport={"width": 1440, "height": 900})
    for left, right in (("frontier", "course"), ("ranks", "frames")):
        one, other = (
            wide.locator(f"figure.{kind}:visible").bounding_box() for kind in (left, right)
        )
        assert one is not None
        assert other is not None
        assert one["x"] + one["width"] <= 720 <= other["x"]
    phone = open_page(made_up_report, viewport={"width": 390, "height": 844})
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    for svg in visible(phone.locator(".plot svg")):
        box, text = svg.bounding_box(), svg.locator("text").first
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert text.evaluate(TEXT_HEIGHT) >= 9  # pixels, the letters' size
        assert svg.evaluate(NAMES) == [[], []]


TEXT_HEIGHT = """text => parseFloat(getComputedStyle(text).fontSize)
  * text.getScreenCTM().a"""


def test_the_first_column_stays_in_sight_while_a_table_scrolls(
    open_page: Opener, made_up_report: Path
) -> None:
    page = open_page(made_up_report, viewport={"width": 390, "height": 844})
    for table in visible(page.locator(".scroll:has(tbody th)")):
        table.evaluate("box => { box.scrollLeft = 300; }")
        name, box = table.locator("tbody th").first.bounding_box(), table.bounding_box()
        assert name is not None
        assert box is not None
        assert name["x"] == pytest.approx(box["x"], abs=1)


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
    open_page: Opener, made_up_report: Path, scheme: str, width: int
) -> None:
    viewport = {"width": width, "height": 800}
    opened = open_page(made_up_report, viewport=viewport, color_scheme=scheme)
    assert opened.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("body", ".remarks", "figure svg text", "strong", "a[href]", "tbody td"):
        assert opened.locator(selector).evaluate_all(CONTRAST) >= 4.5, selector
    # The edges of what can be operated: WCAG 2.2, 1.4.11.
    assert opened.locator(".levels, select").evaluate_all(CONTRAST, "borderTopColor") >= 3


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
    .filter((text) => getComputedStyle(text).visibility === "visible")
    .map((text) => [text.textContent, text.getBoundingClientRect()]);
  const cut = texts.filter(([, box]) => box.left < room.left - 1 || box.right > room.right + 1);
  const covered = texts.flatMap(([one, a], i) => texts.slice(i + 1)
    .filter(([, b]) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
      && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > a.height / 3)
    .map(([other]) => [one, other]));
  return [cut.map(([name]) => name), covered];
}"""


def test_the_page_prints_whole_on_light_ground(open_page: Opener, made_up_report: Path) -> None:
    viewport = {"width": 1032, "height": 700}
    opened = open_page(made_up_report, viewport=viewport, color_scheme="dark")
    opened.emulate_media(media="print")
    for table in visible(opened.locator("table")):
        box = table.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 1032
    assert not visible(opened.locator("nav, select, .levels, .filter, .viewer"))
    assert opened.get_by_role("columnheader", name="Digest of its pixels").is_visible()
    ground = opened.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    assert ground == "rgb(253, 253, 252)"


def test_every_figure_and_picture_has_words(page: Page) -> None:
    for plot in page.locator(".plot").all():
        assert len(plot.get_attribute("aria-label") or "") > 40
    assert len(page.locator(".viewer canvas").get_attribute("aria-label") or "") > 20
