"""What the documents say works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from denoisebench.datasets import Published, catalogue

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]


def test_the_method_that_contributing_adds_works_as_it_says(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [source] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "box.py").write_text(source)
    [command] = re.findall(r"^bench run --plugin box.py .*$", text, re.MULTILINE)
    words = shlex.split(command.replace("--dataset stills", f"--dataset 'folder:{photos}'"))
    result = bench(*words[1:], "--sigma", "25", "--out", "out")
    assert result.returncode == 0
    psnr = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method").psnr_mean
    assert psnr["box"] > 20
    assert psnr["box"] != psnr["box[width=5.0]"]


def test_the_table_in_the_readme_and_the_published_one_follow_from_the_run(
    ask: Bench, tmp_path: Path
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marked = r"<!-- table1: bench report (\S+) (.*?) -->\n(.*?)<!-- /table1 -->"
    [(run, options, shown)] = re.findall(marked, text, re.DOTALL)
    rebuilt = ask("report", ROOT / run, *shlex.split(options), "--out", tmp_path / "readme")
    assert rebuilt.stdout == shown
    published = (ROOT / "reports" / "documentary" / "table1.md").read_text(encoding="utf-8")
    rebuilt = ask("report", ROOT / run, "--format", "md", "--out", tmp_path / "whole")
    assert rebuilt.stdout == published


@pytest.mark.parametrize(
    "document",
    [
        "README.md",
        "CONTRIBUTING.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_within_the_project_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_readme_knows_every_verb(ask: Bench) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = ask("--help").stdout.partition("Commands:")[2]
    for verb in re.findall(r"^  (\w+)", listed, re.MULTILINE):
        assert f"bench {verb}" in text


def test_the_guide_to_the_data_knows_every_set_and_its_example_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in catalogue.NAMED if f"`{name}`" not in text] == []
    manifest = re.findall(r"```toml\n(# your_package/birds.toml.*?)```", text, re.DOTALL)
    (tmp_path / "birds.toml").write_text(manifest[0], encoding="utf-8")
    birds = Published(tmp_path / "birds.toml")
    assert (birds.name, birds.size("test"), birds.splits) == ("birds", 2, ("test",))
