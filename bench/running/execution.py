"""Execution of a run, from its plan to its stored results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from denoisebench.running.run_folder import RunFolder
from denoisebench.running.runner import carry_out
from denoisebench.store.manifest import BUSY_PERCENT
from denoisebench.store.results import Results, load_run
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from denoisebench.running.plan import Plan
    from denoisebench.running.progress import Progress


class RunInterrupted(KeyboardInterrupt):
    """Interrupt of a run. Its folder holds what was measured, and the same run continues there.

    Attributes:
        folder: the run's folder.
        command: the command that continues the run.
    """

    def __init__(self, folder: Path, command: str) -> None:
        super().__init__(f"what was measured is in {folder}; the same run goes on from there")
        self.folder = folder
        self.command = command


def execute(plan: Plan, path: Path, progress: Progress, say: Callable[[str], None]) -> Results:
    """Carry out a plan in its folder, and read the stored run.

    Args:
        plan: the run.
        path: the run's folder; cells that it holds are not measured again.
        progress: observer of the run.
        say: function that gets lines for the user.

    Raises:
        UsageError: the folder, its store or a frame cannot be used.
        RunInterrupted: the run was interrupted. The folder holds what was measured, and the same
            plan continues from there.
    """
    with RunFolder(path, plan) as folder:
        for remark in folder.remarks:
            say(remark)
        if folder.busy_percent > BUSY_PERCENT:
            say(
                f"Other work takes {folder.busy_percent:.0f} % of this machine: "
                "scores are not affected, times will be too long"
            )
        try:
            folder.write_manifest("running")
            costs = carry_out(plan, folder, progress)
            folder.write_manifest("interrupted" if costs.left else "complete", costs.summary())
            if costs.left:
                left = counted(costs.left, "cell")
                say(f"The budget is spent, with {left} left: the same command goes on")
        except KeyboardInterrupt:
            folder.write_manifest("interrupted")
            raise RunInterrupted(path, plan.options.command) from None
        finally:
            progress.end()
    return load_run(path)
