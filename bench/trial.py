"""Trial of one method on a few frames, for its author's tests (`denoisebench.pytest_plugin`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.comparing.findings import Verdict
from denoisebench.comparing.findings_report import change_in_words
from denoisebench.comparing.limits import ComparisonLimits
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.machine import threads
from denoisebench.machine.transfer import device_of, without_gradients
from denoisebench.running.execution import execute
from denoisebench.running.plan import RunOptions, make_plan
from denoisebench.running.progress import PlainProgress
from denoisebench.running.worker import Task, load_method
from denoisebench.store.results import load_finished

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from denoisebench.running.plan import Plan
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Trial:
    """Scores of a method on a few frames.

    Attributes:
        results: the stored run.
    """

    results: Results

    @property
    def psnr(self) -> float:
        """Mean PSNR over frames in dB."""
        return fmean(m.psnr for m in self.results.measurements.values() if m.psnr is not None)

    @property
    def ssim(self) -> float:
        """Mean SSIM over frames, in [-1, 1]."""
        return fmean(m.ssim for m in self.results.measurements.values() if m.ssim is not None)

    @property
    def shift(self) -> float | None:
        """Shift of the estimates against the clean frame in pixels; None if it cannot be told."""
        found = self.results.shift(m.session for m in self.results.measurements.values())
        return None if found is None else math.hypot(*found)

    def not_worse_than(self, run: str | Path, psnr: float = 0.02) -> None:
        """Assert that the method is not worse than in a stored run, frame by frame.

        Args:
            run: folder of a run that holds the same method on the same data; it may hold more.
            psnr: the smallest loss in dB that counts.

        Raises:
            AssertionError: the method is worse, or cannot be compared.
            UsageError: the folder holds no complete run.
        """
        from pathlib import Path

        limits = ComparisonLimits({"psnr": psnr}, frozenset({"psnr"}), allow_missing=True)
        [row] = self.results.rows
        found = compare_runs(load_finished(Path(run)), self.results, limits)
        mine = [f for f in found if f.metric == "psnr" and f.method == row.method]
        for finding in mine:
            if finding.fails:
                words = change_in_words(finding)
                raise AssertionError(f"{finding.method} is worse than in {run}: {words}")
        if not any(f.verdict in (Verdict.SAME, Verdict.BETTER) for f in mine):
            reason = mine[0].reason if mine else "no score in common"
            raise AssertionError(f"{row.method} cannot be compared with {run}: {reason}")


def run_trial(
    method: str,
    folder: Path,
    clock: Callable[[Callable[[], Any]], Any],
    *,
    dataset: str = "stills",
    split: str = "test",
    sigma: float = 25.0,
    frames: int = 2,
    plugins: tuple[Path, ...] = (),
) -> Trial:
    """Score a method as ``bench run`` does, then time it on the first frame in this process.

    Args:
        method: the method's spec, ``name[param=value,…]``.
        folder: folder for the run; an earlier run there is set aside.
        clock: function that calls its argument as often as it needs to time it.
        dataset: expression that names a data set; ``stills`` needs no network.
        split: name of the split.
        sigma: standard deviation of the noise on the 8-bit scale.
        frames: number of frames, spread evenly over the split.
        plugins: Python files with further methods.

    Raises:
        UsageError: something that the arguments name does not exist.
        AssertionError: the method failed.
    """
    options = RunOptions(
        methods=(method,),
        dataset=dataset,
        split=split,
        sigmas=(float(sigma),),
        frames=frames,
        device="cpu",
        plugins=plugins,
        jobs=1,
        keep_images=0,
        fresh=True,
    )
    plan, _ = make_plan(options)
    results = execute(plan, folder, PlainProgress(), lambda line: None)
    if failed := results.failures():
        raise AssertionError(f"{method}: {failed[0].status.value}: {failed[0].reason}")
    [row] = plan.rows
    with without_gradients(row.method.card, row.device):
        clock(_call(plan, folder))
    return Trial(results)


def _call(plan: Plan, folder: Path) -> Callable[[], Any]:
    """Return a function without arguments that denoises the plan's first frame."""
    [row] = plan.rows
    cell, frame = next(iter(plan.cells(row)))
    noisy = np.empty(frame.shape, np.float32)
    sigma = plan.observation.observe(cell, frame, frame.read(), noisy)
    log = folder / "logs" / "trial.log"
    task = Task(cell.method, cell.device, plan.options.plugins, plan.threads, plan.rules, log)
    denoiser, card, _ = load_method(task)
    threads.pin(plan.threads)
    given, _ = device_of(card, cell.device).upload(noisy)
    told = card.told(sigma)
    return lambda: denoiser.denoise(given, told)
