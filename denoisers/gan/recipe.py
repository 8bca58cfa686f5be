"""A recipe: everything that decides a trained denoiser's weights but sigma, frames and seed.

It is a TOML file in which nothing is left out, so that one recipe differs from another by what
their files say. A change is made to one value of it by its dotted name, as ``data.patch=64``.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import typing
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from denoisebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

SHIPPED = Path(__file__).with_name("recipes")


@dataclass(frozen=True)
class UNetSpec:
    """See `networks.UNet`."""

    kind: Literal["unet"]
    width: int
    norm: Literal["none", "batch"]
    bottleneck: int
    sigma_map: bool
    linear_output: bool

    def __post_init__(self) -> None:
        _demand(self.width >= 2 and self.width % 2 == 0, "width is even and at least 2")
        _demand(self.bottleneck >= 1, "bottleneck is at least 1")


@dataclass(frozen=True)
class DcganSpec:
    """See `networks.DcganGenerator` and `networks.DcganDiscriminator`."""

    kind: Literal["dcgan"]
    width: int

    def __post_init__(self) -> None:
        _demand(self.width >= 1, "width is at least 1")


@dataclass(frozen=True)
class ResidualCnnSpec:
    """See `networks.ResidualCnn`."""

    kind: Literal["residual-cnn"]
    width: int
    depth: int
    norm: Literal["none", "batch"]

    def __post_init__(self) -> None:
        _demand(self.width >= 1, "width is at least 1")
        _demand(self.depth >= 2, "depth is at least 2")


@dataclass(frozen=True)
class PatchCriticSpec:
    """See `networks.PatchCritic`."""

    kind: Literal["patch"]
    width: int
    norm: Literal["none", "batch"]
    final_activation: bool

    def __post_init__(self) -> None:
        _demand(self.width >= 1, "width is at least 1")


GeneratorSpec = UNetSpec | DcganSpec | ResidualCnnSpec
CriticSpec = PatchCriticSpec | DcganSpec


@dataclass(frozen=True)
class AdversarySpec:
    """The critic and how it is trained.

    Attributes:
        loss: Eq. 3, Eq. 4 with clipped weights, or Eq. 5.
        penalty: λ of Eq. 5; for ``wgan-gp`` alone.
        clip: largest weight; for ``wgan-clip`` alone.
        truncate_scores: Eq. 6–7.
        steps: of the critic for each of the generator.
        learning_rate, betas: of the critic's Adam.
    """

    critic: CriticSpec
    loss: Literal["gan", "wgan-clip", "wgan-gp"]
    truncate_scores: bool
    steps: int
    learning_rate: float
    betas: tuple[float, float]
    penalty: float | None = None
    clip: float | None = None

    def __post_init__(self) -> None:
        _demand(
            (self.loss == "wgan-gp") == (self.penalty is not None),
            "penalty is for wgan-gp, and wgan-gp needs it",
        )
        _demand(
            (self.loss == "wgan-clip") == (self.clip is not None),
            "clip is for wgan-clip, and wgan-clip needs it",
        )
        _demand(self.penalty is None or self.penalty > 0, "penalty is above 0")
        _demand(self.clip is None or self.clip > 0, "clip is above 0")
        _demand(not (self.loss == "gan" and self.truncate_scores), "only wgan truncates scores")
        _demand(self.steps >= 1, "steps is at least 1")
        _check_adam(self.learning_rate, self.betas)


@dataclass(frozen=True)
class LossSpec:
    """The factors of the generator's losses, and how they are reduced; see `losses`."""

    adversarial: float
    pixel: float
    feature: float
    smoothness: float
    colour: float
    norm: Literal["l1", "l2"]
    reduction: Literal["sum_half", "mean"]

    def __post_init__(self) -> None:
        for name in ("adversarial", "pixel", "feature", "smoothness", "colour"):
            _demand(getattr(self, name) >= 0, f"{name} is at least 0")
        _demand(self.pixel > 0, "pixel is above 0")


@dataclass(frozen=True)
class DataSpec:
    """What a batch is.

    Attributes:
        batch: crops in a batch, for each process.
        patch: side of a crop in pixels.
        symmetries: turn and mirror the crops at random, in all eight ways.
        sigma_range: bounds of the noise, on the 8-bit scale, drawn uniformly for each crop. Where
            it is left out, the noise is constant and chosen for each training.
    """

    batch: int
    patch: int
    symmetries: bool
    sigma_range: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        _demand(self.batch >= 1, "batch is at least 1")
        _demand(self.patch >= 8 and self.patch % 8 == 0, "patch is a multiple of 8")
        if self.sigma_range is not None:
            low, high = self.sigma_range
            _demand(0 <= low < high <= 255, "sigma_range is two rising numbers from 0 to 255")


@dataclass(frozen=True)
class ScheduleSpec:
    """How long and how fast the generator learns.

    Attributes:
        iterations: steps of the generator.
        learning_rate, betas: of the generator's Adam.
        decay: of both learning rates: ``cosine`` brings them to 0 at the end.
        average: decay of the moving average of the weights, which is what is validated and
            shipped; 0 takes the weights themselves.
        mixed_precision: compute the generator in 16 bit where the device is fast at it.
        validate_every: iterations between validations, each of which saves a checkpoint.
    """

    iterations: int
    learning_rate: float
    betas: tuple[float, float]
    decay: Literal["constant", "cosine"]
    average: float
    mixed_precision: bool
    validate_every: int

    def __post_init__(self) -> None:
        _demand(self.iterations >= 1, "iterations is at least 1")
        _demand(0 <= self.average < 1, "average is at least 0 and below 1")
        _demand(self.validate_every >= 1, "validate_every is at least 1")
        _check_adam(self.learning_rate, self.betas)


@dataclass(frozen=True)
class Recipe:
    """A denoiser to be trained.

    Attributes:
        title: what a table calls it.
        reference: the publication it follows.
        adversary: None where the generator is trained alone.
        dataset: the data set that it learns from, unless another is asked for; None for
            documentary. No part of the digest: a card has the frames' own.
    """

    title: str
    reference: str
    generator: GeneratorSpec
    losses: LossSpec
    data: DataSpec
    schedule: ScheduleSpec
    adversary: AdversarySpec | None = None
    dataset: str | None = None

    def __post_init__(self) -> None:
        needs = self.losses.adversarial > 0 or self.losses.feature > 0
        _demand(
            needs == (self.adversary is not None),
            "losses.adversarial or losses.feature is above 0 if and only if there is an adversary",
        )
        conditioned = isinstance(self.generator, UNetSpec) and self.generator.sigma_map
        _demand(
            not conditioned or self.data.sigma_range is not None,
            "generator.sigma_map needs data.sigma_range",
        )

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the sha256 of the content, comments and names apart."""
        content = asdict(self)
        del content["title"], content["reference"], content["dataset"]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def names() -> list[str]:
    """The recipes that are shipped."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load(name: str, changes: Mapping[str, str] | None = None) -> Recipe:
    """Read a shipped recipe by its name, or any by the path of its TOML file.

    Args:
        changes: values in the place of the file's, by their dotted names, written as in TOML; the
            quotes of a string can be left out, and an empty value leaves the key out.

    Raises:
        UsageError: there is none, or it cannot be used, and why.
    """
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise UsageError(f"{unknown('recipe', name, names())}; or give the path of a .toml file")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"recipe {name}: cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"recipe {name}: not valid TOML: {error}") from error
    try:
        for key, value in (changes or {}).items():
            _change(content, key, value)
        recipe: Recipe = _read(Recipe, content, "")
    except ValueError as error:
        raise UsageError(f"recipe {name}: {error}") from error
    return recipe


def _change(content: dict[str, Any], key: str, value: str) -> None:
    *tables, last = key.split(".")
    for table in tables:
        content = content.get(table, {})
        _demand(isinstance(content, dict) and content != {}, f"{key}: there is no table {table!r}")
    if value:
        content[last] = _value(value)
    else:
        _demand(last in content, f"{key}: there is none that could be left out")
        del content[last]


def _value(text: str) -> Any:
    """What a TOML file would read, or the text itself: ``64``, ``[0, 55]``, ``batch``."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _demand(condition: bool, rule: str) -> None:
    if not condition:
        raise ValueError(rule)


def _check_adam(learning_rate: float, betas: tuple[float, float]) -> None:
    _demand(learning_rate > 0, "learning_rate is above 0")
    _demand(all(0 <= beta < 1 for beta in betas), "betas are at least 0 and below 1")


def _read(wanted: Any, value: Any, where: str) -> Any:
    """Turn a TOML value into the type that it is wanted as.

    Raises:
        ValueError: it cannot be; the message begins with where in the file.
    """
    options = [kind for kind in typing.get_args(wanted) if kind is not type(None)]
    if typing.get_origin(wanted) is Literal:
        _demand(value in options, f"{where} is one of {', '.join(options)}, not {value!r}")
        return value
    if typing.get_origin(wanted) is tuple:
        is_list = isinstance(value, list) and len(value) == len(options)
        _demand(is_list, f"{where} is a list of {len(options)} numbers, not {value!r}")
        return tuple(_read(kind, item, where) for kind, item in zip(options, value, strict=True))
    if options:
        return _read(_chosen(options, value, where), value, where)
    if is_dataclass(wanted):
        return _read_table(wanted, value, where)
    if wanted is float and type(value) is int:
        value = float(value)
    _demand(type(value) is wanted, f"{where} is of type {wanted.__name__}, not {value!r}")
    return value


def _chosen(options: list[Any], value: Any, where: str) -> Any:
    """The member of a union that a value is meant for: of several tables, that of its kind."""
    if len(options) == 1:
        return options[0]
    kinds = {typing.get_args(typing.get_type_hints(o)["kind"])[0]: o for o in options}
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in kinds:
        raise ValueError(f"{where}.kind is one of {', '.join(kinds)}, not {kind!r}")
    return kinds[kind]


def _read_table(wanted: Any, value: Any, where: str) -> Any:
    _demand(isinstance(value, dict), f"{where} is a table, not {value!r}")
    prefix = f"{where}." if where else ""
    types = typing.get_type_hints(wanted)
    for key in value:
        if key not in types:
            raise ValueError(f"{where}: " * bool(where) + unknown("key", key, types))
    for field in fields(wanted):
        optional = type(None) in typing.get_args(types[field.name])
        _demand(optional or field.name in value, f"{prefix}{field.name} is missing")
    content = {key: _read(types[key], item, prefix + key) for key, item in value.items()}
    try:
        return wanted(**content)
    except ValueError as error:
        raise ValueError(f"{where}: {error}" if where else str(error)) from error
