"""The pictures of the page in a real browser, by mouse, fingers, wheel and keys, and by links."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import made_up
import pytest
from made_up import keep_pictures, store

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.reporting.write import write_reports
from denoisebench.store.results import load_run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from playwright.sync_api import Page

    from conftest import Opener


@pytest.fixture
def page(open_page: Opener, made_up_report: Path) -> Page:
    return open_page(made_up_report)


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
    page.locator(".viewer figcaption", has_text="Clean").wait_for()
    divider = page.get_by_label("Divider", exact=True)
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
    until(page, lambda: page.locator(".viewer canvas").count() == 4)
    names = page.locator(".viewer figcaption").all_inner_texts()
    assert [name.split()[0] for name in names] == ["Noisy", "Twin", "Good", "Clean"]
    whole = page.evaluate(PICTURES)
    page.get_by_label("Zoom", exact=True).fill("4")
    zoomed = page.evaluate(PICTURES)
    assert all(a != b for a, b in zip(whole, zoomed, strict=True))


PICTURES = "[...document.querySelectorAll('.viewer canvas')].map(c => c.toDataURL())"


def test_error_maps_are_black_where_there_is_no_error(page: Page) -> None:
    page.get_by_label("Left", exact=True).select_option(label="Clean")
    page.get_by_label("Right", exact=True).select_option(label="Noisy")
    page.get_by_role("button", name="Error maps").click()
    until(page, lambda: page.locator(".viewer canvas").count() == 2)
    assert row(page) == [[8, 8, 20]] * 100
    assert "∞" not in page.locator(".viewer figcaption").last.inner_text()


def test_the_worst_and_best_frames_of_a_method_are_found(page: Page) -> None:
    frame = page.get_by_label("Frame", exact=True)
    page.get_by_role("button", name="Best frame").click()
    assert frame.evaluate("s => s.selectedOptions[0].text") == "sea/f"
    page.get_by_role("button", name="Worst frame").click()
    assert frame.evaluate("s => s.selectedOptions[0].text") == "sea/a"


def value(page: Page, label: str) -> float:
    """Return the place of a labelled slider."""
    return float(page.get_by_label(label, exact=True).input_value())


def spot(page: Page, across: float, down: float) -> tuple[float, float]:
    """Return a place on the first picture, in parts of its size, as a place in the window."""
    canvas = page.locator(".viewer canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def under(page: Page, across: float, down: float) -> tuple[float, float]:
    """Return the place in the picture, in parts of its size, that a place on the canvas shows."""
    zoom = value(page, "Zoom")
    places = ((value(page, "Across"), across), (value(page, "Down"), down))
    x, y = (at * (1 - 1 / zoom) + on / zoom for at, on in places)
    return x, y


class Fingers:
    """Fingers on the screen of a page."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def _send(self, kind: str, places: Sequence[tuple[float, float]]) -> None:
        points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *places: Sequence[tuple[float, float]]) -> None:
        """Put fingers on the first places, move them to the next ones, and take them off."""
        self._send("touchStart", places[0])
        for there in places[1:]:
            self._send("touchMove", there)
        self._send("touchEnd", [])


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Wait until something holds; the page's security policy lets no other code wait in it."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not come to hold in five seconds")


PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
    "device_scale_factor": 3,
}


def test_a_finger_drags_the_divider_and_scrolls_the_page(
    open_page: Opener, made_up_report: Path
) -> None:
    page = open_page(made_up_report, **PHONE)
    (x, y), (to, _) = spot(page, 0.5, 0.5), spot(page, 0.8, 0.5)
    fingers = Fingers(page)
    fingers.drag(*([(x + part * (to - x), y)] for part in (0, 0.3, 0.6, 1)))
    until(page, lambda: value(page, "Divider") == pytest.approx(0.8, abs=0.02))
    before = page.evaluate("scrollY")
    fingers.drag(*([(x, y - 12 * step)] for step in range(11)))
    until(page, lambda: page.evaluate("scrollY") > before + 50)
    assert value(page, "Divider") == pytest.approx(0.8, abs=0.02)


def test_two_fingers_zoom_about_the_place_between_them(
    open_page: Opener, made_up_report: Path
) -> None:
    page = open_page(made_up_report, **PHONE)
    middle, divider = spot(page, 0.7, 0.3), value(page, "Divider")
    here = under(page, 0.7, 0.3)
    pairs = [[(middle[0] + side * apart, middle[1]) for side in (-1, 1)] for apart in (20, 30, 60)]
    fingers = Fingers(page)
    fingers.drag(*pairs)
    until(page, lambda: value(page, "Zoom") == pytest.approx(3, rel=0.05))
    assert under(page, 0.7, 0.3) == pytest.approx(here, abs=0.02)
    zoom, box = value(page, "Zoom"), page.locator(".viewer canvas").bounding_box()
    assert box is not None
    fingers.drag(pairs[2], [(x - 30, y + 40) for x, y in pairs[2]])
    moved = here[0] + 30 / box["width"] / zoom, here[1] - 40 / box["height"] / zoom
    until(page, lambda: under(page, 0.7, 0.3) == pytest.approx(moved, abs=0.02))
    assert value(page, "Divider") == divider
    assert page.evaluate("visualViewport.scale") == 1  # the picture was zoomed, not the page


def test_the_wheel_zooms_about_the_mouse_once_the_picture_has_the_focus(page: Page) -> None:
    page.mouse.move(*spot(page, 0.75, 0.25))
    before = page.evaluate("scrollY")
    page.mouse.wheel(0, 60)
    until(page, lambda: page.evaluate("scrollY") > before)
    assert value(page, "Zoom") == 1
    place = spot(page, 0.75, 0.25)
    page.mouse.click(*place)
    here, before = under(page, 0.75, 0.25), page.evaluate("scrollY")
    for _ in range(3):
        page.mouse.wheel(0, -100)
    page.wait_for_function(
        "document.querySelector('.ranges input[max]:not([max=\"1\"])').value > 1.4"
    )
    assert under(page, 0.75, 0.25) == pytest.approx(here, abs=0.02)
    assert page.evaluate("scrollY") == before
    width = page.locator(".viewer canvas").evaluate("c => c.width")
    pixel = width * value(page, "Zoom") / 128
    assert pixel == pytest.approx(round(pixel), abs=0.05)  # of the screen, whole
    page.mouse.dblclick(*place)
    assert value(page, "Zoom") == 1


def test_the_wheel_zooms_with_the_control_key_wherever_the_focus_is(page: Page) -> None:
    page.mouse.move(*spot(page, 0.5, 0.5))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_function(
        "document.querySelector('.ranges input[max]:not([max=\"1\"])').value > 1"
    )


def test_what_was_zoomed_is_dragged_and_the_divider_still_is(page: Page) -> None:
    page.get_by_label("Zoom", exact=True).fill("4")
    here = under(page, 0.2, 0.5)
    drag(page, (0.2, 0.5), (0.4, 0.6))
    assert value(page, "Divider") == 0.5
    assert under(page, 0.4, 0.6) == pytest.approx(here, abs=0.02)
    drag(page, (0.5, 0.5), (0.3, 0.5))
    assert value(page, "Divider") == pytest.approx(0.3, abs=0.02)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from a place on the picture to another, both in parts of its size."""
    page.mouse.move(*spot(page, *start))
    page.mouse.down()
    page.mouse.move(*spot(page, *end), steps=4)
    page.mouse.up()


def test_keys_move_the_divider_zoom_and_reset(page: Page) -> None:
    panels = page.get_by_role("group", name="Pictures.")
    panels.press("ArrowLeft")
    assert value(page, "Divider") == pytest.approx(0.48)
    panels.press("+")
    zoom = value(page, "Zoom")
    assert zoom > 1
    panels.press("+")
    assert value(page, "Zoom") > zoom
    panels.press("Shift+ArrowRight")
    assert value(page, "Across") > 0.5
    panels.press("-")
    assert value(page, "Zoom") == pytest.approx(zoom, abs=0.02)
    panels.press("0")
    assert (value(page, "Zoom"), value(page, "Across")) == (1, 0.5)


def test_a_frame_is_found_by_a_part_of_its_name(page: Page) -> None:
    frame = page.get_by_label("Frame", exact=True)
    search = page.get_by_label("Find a frame")
    assert frame.locator("option").all_inner_texts() == ["sea/a", "sea/f"]
    search.fill("A/F")
    assert frame.locator("option").all_inner_texts() == ["sea/f"]
    assert frame.input_value() == "sea/f"
    assert page.get_by_text("1 of 2 frames").is_visible()
    search.fill("lake")
    assert page.get_by_text("0 of 2 frames").is_visible()
    assert frame.input_value() == "sea/f"
    search.fill("")
    assert frame.locator("option").count() == 2


def shown(page: Page) -> dict[str, str]:
    """Return what is chosen in the viewer and the filter."""
    names = ("Frame", "Left", "Right", "Licence")
    found = {name: page.get_by_label(name, exact=True).input_value() for name in names}
    found["Zoom"] = page.get_by_label("Zoom", exact=True).input_value()
    level = page.locator("[data-show-level][aria-pressed=true]").first.inner_text()
    return found | {"Level": level}


def test_a_link_leads_to_the_same_state(
    page: Page, open_page: Opener, made_up_report: Path
) -> None:
    assert "#" not in page.url
    page.get_by_label("Frame", exact=True).select_option("sea/f")
    page.get_by_label("Left", exact=True).select_option("noisy frame")
    page.get_by_label("Right", exact=True).select_option("evil")
    page.get_by_label("Licence").select_option("non-commercial (Somewhere)")
    page.locator("[data-show-level='0']").first.click()
    page.get_by_label("Zoom", exact=True).fill("4")
    until(page, lambda: "zoom=4" in page.url)
    there = shown(page)
    other = open_page(made_up_report, page.url[page.url.index("#") :])
    other.locator(".viewer canvas").wait_for()
    assert shown(other) == there
    assert there["Level"] == "σ15"
    assert other.evaluate("scrollY") > 500  # the pictures are in view
    other.evaluate("location.hash = '#frame=sea%2Fa&sigma=25'")
    until(other, lambda: shown(other)["Licence"] == "")
    back = shown(other)
    assert (back["Frame"], back["Right"], back["Level"]) == ("sea/a", "good", "σ25")


@pytest.mark.parametrize(
    "address",
    [
        "#run-1-frontier",
        "#frame=nobody&a=%zz&b=&sigma=99&zoom=-1&x=7&__proto__=1&view=cube",
        "#=&&&=#%",
        "#run=7&frame=sea/f",
        "#zoom=1e9&licence=<script>",
    ],
)
def test_an_address_that_is_none_of_ours_is_ignored(
    open_page: Opener, made_up_report: Path, address: str
) -> None:
    page = open_page(made_up_report, address)
    page.locator(".viewer canvas").wait_for()
    found = shown(page)
    assert (found["Frame"], found["Right"], found["Level"]) == ("sea/a", "good", "σ25")
    assert (found["Licence"], found["Zoom"]) == ("", "1")


STRANGE = ("a#&=%41+b", "<script>alert(1)</script>")


def test_a_link_holds_names_of_any_letters(open_page: Opener, tmp_path: Path) -> None:
    methods = {"m[name='#&=%']": 30.0, "m[name='<i>+']": 28.0}
    measured = [
        Measurement(Cell(method, "cpu", frame, sigma, 0), Status.OK, psnr=psnr, pixels=1000)
        for method, psnr in methods.items()
        for frame in STRANGE
        for sigma in made_up.SIGMAS
    ]
    rows = [made_up.row(method, title=method) for method in methods]
    run = made_up.results(rows, measured, frames=STRANGE, seeds=1)
    folder = store(tmp_path / "run", run)
    keep_pictures(folder, STRANGE, methods)
    write_reports({"run": (folder, load_run(folder))}, tmp_path, ["html"])
    page = open_page(tmp_path / "report.html")
    first, second = methods
    page.get_by_label("Right", exact=True).select_option(second)
    page.get_by_label("Left", exact=True).select_option(first)
    for frame in STRANGE:
        page.get_by_label("Frame", exact=True).select_option(frame)
        page.wait_for_timeout(200)  # an address that a drag changes too often would be refused
        other = open_page(tmp_path / "report.html", re.sub("^[^#]*", "", page.url))
        other.locator(".viewer canvas").wait_for()
        names = ("Frame", "Left", "Right")
        found = [other.get_by_label(name, exact=True).input_value() for name in names]
        assert found == [frame, first, second]
