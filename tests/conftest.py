"""What several test files share."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from subprocess import CompletedProcess
from typing import TYPE_CHECKING, Protocol

import hypothesis
import numpy as np
import pytest
from click.testing import CliRunner
from loopback import Server
from made_up import make_run
from PIL import Image
from warm import WarmCommand, hurry

from denoisebench.cli import main
from denoisebench.reporting.write import write_reports
from denoisebench.store.results import load_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

COMMAND = Path(sys.executable).with_name("bench")
HURRIED = (sys.executable, Path(__file__).with_name("warm.py"))
"""The same command, with the short times of `hurry`; what one has timed serves the other not."""

# A shell ignores Ctrl-C for what it starts in the background, and nohup a closed terminal. So would
# all that tests start and end in these ways.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# How long an example takes says how busy the machine is; whatever hangs has pytest-timeout.
hypothesis.settings.register_profile("denoisebench", deadline=None)
hypothesis.settings.load_profile("denoisebench")

LONG = {"test_classic", "test_compare", "test_study", "test_verify"}
"""Files with tests of ten seconds and more."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--flips", type=int, default=20, help="Number of bits that the fuzz flips.")
    parser.addoption(
        "--megapixels", type=int, default=0, help="Size of the frames on which memory is measured."
    )
    parser.addoption("--lines", type=int, default=20, help="Number of random command lines.")


def pytest_configure(config: pytest.Config) -> None:
    """Time methods for less long than users do, except where times are what is tested."""
    if not config.getoption("benchmark_only", False):
        hurry()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Take a process more than cores, since some tests wait for others that they started."""
    return min(4, (os.cpu_count() or 1) + 1)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a `flip` or `random_line` numbers: the seeds of its chances."""
    for name, option in {"flip": "--flips", "random_line": "--lines"}.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, range(metafunc.config.getoption(option)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long tests first, so that processes which share the tests end at the same time."""
    items.sort(key=lambda item: item.path.stem not in LONG)


@pytest.fixture
def megapixels(pytestconfig: pytest.Config) -> int:
    """Return the size of the largest frame on which memory is measured; 0 for none."""
    return int(pytestconfig.getoption("--megapixels"))


@pytest.fixture
def one_torch_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Networks this small are trained sooner by one thread than by several, here and elsewhere."""
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def documentary_root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name the folder of the real ``documentary`` frames to the package, as a user does.

    It is `DENOISEBENCH_DATA`, or ``shared/data`` beside the checkout.
    """
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("DENOISEBENCH_DATA") or beside)
    if not (root / "documentary").is_dir():
        pytest.skip("the documentary frames are not on disk; DENOISEBENCH_DATA names no folder")
    monkeypatch.setenv("DENOISEBENCH_DATA", str(root))
    return root


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put an empty folder in place of the user's cache, and unset DENOISEBENCH_DATA."""
    folder = tmp_path / "cache"
    monkeypatch.setattr("pooch.os_cache", lambda project: folder / project)
    monkeypatch.delenv("DENOISEBENCH_DATA", raising=False)
    return folder / "denoisebench"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of three small colour images with smooth, textured and flat parts."""
    folder = tmp_path_factory.mktemp("photos")
    rows, columns = np.mgrid[0:40, 0:48]
    for number in range(3):
        red = 127 + 100 * np.sin(rows / (5 + number))
        green = (columns * 5 + 20 * number) % 256
        blue = np.where((rows // 8 + columns // 8) % 2, 60, 180)
        image = np.stack([red, green, blue], axis=-1).astype(np.uint8)
        Image.fromarray(image).save(folder / f"photo{number}.png")
    return folder


class Bench(Protocol):
    def __call__(self, *words: str | Path, cwd: Path | None = None) -> CompletedProcess[str]: ...


@pytest.fixture(scope="session")
def warm() -> Iterator[WarmCommand]:
    with WarmCommand() as command:
        yield command


@pytest.fixture
def bench(tmp_path: Path, warm: WarmCommand) -> Bench:
    """Run the command in a process and a folder of its own, as a user does."""

    def run(*words: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
        return warm.run([str(word) for word in words], cwd or tmp_path, timeout=120)

    return run


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return the same command within this process, without the second or two that a new one takes.

    For requests that are refused or answered. What loads plugins, takes signals or must survive
    a crash needs `bench`. An exception that the command does not handle reaches the test.
    """

    def run(*words: str | Path, cwd: Path | None = None) -> CompletedProcess[str]:
        monkeypatch.chdir(cwd or tmp_path)
        result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
        return CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, another that the system has, or the one that playwright installed."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    with api.sync_playwright() as playwright:
        root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        try:
            chromium = playwright.chromium.launch(executable_path=found, args=root)
        except api.Error as error:
            pytest.skip(f"no browser can be started: {str(error).splitlines()[0]}")
        yield chromium
        chromium.close()


class Opener(Protocol):
    def __call__(self, file: Path, address: str = "", **window: object) -> Page: ...


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Open pages from disk, in windows of their own; their errors and requests fail the test."""
    complaints: list[str] = []
    windows = []

    def open_file(file: Path, address: str = "", **window: object) -> Page:
        windows.append(browser.new_context(**{"viewport": {"width": 1200, "height": 900}} | window))
        page = windows[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        own = (f"{file.as_uri()}#", "data:")
        page.on(
            "request",
            lambda r: None if f"{r.url}#".startswith(own) else complaints.append(r.url),
        )
        page.goto(file.as_uri() + address)
        return page

    yield open_file
    for window in windows:
        window.close()
    assert complaints == []


@pytest.fixture(scope="session")
def made_up_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a made-up run."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "made-up")
    out = tmp_path_factory.mktemp("report")
    write_reports({"made-up": (folder, load_run(folder))}, out, ["html"])
    return out / "report.html"
