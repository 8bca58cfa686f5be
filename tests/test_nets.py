"""The field's networks: shapes, numbers of parameters, and what their estimates depend on."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch

from denoisebench.denoisers.nets import windows
from denoisebench.denoisers.nets.dncnn import DnCNN, FDnCNN
from denoisebench.denoisers.nets.drunet import DRUNet
from denoisebench.denoisers.nets.ffdnet import FFDNet
from denoisebench.denoisers.nets.ircnn import IRCNN
from denoisebench.denoisers.nets.layers import conv_stack, fold_batch_norm, parameter_count
from denoisebench.denoisers.nets.nafnet import NAFNet
from denoisebench.denoisers.nets.restormer import Restormer
from denoisebench.denoisers.nets.scunet import SCUNet
from denoisebench.denoisers.nets.swinir import SwinIR

SMALL: dict[str, Any] = {
    "DnCNN": lambda c: DnCNN(c, 8, 5),
    "FDnCNN": lambda c: FDnCNN(c, 8, 5),
    "FFDNet": lambda c: FFDNet(c, 8, 4),
    "IRCNN": lambda c: IRCNN(c, 8, 25),
    "DRUNet": lambda c: DRUNet(c, (4, 4, 8, 8), 1),
    "SCUNet": lambda c: SCUNet(c, 64, 2),
    "SwinIR": lambda c: SwinIR(c, 12, 2, 2, 2),
    "Restormer": lambda c: Restormer(c, 8, (1, 1, 1, 1), refinement=1),
    "NAFNet": lambda c: NAFNet(c, 4, (1, 1), 1, (1, 1)),
    "NAFNet told sigma": lambda c: NAFNet(c, 4, (1, 1), 1, (1, 1), sigma_map=True),
}
TOLD = {"FDnCNN", "FFDNet", "IRCNN", "DRUNet", "NAFNet told sigma"}


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(0)


def varied(network: torch.nn.Module) -> torch.nn.Module:
    """Give a network no zeros: scales that begin with 0 would hide what lies behind them."""
    for parameter in network.parameters():
        parameter.data += 0.03 * torch.randn_like(parameter)
    return network.eval().requires_grad_(False)


def convs(*widths: int, bias: bool = True, size: int = 3) -> int:
    """Count the parameters of convolutions from each width to the next."""
    pairs = pairwise(widths)
    return sum(size * size * a * b + bias * b for a, b in pairs)


# Printed in the papers or their repositories, in millions where they are rounded.
@pytest.mark.parametrize(
    ("network", "printed"),
    [
        (lambda: DnCNN(1, depth=17), convs(1, *[64] * 16, 1)),
        (lambda: DnCNN(1, depth=20), convs(1, *[64] * 19, 1)),
        (lambda: DnCNN(3, depth=20), convs(3, *[64] * 19, 3)),
        (lambda: FDnCNN(1), convs(2, *[64] * 19, 1)),
        (lambda: FFDNet(1), convs(5, *[64] * 14, 4)),
        (lambda: FFDNet(3, 96, 12), convs(13, *[96] * 11, 12)),
        (lambda: IRCNN(1)[0], convs(1, *[64] * 6, 1)),
        (lambda: IRCNN(3), 25 * convs(3, *[64] * 6, 3)),
        (lambda: DRUNet(3), 32.64e6),  # Zhang et al. 2021, Sec. III
        (lambda: SCUNet(3), 17.95e6),  # Zhang et al. 2023, comparison of complexity
        (lambda: SwinIR(3), 11.5e6),  # Liang et al. 2021, colour denoising
        (lambda: Restormer(3), 26.11e6),  # the authors' files, without biases
        (lambda: NAFNet(3), 115.98e6),  # the authors' table for SIDD, width 64
        (lambda: NAFNet(3, 32), 29.16e6),  # the same, width 32
    ],
)
def test_parameters_are_as_many_as_printed(network: Any, printed: float) -> None:
    with torch.device("meta"):
        count = parameter_count(network())
    assert count == pytest.approx(printed, abs=0 if isinstance(printed, int) else 0.002 * printed)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", SMALL)
def test_frames_of_any_size_give_estimates_of_that_size(name: str, channels: int) -> None:
    network = varied(SMALL[name](channels))
    for shape in [(1, 1), (2, 7), (33, 18)]:
        images = torch.rand(2, channels, *shape)
        estimate = network(images, torch.tensor([0.1, 0.2]))
        assert estimate.shape == images.shape
        assert estimate.isfinite().all()


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_its_images_each_with_its_own_sigma(name: str) -> None:
    network = varied(SMALL[name](3))
    images, sigma = torch.rand(2, 3, 16, 24), torch.tensor([0.05, 0.19])
    together = network(images, sigma)
    apart = [network(images[i : i + 1], sigma[i : i + 1]) for i in range(2)]
    assert (together - torch.cat(apart)).abs().max() < 1e-5 * together.abs().max()


@pytest.mark.parametrize("name", SMALL)
def test_sigma_matters_to_the_networks_that_are_told_it_alone(name: str) -> None:
    network = varied(SMALL[name](1))
    image = torch.rand(1, 1, 16, 16)
    one, other = (network(image, torch.tensor([sigma])) for sigma in (0.05, 0.19))
    assert torch.equal(one, other) == (name not in TOLD)


def reach(network: torch.nn.Module, side: int) -> int:
    """Return how far from the middle a pixel can lie that the middle of the estimate depends on."""
    image = torch.rand(1, 1, side, side, requires_grad=True)
    middle = side // 2
    network(image, torch.tensor([0.1]))[0, 0, middle, middle].backward()
    assert image.grad is not None
    rows = image.grad[0, 0].abs().sum(1).nonzero().flatten()
    return int(max(middle - rows.min(), rows.max() - middle))


@pytest.mark.parametrize(
    ("network", "least", "most"),
    [
        (DnCNN(1, 8, 17), 17, 17),  # 35×35 in the paper
        (DnCNN(1, 8, 20), 20, 20),
        (FFDNet(1, 8, 15), 30, 31),  # 62×62 in the paper
        (IRCNN(1, 8, 1), 16, 16),  # 33×33 in the paper
        (DRUNet(1, (4, 4, 4, 4), 4), 180, 192),  # the overlap of its tiles
    ],
)
def test_estimates_depend_on_as_many_pixels_as_printed(
    network: torch.nn.Module, least: int, most: int
) -> None:
    for name, parameter in network.named_parameters():
        if name.endswith("weight"):
            parameter.data.abs_()  # no ReLU then cuts off what reaches it
    assert least <= reach(network, 401 if most > 31 else 81) <= most


def test_attention_joins_no_opposite_borders() -> None:
    """Check the mask: the cyclic shift brings the far side beside the near one."""
    network = varied(SMALL["SwinIR"](1))
    image = torch.rand(1, 1, 16, 128)
    changed = image.clone()
    changed[..., -1] += 1
    before, after = (network(one, torch.tensor([0.1])) for one in (image, changed))
    assert torch.equal(before[..., 0], after[..., 0])
    assert not torch.equal(before[..., -1], after[..., -1])


def test_a_window_attends_like_plain_attention() -> None:
    qkv, bias = torch.randn(1, 3, 16, 24), torch.randn(2, 16, 16)
    got = windows.attend(qkv, 2, bias)
    for window in range(3):
        for head in range(2):
            q, k, v = (qkv[0, window, :, 8 * i + 4 * head : 8 * i + 4 * head + 4] for i in range(3))
            expected = (q @ k.T / 2 + bias[head]).softmax(1) @ v
            assert torch.allclose(got[0, window, :, 4 * head : 4 * head + 4], expected, atol=1e-5)


def test_folding_keeps_the_function_of_a_trained_stack() -> None:
    stack = conv_stack(3, 3, 8, 6, batch_norm=True)
    images = torch.rand(4, 3, 16, 16)
    for _ in range(3):
        stack(images)  # moves the running statistics
    plain = fold_batch_norm(stack)
    assert torch.allclose(plain(images), stack.eval()(images), atol=1e-5)
    names = [name for name, _ in plain.named_parameters()]
    assert names == [name for name, _ in conv_stack(3, 3, 8, 6).named_parameters()]


def test_ircnn_takes_the_network_of_the_next_sigma() -> None:
    networks = IRCNN(1, 4)
    assert [networks.level(float(torch.tensor(s / 255))) for s in (0.5, 2, 3, 26, 50, 75)] == [
        *(0, 0, 1, 12, 24, 24)
    ]


def test_ircnn_is_the_stack_of_dilated_convolutions_that_the_paper_draws() -> None:
    network = IRCNN(3, 8, 1).eval().requires_grad_(False)
    weights = network.state_dict()
    noisy = image = torch.rand(1, 3, 40, 40)
    for number, dilation in enumerate((1, 2, 3, 4, 3, 2, 1)):
        kernel, bias = (weights[f"0.model.{2 * number}.{part}"] for part in ("weight", "bias"))
        image = torch.conv2d(image, kernel, bias, padding=dilation, dilation=dilation)
        image = image.relu() if number < 6 else image
    assert torch.allclose(network(noisy, torch.tensor([0.1])), noisy - image, atol=1e-6)
