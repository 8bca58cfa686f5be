"""Signs of a collapse: validations after which it is no use to go on with a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FAIR_START = 0.25
"""Share of a training before which nothing is judged."""
FAIR_ITERATIONS = 2000
"""Iterations before which nothing is judged: short trainings are for trying things out."""
_UNCHANGED = 5
"""Number of validations in a row that are alike where the estimate no longer changes."""
_ALIKE_DB = 0.01
"""Greatest range of PSNR that counts as alike. In healthy trainings with the shipped recipes the
least range of five validations was 0.06 dB."""
_STRETCH = 0.1
"""Least share of a training that alike validations span, however often it is validated."""
_LEARNING = 0.1
"""Share of the full learning rate below which an estimate may come to rest."""
_UNDER = 3
"""Number of validations in a row that are under the noisy input's PSNR. Healthy trainings are so
for a tenth of their iterations."""


@dataclass(frozen=True)
class Validation:
    """Outcome of a validation, and its place in the training.

    Attributes:
        iteration: number of iterations done.
        share: share of the training that is done, from 0 to 1.
        rate: share of the full learning rate at that time, from 0 to 1.
        psnr: mean PSNR in dB by sigma.
    """

    iteration: int
    share: float
    rate: float
    psnr: dict[float, float]


def collapse(history: Sequence[Validation], noisy: Mapping[float, float]) -> str:
    """Tell whether a training has collapsed, by its validations so far.

    It has if the estimate no longer changes though the learning rate is not small, or if it stays
    under the noisy input at every sigma.

    Args:
        history: the validations, in their order.
        noisy: PSNR of the noisy input in dB by sigma.

    Returns:
        The reason in words; empty if it has not, or if it is too early to say.

    Examples:
        >>> same = [Validation(500 * n, n / 20, 1.0, {25.0: 27.19}) for n in range(1, 21)]
        >>> collapse(same[:9], {25.0: 20.2})
        'the estimate no longer changes: 27.19 dB at sigma 25 from iteration 2500 on'
        >>> collapse(same[:4], {25.0: 20.2})
        ''
    """
    if not history:
        return ""
    now = history[-1]
    if now.share < FAIR_START or now.iteration < FAIR_ITERATIONS:
        return ""
    first = _first_alike(history)
    if first is not None and now.rate >= _LEARNING:
        return f"the estimate no longer changes: {_words(now)} from iteration {first} on"
    if len(history) >= _UNDER and all(_is_under(one, noisy) for one in history[-_UNDER:]):
        floor = ", ".join(f"{noisy[sigma]:.2f} dB" for sigma in now.psnr)
        return f"the estimate is worse than the noisy input: {_words(now)}, not {floor}"
    return ""


def _first_alike(history: Sequence[Validation]) -> int | None:
    """Find the iteration of the first of enough validations that are alike up to the last."""
    now = history[-1]
    spans = [one for one in history[: 1 - _UNCHANGED] if now.share - one.share >= _STRETCH]
    if not spans:
        return None
    seen = history[len(spans) - 1 :]
    for sigma in now.psnr:
        scores = [one.psnr[sigma] for one in seen]
        if max(scores) - min(scores) >= _ALIKE_DB:
            return None
    return seen[0].iteration


def _is_under(validation: Validation, noisy: Mapping[float, float]) -> bool:
    """Tell whether the estimate is worse than the noisy input at every sigma.

    Nothing is better than an input without noise, whose PSNR is infinite.
    """
    return all(psnr < noisy[sigma] < math.inf for sigma, psnr in validation.psnr.items())


def _words(validation: Validation) -> str:
    return ", ".join(f"{psnr:.2f} dB at sigma {sigma:g}" for sigma, psnr in validation.psnr.items())
