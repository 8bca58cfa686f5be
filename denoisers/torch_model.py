"""Methods around a network of the user's: a class of a Python file, or an ONNX file."""

from __future__ import annotations

import ast
import inspect
import json
import pickle
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from denoisebench import parameters, plugins
from denoisebench.denoisers import registry
from denoisebench.denoisers.torch_denoiser import TorchDenoiser
from denoisebench.errors import UsageError, unknown
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import torch

__all__ = ["NetworkUse", "TorchModel", "load_models", "read_model"]

_EXPRESSION = re.compile(
    r"(?P<file>.+?\.onnx|.+?\.py(?=:))(?::(?P<network>\w+)(?:\((?P<arguments>.*)\))?)?"
    r"(?:\[(?P<use>[^\[\]()]*)\])?"
)
_FORM = "write FILE.py:CLASS, FILE.py:CLASS(argument=value)[conditioning=map], or FILE.onnx"


@dataclass(frozen=True)
class NetworkUse:
    """Use of a network: the attributes of `TorchDenoiser` that describe it, and the row's name.

    Attributes:
        name: the method's name; empty takes the file's.

    Raises:
        ValueError: an attribute is out of its range.
    """

    name: str = ""
    channels: Literal[3, 1, None] = 3
    conditioning: Literal["blind", "channel", "map", "vector"] = "blind"
    black: float = 0.0
    white: float = 1.0
    residual: bool = False
    multiple: int = 1
    overlap: int = 64
    channels_last: bool = False

    def __post_init__(self) -> None:
        if self.white == self.black:
            raise ValueError("white and black are two values")
        if self.multiple < 1 or self.overlap < 0:
            raise ValueError("multiple is at least 1, overlap at least 0")


@dataclass(frozen=True)
class TorchModel:
    """Network in a user's file, as ``--torch`` and ``--checkpoint`` name it.

    Attributes:
        file: the Python file, or an ONNX file.
        network: name of the class in it; empty for an ONNX file.
        arguments: arguments of the class, pairs of name and value.
        use: the way in which it is called.
        checkpoint: file of its weights; None for a class that brings them.
    """

    file: Path
    network: str
    arguments: tuple[tuple[str, Any], ...] = ()
    use: NetworkUse = NetworkUse()
    checkpoint: Path | None = None

    @property
    def name(self) -> str:
        """Name of the method."""
        return self.use.name or re.sub(r"[^A-Za-z0-9_.+-]", "-", self.file.stem)

    @property
    def text(self) -> str:
        """All that decides its results but the files, in one line."""
        arguments = ",".join(f"{name}={value!r}" for name, value in self.arguments)
        return f"{self.network}({arguments}) {json.dumps(asdict(self.use), sort_keys=True)}"

    @property
    def shown(self) -> str:
        """The expression without arguments and use, for messages."""
        return plain(f"{self.file.name}:{self.network}" if self.network else self.file.name)

    def build(self) -> Any:
        """Build the network with its weights, on the CPU.

        Raises:
            UsageError: the file has no such class, or is no ONNX file; the class makes no network
                of these arguments; or the checkpoint does not fit.
        """
        if not self.network:
            from denoisebench.denoisers.onnx_file import OnnxNetwork

            return OnnxNetwork(self.file.read_bytes())
        network = self._made()
        if self.checkpoint is not None:
            from denoisebench.denoisers.nets.checkpoints import load_into, read_state

            state = _inner_state(read_state(self.checkpoint), network.state_dict().keys())
            load_into(network, state, plain(self.checkpoint.name))
        return network

    def _made(self) -> torch.nn.Module:
        """Make the class's network.

        Raises:
            UsageError: see `build`.
        """
        from torch import nn

        file = plain(self.file.name)
        module = plugins.import_file(self.file)
        factory = getattr(module, self.network, None)
        if factory is None:
            known = [n for n, v in vars(module).items() if _is_network(v, module.__name__)]
            raise UsageError(f"{file}: {unknown('network', self.network, known)}")
        try:
            network = factory(**dict(self.arguments))
        except TypeError as error:
            raise UsageError(
                f"{file}: {self.network} takes other arguments: {plain(str(error))}"
            ) from error
        if not isinstance(network, nn.Module):
            raise UsageError(f"{file}: {self.network} makes no torch.nn.Module")
        self._check_call(network)
        return network

    def _check_call(self, network: torch.nn.Module) -> None:
        """Check that the network takes as many arguments as it will get.

        Raises:
            UsageError: it takes more or fewer.
        """
        takes, gets = inspect.signature(network.forward), ["image"]
        if self.use.conditioning in ("map", "vector"):
            gets.append("sigma")
        try:
            takes.bind(*gets)
        except TypeError as error:
            raise UsageError(
                f"{self.network}.forward takes {takes}, but would get ({', '.join(gets)}): say how "
                f"it gets sigma: '{self.shown}[conditioning=map]' or vector, channel, blind"
            ) from error


def _inner_state(state: Mapping[str, Any], wanted: Collection[str]) -> dict[str, Any]:
    """Return the part of a checkpoint that is a network's state, its names without a prefix.

    Args:
        state: tensors by their names, such as ``model.net.0.weight`` and ``optimizer.0.step``.
        wanted: names that the network has; the prefix before most of them is taken off.

    Examples:
        >>> _inner_state({"net.0.weight": 1, "net.0.scale": 2, "step": 3}, ["0.weight", "0.bias"])
        {'0.weight': 1, '0.scale': 2}
    """
    prefixes = Counter(
        name[:end]
        for name in state
        for end in (0, *(dot.end() for dot in re.finditer(r"\.", name)))
        if name[end:] in wanted
    )
    prefix = max(prefixes, key=lambda one: (prefixes[one], -len(one)), default="")
    return {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}


def _is_network(value: Any, module: str) -> bool:
    """Tell whether a value is a class of networks that a module defines."""
    from torch import nn

    return isinstance(value, type) and issubclass(value, nn.Module) and value.__module__ == module


def read_model(expression: str, checkpoint: Path | None = None) -> TorchModel:
    """Read the expression that names a network.

    Args:
        expression: ``FILE.py:CLASS``, with arguments of the class in parentheses, then attributes
            of `NetworkUse` in brackets; or ``FILE.onnx``.
        checkpoint: file of its weights.

    Raises:
        UsageError: it has another form, there is no such file, or a value is not as it must be.

    Examples:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     source = Path(folder, "net.py")
        ...     source.touch()
        ...     model = read_model(f"{source}:Net(depth=17)[conditioning=map,white=255]")
        >>> model.name, model.arguments, model.use.conditioning, model.use.white
        ('net', (('depth', 17),), 'map', 255.0)
    """
    shown = f"--torch {plain(expression)}"
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise UsageError(f"{shown}: cannot read it; {_FORM}")
    file = Path(match["file"])
    for path in filter(None, (file, checkpoint)):
        if not path.is_file():
            raise UsageError(f"{shown}: no such file: {plain(str(path))}")
    use = dict(parameters.overrides(shown, NetworkUse, match["use"] or ""))
    if file.suffix == ".onnx":
        if checkpoint is not None:
            raise UsageError(f"{shown}: an ONNX file holds its weights; leave out --checkpoint")
        use = _use_of_onnx(file, shown) | use
    return TorchModel(
        file.resolve(),
        match["network"] or "",
        _arguments(shown, match["arguments"] or ""),
        NetworkUse(**use),
        None if checkpoint is None else checkpoint.resolve(),
    )


def _use_of_onnx(file: Path, shown: str) -> dict[str, Any]:
    """Read the use of an ONNX file's network from the file.

    Raises:
        UsageError: the file is damaged, or onnxruntime is missing.
    """
    if (problem := plugins.lacking(["onnxruntime"])) is not None:
        raise UsageError(f"{shown}: {problem}")
    from denoisebench.denoisers.onnx_file import OnnxNetwork

    try:
        return OnnxNetwork(file.read_bytes()).use
    except UsageError as error:
        raise UsageError(f"{shown}: {error}") from error


def _arguments(shown: str, text: str) -> tuple[tuple[str, Any], ...]:
    """Read the arguments of a class: names with literal values.

    Raises:
        UsageError: they have another form.
    """
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        assert not call.args
        return tuple((str(word.arg), ast.literal_eval(word.value)) for word in call.keywords)
    except (SyntaxError, ValueError, AssertionError) as error:
        raise UsageError(f"{shown}: cannot read the arguments; write argument=value") from error


@dataclass(frozen=True)
class _OfModel(TorchDenoiser):
    """Base of the methods around networks in users' files."""

    description: ClassVar[TorchModel]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.description.network and (self.precision != "float32" or self.compiled):
            raise ValueError("an ONNX file has a precision of its own, and is not compiled")

    def network(self) -> Any:
        """Build the network."""
        return self.description.build()


def enter(model: TorchModel) -> None:
    """Register the method of a model; its file is not imported.

    Raises:
        UsageError: another method has its name.
    """
    registry.cards()  # the methods that are installed have their names first
    use = asdict(model.use)
    del use["name"]
    # `model` is a parameter, so that it is part of the identity of the results.
    tile = -(-_OfModel.tile // model.use.multiple) * model.use.multiple
    body = {
        **use,
        "description": model,
        "model": model.text,
        "tile": tile,
        "__annotations__": {"model": "str", "tile": "int"},
        "__module__": __name__,
    }
    weights = (model.checkpoint,) if model.network else (model.file,)
    files = dict.fromkeys(filter(None, (model.file, *weights)))
    add = registry.register(
        model.name,
        title=f"{model.network or model.name} ({plain([*files][-1].name)})",
        family="learned",
        licence="not stated",
        blind=model.use.conditioning == "blind",
        colour="per channel" if model.use.channels == 1 else "joint",
        devices=("cpu", "cuda") if model.network else ("cpu",),
        array="torch",
        requires=("torch", "safetensors" if model.network else "onnxruntime"),
        note=f"A network of yours: {' with '.join(plain(file.name) for file in files)}.",
        weights=tuple(filter(None, weights)),
        code=(model.file,) if model.network else (),
    )
    try:
        add(dataclass(frozen=True)(type(model.network or "OnnxFile", (_OfModel,), body)))
    except ValueError as error:
        raise UsageError(
            f"--torch {model.shown}: no method can be called {model.name!r}, or another one is; "
            f"give a name: --torch '{model.shown}[name=mine]'"
        ) from error


def load_models(
    expressions: Sequence[str],
    checkpoints: Sequence[Path] = (),
    seconds: float = plugins.IMPORT_S,
) -> None:
    """Register the methods of models, and forget those of all others.

    Each is built in a process of its own first, so that a mistake ends the request at once.

    Args:
        expressions: see `read_model`.
        checkpoints: files of weights, one for each expression, or none at all.
        seconds: time limit for building each.

    Raises:
        UsageError: a model cannot be read or built, or another method has its name.

    Examples:
        >>> load_models([])
    """
    registry.forget(_OfModel)
    if checkpoints and len(checkpoints) != len(expressions):
        raise UsageError(
            f"--checkpoint: {len(checkpoints)} for {len(expressions)} of --torch; give one for each"
        )
    given: Sequence[Path | None] = checkpoints or [None] * len(expressions)
    for expression, checkpoint in zip(expressions, given, strict=True):
        model = read_model(expression, checkpoint)
        enter(model)
        try:
            _rehearse(model, seconds)
        except UsageError:
            registry.forget(_OfModel)
            raise


def model_behind(method: registry.Method) -> TorchModel | None:
    """Return the model of a method; None if it is no user's network."""
    factory = method.card.factory
    found = isinstance(factory, type) and issubclass(factory, _OfModel)
    return getattr(factory, "description", None) if found else None


def _rehearse(model: TorchModel, seconds: float) -> None:
    """Build a model in another process.

    Raises:
        UsageError: it cannot be built there.
    """
    shown = f"--torch {model.shown}"
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer")
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", f"from {__name__} import try_out; try_out()"],
                input=pickle.dumps((model, answer)),
                capture_output=True,
                timeout=seconds,
            )
        except subprocess.TimeoutExpired:
            raise UsageError(f"{shown}: building it takes longer than {seconds:g} s") from None
        if not answer.is_file():
            raise UsageError(f"{shown}: building it ends the process ({done.returncode})")
        if problem := answer.read_text(encoding="utf-8"):
            raise UsageError(f"{shown}: {problem}")


def try_out() -> None:
    """Build the model that stands in stdin, and write its problem to a file, empty for none."""
    model, answer = pickle.load(sys.stdin.buffer)
    try:
        model.build()
        problem = ""
    except UsageError as error:
        problem = str(error)
    except BaseException as error:  # a user's file may raise anything
        problem = plugins.describe_error(error)
    answer.write_text(problem, encoding="utf-8")
