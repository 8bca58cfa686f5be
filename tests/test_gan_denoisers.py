"""Denoising with trained weights: what tiles, precision and shipped weights promise."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest
import torch

from denoisebench.denoisers import registry
from denoisebench.denoisers.gan import recipe
from denoisebench.denoisers.gan.checkpoint import save_weights
from denoisebench.denoisers.gan.inference import TrainedGenerator, by_tiles, load_generator
from denoisebench.denoisers.gan.networks import build_generator

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [name for name, card in registry.cards().items() if card.weights is not None]


def frame(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def generator(name: str, width: int = 16) -> torch.nn.Module:
    """A recipe's generator, narrow, with weights strong enough to carry far."""
    torch.manual_seed(0)
    network = build_generator(replace(recipe.load(name).generator, width=width))
    with torch.no_grad():
        for weight in network.parameters():
            if weight.ndim == 4:
                weight.mul_(1.5)
    return network.eval()


@pytest.mark.parametrize("name", ["best", "paper", "dcgan", "adversarial-cnn"])
@pytest.mark.parametrize("shape", [(200, 330), (321, 129), (96, 400)])
def test_tiles_leave_no_seam(name: str, shape: tuple[int, int]) -> None:
    network, image = generator(name), frame(*shape)
    with torch.no_grad():
        whole = network(image, torch.tensor([0.1]))
        tiled = by_tiles(lambda part: network(part, torch.tensor([0.1])), image, 96)
    assert (whole - image).abs().max() > 0.05  # there is something to differ in
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-4)


def test_the_overlap_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles that see less do leave seams, so the test above can tell."""
    monkeypatch.setattr("denoisebench.denoisers.gan.inference.OVERLAP", 8)
    network, image = generator("best"), frame(200, 330)
    with torch.no_grad():
        whole = network(image, torch.tensor([0.1]))
        tiled = by_tiles(lambda part: network(part, torch.tensor([0.1])), image, 96)
    assert (tiled - whole).abs().max() > 1e-4


def trained(tmp_path: Path, **options: object) -> TrainedGenerator:
    spec = recipe.load("best").generator
    about = {"generator": json.dumps(asdict(replace(spec, width=16)))}
    save_weights(tmp_path / "w.safetensors", generator("best"), about)

    class Mine(TrainedGenerator):
        weights = tmp_path / "w.safetensors"

    return Mine(**options)  # type: ignore[arg-type]


def test_weights_are_read_as_they_were_written(tmp_path: Path) -> None:
    image = frame(40, 48)
    with torch.no_grad():
        expected = generator("best")(image, torch.tensor([0.1]))
        estimate = trained(tmp_path).denoise(image, 0.1)
    torch.testing.assert_close(estimate, expected, rtol=0, atol=1e-5)


def test_grey_is_repeated_and_averaged(tmp_path: Path) -> None:
    grey = frame(40, 48)[:, :1]
    colour = trained(tmp_path).denoise(grey.repeat(1, 3, 1, 1), 0.1 * 3**0.5)
    estimate = trained(tmp_path).denoise(grey, 0.1)
    assert estimate.shape == grey.shape
    torch.testing.assert_close(estimate, colour.mean(1, keepdim=True))


def test_half_precision_is_close_and_returns_float32(tmp_path: Path) -> None:
    image = frame(40, 48)
    full = trained(tmp_path).denoise(image, 0.1)
    half = trained(tmp_path, precision="bfloat16").denoise(image, 0.1)
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() < 0.1


def test_a_tile_that_breaks_the_pooling_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        TrainedGenerator(tile=90)


@pytest.mark.parametrize("name", ROWS)
def test_shipped_weights_are_what_their_card_says(name: str) -> None:
    path = registry.cards()[name].weights
    assert path is not None
    assert path.stat().st_size < 8e6
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    network = load_generator(path, "cpu")
    assert sum(weight.numel() for weight in network.parameters()) == card["parameters"]
    assert card["recipe_digest"] == recipe.load(card["name"]).digest
    assert card["data"]["name"] == "documentary"
    assert {"15", "25", "50"} <= card["val_psnr"].keys()
    assert card["command"].startswith("bench train ")
    assert "/" not in card["command"]


def test_missing_weights_make_a_method_unavailable(tmp_path: Path) -> None:
    card = registry.Card("x", "X", "learned", weights=tmp_path / "gone.safetensors")
    assert card.unavailable == "its weights are missing: gone.safetensors"
