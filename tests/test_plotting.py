"""Figures are drawn whatever backend the variable MPLBACKEND asks for."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from made_up import make_run

if TYPE_CHECKING:
    from pathlib import Path

REPORT = "import denoisebench as db; db.report('run', 'html,md')"
HISTORY = "from denoisebench.cli import main; main(['history', 'run', '--svg', 'psnr.svg'])"
PICTURES = """
import numpy as np
from denoisebench.denoisers.gan.pictures import curves, strip
assert curves([{"iteration": 1, "psnr_25": 30.0}], "$ title").startswith(b"\\x89PNG")
assert strip({"$x_1": np.zeros((8, 8, 3), np.uint8)}).startswith(b"\\x89PNG")
"""
SHEET = """
from pathlib import Path
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.datasets.contact_sheet import contact_sheet
contact_sheet(open_dataset("stills").frames("test")[:1], Path("sheet.png"), "stills")
"""


@pytest.mark.parametrize(
    ("code", "backend"),
    [
        *((code, "module://nowhere.backend_inline") for code in (REPORT, HISTORY, PICTURES, SHEET)),
        *((PICTURES, backend) for backend in ("nonsense", "")),
    ],
)
def test_no_figure_needs_the_backend_of_a_notebook(code: str, backend: str, tmp_path: Path) -> None:
    make_run(tmp_path / "run")
    result = python(code, tmp_path, backend)
    assert (result.returncode, result.stderr.count("Traceback")) == (0, 0), result.stderr


def test_a_backend_that_is_here_is_kept_for_the_notebook(tmp_path: Path) -> None:
    code = """
from denoisebench.plotting import load_matplotlib
load_matplotlib()
import os, matplotlib
assert os.environ["MPLBACKEND"] == "pdf"
assert matplotlib.get_backend() == "pdf"
"""
    assert python(code, tmp_path, "pdf").returncode == 0


def python(code: str, folder: Path, backend: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"MPLBACKEND": backend},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
