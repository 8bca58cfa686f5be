"""``bench export-onnx``: write a method's network as an ONNX file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from denoisebench.cli import shared
from denoisebench.cli.types import FiniteRange
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from denoisebench.denoisers.registry import Method


@click.command("export-onnx", short_help="Write a method's network as an ONNX file.")
@click.argument("method")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write.  [default: METHOD.onnx]",
)
@click.option(
    "--opset",
    type=click.IntRange(11),
    default=17,
    show_default=True,
    help="Version of ONNX's operators.",
)
@click.option(
    "--sigma",
    type=FiniteRange(0, 255, min_open=True),
    default=25.0,
    show_default=True,
    help="Noise level, on the 8-bit scale; it chooses, where a method has networks for several.",
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3"]),
    default="3",
    show_default=True,
    help="Channels of the frames; they choose, where a method has networks for both.",
)
@shared.plugins
@shared.torch
@shared.checkpoints
@shared.weights
def export_onnx_command(
    method: str,
    out: Path | None,
    opset: int,
    sigma: float,
    channels: str,
    plugins: tuple[Path, ...],
    torch: tuple[str, ...],
    checkpoints: tuple[Path, ...],
    weights: tuple[str, ...],
) -> None:
    """Write the network of METHOD as ONNX, for batches of frames of any height and width.

    \b
    bench export-onnx wgan-gp-unet-best
    bench run --torch wgan-gp-unet-best.onnx[name=onnx] --methods onnx,wgan-gp-unet-best

    The graph takes frames (N, C, H, W) in [0, 1] and, unless the method is blind, sigma (N,) on the
    same scale. onnxruntime denoises frames of two sizes by the file, and no file is left that
    differs from torch by more than 0.0001. Needs the extra onnx.
    """
    from denoisebench.denoisers import registry, torch_model
    from denoisebench.denoisers.onnx_file import export_onnx
    from denoisebench.denoisers.torch_denoiser import TorchDenoiser
    from denoisebench.plugins import lacking

    registry.load_files(plugins)
    registry.use_weights(weights)
    torch_model.load_models(torch, checkpoints)
    [chosen] = _chosen(method)
    if (problem := chosen.card.unavailable or lacking(("onnx", "onnxruntime"))) is not None:
        raise UsageError(f"{method}: {problem}")
    denoiser = chosen.build()
    if not isinstance(denoiser, TorchDenoiser):
        raise UsageError(f"{method} is no method around a torch network; there is no graph of it")
    told = chosen.card.told(sigma)
    try:
        network = denoiser.choice(int(channels), told)
        name = f"{chosen.spec}-{network:g}" if isinstance(network, float | int) else chosen.spec
        out = out or Path(re.sub(r"[^A-Za-z0-9.=_-]+", "_", name) + ".onnx")
        made = export_onnx(denoiser, out, told, int(channels), opset)
    except (UsageError, ValueError) as error:  # it has no network for these frames
        raise UsageError(f"{method}: {error}") from error
    inputs = ", ".join(f"{name} {shape}" for name, shape in made.inputs.items())
    frames = " and ".join(" × ".join(map(str, shape)) for shape in made.frames)
    click.echo(
        f"Wrote {out}: {out.stat().st_size / 1e6:.1f} MB, opset {opset}; inputs {inputs}. "
        f"It differs from torch by at most {made.difference:.1g} on frames {frames}."
    )


def _chosen(method: str) -> list[Method]:
    """Return the one method that an expression names, in a list.

    Raises:
        UsageError: it names none, or several.
    """
    from denoisebench.denoisers import registry

    found = registry.select([method])
    if len(found) != 1:
        raise UsageError(f"{method} names {len(found)} methods; give the name of one")
    return found
