"""A tampered manifest is refused in one line, and one without a digest ends in no traceback."""

from __future__ import annotations

import copy
import json
import random
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from made_up import make_run

from denoisebench.cli import main
from denoisebench.errors import UsageError
from denoisebench.store.manifest import MANIFEST_FILE, read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REMOVED = object()
VALUES: list[Any] = [
    *(REMOVED, None, "", "text", "\0", True, [], [None], {}, {"a": None}),
    *(0, -1, 10**30, 0.5, -2.5, float("nan"), float("inf")),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "made-up")


def places(content: Any, *above: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path to each entry of a document."""
    entries = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in entries:
        yield (*above, name)
        if isinstance(value, dict | list):
            yield from places(value, *above, name)


def changed(content: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a document with another value, or none, at a place."""
    content = copy.deepcopy(content)
    holder = content
    for name in place[:-1]:
        holder = holder[name]
    if value is REMOVED:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    return content


def refusal(folder: Path) -> str:
    with pytest.raises(UsageError) as refused:
        read_manifest(folder)
    [line] = str(refused.value).splitlines()
    return line


def test_every_changed_entry_is_noticed(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / MANIFEST_FILE).read_text(encoding="utf-8"))
    for place in places(content):
        for value in VALUES:
            tampered = changed(content, place, value)
            if json.dumps(tampered) == json.dumps(content):
                continue
            (tmp_path / MANIFEST_FILE).write_text(json.dumps(tampered))
            assert str(tmp_path) in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe{}",
        b"null",
        b"3",
        b'"text"',
        b"[]",
        b"{}",
        b'{"manifest": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"manifest": ' + b"9" * 10_000 + b"}",
        b'{"manifest": 2, "digest": "\xff"}',
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    assert str(tmp_path) in refusal(tmp_path)


def test_a_mark_of_the_byte_order_does_no_harm(run: Path, tmp_path: Path) -> None:
    written = (run / MANIFEST_FILE).read_bytes()
    (tmp_path / MANIFEST_FILE).write_bytes(b"\xef\xbb\xbf" + written)
    assert read_manifest(tmp_path) == read_manifest(run)


def test_a_tampered_manifest_without_a_digest_ends_in_no_traceback(
    run: Path, tmp_path: Path, flip: int
) -> None:
    chance = random.Random(flip)
    folder = make_run(tmp_path / "run")
    content = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8")) | {"manifest": 1}
    del content["digest"]
    tampered = changed(content, chance.choice(list(places(content))), chance.choice(VALUES))
    (folder / MANIFEST_FILE).write_text(json.dumps(tampered))
    for words in (
        ["report", folder, "--format", "html,md,latex,csv,json", "--out", tmp_path / "report"],
        ["export", folder, "--out", tmp_path / "export"],
        ["compare", run, folder],
        ["history", run, folder, "--metric", "ms"],
    ):
        result = CliRunner().invoke(main, list(map(str, words)), catch_exceptions=False)
        assert result.exit_code in (0, 1, 2, 3)
        if result.exit_code == 2 and not result.stdout:
            assert len(result.stderr.splitlines()) == 1
