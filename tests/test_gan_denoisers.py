"""Denoising with trained weights: what tiles, precision and shipped weights promise."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest
import torch

from denoisebench.datasets.catalogue import open_dataset
from denoisebench.denoisers import registry
from denoisebench.denoisers.gan import recipe
from denoisebench.denoisers.gan.checkpoint import save_weights, store_half
from denoisebench.denoisers.gan.inference import (
    SpecialisedGenerator,
    TrainedGenerator,
    load_generator,
)
from denoisebench.denoisers.gan.networks import build_generator
from denoisebench.denoisers.torch_denoiser import by_tiles
from denoisebench.training.data import TrainingData, split

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = sorted({file for card in registry.cards().values() for file in card.weights})
SIGMAS = ["15", "25", "50"]


def frame(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))


def generator(name: str, width: int = 16) -> torch.nn.Module:
    """Return a recipe's generator, narrow, with weights strong enough to carry far."""
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
        tiled = by_tiles(lambda part: network(part, torch.tensor([0.1])), image, 96, 48)
    assert (whole - image).abs().max() > 0.05  # there is something to differ in
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-4)


def test_the_overlap_is_needed() -> None:
    """Tiles that see less do leave seams, so the test above can tell."""
    network, image = generator("best"), frame(200, 330)
    with torch.no_grad():
        whole = network(image, torch.tensor([0.1]))
        tiled = by_tiles(lambda part: network(part, torch.tensor([0.1])), image, 96, 8)
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


@pytest.mark.parametrize("path", WEIGHTS, ids=lambda path: path.stem)
def test_shipped_weights_are_what_their_card_says(path: Path) -> None:
    assert path.stat().st_size < 8e6
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    network = load_generator(path)
    assert sum(weight.numel() for weight in network.parameters()) == card["parameters"]
    assert card["recipe_digest"] == recipe.load(card["name"], card["changes"]).digest
    assert card["data"]["name"] in ("documentary", "train:documentary-bsds432")
    wanted = SIGMAS if card["recipe"]["data"]["sigma_range"] else [path.stem.rpartition("-")[2]]
    assert list(card["val_psnr"]) == wanted
    assert card["command"].startswith("bench train ")
    assert "/" not in card["command"]


def test_the_frames_that_the_best_weights_learned_from_are_at_hand(documentary_root: Path) -> None:
    """Training again starts from the same pictures, in the same order."""
    if not (documentary_root / "bsds432").is_dir():
        pytest.skip("BSDS is not on disk; DENOISEBENCH_DATA holds no folder bsds432")
    card = json.loads((WEIGHTS[0].parent / "wgan-gp-unet-best.json").read_text(encoding="utf-8"))
    dataset = open_dataset(recipe.load("best").dataset)
    train, val = split(dataset)
    assert len(train) == dataset.size("train") == card["data"]["train_frames"]
    assert (
        TrainingData(dataset, train, val, (25,), torch.device("cpu")).digest
        == (card["data"]["digest"])
    )


def test_weights_stored_in_half_the_space_denoise_alike(tmp_path: Path) -> None:
    full, half = tmp_path / "full.safetensors", tmp_path / "half.safetensors"
    save_weights(
        full,
        generator("best"),
        {"generator": json.dumps(asdict(replace(recipe.load("best").generator, width=16)))},
    )
    store_half(full, half)
    assert half.stat().st_size < 0.6 * full.stat().st_size
    noisy, sigma = frame(16, 16), torch.tensor([0.1])
    expected, found = (load_generator(file)(noisy, sigma) for file in (full, half))
    assert found.dtype == torch.float32
    assert 0 < (found - expected).abs().max() < 1e-2


def specialised(tmp_path: Path, *sigmas: float) -> SpecialisedGenerator:
    """For each sigma, weights that return an image darker by a hundredth of it."""
    spec = replace(recipe.load("unet-mse").generator, width=2)
    files = {sigma: tmp_path / f"{sigma:g}.safetensors" for sigma in sigmas}
    for sigma, file in files.items():
        network = build_generator(spec)
        with torch.no_grad():
            for weight in network.parameters():
                weight.zero_()
            network.blocks[-1][1].bias.fill_(sigma / 100)
        save_weights(file, network, {"generator": json.dumps(asdict(spec))})

    class Mine(SpecialisedGenerator):
        specialised = files

    return Mine()


@pytest.mark.parametrize(
    ("sigma", "nearest"), [(12.5, 15), (15, 15), (18, 15), (21, 25), (30, 25), (60, 50)]
)
def test_specialised_weights_serve_the_sigmas_near_to_theirs(
    tmp_path: Path, sigma: float, nearest: float
) -> None:
    image = frame(16, 16)
    estimate = specialised(tmp_path, 15, 25, 50).denoise(image, sigma / 255)
    torch.testing.assert_close(estimate, image - nearest / 100)


def test_the_weights_for_a_grey_frame_are_those_for_its_stronger_noise(tmp_path: Path) -> None:
    grey = frame(16, 16)[:, :1]
    estimate = specialised(tmp_path, 15, 25, 50).denoise(grey, 25 / 255)  # √3 · 25 is 43
    torch.testing.assert_close(estimate, grey - 0.5)


@pytest.mark.parametrize("sigma", [1, 12, 37, 70])
def test_far_sigmas_are_refused_by_specialised_weights(tmp_path: Path, sigma: float) -> None:
    method = specialised(tmp_path, 15, 25, 50)
    with pytest.raises(ValueError, match=f"trained for sigma 15, 25, 50, not for {sigma};"):
        method.denoise(frame(16, 16), sigma / 255)


def test_a_batch_gives_what_its_frames_give_alone(tmp_path: Path) -> None:
    images = torch.cat([frame(40, 130), frame(40, 130).flip(3)])
    together = trained(tmp_path, tile=64).denoise(images, 0.1)
    apart = [trained(tmp_path, tile=64).denoise(image[None], 0.1) for image in images]
    torch.testing.assert_close(together, torch.cat(apart), rtol=0, atol=1e-5)


def test_a_self_ensemble_is_blind_to_turning_and_mirroring(tmp_path: Path) -> None:
    image = frame(24, 40)
    ensemble, single = trained(tmp_path, self_ensemble=True), trained(tmp_path)
    estimate = ensemble.denoise(image, 0.1)
    turned = ensemble.denoise(image.rot90(1, (2, 3)).flip(3), 0.1)
    torch.testing.assert_close(turned.flip(3).rot90(-1, (2, 3)), estimate, rtol=0, atol=1e-5)
    mirrored = single.denoise(image.flip(3), 0.1).flip(3)
    assert (mirrored - single.denoise(image, 0.1)).abs().max() > 1e-3


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_gives_the_same(tmp_path: Path) -> None:
    image = frame(40, 48)
    with torch.no_grad():
        estimate = trained(tmp_path, compiled=True).denoise(image, 0.1)
        expected = trained(tmp_path).denoise(image, 0.1)
    torch.testing.assert_close(estimate, expected, rtol=0, atol=1e-5)


def test_missing_weights_make_a_method_unavailable(tmp_path: Path) -> None:
    card = registry.Card("x", "X", "learned", weights=(tmp_path / "gone.safetensors",))
    assert card.unavailable == "its weights are missing: gone.safetensors"
