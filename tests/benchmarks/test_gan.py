"""Training and inference of the GAN denoisers against straightforward versions of the same.

Ratios are of medians within a group. On CUDA the recipe is taken as it is; a CPU gets smaller
crops. ``tflops`` in the extra information is what was done of what `FlopCounterMode` counts.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from denoisebench.denoisers.gan import losses, recipe
from denoisebench.denoisers.gan.data import Crops
from denoisebench.denoisers.gan.networks import build_critic, build_generator
from denoisebench.denoisers.gan.training import Trainer
from denoisebench.denoisers.onnx_file import OnnxNetwork, export_onnx
from denoisebench.denoisers.wgan_gp_unet_best import WganGpUNetBest
from denoisebench.machine import environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from denoisebench.denoisers.gan.recipe import Recipe

DEVICE = torch.device("cuda" if environment.has_cuda() else "cpu")


@dataclass(frozen=True)
class OnnxUNetBest(WganGpUNetBest):
    """The same network as an ONNX file, run by onnxruntime."""

    def network(self) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "best.onnx")
            export_onnx(WganGpUNetBest(), file, 25 / 255, 3, 17)
            return OnnxNetwork(file.read_bytes())


def frames() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.integers(0, 256, (240, 320, 3), dtype=np.uint8) for _ in range(20)]


def to_train(name: str, benchmark: BenchmarkFixture) -> Recipe:
    """Return the shipped recipe; where nothing is measured, with a batch as small as can be."""
    shipped = recipe.load(name)
    if not benchmark.enabled:
        return replace(shipped, data=replace(shipped.data, patch=32, batch=2))
    if DEVICE.type == "cuda":
        return shipped
    return replace(shipped, data=replace(shipped.data, patch=64))


def timed(benchmark: BenchmarkFixture, work: Callable[[], object], flops: int, rounds: int) -> None:
    """With the operations that it did in a second."""

    def run() -> None:
        work()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    benchmark.pedantic(run, rounds=rounds, warmup_rounds=1)
    if benchmark.enabled:
        seconds = benchmark.stats.stats.median
        benchmark.extra_info["tflops"] = round(flops / seconds / 1e12, 3)


def counted(work: Callable[[], object]) -> int:
    """Floating-point operations of convolutions and products, counted on an eager version."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


class PlainTrainer:
    """A step of the recipe as a tutorial would write it: eager, float32, data from the host."""

    def __init__(self, recipe: Recipe) -> None:
        assert recipe.adversary is not None
        self.recipe = recipe
        self.spec = recipe.adversary
        self.frames = frames()
        self.random = np.random.default_rng(0)
        self.generator = build_generator(recipe.generator).to(DEVICE)
        self.critic = build_critic(self.spec.critic).to(DEVICE)
        self.g_optimiser = torch.optim.Adam(self.generator.parameters(), lr=1e-4)
        self.d_optimiser = torch.optim.Adam(self.critic.parameters(), lr=1e-4)

    def draw(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        data, crops = self.recipe.data, []
        for _ in range(data.batch):
            frame = self.frames[self.random.integers(len(self.frames))]
            top, left = (self.random.integers(s - data.patch + 1) for s in frame.shape[:2])
            crops.append(frame[top : top + data.patch, left : left + data.patch] / 255)
        clean = torch.tensor(np.stack(crops), dtype=torch.float32).permute(0, 3, 1, 2).to(DEVICE)
        sigma = torch.full((data.batch,), 25 / 255, device=DEVICE)
        return clean, clean + sigma.view(-1, 1, 1, 1) * torch.randn_like(clean), sigma

    def step(self) -> None:
        for _ in range(self.spec.steps):
            clean, noisy, sigma = self.draw()
            with torch.no_grad():
                fake = self.generator(noisy, sigma)
            points = losses.interpolate(clean, fake, torch.rand(len(clean), device=DEVICE))
            penalty = losses.gradient_penalty(self.critic(points), points)
            loss = losses.wasserstein_critic(self.critic(clean), self.critic(fake)) + 10 * penalty
            self.d_optimiser.zero_grad()
            loss.backward()
            self.d_optimiser.step()
        clean, noisy, sigma = self.draw()
        estimate = self.generator(noisy, sigma)
        factors = self.recipe.losses
        loss = losses.pixel(estimate, clean, factors.norm, factors.reduction)
        adversarial = losses.wasserstein_generator(self.critic(estimate))
        loss = loss + factors.adversarial * adversarial
        if factors.feature:
            pair = self.critic.features(estimate), self.critic.features(clean)
            loss = loss + factors.feature * losses.feature(*pair, factors.reduction)
        self.g_optimiser.zero_grad()
        loss.backward()
        self.g_optimiser.step()


@pytest.mark.parametrize("version", ["ours", "plain"])
@pytest.mark.parametrize("name", ["best", "paper"])
def test_training_step(benchmark: BenchmarkFixture, name: str, version: str) -> None:
    benchmark.group = f"a training step of {name} on {DEVICE.type}"
    recipe = to_train(name, benchmark)
    trainer = Trainer(recipe, Crops(frames(), recipe.data, 25, DEVICE), 0)
    flops = counted(lambda: trainer.step(0.0))
    step = PlainTrainer(recipe).step if version == "plain" else lambda: trainer.step(0.0)
    timed(benchmark, step, flops, rounds=20 if DEVICE.type == "cuda" else 4)


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize(
    "method",
    [
        WganGpUNetBest(),
        WganGpUNetBest(compiled=True),
        WganGpUNetBest(precision="bfloat16"),
        WganGpUNetBest(precision="bfloat16", compiled=True),
        OnnxUNetBest(),
    ],
    ids=["float32", "float32 compiled", "bfloat16", "bfloat16 compiled", "float32 onnxruntime"],
)
def test_inference(
    benchmark: BenchmarkFixture, method: WganGpUNetBest, batch: int, turn: int
) -> None:
    """Frames of 480 × 320; the first version is the eager one that the others are held to.

    The versions take turns, so that other work on the machine affects all.
    """
    if method.compiled and not benchmark.enabled:
        pytest.skip("compiling takes a minute and is tested elsewhere")
    if isinstance(method, OnnxUNetBest) and DEVICE.type == "cuda":
        pytest.skip("onnxruntime is used on the CPU alone")
    benchmark.group = f"inference in batches of {batch} on {DEVICE.type}, turn {turn}"
    height, width = (320, 480) if benchmark.enabled else (32, 48)
    noisy = torch.rand(batch, 3, height, width, device=DEVICE)
    with torch.no_grad():
        flops = counted(lambda: WganGpUNetBest().denoise(noisy, 0.1))
        timed(benchmark, lambda: method.denoise(noisy, 0.1), flops, rounds=5)
