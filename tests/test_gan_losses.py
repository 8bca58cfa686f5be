"""Each loss against a value worked out by hand."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from denoisebench.denoisers.gan import losses
from denoisebench.denoisers.gan.perceptual import LAYERS, VggFeatures
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

LOGITS = torch.tensor([0.0, math.log(3)])  # sigmoids 1/2 and 3/4


def image(*values: float) -> torch.Tensor:
    """One pixel of three channels."""
    return torch.tensor(values).view(1, 3, 1, 1)


def test_the_standard_gan() -> None:
    mean_log = (math.log(1 / 2) + math.log(3 / 4)) / 2
    mean_log_not = (math.log(1 / 2) + math.log(1 / 4)) / 2
    assert losses.gan_discriminator(LOGITS, LOGITS).item() == pytest.approx(
        -mean_log - mean_log_not
    )
    assert losses.gan_generator(LOGITS).item() == pytest.approx(-mean_log)


def test_wasserstein() -> None:
    real, fake = torch.tensor([5.0, 7.0]), torch.tensor([1.0, 2.0])
    assert losses.wasserstein_critic(real, fake).item() == 1.5 - 6
    assert losses.wasserstein_generator(fake).item() == -1.5


def test_truncation_bounds_the_scores_and_stops_their_gradient() -> None:
    scores = torch.tensor([-3.0, 0.5, 99.0, 250.0], requires_grad=True)
    truncated = losses.truncate(scores)
    assert truncated.tolist() == [0, 0.5, 99, 100]
    truncated.sum().backward()
    assert scores.grad is not None
    assert scores.grad.tolist() == [0, 1, 1, 0]


def test_interpolates_lie_between_by_mu() -> None:
    clean, denoised = torch.ones(2, 3, 1, 1), torch.zeros(2, 3, 1, 1)
    points = losses.interpolate(clean, denoised, torch.tensor([0.25, 1.0]))
    assert points[:, 0, 0, 0].tolist() == [0.25, 1]
    assert points.is_leaf
    assert points.requires_grad


class LinearCritic(nn.Module):  # type: ignore[misc]
    """The score of x is w·x, so its gradient's norm is |w| everywhere."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x * self.weight).sum((1, 2, 3)).view(-1, 1, 1, 1)


@pytest.mark.parametrize("norm", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic(norm: float) -> None:
    direction = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    critic = LinearCritic(norm * direction / direction.norm())
    points = losses.interpolate(torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4), torch.rand(5))
    (scores,) = losses.scores(critic, points)
    penalty = losses.gradient_penalty(scores, points)
    assert penalty.item() == pytest.approx((norm - 1) ** 2, abs=1e-6)
    penalty.backward()  # d/dw (|w| − 1)² = 2 (|w| − 1) w/|w|
    assert critic.weight.grad.norm().item() == pytest.approx(2 * abs(norm - 1), abs=1e-5)


def test_the_penalty_takes_the_norm_of_each_sample() -> None:
    points = torch.ones(2, 3, 1, 1, requires_grad=True)
    scores = points[:, :1] * torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
    assert losses.gradient_penalty(scores, points).item() == pytest.approx((0 + 4) / 2)


def test_the_penalty_sees_the_mean_of_the_score_map() -> None:
    points = torch.ones(1, 3, 1, 1, requires_grad=True)
    scores = torch.cat([points[:, :1] * 2, points[:, :1] * 4], dim=3)
    assert losses.gradient_penalty(scores, points).item() == pytest.approx((3 - 1) ** 2)


def test_scores_are_float32_under_autocast_and_in_one_pass() -> None:
    calls = []
    critic = nn.Conv2d(3, 4, 3)
    critic.register_forward_hook(lambda *_: calls.append(1))
    real, fake = torch.rand(2, 2, 3, 8, 8)
    plain = losses.scores(critic, real, fake)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = losses.scores(critic, real, fake)
    assert len(calls) == 2
    for expected, found in zip(plain, mixed, strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


def test_clipping_holds_the_weights() -> None:
    critic = nn.Linear(2, 1)
    nn.init.constant_(critic.weight, -3.0)
    nn.init.constant_(critic.bias, 0.001)
    losses.clip_weights(critic, 0.01)
    assert critic.weight.tolist() == [[pytest.approx(-0.01)] * 2]
    assert critic.bias.item() == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("norm", "reduction", "value"),
    [
        ("l2", "sum_half", (0.25 + 1) / 2),
        ("l2", "mean", (0.25 + 1) / 3),
        ("l1", "sum_half", 1.5 / 2),
        ("l1", "mean", 1.5 / 3),
    ],
)
def test_pixel(norm: losses.Norm, reduction: losses.Reduction, value: float) -> None:
    estimate, clean = image(0.5, 0, 1), image(0, 0, 0)
    assert losses.pixel(estimate, clean, norm, reduction).item() == pytest.approx(value)


def test_a_sum_grows_with_the_batch() -> None:
    estimate, clean = torch.ones(4, 3, 2, 2), torch.zeros(4, 3, 2, 2)
    assert losses.pixel(estimate, clean, "l2", "sum_half").item() == 4 * 3 * 4 / 2


def test_feature() -> None:
    found, wanted = torch.zeros(2, 4, 1, 1), torch.full((2, 4, 1, 1), 3.0)
    assert losses.feature(found, wanted, "sum_half").item() == 2 * 4 * 9 / 2 / 4
    assert losses.feature(found, wanted, "mean").item() == 9


def test_smoothness() -> None:
    ramp = torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 3.0]]).view(1, 1, 2, 3)
    assert losses.smoothness(ramp, "sum_half").item() == (1 + 4) * 2 / 2
    assert losses.smoothness(ramp, "mean").item() == 2.5
    assert losses.smoothness(ramp.transpose(2, 3), "sum_half").item() == 5


def test_colour_cross_entropy() -> None:
    clean, estimate = image(math.log(2), 0, 0), image(0, math.log(2), 0)
    by_hand = -(2 / 4 * math.log(1 / 4) + 1 / 4 * math.log(2 / 4) + 1 / 4 * math.log(1 / 4))
    assert losses.colour_cross_entropy(estimate, clean).item() == pytest.approx(by_hand)


def test_colour_cross_entropy_is_least_at_the_clean_colour_whatever_the_brightness() -> None:
    clean = image(0.2, 0.5, 0.3)
    least = losses.colour_cross_entropy(clean, clean)
    assert torch.isclose(losses.colour_cross_entropy(clean + 0.3, clean), least)
    assert losses.colour_cross_entropy(image(0.3, 0.4, 0.3), clean) > least


def vgg(tmp_path: Path, **changes: torch.Tensor) -> Path:
    """Return a file with torchvision's layers and random weights, unused layers among them."""
    random = torch.Generator().manual_seed(0)
    weights = {"classifier.0.weight": torch.zeros(1)}
    for number, (inputs, outputs) in LAYERS.items():
        shape = (outputs, inputs, 3, 3)
        weights[f"features.{number}.weight"] = (
            torch.randn(shape, generator=random) / (9 * inputs) ** 0.5
        )
        weights[f"features.{number}.bias"] = torch.randn(outputs, generator=random)
    file = tmp_path / "vgg.safetensors"
    save_file(weights | changes, file)
    return file


def test_vgg_features_are_those_of_its_first_layers(tmp_path: Path) -> None:
    """Against the network built as its paper's table has it."""
    weights = load_file(vgg(tmp_path))
    layers: list[nn.Module] = []
    for number in LAYERS:
        conv = nn.Conv2d(*LAYERS[number], 3, padding=1)
        conv.load_state_dict({k: weights[f"features.{number}.{k}"] for k in ("weight", "bias")})
        layers += [conv, nn.ReLU()]
    reference = nn.Sequential(*layers[:4], nn.MaxPool2d(2), *layers[4:])
    image = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normal = (image - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)
    features = VggFeatures(tmp_path / "vgg.safetensors", torch.device("cpu"))(image)
    assert features.shape == (2, 128, 6, 8)
    with torch.no_grad():
        torch.testing.assert_close(features, reference(normal))


def test_a_file_that_holds_no_vgg_is_refused(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    with pytest.raises(UsageError, match="cannot be read"):
        VggFeatures(tmp_path / "absent", cpu)
    (tmp_path / "pickle.pth").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(UsageError, match="is no safetensors file"):
        VggFeatures(tmp_path / "pickle.pth", cpu)
    other = vgg(tmp_path, **{"features.7.weight": torch.zeros(1)})
    with pytest.raises(UsageError, match="its layers have other sizes"):
        VggFeatures(other, cpu)
    save_file({"features.0.weight": torch.zeros(1)}, other)
    with pytest.raises(UsageError, match=r"it lacks 'features\.0\.bias'"):
        VggFeatures(other, cpu)
