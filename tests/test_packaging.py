"""What the build ships, and what the command line does not import."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = {"bench": "denoisebench", "denoisers": "denoisebench.denoisers"}
FOLDERS["datasets"] = "denoisebench.datasets"
HEAVY = ("torch", "pandas", "skimage", "scipy", "cv2", "bm3d", "matplotlib", "tifffile")


def test_every_package_folder_is_shipped() -> None:
    found = {
        ".".join([FOLDERS[folder.parts[0]], *folder.parts[1:]])
        for top in FOLDERS
        for init in (ROOT / top).rglob("__init__.py")
        for folder in [init.parent.relative_to(ROOT)]
    }
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


def test_torch_is_bounded_above() -> None:
    for dependencies in (PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]["test"]):
        [torch] = [d for d in dependencies if d.startswith("torch")]
        assert torch.endswith("<=2.13.0")


@pytest.mark.parametrize("words", [["--help"], ["list"], ["run", "--help"], ["data", "list"]])
def test_nothing_heavy_is_imported_to_answer_a_question(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from denoisebench.cli import main\n"
        f"main({words!r}, standalone_mode=False)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip().splitlines()[-1] == "[]"
