"""Figures of docs/reproduction.md, from stored runs and the cards of trainings.

`rewrite` replaces each block of the document between ``<!-- figures: NAME -->`` and
``<!-- /figures -->`` by the table of that name, and keeps the words around it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from tabulate import tabulate

from denoisebench.denoisers.gan.study import load_study
from denoisebench.errors import UsageError, unknown
from denoisebench.files import read_json
from denoisebench.store.results import load_run
from denoisebench.store.tables import PAPER_PSNR, table1

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_OURS = "wgan-gp-unet-best"
_PAPER_GAP = PAPER_PSNR["wgan-gp-unet"] - PAPER_PSNR["dcgan"]
_BASE = "paper-25"  # the other ablations differ from this one by one thing each
_WITHOUT_ADVERSARY = "adversarial-0-25"

_BLOCK = re.compile(r"(<!-- figures: (\S+) -->\n).*?(<!-- /figures -->)", re.DOTALL)


@dataclass(frozen=True)
class Evidence:
    """Stored results that the document's figures are made from.

    Attributes:
        rows: a row for each method and sigma of all runs, with the columns of `table1`.
        cards: cards of the shipped weights, by file name without its ending.
        ablations: cards of the trainings that differ by one thing, by their names in the study.
    """

    rows: pd.DataFrame
    cards: dict[str, dict[str, Any]]
    ablations: dict[str, dict[str, Any]]

    @property
    def sigmas(self) -> list[float]:
        """Noise levels of the runs, rising, on the 8-bit scale."""
        return sorted(self.rows["sigma"].unique())

    def psnr(self, method: str, sigma: float) -> float | None:
        """Look up a mean PSNR in dB; None if it was not measured."""
        return self.figure("psnr_mean", method, sigma)

    def figure(self, name: str, method: str, sigma: float) -> float | None:
        """Look up a value by its column of `table1`; None if it was not measured."""
        found = self.rows.query("method == @method and sigma == @sigma")[name].dropna()
        return None if found.empty else float(found.iloc[0])


def read_evidence(runs: Sequence[Path], weights: Path, ablations: Path) -> Evidence:
    """Read the stored results that the figures are made from.

    Args:
        runs: run folders; where two have the same method and sigma, the first counts.
        weights: folder with the cards of the shipped weights.
        ablations: folder with the cards of the ablation study.

    Raises:
        UsageError: a run or a card cannot be read.
    """
    tables = [table1(load_run(run)) for run in runs]
    rows = pd.concat(tables).drop_duplicates(["method", "sigma", "device"])
    return Evidence(rows, _cards(weights), _cards(ablations))


def _cards(folder: Path) -> dict[str, dict[str, Any]]:
    """Read the cards of a folder by file name, without its ending."""
    return {file.stem: read_json(file, f"card {file}") for file in sorted(folder.glob("*.json"))}


def rewrite(document: str, evidence: Evidence) -> str:
    """Make the blocks of figures in a document again.

    Args:
        document: Markdown.
        evidence: stored results.

    Returns:
        The document with its new blocks.

    Raises:
        UsageError: the document names an unknown block.
    """

    def block(match: re.Match[str]) -> str:
        if match[2] not in _BLOCKS:
            raise UsageError(unknown("block of figures", match[2], _BLOCKS))
        return f"{match[1]}{_BLOCKS[match[2]](evidence)}\n{match[3]}"

    return _BLOCK.sub(block, document)


def _table(evidence: Evidence) -> str:
    """List the four rows of the paper's Table 1, and `wgan-gp-unet-best`, at every sigma."""
    rows = []
    for method in (*PAPER_PSNR, _OURS):
        paper = f"{PAPER_PSNR[method]:.2f}" if method in PAPER_PSNR else "–"
        scores = [evidence.psnr(method, sigma) for sigma in evidence.sigmas]
        rows.append([f"`{method}`", paper, *map(_decibels, scores)])
    return _markdown(rows, ["method", "paper", *(f"σ = {s:g}" for s in evidence.sigmas)])


def findings(evidence: Evidence) -> str:
    """Compare the order of the rows and the distance of the GANs with the paper's, by sigma."""
    order = sorted(PAPER_PSNR, key=PAPER_PSNR.__getitem__, reverse=True)
    rows = [["paper", " > ".join(order), "", f"{_PAPER_GAP:+.2f}"]]
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


def _trainings(evidence: Evidence) -> str:
    """List the shipped weights: recipe, changes to it, effort, and PSNR on the val frames."""
    rows = []
    for name, card in evidence.cards.items():
        scores = ", ".join(f"{psnr:.2f} at {sigma}" for sigma, psnr in card["val_psnr"].items())
        minutes = f"{card['seconds'] / 60:.0f}"
        changes = ", ".join(f"{key} {value or '(none)'}" for key, value in card["changes"].items())
        rows.append([f"`{name}`", card["name"], changes, card["iterations"], minutes, scores])
    headers = ["weights", "recipe", "changed", "iterations", "minutes", "val PSNR (dB at σ)"]
    return _markdown(rows, headers)


def _ablations(evidence: Evidence) -> str:
    """List the effect of single changes to the paper's recipe, on the val frames at sigma 25."""
    base = evidence.ablations[_BASE]
    rows = [["the recipe `paper`", *_scores(base), ""]]
    for training in load_study("paper", reduced=False):
        if training.name not in evidence.ablations:
            continue
        card = evidence.ablations[training.name]
        difference = card["val_psnr"]["25"] - base["val_psnr"]["25"]
        rows.append([training.question, *_scores(card), f"{difference:+.2f}"])
    return _markdown(rows, ["change", "PSNR (dB)", "saturation (ΔC*)", "against `paper` (dB)"])


def _equals(evidence: Evidence) -> str:
    """List all trainings cut down as the ablations are, on the val frames at sigma 25."""
    base = evidence.ablations[_BASE]
    known = {name: evidence.ablations[name] for name in (_BASE, _WITHOUT_ADVERSARY)}
    equal = {
        name: card
        for name, card in (known | evidence.cards).items()
        if _crops(card) == _crops(base) and "25" in card["val_psnr"]
    }
    rows = [
        [f"`{name}`", _adversary(card), *_effort(card), *_scores(card)]
        for name, card in sorted(equal.items(), key=lambda item: -item[1]["val_psnr"]["25"])
    ]
    effort = ["parameters", "iterations", "minutes"]
    return _markdown(rows, ["training", "adversary", *effort, "PSNR (dB)", "saturation (ΔC*)"])


def _crops(card: dict[str, Any]) -> tuple[Any, ...]:
    """Tell what a training step sees: of which data, how many crops of which side."""
    crops = card["recipe"]["data"]
    return card["data"]["digest"], crops["batch"], crops["patch"]


def _effort(card: dict[str, Any]) -> list[str]:
    """Write the parameters, iterations and minutes of a training."""
    return [f"{card['parameters']:,}", str(card["iterations"]), f"{card['seconds'] / 60:.0f}"]


def _adversary(card: dict[str, Any]) -> str:
    """Name a training's adversary; one without a share of the loss is none."""
    recipe = card["recipe"]
    return recipe["adversary"]["loss"] if recipe["losses"]["adversarial"] else "–"


def _saturation(evidence: Evidence) -> str:
    """List the colour saturation error of every method on the test frames."""
    methods = evidence.rows.dropna(subset=["saturation_mean"])["method"].unique()
    rows = [
        [
            f"`{method}`",
            *(_signed(evidence.figure("saturation_mean", method, s)) for s in evidence.sigmas),
        ]
        for method in methods
    ]
    return _markdown(rows, ["method", *(f"σ = {s:g}" for s in evidence.sigmas)])


_BLOCKS: dict[str, Callable[[Evidence], str]] = {
    "table": _table,
    "findings": findings,
    "trainings": _trainings,
    "ablations": _ablations,
    "equals": _equals,
    "saturation": _saturation,
}


def _scores(card: dict[str, Any]) -> list[str]:
    """Write PSNR and the saturation error at sigma 25."""
    return [_decibels(card["val_psnr"]["25"]), _signed(card["val_saturation"]["25"])]


def _decibels(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _markdown(rows: list[list[Any]], headers: list[str]) -> str:
    return tabulate(rows, headers, "github", disable_numparse=True)
