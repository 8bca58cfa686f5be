"""Training: it learns, repeats itself, survives a kill, stops at nonsense, and runs in parallel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.utils._python_dispatch import TorchDispatchMode

from denoisebench.denoisers.gan import checkpoint, recipe, training
from denoisebench.denoisers.gan.data import Crops, random_key
from denoisebench.denoisers.gan.log import CsvLog, read_log
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from denoisebench.denoisers.gan.recipe import Recipe
    from denoisebench.denoisers.gan.training import Report, Trainer

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("one_torch_thread")


def tiny(name: str = "best", **schedule: Any) -> Recipe:
    """Return a shipped recipe with networks and batches that take milliseconds."""
    shipped = recipe.load(name)
    generator = replace(shipped.generator, width=8)
    adversary = shipped.adversary
    if adversary is not None:
        adversary = replace(adversary, critic=replace(adversary.critic, width=4))
    schedule = {"learning_rate": 0.003, "validate_every": 4, "mixed_precision": False} | schedule
    return replace(
        shipped,
        generator=generator,
        adversary=adversary,
        data=replace(shipped.data, batch=4, patch=16),
        schedule=replace(shipped.schedule, **schedule),
    )


def frames() -> list[np.ndarray]:
    """Smooth pictures of two sizes, of which one is grey."""
    rows, columns = np.mgrid[0:48, 0:40]
    red, green = 127 + 100 * np.sin(rows / 9), 127 + 90 * np.cos(columns / 7)
    colour = np.stack([red, green, (red + green) / 2], axis=-1).astype(np.uint8)
    return [colour, np.ascontiguousarray(colour[:32, :, :1])]


def make(recipe: Recipe, seed: int = 0) -> Trainer:
    return training.Trainer(recipe, Crops(frames(), recipe.data, 25, CPU), seed)


def psnr(network: Any, sigma: float = 25) -> float:
    clean = torch.from_numpy(frames()[0]).permute(2, 0, 1)[None] / 255
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        estimate = network(clean + sigma / 255 * noise, torch.tensor([sigma / 255]))
    return -10 * float((estimate.clamp(0, 1) - clean).square().mean().log10())


def run(trainer: Trainer, path: Path, iterations: int, **options: Any) -> list[Report]:
    reports: list[Report] = []
    training.train_network(
        trainer,
        iterations=iterations,
        path=path,
        validate=lambda network: {25.0: psnr(network)},
        noisy_psnr={25.0: psnr(lambda noisy, _: noisy)},
        tell=reports.append,
        **options,
    )
    return reports


def assert_equal(first: Trainer, second: Trainer) -> None:
    """To the bit: weights, averages, critics."""
    pairs = [(first.generator, second.generator), (first.averaged, second.averaged)]
    if first.adversary and second.adversary:
        pairs.append((first.adversary.critic, second.adversary.critic))
    for one, other in pairs:
        weights = other.state_dict()
        for name, value in one.state_dict().items():
            assert torch.equal(value, weights[name]), name


def test_a_tiny_recipe_learns(tmp_path: Path) -> None:
    trainer = make(tiny(validate_every=300, learning_rate=0.01))
    reports = run(trainer, tmp_path / "c.pt", 300)
    noisy = psnr(lambda noisy, _: noisy)
    assert reports[-1].psnr[25.0] > noisy + 3
    assert reports[-1].psnr[25.0] == psnr(trainer.averaged)
    wanted = {"pixel", "adversarial", "critic", "penalty", "wasserstein", "gradient_norm"}
    assert set(reports[-1].terms) == wanted
    assert reports[0].terms["pixel"] > reports[-1].terms["pixel"]
    assert reports[-1].learning_rate < reports[0].learning_rate / 100  # the cosine


@pytest.mark.parametrize("name", recipe.names())
def test_every_recipe_takes_steps(name: str, tmp_path: Path) -> None:
    trainer = make(tiny(name))
    before = [weight.clone() for weight in trainer.generator.parameters()]
    [report] = run(trainer, tmp_path / "c.pt", 1)
    assert all(np.isfinite(value) for value in report.terms.values())
    after = trainer.generator.parameters()
    assert any(not torch.equal(b, a) for b, a in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("name", "rate", "gain"), [("dncnn", 0.003, 0.5), ("ffdnet", 0.003, 0.8), ("nafnet", 0.01, 2)]
)
def test_those_that_the_gan_is_judged_against_learn(
    name: str, rate: float, gain: float, tmp_path: Path
) -> None:
    trainer = make(tiny(name, validate_every=30, learning_rate=rate))
    scores = [r.psnr[25.0] for r in run(trainer, tmp_path / "c.pt", 240) if r.psnr]
    assert scores[-1] > scores[0] + gain


def test_clipped_weights_are_small(tmp_path: Path) -> None:
    trainer = make(tiny("wgan-clip"))
    run(trainer, tmp_path / "c.pt", 1)
    assert trainer.adversary is not None
    assert max(float(w.abs().max()) for w in trainer.adversary.critic.parameters()) <= 0.0101


def test_the_generator_s_step_leaves_the_critic_alone(tmp_path: Path) -> None:
    trainer = make(tiny())
    assert trainer.adversary is not None
    run(trainer, tmp_path / "c.pt", 1)
    clean = torch.rand(2, 3, 16, 16)
    before = [weight.clone() for weight in trainer.adversary.critic.parameters()]
    estimate = clean.clone().requires_grad_()
    trainer.adversary.judge(estimate, clean)[0].backward()
    assert estimate.grad is not None
    assert float(estimate.grad.abs().sum()) > 0
    after = trainer.adversary.critic.parameters()
    assert all(torch.equal(b, a) for b, a in zip(before, after, strict=True))


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    first, second, other = make(tiny()), make(tiny()), make(tiny(), seed=1)
    for trainer in (first, second, other):
        run(trainer, tmp_path / "c.pt", 6)
    assert_equal(first, second)
    with pytest.raises(AssertionError):
        assert_equal(first, other)


@pytest.mark.parametrize("name", ["best", "paper"])
def test_a_stopped_training_goes_on_to_the_same_bits(name: str, tmp_path: Path) -> None:
    whole, first, second = (make(tiny(name)) for _ in range(3))
    run(whole, tmp_path / "whole.pt", 9)
    run(first, tmp_path / "c.pt", 9, stop=lambda: first.iteration == 5)
    assert first.iteration == 5
    second.load(tmp_path / "c.pt")
    run(second, tmp_path / "c.pt", 9)
    assert_equal(whole, second)


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from test_gan_training import make, run, tiny
trainer = make(tiny())
step = trainer.step
def slow(progress):
    print(trainer.iteration, flush=True)
    time.sleep(0.05)
    return step(progress)
trainer.step = slow
run(trainer, Path(sys.argv[1]), 20)
"""


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    words = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 10:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    whole, rest = make(tiny()), make(tiny())
    run(whole, tmp_path / "whole.pt", 20)
    rest.load(path)
    assert 0 < rest.iteration <= 10
    run(rest, path, 20)
    assert_equal(whole, rest)


def test_nonsense_stops_the_training_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    trainer, path = make(tiny(validate_every=2)), tmp_path / "c.pt"
    run(trainer, path, 2)
    good = path.read_bytes()
    with torch.no_grad():
        next(trainer.generator.parameters())[:] = torch.nan
    with pytest.raises(training.FailedTrainingError, match=r"diverged: the term .* is nan"):
        run(trainer, path, 9)
    assert path.read_bytes() == good


def test_time_ends_a_training_and_its_decay(tmp_path: Path) -> None:
    trainer = make(tiny(validate_every=10_000))
    begin = time.monotonic()
    [*_, last] = run(trainer, tmp_path / "c.pt", 10_000, minutes=1 / 60)
    assert 1 <= time.monotonic() - begin < 10
    assert 0 < trainer.iteration < 10_000
    assert last.psnr
    assert last.learning_rate < 0.003 / 2  # by the iterations alone it would hardly have fallen


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    run(make(tiny()), path, 1)
    with pytest.raises(UsageError, match=r"another training \(other seed\); choose another --out"):
        make(tiny(), seed=1).load(path)
    with pytest.raises(UsageError, match="other recipe"):
        make(tiny(learning_rate=0.1)).load(path)


def test_a_damaged_checkpoint_and_a_pickle_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    path.write_bytes(b"rubbish")
    with pytest.raises(UsageError, match="no checkpoint, or damaged; pass --fresh"):
        make(tiny()).load(path)
    torch.save({"call": os.system}, path)
    with pytest.raises(UsageError, match="no checkpoint"):
        make(tiny()).load(path)


@pytest.mark.parametrize("change", [None, "rubbish", [], {}])
def test_a_checkpoint_that_lacks_an_entry_is_refused(tmp_path: Path, change: object) -> None:
    path = tmp_path / "c.pt"
    run(make(tiny()), path, 1)
    whole = checkpoint.load_state(path, CPU)
    for key in ("identity", "iteration", "seconds", "generator", "averaged", "optimiser"):
        rest = {name: value for name, value in whole.items() if name != key}
        checkpoint.save_state(path, rest if change is None else rest | {key: change})
        with pytest.raises(UsageError, match=r"(damaged|another training).*pass --fresh"):
            make(tiny()).load(path)


def test_a_failed_save_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    checkpoint.save_state(path, {"iteration": 1})
    with pytest.raises(AttributeError):
        checkpoint.save_state(path, {"iteration": lambda: None})
    assert checkpoint.load_state(path, CPU) == {"iteration": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.pt"]


def test_weights_are_safetensors_that_tell_what_they_are(tmp_path: Path) -> None:
    trainer = make(tiny())
    checkpoint.save_weights(tmp_path / "w.safetensors", trainer.averaged, {"made": "here"})
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert file.metadata() == {"made": "here"}
        for name, value in trainer.averaged.state_dict().items():
            assert torch.equal(file.get_tensor(name), value)


def test_mixed_precision_learns_alike(tmp_path: Path) -> None:
    plain, mixed = make(tiny("paper")), make(tiny("paper"))
    mixed.precision = torch.bfloat16
    reports = [run(trainer, tmp_path / "c.pt", 1)[0] for trainer in (plain, mixed)]
    assert reports[0].terms["pixel"] == pytest.approx(reports[1].terms["pixel"], rel=0.02)
    assert reports[0].terms["pixel"] != reports[1].terms["pixel"]
    assert reports[0].terms["penalty"] == pytest.approx(reports[1].terms["penalty"], rel=0.1)


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"amx_tile": True}, torch.bfloat16),
        ({"amx_tile": False}, torch.float32),
        ({}, torch.float32),  # of a processor that is no x86
    ],
)
def test_a_cpu_computes_in_16_bit_where_it_has_amx_tiles(
    capabilities: dict[str, bool], precision: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities, raising=False)
    assert make(tiny(mixed_precision=True)).precision is precision
    assert make(tiny()).precision is torch.float32


def test_the_average_lags_behind_and_without_one_it_is_the_weights(tmp_path: Path) -> None:
    for average, same in ((0.0, True), (0.9, False)):
        trainer = make(tiny(average=average))
        run(trainer, tmp_path / "c.pt", 3)
        pairs = zip(trainer.averaged.parameters(), trainer.generator.parameters(), strict=True)
        assert all(torch.equal(mean, weight) for mean, weight in pairs) is same


class Waits(TorchDispatchMode):
    """Watch for operations that wait for the device, or whose result has a size that it decides."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero", "unique")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.number = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function._schema.name.removeprefix("aten::")
        self.number += 1
        if name in self.FORBIDDEN:
            self.seen.append(name)
        return function(*args, **kwargs or {})


@pytest.mark.parametrize("name", recipe.names())
def test_the_device_s_part_of_a_step_waits_for_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make(tiny(name))
    trainer.step(0)
    monkeypatch.setattr(
        "torch.optim.Adam.step", lambda self: None
    )  # on a CPU it counts on the host
    trainer._prepare(0)
    with Waits() as watched:
        trainer._compute()
    assert watched.number > 100
    assert watched.seen == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device here")
@pytest.mark.parametrize("name", ["paper", "best", "dcgan", "wgan-clip", "unet-mse", "nafnet"])
def test_a_recorded_step_does_what_the_eager_one_does(name: str, tmp_path: Path) -> None:
    """Compare the two over a few steps, in which nothing but the order of sums may differ."""
    device = torch.device("cuda")
    crops = Crops(frames(), tiny(name).data, 25, device)
    eager, captured = (
        training.Trainer(tiny(name), crops, 0, captured=captured) for captured in (False, True)
    )
    for step in range(8):  # the first three are not recorded
        terms = [trainer.step(step / 8) for trainer in (eager, captured)]
        for term, value in terms[0].items():
            torch.testing.assert_close(terms[1][term], value, rtol=1e-2, atol=1e-4)
    for one, other in zip(eager.averaged.parameters(), captured.averaged.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-2, atol=1e-3)
    captured.save(tmp_path / "c.pt")
    resumed = training.Trainer(tiny(name), crops, 0, captured=True)
    resumed.load(tmp_path / "c.pt")
    for step in range(8, 14):
        terms = [trainer.step(step / 14) for trainer in (eager, resumed)]
    torch.testing.assert_close(terms[1]["pixel"], terms[0]["pixel"], rtol=0.05, atol=1e-4)


PARALLEL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
torch.set_num_threads(1)
from denoisebench.denoisers.gan import parallel
from denoisebench.denoisers.gan.data import random_key
from test_gan_training import CPU, make, run, tiny
with parallel.joined(CPU):
    trainer = make(tiny("paper"))
    key = random_key(0, 0, parallel.rank(), 0)
    drawn = trainer.crops.draw(torch.Generator().manual_seed(key)).clean.sum()
    reports = run(trainer, Path(sys.argv[1]) / "c.pt", 3)
    torch.save([drawn, len(reports), trainer._state()], f"{sys.argv[1]}/{parallel.rank()}.pt")
"""


def test_two_processes_stay_equal(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    script = tmp_path / "script.py"
    script.write_text(PARALLEL)
    words += [str(script), str(tmp_path), str(Path(__file__).parent)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(words, check=True, capture_output=True, timeout=100, env=environment)
    results = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    (drawn, told, lead), (drawn_too, told_too, other) = results
    assert drawn != drawn_too
    assert told > 0
    assert told_too == 0
    assert lead["identity"]["number of processes"] == 2
    assert lead["iteration"] == other["iteration"] == 3
    for one, two in ((lead, other), (lead["adversary"], other["adversary"])):
        for part in {"generator", "averaged", "critic"} & set(one):
            for name, value in one[part].items():
                learned = part != "critic" or "running" not in name  # a critic never uses these
                assert not learned or torch.equal(value, two[part][name]), name


def crops(sigma: float = 25, **data: Any) -> Crops:
    spec = replace(recipe.load("best").data, **{"batch": 64, "patch": 16} | data)
    return Crops(frames(), spec, sigma, CPU)


def source(seed: int, *place: int) -> torch.Generator:
    return torch.Generator().manual_seed(random_key(seed, *place))


def test_a_draw_is_a_function_of_its_place() -> None:
    draws = [crops().draw(source(0, *place)).noisy for place in [(1, 2), (1, 2), (2, 1)]]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_crops_are_pieces_of_the_frames() -> None:
    batch = crops(symmetries=False).draw(source(0))
    windows = set()
    for frame in frames():
        rgb = np.broadcast_to(frame, (*frame.shape[:2], 3))
        for top in range(frame.shape[0] - 15):
            for left in range(frame.shape[1] - 15):
                windows.add(rgb[top : top + 16, left : left + 16].tobytes())
    for crop in (batch.clean * 255).round().byte().permute(0, 2, 3, 1).numpy():
        assert np.ascontiguousarray(crop).tobytes() in windows


def test_symmetries_are_all_eight() -> None:
    frame = np.arange(16 * 16 * 3, dtype=np.uint32).reshape(16, 16, 3).astype(np.uint8)
    spec = replace(recipe.load("best").data, batch=200, patch=16)
    clean = Crops([frame], spec, 25, CPU).draw(source(0)).clean
    turned = [np.rot90(side, k) for side in (frame, frame[:, ::-1]) for k in range(4)]
    wanted = {np.ascontiguousarray(image).tobytes() for image in turned}
    pixels = (clean * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert {np.ascontiguousarray(image).tobytes() for image in pixels} == wanted


def test_noise_has_the_sigma_that_it_says() -> None:
    constant = crops(sigma=50, sigma_range=None).draw(source(0))
    assert torch.allclose(constant.sigma, torch.tensor(50 / 255))
    ranged = crops(sigma_range=(0.0, 55.0)).draw(source(0))
    assert 0 <= ranged.sigma.min() < 10 / 255 < 45 / 255 < ranged.sigma.max() <= 55 / 255
    for batch in (constant, ranged):
        measured = (batch.noisy - batch.clean).flatten(1).std(1)
        assert torch.allclose(measured, batch.sigma, rtol=0.15, atol=1e-4)


def test_a_frame_smaller_than_a_crop_is_refused() -> None:
    with pytest.raises(UsageError, match="a side of 32 pixels, shorter than the recipe's crops"):
        crops(patch=40)


def test_the_log_goes_on_where_the_checkpoint_is(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    report = training.Report(1, 0.5, 10.0, 0.1, {"pixel": 0.25}, {25.0: 30.0})
    log = CsvLog(path, (25.0,), 0)
    for iteration in (1, 2, 3):
        log(replace(report, iteration=iteration))
    with path.open("a") as file:
        file.write("1,0.5,1")  # a full disk cut it short
    log = CsvLog(path, (25.0,), 2)
    log(replace(report, iteration=3, psnr={}))
    rows = read_log(path)
    assert [row["iteration"] for row in rows] == [1, 2, 3]
    assert rows[0]["psnr_25"] == 30
    assert "psnr_25" not in rows[2]
    assert path.read_text().count("iteration") == 1


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("width = 64", "widht = 64", "generator: unknown key 'widht'; did you mean width?"),
        ("width = 64\n", "", "generator.width is missing"),
        ("width = 64", "width = 63", "generator: width is even and at least 2"),
        ("width = 64", "width = 64.0", "generator.width is of type int, not 64.0"),
        ('norm = "none"', 'norm = "layer"', "generator.norm is one of none, batch, not 'layer'"),
        ('kind = "unet"', 'kind = "resnet"', "generator.kind is one of unet, dcgan, residual-cnn"),
        ("penalty = 10.0\n", "", "adversary: penalty is for wgan-gp, and wgan-gp needs it"),
        ("betas = [0.0, 0.9]", "betas = [0.9]", "adversary.betas is a list of 2 numbers"),
        ("sigma_range = [0, 55]\n", "", "generator.sigma_map needs data.sigma_range"),
        ("[0, 55]", "[55, 0]", "data: sigma_range is two rising numbers from 0 to 255"),
        ("average = 0.999", "average = 1.0", "schedule: average is at least 0 and below 1"),
        ("adversarial = 0.00005", "adversarial = 0.0", "if and only if there is an adversary"),
        ("[generator]", "[generator", "not valid TOML"),
    ],
)
def test_a_bad_recipe_is_told_in_one_line(old: str, new: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    text = (recipe.SHIPPED / "best.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        recipe.load(str(path))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_recipes_and_files() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'papper'; did you mean paper"):
        recipe.load("papper")
    with pytest.raises(UsageError, match=r"recipe nowhere\.toml: cannot be read"):
        recipe.load("nowhere.toml")


def test_the_digest_is_of_the_content_alone(tmp_path: Path) -> None:
    text = (recipe.SHIPPED / "best.toml").read_text()
    digests = []
    for number, changed in enumerate(
        [text, "# a note\n" + text.replace('title = "', 'title = "My '), text.replace("96", "64")]
    ):
        path = tmp_path / f"{number}.toml"
        path.write_text(changed)
        digests.append(recipe.load(str(path)).digest)
    assert digests[0] == recipe.load("best").digest == digests[1] != digests[2]


def test_vgg_takes_the_place_of_the_critics_features(tmp_path: Path) -> None:
    class Blue(torch.nn.Module):  # type: ignore[misc]
        digest = "blue"

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[:, 2:]

    plain, other = make(tiny("paper")), make(tiny("paper"))
    other.vgg = Blue()  # type: ignore[assignment]
    [mine], [its] = run(other, tmp_path / "a.pt", 1), run(plain, tmp_path / "b.pt", 1)
    assert mine.terms["feature"] < mine.terms["pixel"]  # a third of the pixels' squares
    assert mine.terms["pixel"] == its.terms["pixel"]
    assert mine.terms["feature"] != its.terms["feature"]
    with pytest.raises(UsageError, match="other feature network"):
        plain.load(tmp_path / "a.pt")
