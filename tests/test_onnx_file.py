"""ONNX: files that are written, checked, and denoised by."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import torch
from torch import nn

from denoisebench.denoisers import TorchDenoiser, registry
from denoisebench.denoisers.onnx_file import OnnxNetwork, export_onnx
from denoisebench.denoisers.torch_model import read_model
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

onnx = pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")


class Net(nn.Module):
    """Convolutions at half the resolution; it takes images of even sides."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, 4, 2, stride=2)
        self.up = nn.ConvTranspose2d(4, channels, 2, stride=2)

    def forward(self, image: torch.Tensor, sigma: torch.Tensor | None = None) -> torch.Tensor:
        if sigma is not None:
            image = image * (1 + sigma.reshape(image.shape[0], 1, *sigma.shape[2:] or (1, 1)))
        return self.up(torch.relu(self.down(image)))


@dataclass(frozen=True)
class Example(TorchDenoiser):
    multiple = 2
    overlap = 2

    def network(self) -> nn.Module:
        torch.manual_seed(0)
        channels = self.channels or 3
        return Net(channels + (self.conditioning == "channel"), channels)


def kind(**attributes: Any) -> TorchDenoiser:
    return type("Kind", (Example,), attributes)()  # type: ignore[no-any-return]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("conditioning", ["blind", "channel", "map", "vector"])
@pytest.mark.parametrize(
    "scale", [{}, {"black": -1.0}, {"white": 255.0, "residual": True}], ids=str
)
def test_a_file_denoises_as_its_method(
    tmp_path: Path, channels: int, conditioning: str, scale: dict[str, Any]
) -> None:
    method = kind(channels=channels, conditioning=conditioning, **scale)
    blind = conditioning == "blind"
    sigma = float("nan") if blind else 0.1
    made = export_onnx(method, tmp_path / "m.onnx", sigma, channels, 17)
    assert list(made.inputs) == ["noisy"] if blind else ["noisy", "sigma"]
    assert made.difference < 1e-4
    network = OnnxNetwork((tmp_path / "m.onnx").read_bytes())
    assert network.use == {
        "channels": channels,
        "conditioning": "blind" if blind else "vector",
        "multiple": 2,
        "overlap": 2,
    }
    frames = torch.rand(3, channels, 18, 22)
    expected = method.denoise(frames, sigma)
    estimate = network(frames, *([] if blind else [torch.full((3,), sigma)]))
    torch.testing.assert_close(estimate, expected, rtol=0, atol=1e-4)


class Fixed(nn.Module):
    """Network that remembers the height of the first image that it sees."""

    height: int | None = None

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        self.height = self.height or int(image.shape[2])
        return image * self.height


def test_a_file_that_computes_something_else_is_not_left(tmp_path: Path) -> None:
    class Remembers(TorchDenoiser):
        def network(self) -> nn.Module:
            return Fixed()

        def forward(self, network: Any, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            network.height = None
            return super().forward(network, image, sigma)

    (tmp_path / "m.onnx").write_text("as it was")
    with pytest.raises(UsageError, match=r"differs from torch by .* on a frame \(1, 3, 74, 37\)"):
        export_onnx(Remembers(), tmp_path / "m.onnx", float("nan"), 3, 17)
    assert (tmp_path / "m.onnx").read_text() == "as it was"
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (lambda image: image.reshape(len(image), 3, *image.shape[2:]), "refuses a frame (1, "),
        (lambda image: torch.ones(len(image), 1, 1, 1) * image, "returns shape (2, 3, 74, 38)"),
    ],
)
def test_a_network_for_one_size_of_batch_is_refused(
    tmp_path: Path, given: Any, complaint: str
) -> None:
    method = kind(call=lambda self, network, image, sigma: given(image))
    with pytest.raises(UsageError, match=re.escape(complaint)):
        export_onnx(method, tmp_path / "m.onnx", float("nan"), 3, 17)


def test_a_network_that_onnx_cannot_express_is_refused_in_one_line(tmp_path: Path) -> None:
    class Spectral(TorchDenoiser):
        def network(self) -> nn.Module:
            return nn.Identity()

        def call(self, network: Any, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(image)

    with pytest.raises(UsageError, match="it cannot be exported: ") as caught:
        export_onnx(Spectral(), tmp_path / "m.onnx", float("nan"), 3, 17)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_files_threads_are_those_that_torch_has(tmp_path: Path) -> None:
    export_onnx(kind(), tmp_path / "m.onnx", float("nan"), 3, 17)
    session = OnnxNetwork((tmp_path / "m.onnx").read_bytes())._session
    assert session.get_session_options().intra_op_num_threads == torch.get_num_threads()


def test_the_use_of_a_strangers_file_is_told_by_its_inputs(tmp_path: Path) -> None:
    class Pair(nn.Module):
        def forward(self, image: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
            return image * sigma

    image = torch.rand(1, 1, 8, 8)
    torch.onnx.export(Pair(), (image, image), tmp_path / "pair.onnx", dynamo=False)
    use = OnnxNetwork((tmp_path / "pair.onnx").read_bytes()).use
    assert use == {"channels": 1, "conditioning": "map"}
    four = torch.rand(1, 4, 8, 8)
    torch.onnx.export(nn.Conv2d(4, 3, 1), (four,), tmp_path / "four.onnx", dynamo=False)
    use = OnnxNetwork((tmp_path / "four.onnx").read_bytes()).use
    assert use == {"channels": 3, "conditioning": "channel"}


@pytest.mark.parametrize(
    ("network", "given", "complaint"),
    [
        (nn.Linear(4, 3), torch.rand(2, 4), r"takes \[\[2, 4\]\], not images"),
        (nn.ReLU(), torch.rand(1, 3, 8, 8).double(), "takes other than float32"),
    ],
)
def test_a_file_of_another_kind_is_refused(
    tmp_path: Path, network: nn.Module, given: torch.Tensor, complaint: str
) -> None:
    torch.onnx.export(network, (given,), tmp_path / "m.onnx", dynamo=False)
    with pytest.raises(UsageError, match=complaint):
        read_model(str(tmp_path / "m.onnx"))


def test_a_damaged_file_or_a_checkpoint_beside_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"m.onnx: is no ONNX file"):
        read_model(str(tmp_path / "m.onnx"))
    with pytest.raises(UsageError, match="leave out --checkpoint"):
        read_model(str(tmp_path / "m.onnx"), tmp_path / "m.onnx")


def test_the_command_writes_a_file_that_runs_beside_the_method(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    result = bench("export-onnx", "unet-mse")
    assert result.returncode == 0, result.stderr
    assert "MB, opset 17; inputs noisy (batch, 3," in result.stdout
    words = ["--torch", "unet-mse-25.onnx", "--methods", "unet-mse,unet-mse-25", "--frames", "1"]
    result = bench("run", *words, "--dataset", f"folder:{photos}", "--sigma", "25", "--out", "out")
    assert result.returncode == 0, result.stderr
    psnr = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method").psnr_mean
    assert psnr["unet-mse"] == pytest.approx(psnr["unet-mse-25"], abs=1e-3)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["median"], "median is no method around a torch network"),
        (["unet-mse", "--sigma", "100"], "unet-mse: trained for sigma 15, 25, 50, not for 100"),
        (["all"], "all names "),
        (["unet-mes"], "unknown method 'unet-mes'"),
        (["unet-mse", "--opset", "99"], "unet-mse: it cannot be exported: "),
        (["unet-mse", "--out", "absent/m.onnx"], "absent"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(
    ask: Bench, tmp_path: Path, words: list[str], complaint: str
) -> None:
    result = ask("export-onnx", *words)
    assert result.returncode == 2
    assert complaint in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_onnx_file_takes_no_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from denoisebench.denoisers import torch_model

    monkeypatch.setattr(registry, "_cards", dict(registry.cards()))
    export_onnx(kind(), tmp_path / "mine.onnx", float("nan"), 3, 17)
    torch_model.load_models([str(tmp_path / "mine.onnx")])
    with pytest.raises(UsageError, match="an ONNX file has a precision of its own"):
        registry.select(["mine[precision=bfloat16]"])
