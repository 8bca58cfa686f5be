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
from typing import TYPE_CHECKING, Any

from denoisebench.plotting import load_matplotlib
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import Locator

DARK, FAINT, BACK = "#1f2329", "#c9ced6", "#fdfdfc"
"""Colours of text, of grids and of the page."""

SERIES = ("#2f6fb5", "#b34a12", "#2e7a40", "#8a5ab5", "#8d620a", "#0c7680", "#c23b6e", "#666d78")
"""Colours of data. Each has a contrast of 4.5 : 1 to the page, as text needs (WCAG 2.2, 1.4.3)."""

_VARIABLES = {DARK: "--ink", FAINT: "--line", BACK: "--page"} | {
    color: f"--series-{number}" for number, color in enumerate(SERIES, 1)
}
WIDE, NARROW = 7.6, 5.4
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
        remark: sentence on methods that it cannot show; may be empty.
    """

    kind: str
    level: int | None
    title: str
    alt: str
    svg: str
    remark: str = ""

    @property
    def name(self) -> str:
        """Name of the file without its ending."""
        return self.kind if self.level is None else f"{self.kind}-{self.level + 1}"


class Tips:
    """Texts that parts of a figure show when the mouse points at them.

    Attributes:
        texts: the texts by the part's id in the SVG.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def add(self, artist: Any, text: str) -> None:
        """Add a text to a part, an artist of matplotlib."""
        name = f"tip{len(self.texts)}"
        artist.set_gid(name)
        self.texts[name] = one_line(text)


def svg(draw: Callable[[Axes, Tips], None], size: tuple[float, float], name: str) -> str:
    """Draw a figure, and return it as SVG.

    Args:
        draw: function that draws on the axes and adds the tips.
        size: width and height in inches.
        name: the figure's name, unique in a report.
    """
    load_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    tips = Tips()
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}):  # type: ignore[arg-type]
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        axes.patch.set_visible(False)
        with warnings.catch_warnings():
            # Text stays text: the reader's fonts draw it, not the one that measures it here.
            warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
            draw(axes, tips)
            return _cleaned(_saved(figure), tips, name)


def _saved(figure: Figure) -> str:
    """Return a figure as SVG without date and creator, so that its bytes do not change."""
    file = io.StringIO()
    nobody: dict[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(file, format="svg", metadata=nobody)
    return file.getvalue()


def _cleaned(svg: str, tips: Tips, name: str) -> str:
    """Remove parts that no reader needs, add the tips, and draw an opaque background."""
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<!DOCTYPE.*?>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' transform="rotate\(-0 [^"]*\)"', "", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', _rounded, svg)
    for tip, text in tips.texts.items():
        svg = svg.replace(f'<g id="{tip}">', f"<g><title>{escape(text)}</title>", 1)
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


def draw_legend(axes: Axes, looks: dict[str, tuple[str, str]]) -> None:
    """Draw a legend above the figure.

    Args:
        axes: the axes of the figure.
        looks: colour and marker by their meaning.
    """
    for words, (color, marker) in looks.items():
        axes.plot([], [], marker, color=color, label=words)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(looks), columnspacing=1.4)


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
