"""The networks of the GAN denoisers; those that they are judged against are in `nets`.

Images are float32 (N, 3, H, W), clean values in [0, 1]. A generator is called with the noisy image
and sigma, (N,) on the same scale, and returns the denoised image; one that is not conditioned on
sigma ignores it. A critic, or discriminator, returns a map of scores, (N, C, h, w).

Equations are those of Gong, Liu & Lv 2020.
"""

# torch is not type-checked, hence its classes are of type Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.nn import functional

from denoisebench.denoisers.nets.dncnn import DnCNN
from denoisebench.denoisers.nets.ffdnet import FFDNet
from denoisebench.denoisers.nets.nafnet import NAFNet

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.denoisers.gan.recipe import CriticSpec, GeneratorSpec

SLOPE = 0.2  # of every leaky ReLU; Eq. 13 leaves it open, Radford et al. 2015 take this
POOLED_AFTER = (2, 4)
SHORTCUTS = {8: 4, 10: 2}  # the block that a shortcut enters, and the one that it leaves

Norm = Literal["none", "batch"]


def build_generator(spec: GeneratorSpec) -> nn.Module:
    """The generator that a recipe describes, with random weights.

    A plain stack of convolutions begins with a last layer of 0: what DnCNN subtracts from the image
    is nothing then, not a pattern ten times as strong as the noise.
    """
    network = generator_from(asdict(spec))
    if isinstance(network, DnCNN | FFDNet):
        nn.init.zeros_(network.model[-1].weight)
    return network


def generator_from(options: dict[str, Any]) -> nn.Module:
    """The same from a `GeneratorSpec` as a dictionary, as the header of a weights' file has it."""
    options = dict(options)
    kinds: dict[str, Callable[..., nn.Module]] = {
        "unet": UNet,
        "dcgan": DcganGenerator,
        "residual-cnn": ResidualCnn,
        "dncnn": partial(DnCNN, 3),
        "ffdnet": partial(FFDNet, 3),
        "nafnet": partial(NAFNet, 3),
    }
    return kinds[options.pop("kind")](**options)


def build_critic(spec: CriticSpec) -> nn.Module:
    """The critic or discriminator that a recipe describes, with random weights."""
    options = asdict(spec)
    kinds = {"patch": PatchCritic, "dcgan": DcganDiscriminator}
    return kinds[options.pop("kind")](**options)


class ResidualLayer(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is a 1×1 convolution where the width changes.

    He et al. 2016, without their normalisation: in Eq. 11 that follows the layer.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs)
        self.second = _conv(outputs, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = functional.leaky_relu(self.first(x), SLOPE)
        return self.shortcut(x) + self.second(inner)


class UNet(nn.Module):
    """The generator of Eq. 11: twelve blocks that estimate the noise, which is subtracted.

    ==========  =======================================  ==========
    blocks      layers                                   resolution
    ==========  =======================================  ==========
    1, 2        CBL(K) CBL(K), max pooling               1
    3, 4        CBL(K) CBL(K), max pooling               1/2
    5, 6, 7     CBL(K/2) CBL(1) RBL(K/2), upsampling     1/4
    8, 9        RBL(K) RBL(K), upsampling                1/2
    10, 11, 12  RBL(K) RBL(K) RBL(3)                     1
    ==========  =======================================  ==========

    Block 8 is also given what block 4 returned, block 10 what block 2 returned. A frame whose
    sides are no multiples of 4 is padded by reflection and cropped back. With the defaults it has
    509,315 parameters.

    Args:
        width: K, even; not printed.
        norm: of every block, ``batch`` in the paper.
        bottleneck: channels of block 6; 1 in the paper.
        sigma_map: condition on the noise level, by a fourth input channel that is sigma
            everywhere (Zhang et al. 2018, FFDNet). The paper's is not conditioned.
        linear_output: leave out the normalisation and activation of block 12, as the noise that
            it estimates has either sign. The paper has them.
    """

    def __init__(
        self,
        width: int = 64,
        norm: Norm = "batch",
        bottleneck: int = 1,
        sigma_map: bool = False,
        linear_output: bool = False,
    ) -> None:
        super().__init__()
        k, half, inputs = width, width // 2, 4 if sigma_map else 3
        encoder = [(inputs, k), (k, k), (k, k), (k, k), (k, half), (half, bottleneck)]
        decoder = [(bottleneck, half), (half + k, k), (k, k), (k + k, k), (k, k)]
        last = ResidualLayer(k, 3) if linear_output else _rbl(k, 3, norm)
        self.sigma_map = sigma_map
        self.blocks = nn.ModuleList(
            [_cbl(*widths, norm) for widths in encoder]
            + [_rbl(*widths, norm) for widths in decoder]
            + [last]
        )

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy - _on_padded(self._noise, _with_map(noisy, sigma, self.sigma_map), 4)

    def _noise(self, x: torch.Tensor) -> torch.Tensor:
        kept: dict[int, torch.Tensor] = {}
        for number, block in enumerate(self.blocks, start=1):
            if number in SHORTCUTS:
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
                x = torch.cat([x, kept[SHORTCUTS[number]]], dim=1)
            x = block(x)
            if number in POOLED_AFTER:
                kept[number] = x
                x = functional.max_pool2d(x, 2)
        return x


class DcganGenerator(nn.Module):
    """Native DCGAN: an encoder–decoder by the rules of Radford et al. 2015.

    Strided and fractionally strided convolutions in place of pooling and upsampling, batch
    normalisation but at the ends, ReLU, tanh at the output. What tanh bounds is the noise, which
    is subtracted: without shortcuts the network could not carry the image's detail itself. With
    the defaults it has 1,315,971 parameters.

    Args:
        width: channels at full resolution; 2 and 4 times as many at a half and a quarter.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        k = width
        self.layers = nn.Sequential(
            _conv(3, k),
            nn.ReLU(),
            *_normalised(_half(k, 2 * k)),
            *_normalised(_half(2 * k, 4 * k)),
            *_normalised(_double(4 * k, 2 * k)),
            *_normalised(_double(2 * k, k)),
            _conv(k, 3),
            nn.Tanh(),
        )

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy - _on_padded(self.layers, noisy, 4)


class ResidualCnn(nn.Module):
    """Plain convolutions at full resolution that estimate the noise (Divakar & Babu 2017).

    The shape is that of DnCNN (Zhang et al. 2017). With the defaults it has 374,083 parameters.

    Args:
        width: channels of every layer but the last.
        depth: number of convolutions, at least 2.
        norm: of every layer but the first and last.
    """

    def __init__(self, width: int = 64, depth: int = 12, norm: Norm = "batch") -> None:
        super().__init__()
        inner = [_cbl(width, width, norm) for _ in range(depth - 2)]
        self.layers = nn.Sequential(_cbl(3, width, "none"), *inner, _conv(width, 3))

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
        return noisy - self.layers(noisy)


class PatchCritic(nn.Module):
    """The critic of Eq. 12: six units, whose last map is the matrix of scores of Eq. 6–7.

    ``CL(K₂) CBL(2K₂) CBL(8K₂) | CBL(2K₂) CBR(K₂) CBR(K₂)``. Strides are not printed: units 1–3
    halve the resolution with 4×4 convolutions, as in DCGAN, units 4–6 keep it with 3×3. With the
    defaults it has 1,061,904 parameters.

    Args:
        width: K₂; not printed.
        norm: of units 2–6, ``batch`` in the paper, though it makes the gradient penalty
            ill-defined, as a score then depends on the batch's other samples.
        final_activation: end with normalisation and ReLU, as printed; else with a convolution.
    """

    def __init__(
        self, width: int = 48, norm: Norm = "batch", final_activation: bool = True
    ) -> None:
        super().__init__()
        k = width
        last = _cbr(k, k, norm) if final_activation else _conv(k, k)
        self.features = nn.Sequential(
            _unit(_half(3, k), "none"),
            _unit(_half(k, 2 * k), norm),
            _unit(_half(2 * k, 8 * k), norm),
        )
        self.head = nn.Sequential(_cbl(8 * k, 2 * k, norm), _cbr(2 * k, k, norm), last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image))


class DcganDiscriminator(nn.Module):
    """The discriminator of a DCGAN (Radford et al. 2015), which judges patches.

    Strided 4×4 convolutions, batch normalisation but at the ends, leaky ReLU. It returns logits:
    the sigmoid is in the loss (Eq. 3). With the defaults it has 1,556,113 parameters.

    Args:
        width: channels of the first layer; 2, 4 and 8 times as many follow.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        k = width
        self.features = nn.Sequential(
            _unit(_half(3, k), "none"),
            _unit(_half(k, 2 * k), "batch"),
            _unit(_half(2 * k, 4 * k), "batch"),
            _unit(_half(4 * k, 8 * k), "batch"),
        )
        self.head = _conv(8 * k, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image))


def _conv(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _half(inputs: int, outputs: int) -> nn.Module:
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)


def _double(inputs: int, outputs: int) -> nn.Module:
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


def _norm(kind: Norm, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if kind == "batch" else nn.Identity()


def _unit(conv: nn.Module, norm: Norm) -> nn.Module:
    return nn.Sequential(conv, _norm(norm, conv.out_channels), nn.LeakyReLU(SLOPE))


def _cbl(inputs: int, outputs: int, norm: Norm) -> nn.Module:
    return _unit(_conv(inputs, outputs), norm)


def _cbr(inputs: int, outputs: int, norm: Norm) -> nn.Module:
    return nn.Sequential(_conv(inputs, outputs), _norm(norm, outputs), nn.ReLU())


def _rbl(inputs: int, outputs: int, norm: Norm) -> nn.Module:
    layer = ResidualLayer(inputs, outputs)
    return nn.Sequential(layer, _norm(norm, outputs), nn.LeakyReLU(SLOPE))


def _normalised(conv: nn.Module) -> tuple[nn.Module, ...]:
    return conv, nn.BatchNorm2d(conv.out_channels), nn.ReLU()


def _with_map(noisy: torch.Tensor, sigma: torch.Tensor, wanted: bool) -> torch.Tensor:
    """The image, with a fourth channel that is sigma everywhere if it is wanted."""
    if not wanted:
        return noisy
    n, _, height, width = noisy.shape
    return torch.cat([noisy, sigma.view(n, 1, 1, 1).expand(n, 1, height, width)], dim=1)


def _on_padded(
    network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, multiple: int
) -> torch.Tensor:
    """Call a network that needs sides of a multiple, and crop what it returns to the image's."""
    height, width = image.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    # A side can be reflected only if it is longer than what is added to it.
    reflects = bottom < height and right < width
    mode = "reflect" if reflects else "replicate"
    padded = functional.pad(image, (0, right, 0, bottom), mode=mode)
    return network(padded)[..., :height, :width]
