"""Before and after, side by side: a strip, and a page that needs no other file."""

from __future__ import annotations

import base64
import io
from importlib import resources
from typing import TYPE_CHECKING, Any

from denoisebench.files import write_bytes, write_text
from denoisebench.reporting.figures.strip import draw_strip
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from denoisebench.photos.session import Denoised


_MOST = 48  # pictures that are shown


def write_preview(outcomes: Sequence[Denoised], folder: Path) -> Path:
    """Write ``preview-denoised.png`` and ``.html``: the middle of each picture, before and after.

    Args:
        outcomes: files that were denoised; of many, 48 are shown, evenly spread.
        folder: folder for both.

    Returns:
        The path of the page.

    Raises:
        UsageError: they cannot be written.
    """
    outcomes = outcomes[:: -(-len(outcomes) // _MOST)]
    names = [str(outcome.source) for outcome in outcomes]
    columns: list[tuple[str, dict[str, Any]]] = [
        (title, dict(zip(names, pictures, strict=True)))
        for title, pictures in (
            ("before", [outcome.before for outcome in outcomes]),
            ("after", [outcome.after for outcome in outcomes]),
        )
    ]
    write_bytes(folder / "preview-denoised.png", draw_strip(names, columns))
    write_text(folder / "preview-denoised.html", _page(outcomes))
    return folder / "preview-denoised.html"


def _page(outcomes: Sequence[Denoised]) -> str:
    import jinja2

    template = (resources.files("denoisebench.photos") / "preview.html").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    pictures = [_shown(outcome) for outcome in outcomes]
    return environment.from_string(template).render(pictures=pictures)


def _shown(outcome: Denoised) -> dict[str, Any]:
    """Return what the page shows of a file that was denoised."""
    assert outcome.before is not None
    assert outcome.after is not None
    return {
        "name": one_line(outcome.source.name),
        "facts": "; ".join([outcome.about, outcome.noise, outcome.why or outcome.method]),
        "before": _uri(outcome.before),
        "after": _uri(outcome.after),
        "width": outcome.before.shape[1],
    }


def _uri(pixels: np.ndarray) -> str:
    """Return a picture as an address that holds it."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
