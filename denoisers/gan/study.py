"""Studies: lists of trainings whose recipes differ from one another, as TOML files."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from denoisebench.denoisers.gan.recipe_file import load_recipe
from denoisebench.errors import UsageError, unknown
from denoisebench.files import read_toml

_SHIPPED = Path(__file__).with_name("studies")


@dataclass(frozen=True)
class Training:
    """One training of a study.

    Attributes:
        name: of its folder: the entry's name and the sigma, if it has one.
        question: the question that it answers, in a few words.
        recipe: a shipped recipe's name, or the path of one.
        sigma: noise level to train for, on the 8-bit scale; None for a recipe with a range.
        changes: to the recipe, see `recipe.load`.
    """

    name: str
    question: str
    recipe: str
    sigma: float | None
    changes: dict[str, str]


def study_names() -> list[str]:
    """List the shipped studies."""
    return sorted(path.stem for path in _SHIPPED.glob("*.toml"))


def load_study(name: str, *, reduced: bool) -> list[Training]:
    """Read the trainings that a study lists, in its order; those from other studies come first.

    Every recipe is read, so that a mistake is reported before the first training.

    Args:
        name: a shipped study's name, or the path of a TOML file.
        reduced: make the changes of the study's table ``cpu`` as well, and those of the entry's.
            Those to an adversary are left out where a recipe has none, and so are those that an
            entry makes itself.

    Raises:
        UsageError: the study cannot be used; the message says why.
    """
    path = Path(name) if name.endswith(".toml") else _SHIPPED / f"{name}.toml"
    if not name.endswith(".toml") and name not in study_names():
        raise UsageError(
            f"{unknown('study', name, study_names())}; or give the path of a .toml file"
        )
    content = read_toml(path, f"study {name}")
    fewer = content.get("cpu", {}) if reduced else {}
    try:
        trainings = [t for part in content.get("from", []) for t in _chosen(part, reduced)]
        for entry in content.get("training", []):
            own = entry.get("cpu", {}) if reduced else {}
            trainings += _trainings(entry, fewer | own)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"study {name}: each [[training]] needs name, question, recipe and, unless the recipe "
            "has a range, sigmas, and may have tables set and cpu; each [[from]] needs study and "
            f"trainings ({type(error).__name__}: {error})"
        ) from error
    except RecursionError as error:
        raise UsageError(f"study {name}: it takes trainings from itself") from error
    if not trainings:
        raise UsageError(f"study {name}: it lists no training")
    if len({training.name for training in trainings}) < len(trainings):
        raise UsageError(f"study {name}: two trainings have the same name and sigma")
    return trainings


def _chosen(part: dict[str, Any], reduced: bool) -> list[Training]:
    """Take some trainings from another study, with its reductions.

    Raises:
        UsageError: the study cannot be used, or lacks one of them.
    """
    known = {training.name: training for training in load_study(part["study"], reduced=reduced)}
    for name in part["trainings"]:
        if name not in known:
            raise UsageError(unknown(f"training of the study {part['study']}", name, known))
    return [known[name] for name in part["trainings"]]


def _trainings(entry: dict[str, Any], fewer: dict[str, Any]) -> list[Training]:
    """Make the trainings of an entry, one for each sigma.

    Raises:
        UsageError: its recipe cannot be used.
        ValueError: its name cannot name a folder, or a sigma is out of range.
    """
    if not re.fullmatch(r"\w[\w.-]*", entry["name"]):
        raise ValueError(f"the name {entry['name']!r} has more than letters, digits, _, - and .")
    for sigma in entry.get("sigmas", []):
        if not 0 <= sigma <= 255:
            raise ValueError(f"sigma {sigma} is not between 0 and 255")
    own = {key: _text(value) for key, value in entry.get("set", {}).items()}
    plain = load_recipe(entry["recipe"], own)
    changes = own | {
        key: _text(value)
        for key, value in fewer.items()
        if key not in own and (plain.adversary or not key.startswith("adversary."))
    }
    load_recipe(entry["recipe"], changes)

    def training(name: str, sigma: float | None) -> Training:
        return Training(name, entry["question"], entry["recipe"], sigma, changes)

    if plain.data.sigma_range is not None:
        return [training(entry["name"], None)]
    return [training(f"{entry['name']}-{s:g}", float(s)) for s in entry["sigmas"]]


def _text(value: Any) -> str:
    """Write a TOML value as `recipe.load` takes it."""
    return value if isinstance(value, str) else json.dumps(value)
