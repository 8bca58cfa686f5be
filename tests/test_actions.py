"""The action and the workflows: their shell steps, run here as a runner would run them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import pytest
import yaml

from conftest import COMMAND, HURRIED

if TYPE_CHECKING:
    from conftest import Bench

ROOT = Path(__file__).parents[1]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PULL_REQUEST = {
    "github.event_name": "pull_request",
    "github.event.number": "7",
    "github.event.pull_request.head.sha": "0123456789abcdef",
    "github.event.pull_request.base.sha": "fedcba9876543210",
    "github.repository": "someone/something",
    "github.server_url": "https://github.com",
    "github.run_id": "99",
    "github.token": "none",
    "github.action_path": str(ROOT),
}
# Takes the place of GitHub's command: keeps one comment, and finds it by its mark.
GH = """#!/bin/sh
echo "$@" >> {folder}/gh.args
[ ! -f {folder}/forbidden ] || exit 1
case "$*" in
*--paginate*) [ "$(head -n 1 {folder}/comment.md 2>/dev/null)" != "$MARK" ] || echo 42 ;;
*) for word; do case "$word" in body=@*) cp "${{word#body=@}}" {folder}/comment.md ;; esac; done ;;
esac
"""
MINE = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("my-method", title="Mine", family="local")
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
        hurried = shlex.join(map(str, HURRIED))
        for name, script in {
            "gh": GH.format(folder=folder),
            "bench": f'#!/bin/sh\nexec {hurried} "$@"\n',
        }.items():
            (tools / name).write_text(script)
            (tools / name).chmod(0o755)
        self.path = f"{tools}:{COMMAND.parent}:{os.environ['PATH']}"

    def run(self) -> dict[str, int]:
        """Run the steps in order, as long as they succeed; return their exit codes by name."""
        codes = {}
        for step in ACTION["runs"]["steps"]:
            if "run" in step and self._wanted(step.get("if", "${{ 'true' == 'true' }}")):
                codes[step["name"]] = self.bash(step)
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

    def bash(self, step: dict[str, Any]) -> int:
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


def documented() -> list[Any]:
    """Return the YAML files of the guide: the action's workflow, GitLab's, pre-commit's, Pages'."""
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", guide, re.S)]


@pytest.fixture(scope="module")
def baseline(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("base line")
    words = ["--methods", "gaussian,median", "--dataset", f"folder:{photos}", "--sigma", "25"]
    subprocess.run([*HURRIED, "run", *words, "--out", folder], check=True)
    return folder


def test_a_pull_request_that_changes_nothing_passes_and_is_commented(
    baseline: Path, photos: Path, tmp_path: Path
) -> None:
    runner = Runner(
        tmp_path,
        methods="gaussian,median",
        dataset=f"folder:{photos}",
        frames="3",
        baseline=str(baseline),
        install="false",
    )
    steps = ("Measure", "Compare", "Report", "Comment", "Verdict")
    assert runner.run() == dict.fromkeys(steps, 0)
    comment = (tmp_path / "comment.md").read_text()
    assert "**No regression** (PSNR, SSIM) in 2 methods." in comment
    assert "https://github.com/someone/something/actions/runs/99#artifacts" in comment
    before_the_verdicts = comment.partition("| Method ")[0]
    assert "Commit `012345678`, to be merged into `fedcba987`." in before_the_verdicts
    for what in ("methods", "data", "noise", "denoisebench", "machine"):
        assert re.search(rf"^\| {what} +\| .* \| the same ", before_the_verdicts, re.M), what
    assert "gaussian, median" in before_the_verdicts
    assert "Limits: PSNR 0.02 dB, SSIM 0.002; HEAD must hold methods" in before_the_verdicts
    assert "No regression" in (tmp_path / "summary.md").read_text()
    kept = Path(runner.values["steps.measure.outputs.folder"])
    assert (kept / "baseline" / "compare.xml").is_file()
    assert (kept / "report" / "table1.md").is_file()

    # The next push changes the comment; another workflow's is left alone.
    [step] = [step for step in ACTION["runs"]["steps"] if step["name"] == "Comment"]
    assert runner.bash(step) == 0
    (tmp_path / "comment.md").write_text("<!-- somebody else's -->")
    assert runner.bash(step) == 0
    comments, ours = "repos/someone/something/issues/7/comments", "-F body=@"
    asked = (tmp_path / "gh.args").read_text().splitlines()
    assert [line.partition(ours)[0] for line in asked if ours in line] == [
        f"api {comments} ",
        "api --method PATCH repos/someone/something/issues/comments/42 ",
        f"api {comments} ",
    ]

    # A fork's token may not write: the verdict stands all the same.
    (tmp_path / "forbidden").touch()
    assert runner.bash(step) == 0


def test_the_documented_example_fails_the_job_of_a_method_that_got_worse(
    bench: Bench, tmp_path: Path
) -> None:
    """A method's own repository, with the commands and the workflow that the guide gives it."""
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    [first] = re.findall(r"^bench (run .* --out tests/baseline) ", guide, re.M)
    steps = documented()[0]["jobs"]["compare"]["steps"]
    [given] = [step["with"] for step in steps if step["uses"] == "OWNER/REPOSITORY@main"]
    assert given.keys() <= ACTION["inputs"].keys()

    plugin = tmp_path / given["plugin"]
    plugin.write_text(MINE.format(gain=1))
    assert bench(*first.split(), "--plugin", plugin).returncode == 0
    plugin.write_text(MINE.format(gain=0.9))
    codes = Runner(tmp_path, **given, install="false").run()
    assert codes["Comment"] == 0
    assert codes["Verdict"] == 1
    comment = (tmp_path / "comment.md").read_text()
    assert "❌ **Regression** (PSNR) in 1 method: 1 worse, 1 new." in comment
    assert re.search(
        r"❌ \*\*Mine: PSNR −\d\.\d+ dB\*\* at sigma \d+, also at 1 other level", comment
    )


def test_the_inputs_set_how_strict_the_job_is(bench: Bench, photos: Path, tmp_path: Path) -> None:
    """A method that lost PSNR, judged again and again under other limits."""
    plugin = tmp_path / "mine.py"
    plugin.write_text(MINE.format(gain=1))
    options = {"methods": "my-method", "dataset": f"folder:{photos}", "frames": "3"}
    options |= {"plugin": str(plugin), "metrics": "psnr,ssim,saturation"}
    words = [f"--{name}={value}" for name, value in options.items()]
    assert bench("run", *words, "--sigma", "25", "--out", "base").returncode == 0
    plugin.write_text(MINE.format(gain=0.95))
    runner = Runner(tmp_path, **options, baseline=str(tmp_path / "base"), install="false")
    assert runner.run()["Verdict"] == 1

    (tmp_path / "calibration.toml").write_text("")
    compare, verdict = (s for s in ACTION["runs"]["steps"] if s["name"] in ("Compare", "Verdict"))
    for given, code in (
        ({"fail-on": "psnr=30"}, 0),
        ({"fail-on": "saturation=9"}, 0),
        ({"fail-on": "lpips"}, 2),
        ({"fail-on": "", "calibration": "calibration.toml"}, 2),
        ({"calibration": "", "fail": "false"}, 0),
    ):
        runner.values |= {f"inputs.{name}": value for name, value in given.items()}
        assert runner.bash(compare) == 0
        assert runner.bash(verdict) == code, given
    assert "Regression" in (tmp_path / "temp dir" / "denoisebench" / "comment.md").read_text()


def test_a_method_that_is_no_longer_measured_fails_the_job_unless_it_is_allowed(
    baseline: Path, photos: Path, tmp_path: Path
) -> None:
    """The Compare step alone: a run without one of the baseline's methods is there already."""
    [step] = [step for step in ACTION["runs"]["steps"] if step["name"] == "Compare"]
    options = {"dataset": f"folder:{photos}", "baseline": str(baseline)}
    runner = Runner(tmp_path, methods="gaussian", **options)
    words = ["--methods", "gaussian", "--dataset", options["dataset"], "--sigma", "25"]
    subprocess.run([*HURRIED, "run", *words, "--out", tmp_path / "run"], check=True)
    runner.values["steps.measure.outputs.folder"] = str(tmp_path)
    for allowed, code in (("false", "1"), ("true", "0")):
        runner.values["inputs.allow-missing"] = allowed
        assert runner.bash(step) == 0
        assert runner.values["steps.compare.outputs.exit-code"] == code
        assert "**Median: missing.** `not in HEAD`" in (tmp_path / "comment.md").read_text()


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
    assert "**No regression** (PSNR, SSIM, time, memory) in 2 methods." in comment
    assert "6 launches each, in turn" in comment


def test_without_a_baseline_the_table_is_the_comment_and_a_wrong_one_fails_the_job(
    photos: Path, tmp_path: Path
) -> None:
    runner = Runner(tmp_path, methods="median", dataset=f"folder:{photos}", install="false")
    assert runner.run()["Verdict"] == 0
    assert "| Median" in (tmp_path / "comment.md").read_text()

    runner.values["inputs.baseline"] = "nowhere"
    compare, verdict = (s for s in ACTION["runs"]["steps"] if s["name"] in ("Compare", "Verdict"))
    assert runner.bash(compare) == 0
    assert runner.bash(verdict) == 2
    kept = Path(runner.values["steps.measure.outputs.folder"])
    assert "nowhere holds no run" in (kept / "comment.md").read_text()


def test_the_guide_explains_the_inputs_that_decide_how_strict_the_action_is() -> None:
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[a-z-]+`(?:, `[a-z-]+`)*) \| (.*?) \|", guide, re.M)
    named = {name for names, _ in rows for name in re.findall(r"`([a-z-]+)`", names)}
    assert {"fail-on", "fail", "allow-missing", "launches", "metrics"} <= named & {
        *ACTION["inputs"]
    }


def test_each_push_adds_a_run_to_the_documented_pages(tmp_path: Path) -> None:
    """The workflow's script, twice, in a clone whose origin is a folder."""
    steps = documented()[3]["jobs"]["history"]["steps"]
    [script] = [step["run"] for step in steps if step.get("name") == "Add a run"]
    quick = script.replace("--dataset stills", "--dataset stills --frames 1")
    runner = Runner(tmp_path)
    clone = tmp_path / "clone"
    git(tmp_path, "init", "--bare", "-q", "origin")
    git(tmp_path, "clone", "-q", "origin", "clone")
    runner.folder = clone
    for gain in (1, 0.9):
        (clone / "my_method.py").write_text(MINE.format(gain=gain))
        git(clone, "add", "-A")
        git(clone, *NOBODY, "commit", "-q", "-m", "Change the method")
        assert runner.bash({"run": quick}) == 0
        git(clone, "worktree", "remove", "--force", "pages")
        git(clone, "branch", "-D", "gh-pages")
    git(tmp_path, "clone", "-q", "-b", "gh-pages", "origin", "pages")
    badge = json.loads((tmp_path / "pages" / "badge.json").read_text())
    assert badge["message"] == "1 worse of 2 methods"
    assert len(list((tmp_path / "pages" / "runs").iterdir())) == 2
    assert "my-method cpu sigma 25" in (tmp_path / "pages" / "index.html").read_text()


NOBODY = ("-c", "user.name=nobody", "-c", "user.email=nobody@localhost")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True)


def test_the_documented_job_of_gitlab_fails_and_leaves_its_reports(tmp_path: Path) -> None:
    job = documented()[1]["denoisebench"]
    runner = Runner(tmp_path)
    (tmp_path / "my_method.py").write_text(MINE.format(gain=1))
    _, measure, export, compare = job["script"]
    assert runner.bash({"run": measure.replace("--out head", "--out tests/baseline")}) == 0
    (tmp_path / "my_method.py").write_text(MINE.format(gain=0.9))
    assert runner.bash({"run": f"{measure}\n{export}"}) == 0
    assert runner.bash({"run": compare}) == 1
    reports = job["artifacts"]["reports"]
    suite = ElementTree.parse(tmp_path / reports["junit"]).getroot()
    assert list(suite.iter("failure"))
    assert "denoisebench_psnr{" in (tmp_path / reports["metrics"]).read_text()
    for report in reports.values():
        assert report.partition("/")[0] in job["artifacts"]["paths"]


def test_the_hooks_of_pre_commit_stop_a_commit_that_makes_the_method_worse(tmp_path: Path) -> None:
    """pre-commit itself, on our hooks in a repository of their own, and the documented files."""
    pytest.importorskip("pre_commit")
    guide = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    [config] = re.findall(r"```toml\n(# bench.toml.*?)```", guide, re.S)
    hooks, mine = tmp_path / "hooks", tmp_path / "mine"
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    mine.mkdir()
    (mine / "bench.toml").write_text(config)
    chosen = documented()[2]
    chosen["repos"][0]["repo"] = str(hooks)
    for folder in (hooks, mine):
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", "-A")
        git(folder, *NOBODY, "commit", "-q", "--allow-empty", "-m", "Begin")
    chosen["repos"][0]["rev"] = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=hooks, check=True, capture_output=True, text=True
    ).stdout.strip()
    (mine / ".pre-commit-config.yaml").write_text(yaml.safe_dump(chosen))
    runner = Runner(tmp_path)
    runner.folder = mine
    (mine / "my_method.py").write_text(MINE.format(gain=1))
    assert runner.bash({"run": "bench run --config bench.toml --out tests/baseline"}) == 0
    checked = f"{sys.executable} -m pre_commit run --files my_method.py > shown.txt"
    home = {"env": {"PRE_COMMIT_HOME": str(tmp_path / "home")}}
    assert runner.bash({"run": f"git add -A; {checked}"} | home) == 0
    (mine / "my_method.py").write_text(MINE.format(gain=0.9))
    assert runner.bash({"run": f"git add -A; {checked}"} | home) == 1
    assert "**Mine: PSNR −" in (mine / "shown.txt").read_text()


def test_the_guide_and_our_workflows_use_actions_of_the_same_versions() -> None:
    texts = [
        path.read_text() for path in (ROOT / "docs" / "ci.md", ROOT / "action.yml", *WORKFLOWS)
    ]
    used = {use for text in texts for use in re.findall(r"uses: (actions/\S+)", text)}
    assert len(used) == len({use.partition("@")[0] for use in used})


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
    called = set(re.findall(r"\bbench\"? (\w+) [\"$-]", text))
    assert called
    assert called <= known
    for path in WORKFLOWS:
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            given = [s.get("with", {}) for s in job["steps"] if s.get("uses") == "./"]
            assert all(set(names) <= set(ACTION["inputs"]) for names in given)
