"""Pytest plugin for authors of methods: one test guards scores and time.

    def test_my_method(denoisebench):
        result = denoisebench("my-method", sigma=25)
        assert result.psnr > 29.5
        result.not_worse_than("tests/baseline")  # a run's folder, kept beside the tests

The time is pytest-benchmark's: ``pytest --benchmark-compare --benchmark-compare-fail=median:10%``
guards it. Nothing but pytest is imported before a test asks for the fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from denoisebench.trial import Trial


@pytest.fixture
def denoisebench(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Trial]:
    """Return a function that scores and times a method, to be called once in a test.

    ``denoisebench(method, *, dataset="stills", split="test", sigma=25, frames=2, plugin=None)``
    scores the method as ``bench run`` does, has pytest-benchmark time it on the first frame, and
    returns a `denoisebench.trial.Trial`. See `denoisebench.trial.run_trial` for the arguments;
    ``plugin`` is a Python file with the method. A test may call it once, since pytest-benchmark
    times one function in a test.
    """
    if not request.config.pluginmanager.has_plugin("benchmark"):
        pytest.fail("the fixture denoisebench needs pytest-benchmark: pip install pytest-benchmark")
    benchmark = request.getfixturevalue("benchmark")

    def run(method: str, *, plugin: str | Path | None = None, **choices: Any) -> Trial:
        """Score and time the method; keep its scores in pytest-benchmark's file."""
        from denoisebench.trial import run_trial

        plugins = () if plugin is None else (Path(plugin),)
        found = run_trial(method, tmp_path / "run", benchmark, plugins=plugins, **choices)
        benchmark.extra_info.update(method=method, psnr=found.psnr, ssim=found.ssim)
        return found

    return run
