"""The figures of docs/reproduction.md, from stored runs and the cards of trainings.

A block of the document between ``<!-- figures: NAME -->`` and ``<!-- /figures -->`` is replaced by
what the function of that name returns here; the words around it stay.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tabulate import tabulate

from denoisebench.denoisers.gan.study import load_study
from denoisebench.errors import UsageError, unknown
from denoisebench.store.results import load
from denoisebench.store.tables import PAPER_PSNR, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

OURS = "wgan-gp-unet-best"
PAPER_GAP = PAPER_PSNR["wgan-gp-unet"] - PAPER_PSNR["dcgan"]
BASE = "wgan-gp-unet-25"
"""The training that the ablations differ from by one thing."""

_BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Evidence:
    """What the document's figures rest on.

    Attributes:
        rows: a row a method and sigma, as `table1` has them, of all runs.
        cards: of the trained rows' weights, by file name.
        ablations: of the trainings that differ by one thing, likewise, by the study's names.
    """

    rows: pd.DataFrame
    cards: dict[str, dict[str, Any]]
    ablations: dict[str, dict[str, Any]]

    @property
    def sigmas(self) -> list[float]:
        return sorted(self.rows["sigma"].unique())

    def psnr(self, method: str, sigma: float) -> float | None:
        """Mean PSNR in dB, if it was measured."""
        return self.figure("psnr_mean", method, sigma)

    def figure(self, name: str, method: str, sigma: float) -> float | None:
        """Any column of `table1`."""
        found = self.rows.query("method == @method and sigma == @sigma")[name].dropna()
        return None if found.empty else float(found.iloc[0])


def read(runs: Sequence[Path], weights: Path, ablations: Path) -> Evidence:
    """Collect the evidence.

    Args:
        runs: run folders; where two have the same method and sigma, the first counts.
        weights, ablations: folders of cards.

    Raises:
        UsageError: one of them cannot be read.
    """
    tables = [table1(load(run)) for run in runs]
    rows = pd.concat(tables).drop_duplicates(["method", "sigma", "device"])
    return Evidence(rows, _cards(weights), _cards(ablations))


def _cards(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        files = sorted(folder.glob("*.json"))
        return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    except (OSError, ValueError) as error:
        raise UsageError(f"the cards in {folder} cannot be read: {error}") from error


def rewrite(document: str, evidence: Evidence) -> str:
    """The document with its blocks of figures made anew.

    Raises:
        UsageError: it names a block that there is none of.
    """

    def block(match: re.Match[str]) -> str:
        if match[2] not in BLOCKS:
            raise UsageError(unknown("block of figures", match[2], BLOCKS))
        return f"{match[1]}{BLOCKS[match[2]](evidence)}\n{match[3]}"

    return _BLOCK.sub(block, document)


def table(evidence: Evidence) -> str:
    """The four rows of the paper's Table 1, and ours, at every sigma."""
    rows = []
    for method in (*PAPER_PSNR, OURS):
        paper = f"{PAPER_PSNR[method]:.2f}" if method in PAPER_PSNR else "–"
        scores = [evidence.psnr(method, sigma) for sigma in evidence.sigmas]
        rows.append([f"`{method}`", paper, *map(_decibels, scores)])
    return _markdown(rows, ["method", "paper", *(f"σ = {s:g}" for s in evidence.sigmas)])


def findings(evidence: Evidence) -> str:
    """Whether the paper's order and its GANs' distance hold, sigma by sigma."""
    order = sorted(PAPER_PSNR, key=PAPER_PSNR.__getitem__, reverse=True)
    rows = [["paper", " > ".join(order), "", f"{PAPER_GAP:+.2f}"]]
    for sigma in evidence.sigmas:
        scores = {method: evidence.psnr(method, sigma) for method in order}
        known = {method: psnr for method, psnr in scores.items() if psnr is not None}
        if len(known) < len(order):
            continue
        ours = sorted(known, key=known.__getitem__, reverse=True)
        gap = known["wgan-gp-unet"] - known["dcgan"]
        same = "yes" if ours == order else "no"
        rows.append([f"σ = {sigma:g}", " > ".join(ours), same, f"{gap:+.2f}"])
    return _markdown(rows, ["", "order by PSNR", "as in the paper", "WGAN-GP − DCGAN (dB)"])


def trainings(evidence: Evidence) -> str:
    """How the weights of every trained row came about, and what they score on the val frames."""
    rows = []
    for name, card in evidence.cards.items():
        scores = ", ".join(f"{psnr:.2f} at {sigma}" for sigma, psnr in card["val_psnr"].items())
        minutes = f"{card['seconds'] / 60:.0f}"
        changes = ", ".join(f"{key} {value or '(none)'}" for key, value in card["changes"].items())
        rows.append([f"`{name}`", card["name"], changes, card["iterations"], minutes, scores])
    headers = ["weights", "recipe", "changed", "iterations", "minutes", "val PSNR (dB at σ)"]
    return _markdown(rows, headers)


def ablations(evidence: Evidence) -> str:
    """What one change to the paper's recipe does, on the val frames at sigma 25."""
    base = evidence.cards[BASE]
    rows = [["the recipe `paper`", *_scores(base), ""]]
    for training in load_study("paper", reduced=False):
        if training.name not in evidence.ablations:
            continue
        card = evidence.ablations[training.name]
        difference = card["val_psnr"]["25"] - base["val_psnr"]["25"]
        rows.append([training.question, *_scores(card), f"{difference:+.2f}"])
    return _markdown(rows, ["change", "PSNR (dB)", "saturation (ΔC*)", "against `paper` (dB)"])


def saturation(evidence: Evidence) -> str:
    """The colour saturation error of every method on the test frames."""
    methods = evidence.rows.dropna(subset=["saturation_mean"])["method"].unique()
    rows = [
        [
            f"`{method}`",
            *(_signed(evidence.figure("saturation_mean", method, s)) for s in evidence.sigmas),
        ]
        for method in methods
    ]
    return _markdown(rows, ["method", *(f"σ = {s:g}" for s in evidence.sigmas)])


BLOCKS: dict[str, Callable[[Evidence], str]] = {
    "table": table,
    "findings": findings,
    "trainings": trainings,
    "ablations": ablations,
    "saturation": saturation,
}


def _scores(card: dict[str, Any]) -> list[str]:
    return [_decibels(card["val_psnr"]["25"]), _signed(card["val_saturation"]["25"])]


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _markdown(rows: list[list[Any]], headers: list[str]) -> str:
    return tabulate(rows, headers, "github", disable_numparse=True)
