"""Methods and plugins that fork, hide, hang or leave processes harm nothing but their own rows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import psutil
import pytest

from conftest import COMMAND

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from conftest import Bench

ROGUE = Path(__file__).parent / "plugins" / "rogue.py"

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are guarded on Linux only")


def words(photos: Path, methods: str, *more: str | Path) -> list[str | Path]:
    chosen = ["run", "--dataset", f"folder:{photos}", "--sigma", "25", "--methods", methods]
    return [*chosen, "--plugin", ROGUE, "--out", "out", *more]


def cells_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "out" / "frames.csv").set_index("method")


@pytest.fixture
def mark() -> str:
    """Return a number of seconds that no other process sleeps."""
    return f"{random.SystemRandom().randint(10**6, 10**7)}s"


def sleeping(mark: str) -> list[int]:
    """List the processes that sleep for a marked number of seconds."""
    found = psutil.process_iter(["cmdline"])
    return [p.pid for p in found if (p.info["cmdline"] or [])[:2] == ["sleep", mark]]


def gone(mark: str) -> bool:
    """Wait until no marked process is left."""
    deadline = time.monotonic() + 10
    while sleeping(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not sleeping(mark)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("method", ["rogue-forks", "rogue-fork-fails"])
def test_the_answer_of_a_forked_copy_is_never_scored(
    bench: Bench, photos: Path, tmp_path: Path, method: str
) -> None:
    result = bench(*words(photos, f"{method},gaussian"))
    assert result.returncode == 3
    cells = cells_of(tmp_path)
    assert cells.loc[method].status.tolist() == ["error", "error", "unavailable"]
    assert "a copy of its process answered" in cells.loc[method].reason.iloc[0]
    assert cells.loc[method].psnr.isna().all()
    assert (cells.loc["gaussian"].status == "ok").all()


def test_what_a_subclass_of_an_array_hides_is_found(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    names = ["silent", "masked", "liar", "silent-tensor", "masked-well"]
    assert bench(*words(photos, ",".join(f"rogue-{n}" for n in names))).returncode == 3
    cells = cells_of(tmp_path).groupby("method").first()
    for name in ("silent", "masked", "silent-tensor"):
        assert cells.loc[f"rogue-{name}"].reason == "returned values that are not finite"
    assert cells.loc["rogue-liar"].reason == "returned shape (2, 2), not (40, 48, 3)"
    assert cells.loc["rogue-masked-well"].status == "ok"  # its values are those under the mask


@linux
@pytest.mark.parametrize("method", ["rogue-leaves-detached", "rogue-leaves-orphan"])
def test_a_process_left_in_its_own_session_is_ended_and_fails_the_cell(
    bench: Bench, photos: Path, tmp_path: Path, mark: str, method: str
) -> None:
    assert bench(*words(photos, f"{method}[mark={mark}],gaussian")).returncode == 3
    assert not sleeping(mark)
    cells = cells_of(tmp_path)
    mine = cells.loc[f"{method}[mark={mark}]"]
    assert (mine.status == "error").all()
    assert mine.reason.iloc[0] == f"left a process running in its own session: sleep {mark}"
    assert (cells.loc["gaussian"].status == "ok").all()


def test_helpers_of_a_method_live_as_long_as_its_process(
    bench: Bench, photos: Path, tmp_path: Path, mark: str
) -> None:
    assert bench(*words(photos, f"rogue-keeps-helper[mark={mark}]")).returncode == 0
    assert not sleeping(mark)


@linux
@pytest.mark.parametrize("method", ["rogue-hangs-detached", "rogue-crashes-detached"])
def test_nothing_that_a_method_started_outlives_its_process(
    bench: Bench, photos: Path, tmp_path: Path, mark: str, method: str
) -> None:
    result = bench(*words(photos, f"{method}[mark={mark}],gaussian", "--timeout", "2"))
    assert result.returncode == 3
    assert not sleeping(mark)
    cells = cells_of(tmp_path)
    expected = "its process was ended by SIGSEGV" if "crashes" in method else "no result within 2 s"
    assert cells.loc[f"{method}[mark={mark}]"].reason.iloc[0].startswith(expected)
    assert (cells.loc["gaussian"].status == "ok").all()


@linux
def test_a_method_that_holds_the_interpreter_dies_with_the_coordinator(
    photos: Path, tmp_path: Path, mark: str
) -> None:
    chosen = words(photos, f"rogue-holds-lock[mark={mark}]")
    process = subprocess.Popen([COMMAND, *map(str, chosen)], cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not sleeping(mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    assert gone(mark)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


def test_the_memory_of_children_counts_towards_the_limit(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    result = bench(*words(photos, "rogue-child-hogs,gaussian", "--memory-limit", "0.5"))
    assert result.returncode == 3
    cells = cells_of(tmp_path)
    assert cells.loc["rogue-child-hogs"].reason.iloc[0] == "used more than 0.5 GB (--memory-limit)"
    assert (cells.loc["gaussian"].status == "ok").all()


def test_a_method_that_prints_without_end_is_stopped(
    bench: Bench, photos: Path, tmp_path: Path
) -> None:
    assert bench(*words(photos, "rogue-prints,gaussian")).returncode == 3
    cells = cells_of(tmp_path)
    assert cells.loc["rogue-prints"].reason.iloc[0] == "printed more than 16 MB in one cell"
    assert (cells.loc["gaussian"].status == "ok").all()
    assert sum(file.stat().st_size for file in (tmp_path / "out" / "logs").iterdir()) < 20_000_000


@linux
def test_a_run_whose_terminal_closes_ends_in_order(photos: Path, tmp_path: Path, mark: str) -> None:
    chosen = words(photos, f"noisy,rogue-hangs-detached[mark={mark}]")
    process = subprocess.Popen(
        [COMMAND, *map(str, chosen)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not sleeping(mark):
        time.sleep(0.05)
    process.send_signal(signal.SIGHUP)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Noisy input" in output
    assert "To go on from here: bench run" in errors
    assert not sleeping(mark)


IMPORTS = {
    "exits": ("import os; os._exit(0)", "it ends the process with exit code 0"),
    "crashes": ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "by SIGSEGV"),
    "hangs": ("import time; time.sleep(3600)", "it takes longer than 2 s"),
    "raises": ("raise RuntimeError('\\x1b[31mno\\nlicence')", r"RuntimeError: \x1b[31mno"),
}


@pytest.mark.parametrize("case", IMPORTS)
def test_a_plugin_that_cannot_be_imported_is_refused_in_one_line(
    bench: Bench, tmp_path: Path, case: str
) -> None:
    text, reason = IMPORTS[case]
    (tmp_path / "mine.py").write_text(text)
    result = bench(
        *("run", "--plugin", "mine.py", "--methods", "mine-method,gaussian", "--timeout", "2"),
        *("--dataset", "stills", "--out", "out"),
    )
    assert result.returncode == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("bench: --plugin mine.py: plugin fails to import: ")
    assert line.endswith(reason)


def method_file(folder: Path, first_lines: str, **card: object) -> Path:
    """Write a plugin with one sound method, `mine`."""
    about = {"title": "Mine", "family": "local"} | card
    arguments = ", ".join(f"{name}={value!r}" for name, value in about.items())
    path = folder / "mine.py"
    path.write_text(
        "from dataclasses import dataclass\n"
        "from denoisebench.denoisers import register\n"
        f"{first_lines}\n"
        f"@register('mine', {arguments})\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    def denoise(self, noisy, sigma): return noisy.copy()\n"
    )
    return path


def run_mine(bench: Bench, plugin: Path) -> CompletedProcess[str]:
    return bench(
        *("run", "--plugin", plugin, "--methods", "mine,gaussian", "--dataset", "stills"),
        *("--sigma", "25", "--frames", "1", "--out", "out"),
    )


def test_what_a_plugin_prints_as_it_is_imported_stays_out_of_the_table(
    bench: Bench, tmp_path: Path
) -> None:
    lines = "import os; print('POLLUTION'); os.write(1, b'POLLUTION'); os.write(2, b'POLLUTION')"
    result = run_mine(bench, method_file(tmp_path, lines))
    assert result.returncode == 0
    assert "POLLUTION" not in result.stdout
    [line] = [line for line in result.stderr.splitlines() if "POLLUTION" in line]
    assert line.startswith("--plugin mine.py prints as it is imported: POLLUTION")


def test_a_plugin_that_changes_the_folder_moves_nothing(bench: Bench, tmp_path: Path) -> None:
    plugin = method_file(tmp_path, "import os; os.chdir('/')")
    assert run_mine(bench, plugin).returncode == 0
    assert (cells_of(tmp_path).status == "ok").all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", None),
        ("family", ""),
        ("licence", 3),
        ("blind", "yes"),
        ("devices", ("tpu",)),
        ("devices", "cpu"),
        ("requires", (1,)),
        ("sigmas", ("x",)),
        ("sigmas", (float("inf"),)),
        ("weights", ("a.pt",)),
        ("array", "jax"),
    ],
)
def test_a_card_with_a_mistake_is_refused_in_one_line(
    bench: Bench, tmp_path: Path, name: str, value: object
) -> None:
    if value == (float("inf"),):
        value = (1e999,)
    plugin = method_file(tmp_path, "inf = float('inf')", **{name: value})
    result = bench("run", "--plugin", plugin, "--methods", "mine,gaussian", "--dataset", "stills")
    assert result.returncode == 2
    [line] = result.stderr.splitlines()
    assert f"the method 'mine' is registered with {name}={value!r}; give " in line


def test_a_worker_that_starts_as_its_coordinator_dies_says_nothing(
    photos: Path, tmp_path: Path
) -> None:
    """Workers start one after the other, so that a kill often meets one that is starting."""
    chosen = words(photos, ",".join(f"gaussian[width={1 + n / 10}]" for n in range(9)))
    for delay in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        process = subprocess.Popen(
            [COMMAND, *map(str, chosen), "--fresh"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 30
        while not psutil.Process(process.pid).children() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(delay)
        process.kill()
        _, errors = process.communicate(timeout=30)  # ends when no child holds the pipes
        assert "Traceback" not in errors


def test_what_a_plugin_changes_elsewhere_does_not_reach_other_methods(
    bench: Bench, tmp_path: Path
) -> None:
    lines = (
        "from denoisebench.denoisers import gaussian\n"
        "gaussian.Gaussian.denoise = lambda self, noisy, sigma: noisy.copy()"
    )
    plugin = method_file(tmp_path, lines)
    assert run_mine(bench, plugin).returncode == 0
    found = cells_of(tmp_path)
    assert found.loc["gaussian"].psnr > found.loc["mine"].psnr + 3


def test_a_method_that_says_that_all_is_finite_is_not_believed(
    bench: Bench, tmp_path: Path
) -> None:
    plugin = method_file(tmp_path, "import numpy as np\nnp.isfinite = lambda x: np.ones(3, bool)")
    text = plugin.read_text().replace("noisy.copy()", "noisy * float('nan')")
    # Only in the worker: the harness's own process must keep what it scores with.
    text = text.replace(
        "\nnp.isfinite", "\nimport multiprocessing as m\nif m.parent_process(): np.isfinite"
    )
    plugin.write_text(text)
    assert run_mine(bench, plugin).returncode == 3
    assert cells_of(tmp_path).loc["mine"].reason == "returned values that are not finite"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import os; os.closerange(3, 1000)", "it closes files that it did not open"),
        ("import os; os.close(1)", "it closes files that it did not open"),
    ],
)
def test_a_plugin_that_closes_files_is_refused(
    bench: Bench, tmp_path: Path, line: str, reason: str
) -> None:
    result = run_mine(bench, method_file(tmp_path, line))
    assert result.returncode == 2
    assert result.stderr.strip() == f"bench: --plugin mine.py: plugin fails to import: {reason}"


@linux
def test_a_method_that_writes_into_files_of_the_harness_loses_its_process(
    bench: Bench, tmp_path: Path
) -> None:
    plugin = method_file(tmp_path, "import os, stat")
    text = plugin.read_text().replace(
        "return noisy.copy()",
        "[os.write(d, b'\\x7f\\xff\\xff\\xff') for d in range(3, 30) if self.is_socket(d)]; "
        "return noisy.copy()\n"
        "    def is_socket(self, d):\n"
        "        try: return stat.S_ISSOCK(os.fstat(d).st_mode)\n"
        "        except OSError: return False",
    )
    plugin.write_text(text)
    assert run_mine(bench, plugin).returncode == 3
    found = cells_of(tmp_path)
    assert found.loc["mine"].status == "killed"
    assert found.loc["gaussian"].status == "ok"


def test_a_metric_cannot_change_what_others_score(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "from denoisebench.metrics import register\n"
        "@register('vandal', title='Vandal')\n"
        "def vandal(clean, estimate):\n"
        "    clean.flags.writeable = True\n"
        "    clean[:] = estimate\n"
        "    return 1.0\n"
    )
    words = [
        "--dataset",
        "stills",
        "--methods",
        "gaussian,median",
        "--frames",
        "1",
        "--sigma",
        "25",
    ]
    bench("run", *words, "--out", "plain")
    bench("run", *words, "--out", "out", "--plugin", "m.py", "--metrics", "psnr,vandal,ssim")
    plain = pd.read_csv(tmp_path / "plain" / "frames.csv")
    assert cells_of(tmp_path).psnr.tolist() == plain.psnr.tolist()


def test_what_a_worker_says_before_its_first_line_goes_to_its_log(
    photos: Path, tmp_path: Path
) -> None:
    """Such as a traceback, if its coordinator dies before it has sent the worker its task."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('spawn_main' in word for word in sys.orig_argv): print('EARLY', file=sys.stderr)\n"
    )
    result = subprocess.run(
        [COMMAND, *map(str, words(photos, "gaussian"))],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0
    assert "EARLY" not in result.stderr
    assert "EARLY" in (tmp_path / "out" / "logs" / "gaussian-cpu.log").read_text()
