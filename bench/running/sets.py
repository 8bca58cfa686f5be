"""Runs on several data sets: one run for each, in a folder of its own."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from denoisebench.errors import UsageError
from denoisebench.running.plan import make_plan, make_whole_plan, within_budget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.running.plan import Plan, RunOptions

__all__ = ["make_plans"]


def make_plans(options: RunOptions, datasets: Sequence[str]) -> list[tuple[Plan, str]]:
    """Resolve the options of a run on each of some data sets, before any of them begins.

    Several runs lie side by side below ``options.out``, or in the folders that they have alone, and
    share the budget: each gets the part of it that it has of all the time that all of them take.

    Args:
        options: the options of every run.
        datasets: expressions that name data sets, in place of the options' own; none takes the
            default one, and one alone is a run as any other.

    Returns:
        For each run what `make_plan` returns.

    Raises:
        UsageError: as `make_plan`, or two runs are to lie in one folder.
    """
    if len(datasets) < 2:
        return [make_plan(replace(options, dataset=name)) for name in datasets or (None,)]
    whole = [make_whole_plan(replace(options, dataset=name)) for name in datasets]
    together = sum(plan.seconds for plan, _ in whole)
    found = []
    for plan, line in whole:
        out = options.out and options.out / plan.default_name
        budget = options.budget and round(options.budget * plan.seconds / together, 1)
        own = replace(plan, options=replace(plan.options, out=out, budget=budget))
        found.append((within_budget(own), line))
    _check_apart([plan for plan, _ in found])
    return found


def _check_apart(plans: Sequence[Plan]) -> None:
    """Raise UsageError if two runs are to lie in one folder."""
    folders = Counter(plan.folder for plan in plans)
    for plan in plans:
        if folders[plan.folder] > 1:
            raise UsageError(f"--dataset: two of the data sets are the same, {plan.dataset.title}")
