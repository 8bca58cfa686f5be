"""The networks against their equations: order, widths, shortcuts, resolutions, sizes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from denoisebench.denoisers.gan import recipe
from denoisebench.denoisers.gan.networks import (
    DcganDiscriminator,
    DcganGenerator,
    PatchCritic,
    ResidualCnn,
    ResidualLayer,
    UNet,
    build_critic,
    build_generator,
)

SIGMA = torch.tensor([25 / 255])


def seen(network: nn.Module, modules: list[nn.Module], *inputs: torch.Tensor) -> list[Any]:
    """Return the shapes (C, H, W) that modules get and return, in the order of their calls."""
    shapes: list[Any] = []
    for module in modules:
        module.register_forward_hook(
            lambda _, given, returned: shapes.append((given[0].shape[1:], returned.shape[1:]))
        )
    with torch.no_grad():
        network(*inputs)
    return [(tuple(given), tuple(returned)) for given, returned in shapes]


def test_the_generator_is_equation_11() -> None:
    network = UNet(width=64)
    assert seen(network, list(network.blocks), torch.rand(1, 3, 32, 48), SIGMA) == [
        ((3, 32, 48), (64, 32, 48)),
        ((64, 32, 48), (64, 32, 48)),
        ((64, 16, 24), (64, 16, 24)),  # pooled after block 2
        ((64, 16, 24), (64, 16, 24)),
        ((64, 8, 12), (32, 8, 12)),  # pooled after block 4
        ((32, 8, 12), (1, 8, 12)),
        ((1, 8, 12), (32, 8, 12)),
        ((32 + 64, 16, 24), (64, 16, 24)),  # upsampled, with block 4
        ((64, 16, 24), (64, 16, 24)),
        ((64 + 64, 32, 48), (64, 32, 48)),  # upsampled, with block 2
        ((64, 32, 48), (64, 32, 48)),
        ((64, 32, 48), (3, 32, 48)),
    ]


def test_the_encoder_has_convolutions_and_the_decoder_residual_layers() -> None:
    for number, block in enumerate(UNet().blocks, start=1):
        layer, norm, activation = block
        assert isinstance(layer, nn.Conv2d if number <= 6 else ResidualLayer)
        assert isinstance(norm, nn.BatchNorm2d)
        assert isinstance(activation, nn.LeakyReLU)


@pytest.mark.parametrize(("source", "target"), [(2, 10), (4, 8)])
def test_shortcuts_carry_what_their_source_returned(source: int, target: int) -> None:
    network = UNet(width=8)
    kept: dict[str, torch.Tensor] = {}
    network.blocks[source - 1].register_forward_hook(
        lambda _, given, returned: kept.update(left=returned)
    )
    network.blocks[target - 1].register_forward_hook(
        lambda _, given, returned: kept.update(entered=given[0])
    )
    network(torch.rand(1, 3, 16, 16), SIGMA)
    torch.testing.assert_close(kept["entered"][:, -8:], kept["left"])


def test_what_the_last_block_returns_is_subtracted() -> None:
    network, noisy = UNet(width=8), torch.rand(1, 3, 16, 16)
    noise: list[torch.Tensor] = []
    network.blocks[-1].register_forward_hook(lambda _, given, returned: noise.append(returned))
    torch.testing.assert_close(network(noisy, SIGMA), noisy - noise[0])


def test_a_residual_layer_adds_its_input() -> None:
    layer, x = ResidualLayer(4, 4), torch.rand(1, 4, 8, 8)
    nn.init.zeros_(layer.second.weight)
    nn.init.zeros_(layer.second.bias)
    torch.testing.assert_close(layer(x), x)


def test_the_sigma_map_conditions_the_generator() -> None:
    network, noisy = UNet(width=8, norm="none", sigma_map=True), torch.rand(2, 3, 16, 16)
    sigma = torch.tensor([0.05, 0.2])
    together = network(noisy, sigma)
    for i in range(2):
        torch.testing.assert_close(together[i : i + 1], network(noisy[i : i + 1], sigma[i : i + 1]))
    assert not torch.allclose(network(noisy[:1], sigma[:1]), network(noisy[:1], sigma[1:]))


def test_a_linear_output_has_no_norm_and_no_activation() -> None:
    network = UNet(width=8, norm="none", linear_output=True)
    assert isinstance(network.blocks[-1], ResidualLayer)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (3, 3), (6, 9), (17, 16)])
@pytest.mark.parametrize("make", [lambda: UNet(width=8), lambda: DcganGenerator(width=8)])
def test_any_size_is_padded_and_cropped_back(make: Any, size: tuple[int, int]) -> None:
    network = make().eval()
    assert network(torch.rand(1, 3, *size), SIGMA).shape == (1, 3, *size)


def test_padding_reflects() -> None:
    network = UNet(width=8).eval()
    image = torch.rand(1, 3, 14, 13)
    padded = nn.functional.pad(image, (0, 3, 0, 2), mode="reflect")
    expected = network(padded, SIGMA)[..., :14, :13]
    torch.testing.assert_close(network(image, SIGMA), expected)


def test_the_critic_is_equation_12() -> None:
    critic = PatchCritic(width=48)
    units = [*critic.features, *critic.head]
    assert seen(critic, units, torch.rand(2, 3, 32, 32)) == [
        ((3, 32, 32), (48, 16, 16)),
        ((48, 16, 16), (96, 8, 8)),
        ((96, 8, 8), (384, 4, 4)),
        ((384, 4, 4), (96, 4, 4)),
        ((96, 4, 4), (48, 4, 4)),
        ((48, 4, 4), (48, 4, 4)),
    ]
    norms = [type(unit[1]) for unit in units]
    assert norms == [nn.Identity] + [nn.BatchNorm2d] * 5
    activations = [type(unit[2]) for unit in units]
    assert activations == [nn.LeakyReLU] * 4 + [nn.ReLU] * 2


def test_the_critic_without_norm_scores_each_sample_by_itself() -> None:
    critic, images = PatchCritic(width=4, norm="none"), torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(critic(images)[:1], critic(images[:1]))
    batch = PatchCritic(width=4, norm="batch")
    assert not torch.allclose(batch(images)[:1], batch(images[:1]))


def test_the_critic_s_scores_are_negative_too_without_its_last_activation() -> None:
    images = torch.rand(4, 3, 32, 32)
    assert PatchCritic(width=4)(images).min() == 0
    assert PatchCritic(width=4, norm="none", final_activation=False)(images).min() < 0


def test_the_dcgan_follows_radford() -> None:
    layers = list(DcganGenerator(width=8).layers)
    kinds = {type(layer) for layer in layers}
    assert kinds == {nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Tanh}
    assert isinstance(layers[-1], nn.Tanh)
    assert not isinstance(layers[1], nn.BatchNorm2d)
    strides = [layer.stride[0] for layer in layers if hasattr(layer, "stride")]
    assert strides == [1, 2, 2, 2, 2, 1]


@pytest.mark.parametrize(
    ("network", "count"),
    [
        (UNet, 509_315),
        (DcganGenerator, 1_315_971),
        (ResidualCnn, 374_083),
        (PatchCritic, 1_061_904),
        (DcganDiscriminator, 1_556_113),
    ],
)
def test_docstrings_tell_the_number_of_parameters(network: type[nn.Module], count: int) -> None:
    assert sum(weight.numel() for weight in network().parameters()) == count
    assert f"{count:,}" in " ".join(str(network.__doc__).split())


def test_dncnn_begins_with_the_noisy_image() -> None:
    noisy = torch.rand(1, 3, 16, 16)
    assert torch.equal(build_generator(recipe.load("dncnn").generator)(noisy, SIGMA), noisy)


@pytest.mark.parametrize("name", recipe.names())
def test_every_shipped_recipe_builds(name: str) -> None:
    loaded = recipe.load(name)
    noisy = torch.rand(1, 3, 16, 16)
    assert build_generator(loaded.generator)(noisy, SIGMA).shape == noisy.shape
    if loaded.adversary:
        assert build_critic(loaded.adversary.critic)(torch.rand(1, 3, 64, 64)).ndim == 4
