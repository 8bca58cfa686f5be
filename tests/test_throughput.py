"""Batches of frames: how their size is found, what bounds it, and what a run shows of them."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import torch

from denoisebench.machine.energy import energy_counter
from denoisebench.machine.throughput import Alone, BatchRules, find_throughput
from denoisebench.machine.timing import TimingRules

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

FRAME = torch.rand(1, 3, 10, 20, generator=torch.Generator().manual_seed(0))
FREE = BatchRules(math.inf, seconds=2.0)


class Device:
    """Device whose calls take a fixed time, and more for each frame beyond those it has room for.

    It is the clock of its own calls, and counts the millijoules that they take.
    """

    def __init__(self, room: int, memory: int = 1000) -> None:
        self.room, self.memory = room, memory
        self.sizes: list[int] = []
        self.used_mj = 0

    def denoise(self, frames: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(frames))
        if len(frames) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.used_mj += 4000
        return frames / 2

    def time(self, call: Callable[[], Any]) -> tuple[Any, int, None]:
        output = call()
        return output, self.ns(self.sizes[-1]), None

    def ns(self, size: int) -> int:
        return 1_000_000 * max(self.room, size)

    def search(self, rules: BatchRules = FREE, peak: int | None = 0, **more: Any) -> Any:
        alone = Alone(FRAME, FRAME / 2, [self.ns(1)] * 3, peak)
        return find_throughput(self.denoise, alone, self, TimingRules(), rules, **more)


def test_the_batch_grows_as_long_as_more_pixels_come_out() -> None:
    device = Device(room=8)
    found = device.search()
    assert (found.batch, found.pixels, found.problem) == (8, 200, "")
    assert set(found.ns) == {8_000_000}
    assert found.megapixels_per_second == pytest.approx(200 * 8 / 8e-3 / 1e6)
    assert max(device.sizes) == 16  # no faster than 8, so nothing larger is tried


def test_a_device_that_a_frame_fills_takes_one() -> None:
    found = Device(room=1).search()
    assert (found.batch, found.ns) == (1, (1_000_000,) * 3)


def test_memory_and_time_bound_the_batch() -> None:
    full = Device(room=64, memory=20)
    assert full.search().batch == 16  # the device refuses 32
    bounded = Device(room=64)
    assert bounded.search(BatchRules(memory=5e6, seconds=2.0), peak=1_000_000).batch == 4
    assert max(bounded.sizes) == 4
    blind = Device(room=64)
    assert blind.search(BatchRules(memory=5e6, seconds=2.0), peak=None).batch == 1
    short = Device(room=64)
    assert short.search(BatchRules(math.inf, seconds=0.1)).batch == 1
    assert not short.sizes


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda frames: frames[:1] / 2, r"ValueError: returned shape \(1, 3, 10, 20\)"),
        (lambda frames: frames.flip(0).cumsum(0) / 2, "another estimate in a batch than alone"),
        (lambda frames: frames * math.nan, "another estimate in a batch than alone"),
        (lambda frames: frames.view(1, 3, 10, 20), "RuntimeError: shape"),
    ],
)
def test_batches_that_are_not_denoised_like_the_frame_are_told_of(
    wrong: Callable[[torch.Tensor], torch.Tensor], reason: str
) -> None:
    alone = Alone(FRAME, FRAME / 2, [5], 0)
    found = find_throughput(wrong, alone, Device(room=8), TimingRules(), FREE)
    assert (found.batch, found.ns) == (1, (5,))
    with pytest.raises(ValueError, match=rf"^batches of 2 frames fail: .*{reason}"):
        raise ValueError(found.problem)


def test_energy_is_counted_on_the_best_batch() -> None:
    device = Device(room=8)
    found = device.search(counter=lambda: device.used_mj)
    assert found.joules == pytest.approx(4.0)
    assert found.joules_per_megapixel == pytest.approx(4.0 / (8 * 200 / 1e6))


def test_energy_that_cannot_be_counted_costs_its_figure_alone() -> None:
    def lost() -> int:
        raise OSError("the driver is gone")

    found = Device(room=8).search(counter=lost)
    assert (found.batch, found.joules) == (8, None)
    slow = Device(room=64)
    found = slow.search(BatchRules(math.inf, seconds=0.01), counter=lambda: slow.used_mj)
    assert found.joules is None
    assert not slow.sizes  # a call longer than is risked is not repeated


def test_the_counter_is_that_of_the_card_that_torch_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(uuid: str) -> str:
        assert uuid == "GPU-1-2"
        return "card"

    library = SimpleNamespace(
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=handle,
        nvmlDeviceGetTotalEnergyConsumption=lambda card: {"card": 1234}[card],
    )
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid="1-2")
    )
    monkeypatch.setitem(__import__("sys").modules, "pynvml", library)
    count = energy_counter()
    assert count is not None
    assert count() == 1234
    library.nvmlInit = lambda: 1 / 0
    assert energy_counter() is None


NETWORKS = """
import torch

class Mean(torch.nn.Module):
    def forward(self, image):
        return torch.nn.functional.avg_pool2d(image, 3, 1, 1, count_include_pad=False)

class Mixing(Mean):
    def forward(self, image):  # as a network does that normalises over the batch
        return super().forward(image - image.mean() * len(image))
"""


def test_a_run_shows_the_throughput_of_networks(bench: Bench, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    data = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--frames", "2"]
    networks = ["--torch", "nets.py:Mean", "--torch", "nets.py:Mixing[name=mixing]"]
    rows = ["--methods", "median,nets,mixing", "--throughput", "--out", "out"]
    result = bench(*data, *networks, *rows)
    assert result.returncode == 0, result.stderr
    assert "CPU MP/s" in result.stdout
    assert "MP/s: megapixels a second in batches of frames, of the fastest size." in result.stdout
    assert "batches of 2 frames fail: ValueError: a frame has another estimate" in result.stdout
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    assert (table.status == "ok").all()
    assert table.mp_per_s.notna().tolist() == table.batch.notna().tolist()
    assert table.batch["nets"] >= 1
    assert table.batch["mixing"] == 1
    assert table.batch.isna()["median"]
    assert table.j_per_mp.isna().all()
    again = bench("report", "out", "--format", "md,json,html", "--out", "report")
    assert again.returncode == 0, again.stderr
    assert "Batch, frames" in (tmp_path / "report" / "report.html").read_text()
    assert "--throughput" in (tmp_path / "out" / "manifest.json").read_text()


def test_without_a_gpu_batches_are_timed_on_request_alone(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "nets.py").write_text(NETWORKS)
    data = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--frames", "1"]
    result = bench(*data, "--torch", "nets.py:Mean", "--methods", "nets", "--out", "out")
    assert result.returncode == 0, result.stderr
    assert "MP/s" not in result.stdout
