"""The documents, held to what the project does."""

from __future__ import annotations

import pkgutil
import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
import torch
from test_house import FLOORS, MODULES, room

from denoisebench.cells import Status
from denoisebench.columns import FRAMES_COLUMNS, TABLE1_COLUMNS
from denoisebench.datasets import Published, catalogue
from denoisebench.denoisers import TorchDenoiser, registry
from denoisebench.denoisers.classic.bm3d_stages import PROFILES
from denoisebench.denoisers.torch_model import NetworkUse

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
)
FOLDERS = ("bench/", "denoisers/", "datasets/", "docs/", "tests/", "results/")
WRITTEN_BY_RUNS = {"results/documentary", "results/stills", "results/verify"}


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
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    psnr = table.psnr_mean
    assert psnr["box"] > 20
    assert not table.note[["box", "box[width=5.0]"]].fillna("").str.contains("shifted").any()
    assert psnr["box"] != psnr["box[width=5.0]"]


def test_the_method_that_contributing_adds_has_a_centre_whatever_its_width(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    [source] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "centred_box.py").write_text(source.replace('"box"', '"centred-box"'))
    box = runpy.run_path(str(tmp_path / "centred_box.py"))["Box"]
    registry.forget(box)  # it has entered itself, for this test alone
    frame = np.zeros((41, 41, 1), np.float32)
    frame[20, 20] = 1
    for sigma in (0, 5, 10, 15, 25, 33, 42, 50, 100):
        estimate = box(width=3.0).denoise(frame, sigma / 255)[..., 0]
        assert np.allclose(estimate, estimate[::-1, ::-1]), sigma


def test_the_networks_of_the_guide_run_as_it_says(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
    network, method = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (tmp_path / "my_net.py").write_text(network)
    (tmp_path / "my_method.py").write_text(method)
    [config] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "bench.toml").write_text(config)
    build = runpy.run_path(str(tmp_path / "my_net.py"))["MyNet"]
    torch.save(build().state_dict(), tmp_path / "my.pth")
    torch.save({"model": build(width=32).state_dict()}, tmp_path / "wide.pth")
    [command] = re.findall(r"^bench run --plugin my_method.py .*$", text, re.MULTILINE)
    words = [*shlex.split(command)[1:], "--config", "bench.toml", "--frames", "1"]
    words[words.index("--methods") + 1] += ",wide,my_net"
    result = bench(*words, "--dataset", f"folder:{photos}", "--sigma", "25", "--out", "out")
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(tmp_path / "out" / "table1.csv").set_index("method")
    assert set(table.index) == {
        *("mine", "mine[strength=0.5]", "mine[precision=bfloat16]", "wide", "my_net"),
    }
    assert table.psnr_mean.notna().all()


def test_the_guide_to_networks_knows_all_that_describes_and_sets_them() -> None:
    text = (ROOT / "docs" / "your-model.md").read_text(encoding="utf-8")
    for kind in (NetworkUse, TorchDenoiser):
        assert [f.name for f in fields(kind) if f"`{f.name}`" not in text] == []


def test_the_rows_in_the_readme_and_the_published_table_follow_from_the_run(
    ask: Bench, tmp_path: Path
) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    marked = r"<!-- rows of: bench report (\S+) (.*?) -->\n(.*?)<!-- /rows -->"
    [(run, options, shown)] = re.findall(marked, text, re.DOTALL)
    rebuilt = ask("report", ROOT / run, *shlex.split(options), "--out", tmp_path / "readme")
    rows = table_rows(shown)
    methods = [row["Method"] for row in rows]
    assert len(methods) == 8
    every = [row for row in table_rows(rebuilt.stdout) if row["Method"] in methods]
    assert rows == [{column: row[column] for column in rows[0]} for row in every]
    published = (ROOT / "reports" / "documentary" / "table1.md").read_text(encoding="utf-8")
    rebuilt = ask("report", ROOT / run, "--format", "md", "--out", tmp_path / "whole")
    assert rebuilt.stdout == published


def table_rows(markdown: str) -> list[dict[str, str]]:
    """Return the rows of a Markdown table, without the numbers of their footnotes."""
    lines = [line.strip("|").split("|") for line in markdown.splitlines() if line[:1] == "|"]
    head, _, *body = [
        [re.sub(" [⁰¹²³⁴-⁹ ]+$", "", cell).strip() for cell in line] for line in lines
    ]
    return [dict(zip(head, line, strict=True)) for line in body]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_within_the_project_lead_somewhere(document: str) -> None:
    path = ROOT / document
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        linked = path.parent / target if target else path
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), f"{target}#{anchor}"


def anchors(document: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a document."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_and_names_in_documents_exist(document: str) -> None:
    quoted = code_spans(ROOT / document)
    paths = {span for span in quoted if span.startswith(FOLDERS)} - WRITTEN_BY_RUNS
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    for name in sorted(span for span in quoted if re.fullmatch(r"denoisebench(\.\w+)+", span)):
        pkgutil.resolve_name(name)


def code_spans(document: Path) -> set[str]:
    """Return the texts between single backticks, without those in blocks of code."""
    return set(re.findall(r"`([^`]+)`", without_blocks(document)))


def without_blocks(document: Path) -> str:
    """Return the text of a document without its blocks of code."""
    text = document.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def test_the_guide_to_reports_explains_every_column() -> None:
    text = (ROOT / "docs" / "reports.md").read_text(encoding="utf-8")
    for file, columns in (("frames.csv", FRAMES_COLUMNS), ("table1.csv", TABLE1_COLUMNS)):
        section = text.partition(f"### `{file}`\n")[2].partition("\n#")[0]
        shown = [line for line in section.splitlines() if line.startswith("| `")]
        assert shown == [f"| `{name}` | {meaning} |" for name, meaning in columns.items()]


def test_the_protocol_explains_every_status() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = text.partition("## Isolation\n")[2].partition("\n#")[0]
    assert re.findall(r"^\| `(\w+)` \| \S", section, re.MULTILINE) == [*Status]


def test_contributing_lists_the_rooms_from_the_top_to_the_ground() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## What is where\n")[2].partition("\n#")[0]
    rooms = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    assert [floor[name] for name in rooms] == sorted((floor[name] for name in rooms), reverse=True)
    assert {room(name) for name in MODULES} - {"__init__"} <= {*rooms}


def test_the_guide_to_the_commands_knows_every_verb(ask: Bench) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    listed = ask("--help").stdout.partition("Commands:")[2]
    for verb in re.findall(r"^  (\w+)", listed, re.MULTILINE):
        assert f"bench {verb}" in text


def test_the_guide_to_the_methods_knows_every_classical_one() -> None:
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    listed = text.partition("\n## Settings")[0].splitlines()
    for card in registry.cards().values():
        is_ours = (registry.Method(card).module or "").startswith("denoisebench.denoisers.")
        if is_ours and card.family not in {"control", "learned"}:
            [row] = [line for line in listed if line[:1] == "|" and f"`{card.name}`" in line]
            assert card.licence.partition(" (")[0] in row
    assert [profile for profile in PROFILES if f"`{profile}`" not in text] == []


def test_the_guide_to_the_data_knows_every_set_and_its_example_is_one(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    assert [name for name in catalogue.NAMED if f"`{name}`" not in text] == []
    manifest = re.findall(r"```toml\n(# your_package/birds.toml.*?)```", text, re.DOTALL)
    (tmp_path / "birds.toml").write_text(manifest[0], encoding="utf-8")
    birds = Published(tmp_path / "birds.toml")
    assert (birds.name, birds.size("test"), birds.splits) == ("birds", 2, ("test",))
    # As its comment says, it need not name a server.
    alone = "\n".join(line for line in manifest[0].splitlines() if not line.startswith("source"))
    (tmp_path / "birds.toml").write_text(alone, encoding="utf-8")
    assert Published(tmp_path / "birds.toml").size("test") == 2


def test_the_guide_to_ci_knows_every_exported_file(ask: Bench, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    assert ask("export", ROOT / "results" / "baseline", "--out", tmp_path).returncode == 0
    assert [file.name for file in tmp_path.iterdir() if f"`{file.name}`" not in text] == []
