"""Naming methods, and plugin files that are not as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from denoisebench.denoisers import registry
from denoisebench.denoisers.registry import Method, load_file, select, split_expressions
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
from dataclasses import dataclass
from denoisebench.denoisers import register

@register("half", title="Half", family="local")
@dataclass(frozen=True)
class Half:
    factor: float = 0.5

    def __post_init__(self):
        if self.factor <= 0:
            raise ValueError("factor must be positive")

    def denoise(self, noisy, sigma):
        return self.factor * noisy
"""


@pytest.fixture(autouse=True)
def scratch_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_cards", dict(registry.cards()))
    monkeypatch.setattr(registry, "_loaded_files", {})


def plugin(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def specs(*expressions: str) -> list[str]:
    return [method.spec for method in select(expressions)]


def test_controls_come_first_and_the_rest_in_alphabetical_order() -> None:
    names = specs("all")
    assert names[:2] == ["noisy", "oracle"]
    assert names[2:] == sorted(names[2:])


def test_globs_names_and_parameters_each_once_in_the_order_given() -> None:
    chosen = specs("nlm-skimage[h=0.9]", "nlm-*", "median", "nlm-opencv", " median ")
    assert chosen == ["nlm-skimage[h=0.9]", "nlm-native", "nlm-opencv", "nlm-skimage", "median"]


def test_a_spec_is_unique_whatever_the_order_and_the_writing() -> None:
    default = select(["nlm-skimage"])[0].parameters["h"]
    assert specs("nlm-skimage[patch_size=7, h=1]") == ["nlm-skimage[h=1.0,patch_size=7]"]
    assert specs("nlm-skimage[h=1.0,patch_size=7]") == ["nlm-skimage[h=1.0,patch_size=7]"]
    assert specs(f"nlm-skimage[h={default}]", "nlm-skimage[]") == ["nlm-skimage"]


def test_parameters_reach_the_method() -> None:
    [method] = select(["wavelet-bayes[wavelet=haar,opponent=False]"])
    denoiser = method.build()
    assert (denoiser.wavelet, denoiser.opponent) == ("haar", False)  # type: ignore[attr-defined]
    assert method.title == "Wavelet (BayesShrink) [opponent=False,wavelet=haar]"


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("nlm-skimag", "did you mean nlm-skimage"),
        ("zzz", "known: .*median"),
        ("zz*", "no method matches"),
        ("median[", "cannot read method"),
        ("median[size]", "write param=value"),
        ("median[sise=3]", "did you mean size"),
        ("median[size=4]", "size is one of 3, 5"),
        ("nlm-skimage[h=strong]", "h takes float, not 'strong'"),
        ("nlm-skimage[h=True]", "h takes float"),
        ("nlm-skimage[patch_distance=2.5]", "patch_distance takes int"),
        ("tv-chambolle[opponent=1]", "opponent takes bool"),
        ("nlm-skimage[h=1e999]", "h takes float, not '1e999'"),
        ("nlm-skimage[h={{}:1}]", "h takes float"),
        ("nlm-*[h=0.5]", "only a single method takes parameters"),
        ("all[h=0.5]", "only a single method takes parameters"),
        ("noisy[x=1]", "unknown parameter 'x'; known: none"),
    ],
)
def test_a_wrong_expression_is_explained_in_one_line(expression: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        select([expression])
    assert "\n" not in str(caught.value)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "h": st.floats(allow_nan=False, allow_infinity=False),
            "patch_size": st.sampled_from([3, 5, 7]),
            "patch_distance": st.integers(),
        },
    )
)
def test_a_spec_names_its_method_again(overrides: dict[str, float]) -> None:
    card = registry.cards()["nlm-skimage"]
    changed = {k: v for k, v in overrides.items() if v != card.parameters[k]}
    method = Method(card, tuple(sorted(changed.items())))
    assert select([method.spec]) == [method]
    assert split_expressions(f"a, {method.spec},b") == ["a", method.spec, "b"]
    assert method.build() == card.factory(**overrides)  # type: ignore[misc]


def test_a_parameter_is_read_whatever_else_its_class_is_annotated_with() -> None:
    assert specs("unet-mse[precision=bfloat16]") == ["unet-mse[precision=bfloat16]"]


def test_truth_is_written_as_in_python_or_in_toml() -> None:
    [plain] = select(["tv-chambolle[opponent=false]"])
    assert plain.spec == "tv-chambolle[opponent=False]"
    assert select([plain.spec]) == [plain]


def test_a_plugin_file_joins_once(tmp_path: Path) -> None:
    path = plugin(tmp_path, GOOD)
    load_file(path)
    load_file(path)
    [method] = select(["half[factor=0.25]"])
    assert method.card.unavailable is None
    assert registry.source_file(method.card) == path
    with pytest.raises(UsageError, match=r"half\[factor=-1.0\]: factor must be positive"):
        select(["half[factor=-1]"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise RuntimeError('no licence\\nsecond line')", "RuntimeError: no licence"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import nosuchlibrary", "ModuleNotFoundError: No module named 'nosuchlibrary'"),
        ("def broken(:", "SyntaxError: "),
        (GOOD.replace('"half"', '"median"'), "ValueError: two methods are called 'median'"),
        (GOOD.replace("@dataclass(frozen=True)\n", ""), "TypeError: Half must be a dataclass"),
    ],
)
def test_a_broken_plugin_is_listed_as_unavailable(tmp_path: Path, text: str, reason: str) -> None:
    before = set(registry.cards())
    load_file(plugin(tmp_path, text))
    [name] = set(registry.cards()) - before
    card = registry.cards()[name]
    assert name == "mine"
    assert card.unavailable is not None
    assert reason in card.unavailable
    assert "\n" not in card.unavailable
    assert select(["median"])[0].card.unavailable is None


def test_a_broken_plugin_is_listed_even_if_its_file_is_called_as_a_method(tmp_path: Path) -> None:
    before = set(registry.cards())
    load_file(plugin(tmp_path, "raise RuntimeError('no')", "median.py"))
    [name] = set(registry.cards()) - before
    assert registry.cards()[name].unavailable == "plugin fails to import: RuntimeError: no"
    assert registry.cards()["median"].unavailable is None


def test_ctrl_c_is_not_taken_for_a_broken_plugin(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_file(plugin(tmp_path, "raise KeyboardInterrupt"))


def test_what_is_no_python_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent.py", plugin(tmp_path, GOOD, "plugin.txt")):
        with pytest.raises(UsageError, match=r"give the path of a \.py file"):
            load_file(path)


def test_a_method_says_which_library_it_lacks() -> None:
    card = registry.Card("x", title="X", family="local", requires=("numpy", "nosuchlibrary"))
    assert card.unavailable == "needs nosuchlibrary, not installed"
    part = registry.Card("x", title="X", family="local", requires=("nosuchlibrary.part", "os.path"))
    assert part.unavailable == "needs nosuchlibrary.part, not installed"


def test_two_plugin_files_of_one_name_do_not_mix(tmp_path: Path) -> None:
    for folder, name in (("a", "one"), ("b", "other")):
        (tmp_path / folder).mkdir()
        text = f"from __future__ import annotations\nNumber{name} = float\n" + GOOD
        text = text.replace('"half"', f'"{name}"').replace(": float", f": Number{name}")
        load_file(plugin(tmp_path / folder, text))
    assert specs("one[factor=0.25]", "other[factor=2]") == ["one[factor=0.25]", "other[factor=2.0]"]
