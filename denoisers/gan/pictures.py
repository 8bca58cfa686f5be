"""Pictures of a training: its curves, and a frame before and after."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from denoisebench.denoisers.gan.log import TERMS
from denoisebench.plotting import load_matplotlib

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_Rows = list[dict[str, float]]


def curves(rows: _Rows, title: str) -> bytes:
    """Draw validation PSNR, the generator's losses and the critic's figures by iteration.

    Args:
        rows: the lines of a log.
        title: title of the figure.

    Returns:
        A PNG file.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(15, 4), layout="constrained")
    figure.suptitle(title, parse_math=False)
    psnr, generator, critic = figure.subplots(1, 3)
    scores = sorted({name for row in rows for name in row if name.startswith("psnr_")})
    _plot(psnr, rows, {name: f"sigma {name.removeprefix('psnr_')}" for name in scores})
    _plot(generator, rows, {name: name for name in TERMS[:6]})
    _plot(critic, rows, {name: name for name in TERMS[6:]})
    psnr.set_title("PSNR on the validation frames, dB")
    generator.set_title("Generator: losses before their factors")
    generator.set_yscale("symlog", linthresh=1e-4)
    critic.set_title("Critic")
    critic.set_yscale("symlog", linthresh=1e-2)
    return _png(figure)


def strip(panels: dict[str, np.ndarray]) -> bytes:
    """Draw images side by side, as in Fig. 3 of Gong, Liu & Lv 2020.

    Args:
        panels: images, uint8 (H, W, 3) or (H, W, 1), by their titles.

    Returns:
        A PNG file.
    """
    load_matplotlib()
    from matplotlib.figure import Figure

    height, width = next(iter(panels.values())).shape[:2]
    size = 4.0 * len(panels), 4.0 * height / width + 0.4
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for place, (title, pixels) in zip(axes, panels.items(), strict=True):
        place.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
        place.set_title(title, parse_math=False)
        place.set_axis_off()
    return _png(figure)


def _plot(axes: Axes, rows: _Rows, labels: dict[str, str]) -> None:
    for name, label in labels.items():
        points = [(row["iteration"], row[name]) for row in rows if name in row]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker="." * (len(points) < 50))
    if axes.lines:
        axes.legend()
    axes.set_xlabel("iteration")


def _png(figure: Figure) -> bytes:
    image = BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()
