"""Series of trainings: each a process of its own, their weights collected as they finish."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TYPE_CHECKING

from denoisebench import files
from denoisebench.datasets.catalogue import open_dataset
from denoisebench.denoisers.gan.recipe_file import load_recipe
from denoisebench.machine import threads
from denoisebench.training import attempts
from denoisebench.training.data import split
from denoisebench.training.folder import CARD_FILE, WEIGHTS_FILE, finished_scores
from denoisebench.training.options import dataset_name
from denoisebench.training.supervision import Command, run_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from denoisebench.training.options import TrainingOptions


def run_series(
    trainings: Mapping[str, TrainingOptions],
    weights: Path,
    jobs: int,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Carry out trainings, some at a time, but for those that are finished.

    Args:
        trainings: by name, each with a folder of its own.
        weights: folder that gets the finished weights and cards, under the trainings' names.
        jobs: greatest number of trainings at a time. Where no number of threads is given, they
            share the cores.
        say: called with each line for the user.

    Returns:
        The outcome of each training by name, in one line; empty for one that is finished.

    Raises:
        UsageError: a recipe or the data cannot be used, or a card is damaged.
        KeyboardInterrupt: it was asked for; the trainings have saved their work.
    """
    _check(trainings)
    outcomes = {name: _left_alone(options) for name, options in trainings.items()}

    def ended(name: str, code: int) -> None:
        outcomes[name] = _outcome(trainings[name].folder, code)
        _collect(name, trainings[name].folder, weights)
        say(f"{name}: {outcomes[name] or 'finished'}")

    for name, options in trainings.items():
        _collect(name, options.folder, weights)
    commands = [
        Command(name, [*_shared(options, jobs).words, *["--fresh"] * options.fresh])
        for name, options in trainings.items()
        if not (outcomes[name] or finished_scores(options.folder))
    ]
    if not run_commands(commands, jobs, say, ended):
        raise KeyboardInterrupt
    return outcomes


def _check(trainings: Mapping[str, TrainingOptions]) -> None:
    """Read all recipes and open all data, so that a mistake is told before the first training.

    Raises:
        UsageError: there is one.
    """
    names = {
        dataset_name(options, load_recipe(options.recipe, dict(options.changes)))
        for options in trainings.values()
    }
    for name in sorted(names):
        split(open_dataset(name))


def _shared(options: TrainingOptions, jobs: int) -> TrainingOptions:
    """Give a training its share of the cores, unless its threads are given or it runs alone."""
    if options.threads is not None or jobs == 1:
        return options
    return replace(options, threads=max(1, threads.available_cores() // jobs))


def _left_alone(options: TrainingOptions) -> str:
    """Say why a training is not to be started; empty if it is."""
    files.make_folder(options.folder)
    try:
        with files.held(options.folder, "training"):
            return ""
    except files.BusyError:
        return "at work elsewhere"


def _outcome(folder: Path, code: int) -> str:
    """Describe the end of a training's process; empty if it is finished."""
    if finished_scores(folder):
        return ""
    if code < 0:
        return f"ended by a signal ({signal.strsignal(-code) or -code})"
    *_, failed = [None, *attempts.failed_attempts(folder).values()]
    return f"failed: {failed}" if failed else f"ended with exit code {code}"


def _collect(name: str, folder: Path, weights: Path) -> None:
    """Copy the weights and card of a training that is finished, unless that is done."""
    if not finished_scores(folder):
        return
    copy, card = weights / f"{name}.json", (folder / CARD_FILE).read_bytes()
    if not copy.exists() or copy.read_bytes() != card:
        files.make_folder(weights)
        files.write_bytes(copy.with_suffix(".safetensors"), (folder / WEIGHTS_FILE).read_bytes())
        files.write_bytes(copy, card)
