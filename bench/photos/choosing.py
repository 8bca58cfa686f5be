"""Choice of a method for a photograph: the best that a run has within a budget of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from denoisebench.cells import Level
from denoisebench.denoisers import registry
from denoisebench.errors import UsageError
from denoisebench.machine import memory
from denoisebench.photos.tiling import LARGEST_WINDOW, reach_of
from denoisebench.store.results import load_run
from denoisebench.store.tables import table1
from denoisebench.text import plain

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Mapping
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from denoisebench.denoisers.registry import Method

_SHIPPED = "table1.csv"
"""Table 1 of the published run ``results/baseline``."""

EIGHT_BIT = frozenset({"nlm-opencv", "ffmpeg-dctdnoiz", "ffmpeg-nlmeans"})
"""Methods whose engines take 8-bit pixels only."""

_COPIES = 12  # of a picture in float32, that a method may need at once


@dataclass(frozen=True)
class Rated:
    """A method's row of a run at a noise level.

    Attributes:
        method: the method.
        sigma: the noise level; None for recorded noise.
        psnr: mean PSNR in dB.
        seconds: for a megapixel.
    """

    method: Method
    sigma: float | None
    psnr: float
    seconds: float


@dataclass(frozen=True)
class Choices:
    """Methods of a run that can run here.

    Attributes:
        rated: their rows.
        source: the run, in words.
        budget: seconds that a megapixel may take.
    """

    rated: tuple[Rated, ...]
    source: str
    budget: float

    def best(self, sigma: float, photo: np.ndarray) -> tuple[Method, str]:
        """Choose the method of best PSNR within the budget, at the level nearest to a sigma.

        No other method is both better and faster, so that it lies on the Pareto front. Networks
        that are made for other sigmas are left out, and so are methods that see 8 bits of a
        16-bit photograph, or need more memory than there is.

        Args:
            sigma: on the 8-bit scale.
            photo: the photograph's samples, (H, W, C).

        Returns:
            The method, and one sentence that says why.

        Raises:
            UsageError: none is within the budget.
        """
        level = _nearest({one.sigma for one in self.rated}, sigma)
        fit = [
            one for one in self.rated if one.sigma == level and _serves(one.method, sigma, photo)
        ]
        affordable = [one for one in fit if one.seconds <= self.budget]
        if not affordable:
            least = min((one.seconds for one in fit), default=math.nan)
            raise UsageError(
                f"no method takes at most {self.budget:g} s a megapixel in {self.source}, and the "
                f"fastest takes {least:.2g} s; raise --budget-per-megapixel, or name a --method"
            )
        best = max(affordable, key=lambda one: (one.psnr, -one.seconds))
        return best.method, (
            f"{best.method.card.title}: {best.psnr:.2f} dB "
            f"{'on' if level is None else 'at'} {Level(level)} and "
            f"{best.seconds:.2g} s a megapixel, the best of the {len(affordable)} methods that "
            f"take at most {self.budget:g} s in {self.source}"
        )


def _nearest(levels: set[float | None], sigma: float) -> float | None:
    """Return the level nearest to a sigma, as their ratio tells; None of recorded noise alone."""
    drawn = [level for level in levels if level is not None]
    return min(drawn, key=lambda level: abs(math.log(level / max(sigma, 0.1))), default=None)


def _serves(method: Method, sigma: float, photo: np.ndarray) -> bool:
    """Return True if a method can be chosen for a photograph."""
    deep = photo.dtype.itemsize > 1
    if method.card.unfit(sigma) is not None or (deep and method.card.name in EIGHT_BIT):
        return False
    tiled = max(photo.shape[:2]) <= LARGEST_WINDOW or reach_of(method) is not None
    return tiled or 4 * photo.size * _COPIES < memory.available_memory()


def read_choices(run: Path | None, budget: float, devices: Collection[str]) -> Choices:
    """Read the methods of a run that can run here, and that everybody may use.

    Args:
        run: folder of the run; None takes the published one.
        budget: seconds that a megapixel may take.
        devices: devices that methods may use.

    Raises:
        UsageError: the folder holds no run, or none that tells PSNR and time of a usable method.
    """
    if run is None:
        table, source = _shipped(), "the published run (white noise on documentary, two cores)"
    else:
        table, source = table1(load_run(run)), f"the run {plain(str(run))}"
    rated = tuple(one for line in table.to_dict("records") if (one := _rated(line, devices)))
    if not rated:
        raise UsageError(f"{source} has no method with PSNR and time at a sigma that can run here")
    return Choices(rated, source, budget)


def _shipped() -> pd.DataFrame:
    import pandas as pd

    with (resources.files("denoisebench.photos") / _SHIPPED).open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _rated(line: Mapping[Hashable, Any], devices: Collection[str]) -> Rated | None:
    """Make an one of a line of `table1`; None if the method cannot or must not be chosen."""
    try:
        [method] = registry.select([str(line["method"])])
    except UsageError:  # a plugin of that run
        return None
    card = method.card
    sigma, psnr, milliseconds = (
        float(line[name]) for name in ("sigma", "psnr_mean", "ms_per_megapixel")
    )
    if line["status"] != "ok" or line["device"] not in devices or sigma == 0:
        return None
    if card.family == "control" or "non-commercial" in card.licence or card.unavailable is not None:
        return None
    if not (math.isfinite(psnr) and math.isfinite(milliseconds)):
        return None
    return Rated(method, None if math.isnan(sigma) else sigma, psnr, milliseconds / 1000)


def named_method(expression: str, devices: Collection[str]) -> Method:
    """Return the one method that the user names.

    Args:
        expression: its name, with or without parameters.
        devices: devices that it may use.

    Raises:
        UsageError: there is none, there are several, or it cannot run here.
    """
    methods = registry.select([expression])
    if len(methods) != 1:
        raise UsageError("--method: name one method, or auto")
    [method] = methods
    if method.card.sees_clean:
        raise UsageError(f"--method {method.card.name}: nobody knows the clean picture")
    if (problem := method.card.unavailable) is not None:
        raise UsageError(f"--method {method.card.name}: it cannot run here: {problem}")
    if not set(devices) & set(method.card.devices):
        runs_on = ", ".join(method.card.devices)
        raise UsageError(f"--method {method.card.name}: it runs on {runs_on} only")
    return method
