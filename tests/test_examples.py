"""The examples in docstrings and in the guides run, and what should have one has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from pathlib import Path

import pytest
from test_house import MODULES

ROOT = Path(__file__).parents[1]
GUIDES = ("python.md", "methods.md")
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
WITH_EXAMPLES = [name for name, path in MODULES.items() if ">>>" in path.read_text("utf-8")]
SHOWN = ("denoisers.registry", "datasets.catalogue", "protocol.rules", "protocol.pixels")
SHOWN += ("protocol.noise", "protocol.observation", "protocol.estimation", "metrics.registry")
SHOWN += (
    "metrics.psnr_ssim",
    "metrics.psnr_y",
    "metrics.ms_ssim",
    "metrics.flip",
    "metrics.lpips",
    "library",
)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    found = doctest.testmod(module, extraglobs={"folder": tmp_path / "run"}, optionflags=FLAGS)
    assert found.attempted > 0
    assert found.failed == 0


@pytest.mark.parametrize("name", SHOWN)
def test_every_public_function_shows_its_use(name: str) -> None:
    module = importlib.import_module(f"denoisebench.{name}")
    public = {
        key: value
        for key, value in vars(module).items()
        if not key.startswith("_")
        and inspect.isfunction(inspect.unwrap(value))
        and value.__module__ == module.__name__
    }
    # It takes the options of the command line.
    public.pop("run_sets", None)
    assert [key for key, value in public.items() if ">>>" not in (value.__doc__ or "")] == []


@pytest.mark.parametrize("name", GUIDES)
def test_the_examples_of_a_guide_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    guide = ROOT / "docs" / name
    blocks = re.findall(r"```python\n(.*?)```", guide.read_text(encoding="utf-8"), re.DOTALL)
    examples = "\n".join(block for block in blocks if ">>>" in block)
    test = doctest.DocTestParser().get_doctest(examples, {}, guide.name, str(guide), 0)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    runner.run(test)
    assert runner.summarize(verbose=False).failed == 0
    assert len(test.examples) > 5
