"""What makes earlier results stale."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from denoisebench.denoisers.registry import Card
from denoisebench.identity import source_digest

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
    before = source_digest(card)
    (package / "unrelated.py").write_text("X = 2")
    assert source_digest(card) == before
    (package / "deep.py").write_text("FACTOR = 2")
    assert source_digest(card) != before
