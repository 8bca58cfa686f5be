"""The action and the workflows: their shell steps, run here as a runner would run them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from conftest import COMMAND

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PULL_REQUEST = {
    "github.event_name": "pull_request",
    "github.event.number": "7",
    "github.repository": "someone/something",
    "github.server_url": "https://github.com",
    "github.run_id": "99",
    "github.token": "none",
    "github.action_path": str(ROOT),
}
GH = """#!/bin/sh
echo "$@" > {folder}/gh.args
while [ $# -gt 0 ]; do [ "$1" = --body-file ] && cp "$2" {folder}/comment.md; shift; done
"""
MINE = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("mine", title="Mine", family="local")
@dataclass(frozen=True)
class Mine:
    def denoise(self, noisy, sigma):
        return noisy * noisy.dtype.type({gain})
"""

LAUNCHED = """#!/bin/sh
[ "$1" = run ] || exec {bench} "$@"
while [ "$1" != --out ]; do shift; done
mkdir -p "$2" && cp -r "{run}"/. "$2"
"""


class Runner:
    """As much of GitHub's runner as the action needs: expressions, outputs and bash."""

    def __init__(self, folder: Path, **inputs: str) -> None:
        self.folder = folder
        defaults = {name: str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        chosen = defaults | {name.replace("_", "-"): value for name, value in inputs.items()}
        self.values = PULL_REQUEST | {"runner.temp": str(folder / "temp dir")}
        self.values |= {f"inputs.{name}": value for name, value in chosen.items()}
        tools = folder / "tools"
        tools.mkdir()
        (tools / "gh").write_text(GH.format(folder=folder))
        (tools / "gh").chmod(0o755)
        self.path = f"{tools}:{COMMAND.parent}:{os.environ['PATH']}"

    def run(self) -> dict[str, int]:
        """Run the steps in order, as long as they succeed; return their exit codes by name."""
        codes = {}
        for step in ACTION["runs"]["steps"]:
            if "run" in step and self._wanted(step.get("if", "${{ 'true' == 'true' }}")):
                codes[step["name"]] = self._bash(step)
                if codes[step["name"]]:
                    break
        return codes

    def _wanted(self, condition: str) -> bool:
        expression = condition.removeprefix("${{").removesuffix("}}")
        named = re.sub(
            r"(?<!')\b[a-z]+(?:\.[\w-]+)+", lambda m: repr(self.values[m[0]]), expression
        )
        return bool(eval(named.replace("&&", "and")))

    def _filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda m: self.values[m[1]], str(text))

    def _bash(self, step: dict[str, Any]) -> int:
        output, summary = self.folder / "output", self.folder / "summary.md"
        output.write_text("")
        env = {key: self._filled(value) for key, value in step.get("env", {}).items()}
        files = {"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(summary)}
        code = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env=os.environ | {"PATH": self.path} | env | files,
            timeout=300,
            check=False,
        ).returncode
        for line in output.read_text().splitlines():
            key, _, value = line.partition("=")
            self.values[f"steps.{step['id']}.outputs.{key}"] = value
        return code


@pytest.fixture
def baseline(bench: Bench, photos: Path, tmp_path: Path) -> Path:
    words = ["--methods", "gaussian,median", "--dataset", f"folder:{photos}", "--sigma", "25"]
    assert bench("run", *words, "--out", "base line").returncode == 0
    return tmp_path / "base line"


def test_a_pull_request_that_changes_nothing_passes_and_is_commented(
    baseline: Path, photos: Path, tmp_path: Path
) -> None:
    runner = Runner(
        tmp_path,
        methods="gaussian,median",
        dataset=f"folder:{photos}",
        baseline=str(baseline),
        install="false",
    )
    steps = ("Measure", "Compare", "Report", "Comment", "Verdict")
    assert runner.run() == dict.fromkeys(steps, 0)
    comment = (tmp_path / "comment.md").read_text()
    assert "No regression (PSNR, SSIM) in 2 methods." in comment
    assert "https://github.com/someone/something/actions/runs/99#artifacts" in comment
    assert (tmp_path / "gh.args").read_text().startswith("pr comment 7 --body-file")
    assert "No regression" in (tmp_path / "summary.md").read_text()
    kept = Path(runner.values["steps.measure.outputs.folder"])
    assert (kept / "baseline" / "compare.xml").is_file()
    assert (kept / "report" / "table1.md").is_file()


def test_a_method_that_got_worse_fails_the_job_after_the_comment(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text(MINE.format(gain=1))
    words = ["--plugin", plugin, "--methods", "mine", "--dataset", f"folder:{photos}"]
    assert bench("run", *words, "--sigma", "25", "--out", "before").returncode == 0
    plugin.write_text(MINE.format(gain=0.9))
    runner = Runner(
        tmp_path,
        methods="mine",
        plugin=str(plugin),
        dataset=f"folder:{photos}",
        baseline="before",
        install="false",
    )
    codes = runner.run()
    assert codes["Comment"] == 0
    assert codes["Verdict"] == 1
    assert "**Regression**" in (tmp_path / "comment.md").read_text()


def test_two_versions_are_launched_in_turn(baseline: Path, photos: Path, tmp_path: Path) -> None:
    """The environments hold a bench whose launches answer with the stored run."""
    for name in ("base", "head"):
        command = tmp_path / name / "bin" / "bench"
        command.parent.mkdir(parents=True)
        command.write_text(LAUNCHED.format(bench=COMMAND, run=baseline))
        command.chmod(0o755)
    runner = Runner(
        tmp_path,
        methods="gaussian,median",
        dataset=f"folder:{photos}",
        base_env=str(tmp_path / "base"),
        head_env=str(tmp_path / "head"),
        launches="6",
        install="false",
    )
    assert runner.run()["Verdict"] == 0
    comment = (tmp_path / "comment.md").read_text()
    assert "No regression (PSNR, SSIM, time, memory) in 2 methods." in comment
    assert "6 launches each, in turn" in comment


def test_without_a_baseline_the_table_is_the_comment(photos: Path, tmp_path: Path) -> None:
    runner = Runner(
        tmp_path, methods="median", dataset=f"folder:{photos}", comment="true", install="false"
    )
    assert runner.run()["Verdict"] == 0
    assert "| Median" in (tmp_path / "comment.md").read_text()


def test_a_baseline_that_is_not_there_fails_the_job_with_what_is_wrong(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runner = Runner(
        tmp_path,
        methods="median",
        dataset=f"folder:{photos}",
        baseline="nowhere",
        install="false",
    )
    assert runner.run()["Verdict"] == 2
    assert "nowhere holds no run" in capfd.readouterr().err


def test_no_text_from_outside_is_put_into_a_script() -> None:
    """An input that stands in a script by an expression is run as code."""
    workflows = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in WORKFLOWS]
    steps = [s for w in workflows for job in w["jobs"].values() for s in job["steps"]]
    scripts = [step["run"] for step in (*steps, *ACTION["runs"]["steps"]) if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_what_the_workflows_call_is_there(bench: Bench) -> None:
    known = set(re.findall(r"^  (\w+)", bench("--help").stdout.partition("Commands:")[2], re.M))
    text = "\n".join(path.read_text() for path in (ROOT / "action.yml", *WORKFLOWS))
    called = set(re.findall(r"^ *(?:\"\$bench\"|bench) (\w+)", text, re.M))
    assert called
    assert called <= known
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            given = [s.get("with", {}) for s in job["steps"] if s.get("uses") == "./"]
            assert all(set(names) <= set(ACTION["inputs"]) for names in given)


def test_the_scripts_are_valid_bash() -> None:
    scripts = [step["run"] for step in ACTION["runs"]["steps"] if "run" in step]
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
