"""The parts of a report in their order: what each is called, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chapter:
    """One part.

    Attributes:
        kind: of its figures, see `Plot`.
        title: its heading.
        words: how to read it.
    """

    kind: str
    title: str
    words: str


CHAPTERS = (
    Chapter(
        "frontier",
        "Quality and time",
        "One point a method and device. Filled points are on the Pareto front (dashed): no other "
        "is as good in less time.",
    ),
    Chapter(
        "course",
        "PSNR against sigma",
        "A line a method: its mean over frames at each level of noise.",
    ),
    Chapter(
        "forest",
        "Paired differences",
        "All methods saw the same noise on the same frames, so PSNR is compared frame by frame. "
        "Bars are 95 % bootstrap intervals of the mean difference; one that crosses the line at 0 "
        "is no difference that these frames can show. Win rate: the share of frames on which the "
        "method is better. p: Wilcoxon's signed-rank test, corrected by Holm's method.",
    ),
    Chapter(
        "ranks",
        "Average ranks",
        "The mean over frames of a method's place by PSNR; 1 is best. Bars are as long as "
        "Nemenyi's critical difference (Demšar 2006, 95 %): methods whose bars overlap cannot be "
        "told apart by their ranks.",
    ),
    Chapter(
        "frames",
        "Frame by frame",
        "A dot a frame. A box holds the middle half of the frames, the line in it is the median; "
        "whiskers reach to the last frame within 1.5 lengths of the box.",
    ),
    Chapter(
        "times",
        "Times and memory",
        "Load: importing and building the method. First call: in a fresh process. Warm call: the "
        "median of later calls on a frame; it holds neither transfer nor scoring. Transfer: a "
        "frame to the device and its estimate back. Peak memory: above the level before the call.",
    ),
)
