"""The pytest plugin, as the author of a method uses it: a pytest of its own on a test file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from subprocess import CompletedProcess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench

METHOD = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("mine", title="Mine", family="local")
@dataclass(frozen=True)
class Mine:
    width: float = 1.0

    def denoise(self, noisy, sigma):
        import cv2
        return cv2.GaussianBlur(noisy, (0, 0), self.width * {width}).reshape(noisy.shape)
"""
TEST = """
def test_mine(denoisebench):
    result = denoisebench("mine", plugin="mine.py", dataset="folder:{photos}", sigma=50)
    assert result.psnr > 20
    assert 0 < result.ssim < 1
    assert result.shift is None or result.shift < 0.1
    result.not_worse_than("baseline")
"""


def run_pytest(folder: Path, *words: str) -> CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    # pytest-benchmark writes nothing where pytest-xdist says that this is one process of several.
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_XDIST")}
    return subprocess.run(
        command, cwd=folder, env=own, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def project(bench: Bench, photos: Path, tmp_path: Path) -> Path:
    """Return a method, its test, and the baseline that its author committed."""
    (tmp_path / "mine.py").write_text(METHOD.format(width=1))
    (tmp_path / "test_mine.py").write_text(TEST.format(photos=photos))
    words = ["--plugin", "mine.py", "--methods", "mine", "--dataset", f"folder:{photos}"]
    assert bench("run", *words, "--sigma", "50", "--out", "baseline").returncode == 0
    return tmp_path


def test_one_test_guards_the_score_and_hands_the_time_to_pytest_benchmark(project: Path) -> None:
    passed = run_pytest(project, "--benchmark-json=times.json")
    assert passed.returncode == 0, passed.stdout
    [timed] = json.loads((project / "times.json").read_text())["benchmarks"]
    assert timed["stats"]["median"] > 0
    assert timed["extra_info"]["psnr"] > 20

    (project / "mine.py").write_text(METHOD.format(width=1.3))
    failed = run_pytest(project, "--benchmark-disable")
    assert failed.returncode == 1
    assert re.search(r"mine is worse than in baseline: −\d\.\d+ dB", failed.stdout)


def test_without_pytest_benchmark_it_says_what_to_install(project: Path) -> None:
    failed = run_pytest(project, "-p", "no:benchmark")
    assert failed.returncode == 1
    assert "pip install pytest-benchmark" in failed.stdout


def test_pytest_starts_without_our_libraries() -> None:
    code = (
        "import sys, denoisebench.pytest_plugin\n"
        "print([m for m in ('numpy', 'torch', 'pandas', 'cv2') if m in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
