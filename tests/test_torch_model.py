"""Networks of the user's: classes of Python files, with checkpoints."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import denoisebench as db
from denoisebench.denoisers import registry, torch_model
from denoisebench.denoisers.torch_model import load_models, read_model
from denoisebench.errors import UsageError
from denoisebench.running.plan import RunOptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Bench

HELPER = """
from torch import nn

def conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)
"""
NET = """
import torch
from torch import nn

from layers import conv


class MyNet(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.first = conv(3, width)
        self.last = conv(width, 3)

    def forward(self, noisy):
        return noisy - self.last(torch.relu(self.first(noisy)))


class Told(MyNet):
    def forward(self, noisy, sigma):
        return (1 - sigma) * noisy


class Slow(MyNet):
    def __init__(self):
        import time
        time.sleep(60)


def ending():
    import os
    os._exit(7)


def failing():
    raise RuntimeError("no luck")


def number():
    return 3
"""


@pytest.fixture(autouse=True)
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_cards", dict(registry.cards()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a network, the module that it imports, and its weights."""
    (tmp_path / "layers.py").write_text(HELPER)
    (tmp_path / "my_net.py").write_text(NET)
    torch.manual_seed(0)
    torch.save(read_model(f"{tmp_path}/my_net.py:MyNet").build().state_dict(), tmp_path / "my.pth")
    return tmp_path


def test_a_network_of_the_users_runs_in_two_lines(bench: Bench, photos: Path, folder: Path) -> None:
    words = ["--torch", "my_net.py:MyNet", "--checkpoint", "my.pth", "--methods", "noisy,my_net"]
    words += ["--dataset", f"folder:{photos}", "--sigma", "25", "--out", "out"]
    result = bench("run", *words)
    assert result.returncode == 0, result.stderr
    assert "MyNet (my.pth)" in result.stdout
    assert "my_net.py with my.pth" in result.stdout
    assert "--torch my_net.py:MyNet --checkpoint my.pth" in result.stdout
    assert "6 measured before" in bench("run", *words).stderr
    table = pd.read_csv(folder / "out" / "table1.csv").set_index("method")
    assert table.psnr_mean["my_net"] > 10


def test_photographs_are_denoised_by_a_network_of_the_users(
    ask: Bench, photos: Path, folder: Path
) -> None:
    photo, own = photos / "photo0.png", ("--torch", f"{folder}/my_net.py:Told[conditioning=map]")
    result = ask("denoise", photo, *own, "--sigma", "51", "--out", folder / "one")
    assert result.returncode == 0, result.stderr
    before, after = (
        np.asarray(Image.open(at), float) for at in (photo, folder / "one" / photo.name)
    )
    assert np.abs(after - 0.8 * before).max() <= 1  # Told scales by 1 - sigma / 255
    [done] = db.denoise(photo, sigma=51, torch=own[1], out=folder / "two", quiet=True)
    assert done.method == "my_net"
    assert done.target.read_bytes() == (folder / "one" / photo.name).read_bytes()
    another = (*own, "--torch", f"{folder}/my_net.py:MyNet[name=other]")
    refused = ask("denoise", photo, *another, "--out", folder / "three")
    assert refused.returncode == 2
    assert "name one by --method my_net|other" in refused.stderr


def test_the_convention_of_a_network_of_the_users_is_found(
    ask: Bench, photos: Path, folder: Path
) -> None:
    own = ("--torch", f"{folder}/my_net.py:Told[conditioning=map]")
    data = ("--dataset", f"folder:{photos}", "--frames", "1", "--sigma", "25")
    result = ask("conventions", "my_net", *own, *data)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[2].startswith("| protocol ")


def test_a_network_joins_a_run_from_python(folder: Path, photos: Path) -> None:
    run = db.run(
        "my_net",
        photos,
        25,
        torch=f"{folder}/my_net.py:Told(width=2)[conditioning=map, channels=1]",
        out=folder / "out",
        frames=1,
        quiet=True,
    )
    assert run.failures().empty
    assert list(run.table().method) == ["my_net"]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build networks in this process alone, without the seconds that another one takes."""
    monkeypatch.setattr(torch_model, "_rehearse", lambda model, seconds: model.build())


def identity(expression: str, checkpoint: Path | None = None) -> tuple[Any, ...]:
    """Return what the keys of a network's results are made of."""
    load_models([expression], [checkpoint] if checkpoint else [])
    [method] = registry.select(["my_net"])
    return method.source, method.trained, tuple(method.parameters.items())


@pytest.mark.usefixtures("here")
def test_all_that_decides_the_result_is_in_its_identity(folder: Path) -> None:
    net, weights = f"{folder}/my_net.py", folder / "my.pth"
    known = {identity(f"{net}:MyNet", weights)}

    def is_new(*request: Any) -> bool:
        found = identity(*request)
        fresh = found not in known
        known.add(found)
        return fresh

    assert not is_new(f"{net}:MyNet", weights)
    assert is_new(f"{net}:MyNet")
    assert is_new(f"{net}:MyNet(width=5)")
    assert is_new(f"{net}:MyNet[residual=True]")
    assert is_new(f"{net}:Told[conditioning=vector]")
    (folder / "layers.py").write_text(HELPER + "\n# changed\n")
    assert is_new(f"{net}:MyNet", weights)
    torch.save({n: v + 1 for n, v in torch.load(weights).items()}, weights)
    assert is_new(f"{net}:MyNet", weights)
    (folder / "my_net.py").write_text(NET + "\n# changed\n")
    assert is_new(f"{net}:MyNet", weights)


@pytest.mark.usefixtures("here")
def test_attributes_and_arguments_reach_the_network(folder: Path) -> None:
    load_models([f"{folder}/my_net.py:MyNet(width=6)[multiple=60, white=255, name=mine]"])
    [method] = registry.select(["mine"])
    denoiser: Any = method.build()
    assert denoiser.network().first.out_channels == 6
    assert (denoiser.multiple, denoiser.white, denoiser.conditioning) == (60, 255, "blind")
    assert denoiser.denoise(torch.rand(1, 3, 20, 30), 0.1).shape == (1, 3, 20, 30)
    assert method.card.blind


@pytest.mark.usefixtures("here")
def test_models_are_those_of_the_last_request_alone(folder: Path) -> None:
    net = f"{folder}/my_net.py"
    load_models([f"{net}:MyNet[name=a]", f"{net}:MyNet[name=b]"])
    assert {"a", "b"} <= registry.cards().keys()
    load_models([f"{net}:MyNet[name=b]"])
    assert "a" not in registry.cards()
    load_models([])
    assert "b" not in registry.cards()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("my_net.py", "cannot read it; write FILE.py:CLASS"),
        ("absent.py:MyNet", "no such file: absent.py"),
        ("my_net.py:Mynet", "unknown network 'Mynet'; did you mean MyNet?"),
        ("my_net.py:MyNet(5)", "cannot read the arguments"),
        ("my_net.py:MyNet(width=open)", "cannot read the arguments"),
        ("my_net.py:MyNet(depth=5)", "MyNet takes other arguments: "),
        ("my_net.py:MyNet[sigma=map]", "unknown parameter 'sigma'"),
        ("my_net.py:MyNet[conditioning=maps]", "conditioning is one of blind, channel, map"),
        ("my_net.py:MyNet[multiple=0]", "multiple is at least 1"),
        ("my_net.py:MyNet[black=1]", "white and black are two values"),
        ("my_net.py:MyNet[conditioning=map]", "takes (noisy), but would get (image, sigma)"),
        ("my_net.py:Told", "takes (noisy, sigma), but would get (image): say how it gets sigma"),
        ("my_net.py:number", "number makes no torch.nn.Module"),
        ("my_net.py:MyNet[name=bm3d]", "give a name: --torch 'my_net.py:MyNet[name=mine]'"),
    ],
)
def test_a_wrong_expression_is_refused_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, expression: str, complaint: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(UsageError) as caught:
        load_models([expression])
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "my_net" not in registry.cards()


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        ("ending", "my_net.py:ending: building it ends the process (7)"),
        ("failing", "my_net.py:failing: RuntimeError: no luck"),
    ],
)
def test_a_network_that_cannot_be_built_ends_the_request(
    folder: Path, network: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=re.escape(complaint)):
        load_models([f"{folder}/my_net.py:{network}"])
    assert "my_net" not in registry.cards()


def test_a_network_that_takes_too_long_to_build_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="building it takes longer than 1 s"):
        load_models([f"{folder}/my_net.py:Slow"], seconds=1)


def test_checkpoints_belong_to_networks_one_by_one(folder: Path) -> None:
    with pytest.raises(UsageError, match="--checkpoint: 1 for 2 of --torch"):
        load_models(["a.py:A", "b.py:B"], [folder / "my.pth"])


def test_the_command_says_what_is_wrong(bench: Bench, folder: Path) -> None:
    result = bench("run", "--torch", "my_net.py:MyNet(width=7)", "--checkpoint", "my.pth")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert line == (
        "bench: --torch my_net.py:MyNet: my.pth does not fit MyNet: its tensor first.weight has "
        "shape (4, 3, 3, 3), not (7, 3, 3, 3)"
    )


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"params": {n: v + 9 for n, v in state.items()}, "params_ema": state},
        lambda state: {"model": {f"module.{n}": v for n, v in state.items()}},
        lambda state: {"state_dict": {f"model.module.{n}": v for n, v in state.items()}},
        lambda state: {"model": state, "optimizer": {"state": {0: {"step": torch.ones(1)}}}},
    ],
)
def test_common_wrappings_are_taken_off(folder: Path, wrapped: Any) -> None:
    state = torch.load(folder / "my.pth")
    torch.save(wrapped(state), folder / "wrapped.pt")
    network = read_model(f"{folder}/my_net.py:MyNet", folder / "wrapped.pt").build()
    assert all(torch.equal(value, state[n]) for n, value in network.state_dict().items())


def test_safetensors_are_read(folder: Path) -> None:
    state = torch.load(folder / "my.pth")
    save_file(state, folder / "my.safetensors")
    network = read_model(f"{folder}/my_net.py:MyNet", folder / "my.safetensors").build()
    assert all(torch.equal(value, state[n]) for n, value in network.state_dict().items())


class Hostile:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("hostile"),)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "w.pth is damaged, or holds more than weights"),
        (pickle.dumps(Hostile(), protocol=2), "w.pth is damaged, or holds more than weights"),
        ({"epoch": 3}, "w.pth holds no weights"),
        ({"first.bias": torch.full((4,), float("nan"))}, "first.bias holds values that are nan"),
        ({"first.bias": torch.ones(4)}, "w.pth does not fit MyNet: it lacks the tensor first.wei"),
    ],
)
def test_a_file_of_other_weights_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: Any, complaint: str
) -> None:
    monkeypatch.chdir(folder)
    if isinstance(content, bytes):
        Path("w.pth").write_bytes(content)
    else:
        torch.save(content, "w.pth")
    with pytest.raises(UsageError, match=complaint):
        read_model("my_net.py:MyNet", Path("w.pth")).build()
    assert not Path("hostile").exists()


def test_the_command_repeats_the_request() -> None:
    options = RunOptions(torch=("a.py:A(b=1)", "c.py:C"), checkpoints=(Path("a"), Path("c")))
    assert options.command == (
        "bench run --methods all --torch 'a.py:A(b=1)' --torch c.py:C --checkpoint a --checkpoint c"
    )


PLUGIN = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("{name}", title="X", family="local")
@dataclass(frozen=True)
class X:
    def denoise(self, noisy, sigma):
        from helper import FACTOR
        return FACTOR * noisy
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[list[Path]]:
    """Give plugin files in two folders, each with a module of the same name beside it."""
    paths = []
    for name, factor in (("one", 1.0), ("two", 2.0)):
        (tmp_path / name).mkdir()
        paths.append(tmp_path / name / f"{name}.py")
        paths[-1].write_text(PLUGIN.format(name=name))
        (tmp_path / name / "helper.py").write_text(f"FACTOR = {factor}\n")
    yield paths
    registry.load_files([])


def test_plugins_import_the_modules_beside_them(photos: Path, plugins: list[Path]) -> None:
    run = db.run("noisy,one,two", photos, 25, plugins=plugins, out=plugins[0].parent, quiet=True)
    psnr = run.table().set_index("method").psnr_mean
    assert psnr["one"] == psnr["noisy"]
    assert psnr["two"] < psnr["noisy"] - 3


def test_a_module_beside_a_plugin_is_part_of_its_identity(plugins: list[Path]) -> None:
    def digest() -> str | None:
        registry.load_files(plugins)
        return registry.source_digest(registry.cards()["one"])

    before = digest()
    (plugins[1].parent / "helper.py").write_text("FACTOR = 3.0\n")
    assert digest() == before
    (plugins[0].parent / "helper.py").write_text("FACTOR = 3.0\n")
    assert digest() != before
    assert torch_model.model_behind(registry.select(["one"])[0]) is None
