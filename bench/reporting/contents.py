"""Contents of a report: the sections in their order, and a run's table, summary and plots."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from denoisebench.reporting.differences import Differences
from denoisebench.reporting.summary import Summary, summarise
from denoisebench.reporting.table import Table, full_table

if TYPE_CHECKING:
    from pathlib import Path

    from denoisebench.reporting.figures.drawing import Plot
    from denoisebench.store.results import Results


@dataclass(frozen=True)
class Section:
    """One section of a report.

    Attributes:
        kind: the section's name; its figures have the same `Plot.kind`.
        title: the heading.
        link: its name in the page's contents.
        words: sentences that help to read it; may be empty.
        always: True to show it even if the run has no data for it.
    """

    kind: str
    title: str
    link: str
    words: str = ""
    always: bool = False


SECTIONS = (
    Section("table", "Table 1", "Table 1", always=True),
    Section(
        "frontier",
        "Quality and time",
        "Quality and time",
        "Each point is one method on one device; colours tell the families of methods. Filled "
        "points are on the Pareto front (dashed): no other is as good in less time.",
    ),
    Section(
        "course",
        "Quality at each sigma",
        "Sigma",
        "Each line is one method: its mean PSNR over frames at each level of noise, less that of "
        "the noisy input if the run has that row. Colours and markers tell the families of "
        "methods.",
    ),
    Section(
        "forest",
        "Paired differences",
        "Differences",
        "All methods saw the same noise on the same frames, so PSNR is compared frame by frame. "
        "Bars are 95 % bootstrap intervals of the mean difference; one that crosses the line at 0 "
        "is no difference that these frames can show. Win rate: the share of frames on which the "
        "method is better. p: Wilcoxon's signed-rank test, corrected by Holm's method.",
    ),
    Section(
        "ranks",
        "Average ranks",
        "Ranks",
        "The mean over frames of a method's place by PSNR; 1 is best. Bars are as long as "
        "Nemenyi's critical difference (Demšar 2006, 95 %): methods whose bars overlap cannot be "
        "told apart by their ranks.",
    ),
    Section(
        "frames",
        "Frame by frame",
        "Frames",
        "Each dot is one frame. A box holds the middle half of the frames, the line in it is the "
        "median; whiskers reach to the last frame within 1.5 lengths of the box.",
    ),
    Section("viewer", "Pictures", "Pictures", always=True),
    Section(
        "times",
        "Times and memory",
        "Times",
        "Load: importing and building the method. First call: in a fresh process. Warm call: the "
        "median of later calls on a frame; it holds neither transfer nor scoring. Transfer: a "
        "frame to the device and its estimate back. Peak memory: above the level before the call.",
        always=True,
    ),
    Section("origin", "How it was made", "How it was made", always=True),
)
"""The order of every report. Markdown shows the sections that have figures."""


@dataclass(frozen=True)
class Contents:
    """A run's table, summary and plots, computed lazily and cached.

    Attributes:
        name: the run's name.
        folder: the run's folder.
        results: the stored run.
        against: spec of the method with which the others are compared; see `summarise`.
        with_paper: False to leave out the PSNR of the paper in the table.
    """

    name: str
    folder: Path
    results: Results
    against: str | None = None
    with_paper: bool = True

    @cached_property
    def table(self) -> Table:
        """The run's Table 1."""
        return full_table(self.results, with_paper=self.with_paper)

    @cached_property
    def differences(self) -> Differences:
        """The paired differences of the run's methods."""
        return Differences(self.results)

    @cached_property
    def summary(self) -> Summary:
        """The run as one document."""
        return summarise(self.name, self.results, self.table, self.differences, self.against)

    @cached_property
    def plots(self) -> list[Plot]:
        """The run's figures, in the order of the sections."""
        from denoisebench.reporting.figures.plots import plots

        return list(plots(self.summary))
