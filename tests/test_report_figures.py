"""What figures are made of: names that keep clear of each other, and figures in words."""

from __future__ import annotations

import itertools
import math
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import made_up
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from denoisebench.cells import Cell, Measurement, Status
from denoisebench.reporting import formatting
from denoisebench.reporting.contents import Contents
from denoisebench.reporting.escaping import escape_markdown
from denoisebench.reporting.figures import drawing, labels
from denoisebench.words import counted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOM = (0.0, 0.0, 500.0, 400.0)
SPOTS = st.tuples(st.floats(100, 400), st.floats(50, 350))


def overlap(a: labels.Box, b: labels.Box) -> bool:
    return min(a[2], b[2]) - max(a[0], b[0]) > 1 and min(a[3], b[3]) - max(a[1], b[1]) > 1


@given(st.lists(SPOTS, min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_names_stand_beside_their_points_and_cover_neither_names_nor_points(
    spots: list[labels.Spot],
) -> None:
    spots = [
        (x, y)
        for i, (x, y) in enumerate(spots)
        if all(math.dist((x, y), s) > 20 for s in spots[:i])
    ]
    boxes = labels.beside(spots, [(70.0, 10.0)] * len(spots), [], ROOM)
    for (x, y), (x0, y0, x1, y1) in zip(spots, boxes, strict=True):
        assert (x1 - x0, y1 - y0) == pytest.approx((70, 10))
        assert math.dist((x, y), labels.nearest((x0, y0, x1, y1), (x, y))) < 80
        assert ROOM[0] <= x0 <= x1 <= ROOM[2]
    assert not any(overlap(a, b) for a, b in itertools.combinations(boxes, 2))
    for (x, y), box in itertools.product(spots, boxes):
        assert not overlap((x - 3, y - 3, x + 3, y + 3), box)


def test_a_name_is_not_written_over_a_line() -> None:
    [box] = labels.beside([(100, 100)], [(70, 10)], [((100, 100), (300, 100))], ROOM)
    assert box[1] > 100 or box[3] < 100 or box[2] < 100


@given(st.lists(st.floats(0, 400), min_size=1, max_size=25), st.floats(1, 15))
@settings(deadline=None)
def test_spread_names_keep_their_order_and_their_distance(heights: list[float], gap: float) -> None:
    found = labels.spread_heights(heights, gap, 0, 400)
    order = np.argsort(heights, kind="stable")
    placed = np.array(found)[order]
    assert (np.diff(placed) >= gap - 1e-6).all()
    assert placed[0] >= -1e-6
    assert placed[-1] <= 400 + 1e-6
    if (np.diff(np.sort(heights)) >= gap).all():
        assert found == pytest.approx(heights)


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (formatting.decimals(2)(-0.004), "0.00"),
        (formatting.decimals(2)(-math.inf), "−∞"),
        (formatting.decimals(2)(None), "–"),
        (formatting.decibels(-1.234), "−1.23"),
        (formatting.decibels(0.0), "+0.00"),
        (formatting.three_digits(12345.6), "12346"),
        (formatting.three_digits(0.012345), "0.0123"),
        (formatting.megabytes(0.2), "<1"),
        (formatting.megabytes(None), "–"),
        (formatting.pvalue(0.0004), "< 0.001"),
        (counted(1, "frame"), "1 frame"),
    ],
)
def test_figures_and_names_in_words(printed: str, shown: str) -> None:
    assert printed == shown


@pytest.mark.parametrize(
    "name",
    [
        "*bold*",
        "_so_",
        "`code`",
        "$x_1$ $",
        "a|b",
        "[a](http://b)",
        "<b>",
        "&lt;",
        "~~a~~",
        "a\\|b",
    ],
)
def test_a_name_is_only_text_to_markdown(name: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    renderer = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = renderer.parse(f"| x |\n|---|\n| {escape_markdown(name)} |\n")
    _, cell = (token for token in tokens if token.type == "inline")
    assert {part.type for part in cell.children} <= {"text", "text_special"}
    assert "".join(part.content for part in cell.children) == name
    assert "$" not in escape_markdown(name).replace("\\$", "")  # mathematics to GitHub


def test_names_that_no_font_here_can_draw_are_kept_without_a_warning() -> None:
    def draw(axes: Axes, parts: drawing.Parts) -> None:
        parts.add(axes.plot(1, 1, "o")[0], "日本\x07 <語>")
        axes.set_xlabel("日本語 ✨")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = drawing.svg(draw, (2, 2), "name")
    assert "日本語 ✨" in svg
    [tip] = [e.text for e in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]
    assert tip == "日本\\x07 <語>"


@pytest.mark.parametrize("times", [(2.4, 8), (90, 110), (0.05, 90_000)])
def test_a_logarithmic_axis_has_numbers_however_short_it_is(times: tuple[float, float]) -> None:
    def draw(axes: Axes, parts: drawing.Parts) -> None:
        axes.plot(times, [1, 2])
        axes.set_yticks([])
        drawing.log_scale(axes)

    found = re.findall(r">([\d. ]+)</text>", drawing.svg(draw, (5, 3), "name"))
    numbers = [float(text.replace(" ", "")) for text in found]
    assert len(numbers) >= 2
    assert numbers == sorted(numbers)


def figure_of_frames(frames: int, titles: dict[str, str]) -> drawing.Plot:
    """Return the frames' figure of methods at one level, from a made-up run."""
    names = [f"f{i}" for i in range(frames)]
    scores = np.random.default_rng(0).normal(30, 1, frames)
    measured = [
        Measurement(
            Cell(method, "cpu", frame, 25.0, 0),
            Status.OK,
            psnr=float(psnr),
            call_ns=(1_000_000,),
            pixels=1000,
        )
        for method in titles
        for frame, psnr in zip(names, scores, strict=True)
    ]
    rows = [made_up.row(method, title=title) for method, title in titles.items()]
    run = made_up.results(rows, measured, frames=names, sigmas=(25.0,), seeds=1)
    plots = Contents("run", Path(), run).plots
    [figure] = [figure for figure in plots if figure.kind == "frames"]
    return figure


def test_of_very_many_frames_only_those_far_out_are_drawn() -> None:
    few, many = (figure_of_frames(n, {"m": "M"}).svg for n in (90, 4000))
    assert few.count("<title>") == 90
    assert len(many) < 2 * len(few)


def test_long_titles_keep_both_ends() -> None:
    titles = {n: f"A method with a title that is rather long [strength={n}]" for n in "ab"}
    figure = figure_of_frames(5, titles)
    assert "[strength=a]" in figure.alt
    assert "[strength=b]" in figure.alt


def sigma_figure(methods: dict[str, float], families: dict[str, str]) -> drawing.Plot:
    """Return the figure of sigma of methods with a PSNR at sigma 15 that falls by 3 dB to 25."""
    measured = [
        Measurement(Cell(method, "cpu", frame, sigma, 0), Status.OK, psnr=psnr - fall, pixels=1000)
        for method, psnr in methods.items()
        for frame in made_up.FRAMES
        for sigma, fall in ((15.0, 0.0), (25.0, 3.0))
    ]
    rows = [made_up.row(method, family=families.get(method, "local")) for method in methods]
    plots = Contents("run", Path(), made_up.results(rows, measured, seeds=1)).plots
    [figure] = [figure for figure in plots if figure.kind == "course"]
    return figure


def test_the_figure_of_sigma_shows_the_gain_over_the_noisy_input_where_it_is_known() -> None:
    gain = sigma_figure({"m": 30.0, "noisy": 24.0}, {"noisy": "control"})
    assert gain.title == "Gain over the noisy input at each sigma"
    assert gain.alt == "M 6.00 dB at sigma 15, 6.00 dB at sigma 25."
    psnr = sigma_figure({"m": 30.0}, {})
    assert psnr.title == "Mean PSNR at each sigma"
    assert psnr.alt == "M 30.00 dB at sigma 15, 27.00 dB at sigma 25."


def test_thirty_methods_have_names_at_their_lines_in_the_colours_of_their_families() -> None:
    methods = {f"method-{i:02}": 30 + i / 50 for i in range(30)}
    families = {m: ("patch", "learned", "local")[i % 3] for i, m in enumerate(methods)}
    figure = sigma_figure(methods, families)
    for svg in (figure.svg, figure.narrow):
        names = re.findall(
            r'data-method="([^"]+)" data-role="name">\s*<text style="[^"]*?'
            r'fill: (#\w+)"[^>]* y="([\d.]+)"',
            svg,
        )
        assert [name for name, *_ in names] == list(methods)[::-1]  # the best first
        heights = sorted(float(height) for *_, height in names)
        assert (np.diff(heights) > 10).all()
        colors = {families[name]: color for name, color, _ in names}
        assert len(set(colors.values())) == 3
        assert all(colors[families[name]] == color for name, color, _ in names)
