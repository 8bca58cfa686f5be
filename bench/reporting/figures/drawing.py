"""Figures as SVG, drawn by matplotlib, in one style and with the same bytes for the same data.

Text stays text, so that it can be read aloud, searched and scaled. A figure is drawn in the colours
of a light page; on a page that can be dark, the page's own variables replace them.
"""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from denoisebench.plotting import load_matplotlib
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import Locator

DARK, FAINT, BACK = "#1f2329", "#c9ced6", "#fdfdfc"
"""Colours of text, of grids and of the page."""

SERIES = ("#2f6fb5", "#b34a12", "#2e7a40", "#8a5ab5", "#8d620a", "#0c7680", "#c23b6e", "#666d78")
"""Colours of data. Each has a contrast of 4.5 : 1 to the page, as text needs (WCAG 2.2, 1.4.3)."""

_VARIABLES = {DARK: "--ink", FAINT: "--line", BACK: "--page"} | {
    color: f"--series-{number}" for number, color in enumerate(SERIES, 1)
}
WIDE, NARROW = 7.6, 4.9
"""Widths of figures in inches, 72 units each. A narrow one can be read on a phone as it is."""

_STYLE = {
    "figure.dpi": 72,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": DARK,
    "text.parse_math": False,  # a dollar in a method's name is a dollar
    "axes.labelcolor": DARK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": DARK,
    "ytick.labelcolor": DARK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Plot:
    """One figure.

    Attributes:
        kind: ``frontier``, ``course``, ``frames``, ``forest``, ``ranks`` or ``times``.
        level: index of the noise level that it shows; None if it shows all.
        title: the heading.
        alt: the content in words, for readers who do not see it.
        svg: the file's content, in the colours of a light page.
        narrow: the figure drawn anew for a narrow window; empty if the other fits there.
        remark: sentence on methods that it cannot show; may be empty.
    """

    kind: str
    level: int | None
    title: str
    alt: str
    svg: str
    narrow: str = ""
    remark: str = ""

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return self.kind if self.level is None else f"{self.kind}-{self.level + 1}"


class Parts:
    """Parts of a figure, as a script finds them: groups with ``data-`` attributes.

    Attributes:
        marks: attributes and text of each part, by its id in the SVG.
        has_rows: True if the figure has a row for each method, which close up if some are hidden.
    """

    def __init__(self) -> None:
        self.marks: dict[str, tuple[dict[str, str], str]] = {}
        self.has_rows = False

    def add(self, artist: Artist, text: str = "", **data: str | int) -> None:
        """Mark a part.

        Args:
            artist: the part.
            text: what the part shows when the mouse points at it.
            data: its attributes: ``method`` and ``device`` of what it shows, its ``row``, its
                ``role`` in the figure.
        """
        name = f"part{len(self.marks)}"
        artist.set_gid(name)
        self.marks[name] = (
            {key: one_line(str(value)) for key, value in data.items()},
            one_line(text),
        )

    def opened(self, name: str) -> str:
        """Return the tag that opens a part, with its text."""
        data, text = self.marks[name]
        attributes = "".join(f' data-{key}="{escape(value)}"' for key, value in data.items())
        return f"<g{attributes}>" + (f"<title>{escape(text)}</title>" if text else "")


def svg(draw: Callable[[Axes, Parts], None], size: tuple[float, float], name: str) -> str:
    """Draw a figure, and return it as SVG.

    Args:
        draw: function that draws on the axes and marks the parts.
        size: width and height in inches.
        name: the figure's name, unique in a report.
    """
    load_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    parts = Parts()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        with warnings.catch_warnings():
            # Text stays text: the reader's fonts draw it, not the one that measures it here.
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
            draw(axes, parts)
            content = _cleaned(_saved(figure), parts, name)
    if not parts.has_rows:
        return content
    pitch = abs(axes.transData.transform((0, 1))[1] - axes.transData.transform((0, 0))[1])
    return content.replace("<svg ", f'<svg data-pitch="{pitch:.2f}" ', 1)


def _saved(figure: Figure) -> str:
    """Return a figure as SVG without date and creator, so that its bytes do not change."""
    file = io.StringIO()
    nobody: dict[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nobody)
    return file.getvalue()


def _cleaned(svg: str, parts: Parts, name: str) -> str:
    """Remove what no reader needs, mark the parts, and draw an opaque background."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', _rounded, svg)
    svg = re.sub(r'<g id="(part\d+)">', lambda found: parts.opened(found[1]), svg)
    used = set(re.findall(r"#([\w.-]+)", svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
    svg = re.sub(r"\n\s*", "\n", _scoped(svg, name))
    start = svg.index(">", svg.index("<svg")) + 1
    return svg[:start] + _halo() + _backdrop() + svg[start:]


def _scoped(svg: str, scope: str) -> str:
    """Prefix the ids in a figure, so that they differ from those of other figures on a page."""
    return re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{scope}-", svg)


def _rounded(attribute: re.Match[str]) -> str:
    """Round the coordinates of an attribute to hundredths of a point, on one line."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0]).replace("\n", " ")


def _backdrop() -> str:
    """Return the background of a figure that stands alone."""
    return f'<rect width="100%" height="100%" fill="{BACK}"/>'


def _halo() -> str:
    """Return a style that keeps text readable where it crosses a line."""
    look = f"paint-order: stroke; stroke: {BACK}; stroke-width: 3px; stroke-linejoin: round"
    return f"<style>svg text {{ {look} }}</style>"


def inline(svg: str, scope: str) -> str:
    """Return a figure for a page: without prolog, in the page's colours.

    Args:
        svg: the figure, in the colours of a light page.
        scope: prefix of its ids, unique among figures of the same name on the page.
    """
    svg = _scoped(svg[svg.index("<svg") :].replace(_backdrop(), "", 1), scope)
    return re.sub("|".join(_VARIABLES), lambda found: f"var({_VARIABLES[found[0]]})", svg)


def draw_legend(axes: Axes, looks: dict[str, tuple[str, str]], columns: int) -> None:
    """Draw a legend above the figure.

    Args:
        axes: the axes of the figure.
        looks: colour and marker by their meaning.
        columns: the most entries in a line.
    """
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], color=color, marker=marker, linestyle="", label=words)
        for words, (color, marker) in looks.items()
    ]
    axes.figure.legend(
        handles=keys, loc="outside upper left", ncols=columns, columnspacing=1.2, handletextpad=0.2
    )


def draw_leader(axes: Axes, corners: Sequence[tuple[float, float]], color: str) -> Line2D:
    """Draw a thin line from a point to its name, in points of type, and return it."""
    from matplotlib.lines import Line2D

    line = Line2D(*zip(*corners, strict=True), color=color, lw=0.7, transform=None)
    line.set(clip_on=False, in_layout=False, zorder=2)
    axes.add_artist(line)
    return line


def log_scale(axes: Axes) -> None:
    """Make the horizontal axis logarithmic, with its numbers written out."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(_log_locator(high / low))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{value:,.10g}".replace(",", " "))
    )
    axes.xaxis.set_minor_formatter(NullFormatter())


def _log_locator(span: float) -> Locator:
    """Return the ticks of an axis: powers of ten, and more on a short axis.

    Args:
        span: the axis's right end over its left end.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator

    if span > 100:
        return LogLocator()
    return LogLocator(subs=(1.0, 2.0, 5.0)) if span > 5 else MaxNLocator(5)
