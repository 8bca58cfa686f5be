"""The base class of methods around a torch network."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torch._dynamo.testing import CompileCounter

from denoisebench.denoisers import TorchDenoiser
from denoisebench.denoisers.torch_denoiser import by_tiles, on_padded


class Recorder(nn.Module):
    """Network that changes nothing, and keeps what it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert not torch.is_grad_enabled()
        self.calls.append(inputs)
        return inputs[0] * self.weight


@dataclass(frozen=True)
class Recording(TorchDenoiser):
    """Method that keeps its network where a test finds it."""

    def network(self) -> nn.Module:
        recorders.append(Recorder())
        return recorders[-1]


recorders: list[Recorder] = []


def kind(**attributes: Any) -> type[TorchDenoiser]:
    return type("Kind", (Recording,), attributes)


def calls(method: TorchDenoiser, noisy: torch.Tensor, sigma: float = 0.1) -> list[Any]:
    """Denoise, and return the arguments of the network's calls."""
    recorders.clear()
    estimate = method.denoise(noisy, sigma)
    torch.testing.assert_close(estimate, noisy)
    return recorders[0].calls


def frame(channels: int = 3, height: int = 12, width: int = 20, count: int = 1) -> torch.Tensor:
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(0))


def test_the_network_is_built_once_and_its_result_has_no_gradient() -> None:
    recorders.clear()
    method = Recording()
    method.load("cpu")
    estimates = [method.denoise(frame(), 0.1) for _ in range(3)]
    assert len(recorders) == 1
    assert not any(estimate.requires_grad for estimate in estimates)


def test_a_blind_network_gets_the_frame_alone() -> None:
    assert [len(given) for given in calls(Recording(), frame(), math.nan)] == [1]


@pytest.mark.parametrize(("conditioning", "shape"), [("vector", (2,)), ("map", (2, 1, 12, 20))])
def test_sigma_is_a_second_argument(conditioning: str, shape: tuple[int, ...]) -> None:
    [[_, sigma]] = calls(kind(conditioning=conditioning)(), frame(count=2))
    torch.testing.assert_close(sigma, torch.full(shape, 0.1))


def test_sigma_is_a_last_channel() -> None:
    class Cut(Recording):
        conditioning = "channel"

        def call(self, network: nn.Module, image: torch.Tensor, sigma: torch.Tensor) -> Any:
            return super().call(network, image, sigma)[:, :3]

    [[given]] = calls(Cut(), frame())
    torch.testing.assert_close(given[:, :3], frame())
    assert (given[:, 3] == 0.1).all()


def test_frames_and_sigma_are_on_the_networks_scale() -> None:
    method = kind(conditioning="vector", black=-1.0)()
    [[given, sigma]] = calls(method, frame())
    torch.testing.assert_close(given, 2 * frame() - 1)
    torch.testing.assert_close(sigma, torch.tensor([0.2]))


@pytest.mark.parametrize(("black", "white"), [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
def test_estimated_noise_is_subtracted_in_every_range(black: float, white: float) -> None:
    noise = torch.full((1, 3, 12, 20), 0.25 * (white - black))
    method = kind(black=black, white=white, residual=True, call=lambda *_: noise)()
    torch.testing.assert_close(method.denoise(frame(), math.nan), frame() - 0.25)


def test_a_grey_frame_is_repeated_for_a_network_of_colour_and_told_stronger_noise() -> None:
    [[given, sigma]] = calls(kind(conditioning="vector")(), frame(channels=1))
    assert given.shape == (1, 3, 12, 20)
    assert sigma.item() == pytest.approx(0.1 * math.sqrt(3))


def test_a_colour_frames_channels_go_one_by_one_through_a_grey_network() -> None:
    [[given, sigma]] = calls(kind(conditioning="vector", channels=1)(), frame(count=2))
    assert given.shape == (6, 1, 12, 20)
    torch.testing.assert_close(sigma, torch.full((6,), 0.1))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_any_channels_gets_frames_as_they_are(channels: int) -> None:
    [[given]] = calls(kind(channels=None)(), frame(channels))
    assert given.shape[1] == channels


@pytest.mark.parametrize("sides", [(1, 1), (1, 9), (2, 30), (17, 16), (40, 7)])
def test_frames_of_any_size_are_padded_to_a_multiple(sides: tuple[int, int]) -> None:
    [[given]] = calls(kind(multiple=16)(), frame(3, *sides))
    height, width = given.shape[2:]
    assert height % 16 == width % 16 == 0
    assert height - sides[0] < 16
    assert width - sides[1] < 16


def test_padding_reflects() -> None:
    line = torch.tensor([[[[0.0, 1.0, 2.0, 3.0, 4.0]]]])
    seen: list[torch.Tensor] = []
    on_padded(lambda image: seen.append(image) or image, line, 12)
    assert seen[0][0, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]


def test_tiles_begin_on_the_networks_grid() -> None:
    """A network that means over blocks of 8 gives the same by tiles as whole."""

    class Blocks(TorchDenoiser):
        multiple = 8
        overlap = 3

        def network(self) -> nn.Module:
            return nn.Sequential(nn.AvgPool2d(8), nn.Upsample(scale_factor=8))

    image = frame(3, 70, 90)
    whole = Blocks().denoise(image, 0.1)
    torch.testing.assert_close(Blocks(tile=24).denoise(image, 0.1), whole)
    with pytest.raises(ValueError, match="tile is a positive multiple of 8"):
        Blocks(tile=20)


def test_tiles_bound_what_the_network_sees() -> None:
    seen: list[tuple[int, ...]] = []
    by_tiles(lambda part: seen.append(tuple(part.shape[2:])) or part, frame(3, 100, 60), 16, 4)
    assert len(seen) == 28
    assert max(map(max, seen)) == 24


class Conv(TorchDenoiser):
    """One convolution, which half precision applies to."""

    channels_last = True

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        return nn.Conv2d(3, 3, 3, padding=1)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_returns_float32(precision: Any) -> None:
    full, half = (Conv(precision=p).denoise(frame(), math.nan) for p in ("float32", precision))
    assert half.dtype == torch.float32
    assert 0 < (half - full).abs().max() < 0.05


def test_weights_are_stored_channels_last() -> None:
    method = Conv()
    method.load("cpu")
    [network] = method._loaded.values()
    assert network.weight.is_contiguous(memory_format=torch.channels_last)  # type: ignore[union-attr, operator]


def test_a_compiled_network_serves_frames_of_many_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, torch runs the eager network from the ninth shape on."""
    counter = CompileCounter()
    build = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net, **k: build(net, backend=counter, **k))
    method = Conv(compiled=True)
    for width in range(5, 17):
        method.denoise(frame(width=width), math.nan)
    assert counter.frame_count == 12


class Replayed(nn.Module):
    """Network that always writes to the same place, as a replayed CUDA graph does."""

    def __init__(self) -> None:
        super().__init__()
        self.place = torch.empty(0)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.place.resize_(image.shape).copy_(image)
        return self.place


def test_estimates_of_a_compiled_network_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda net, **_: net)
    noisy = frame(width=12)
    for kept in (
        kind(network=lambda _: Replayed())(compiled=True, self_ensemble=s) for s in (0, 1)
    ):
        estimates = [kept.denoise(noisy * factor, math.nan) for factor in (1.0, 0.5)]
        torch.testing.assert_close(estimates, [noisy, noisy * 0.5])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
@pytest.mark.parametrize("self_ensemble", [False, True])
def test_graphs_give_what_the_network_gives(self_ensemble: bool) -> None:
    frames = [frame(width=width).cuda() for width in (20, 24)] * 4
    eager, graph = (Conv(compiled=c, self_ensemble=self_ensemble) for c in (False, True))
    estimates = [graph.denoise(noisy, math.nan) for noisy in frames]
    torch.testing.assert_close(estimates, [eager.denoise(noisy, math.nan) for noisy in frames])


def test_the_network_is_chosen_for_each_frame() -> None:
    class Constants(TorchDenoiser):
        channels = None

        def networks(self) -> Any:
            return {c: lambda c=c: nn.Threshold(9.0, c / 10) for c in (1, 3)}

        def choice(self, channels: int, sigma: float) -> int:
            return channels

    for channels in (1, 3):
        assert (Constants().denoise(frame(channels), math.nan) == channels / 10).all()


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        (torch.zeros(1, 3, 6, 10), "returned shape (1, 3, 6, 10), not shape (1, 3, 12, 20)"),
        ((1, 2), "returned tuple, not shape (1, 3, 12, 20)"),
    ],
)
def test_a_network_that_returns_something_else_is_refused(output: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        kind(call=lambda *_: output)().denoise(frame(), 0.1)


def test_a_method_that_was_not_registered_for_tensors_says_so() -> None:
    with pytest.raises(TypeError, match='array="torch"'):
        Conv().denoise(frame().numpy(), 0.1)  # type: ignore[arg-type]


def test_the_class_is_had_without_torch() -> None:
    code = (
        "import sys\n"
        "from denoisebench.denoisers import TorchDenoiser\n"
        "print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "False", answer.stderr
