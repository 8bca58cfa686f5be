"""Findings as Markdown, for a pull request's comment, and as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from tabulate import tabulate

from denoisebench.compare.findings import (
    EXIT_BLIND,
    EXIT_FAILED,
    EXIT_REGRESSION,
    Finding,
    Verdict,
    exit_code,
    unguarded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

JSON_VERSION = 1
_ORDER = list(Verdict)
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_TITLES = {"psnr": "PSNR", "ssim": "SSIM"}


def compare_markdown(findings: Sequence[Finding], about: Sequence[str]) -> str:
    """A verdict a method and metric, the worst over noise levels; then why, and what was compared.

    Args:
        findings: of one comparison.
        about: lines that say what was compared, and how.
    """
    metrics = list(dict.fromkeys(f.metric for f in findings))
    rows = list(dict.fromkeys((f.method, f.device) for f in findings))
    notes: list[str] = []
    body = []
    for row in rows:
        mine = [f for f in findings if (f.method, f.device) == row]
        cells = [_cell([f for f in mine if f.metric == metric], notes) for metric in metrics]
        body.append([_name(mine[0]), *cells])
    headers = ["Method", *(_TITLES.get(metric, metric) for metric in metrics)]
    footnotes = "  \n".join(
        f"{str(i).translate(_SUPERSCRIPTS)} {_escape(note)}." for i, note in enumerate(notes, 1)
    )
    grid = tabulate(body, headers, "github", disable_numparse=True)
    parts = [headline(findings), grid, footnotes, "  \n".join(map(_escape, about))]
    return "\n\n".join(filter(None, parts)) + "\n"


def headline(findings: Sequence[Finding]) -> str:
    """One line: whether it fails, and how many methods got worse, failed or got better."""
    methods = len({(f.method, f.device) for f in findings})
    worst = {
        verdict: len({(f.method, f.device) for f in findings if f.verdict is verdict})
        for verdict in (Verdict.WORSE, Verdict.FAILED, Verdict.BETTER)
    }
    counts = ", ".join(f"{count} {verdict}" for verdict, count in worst.items() if count)
    code = exit_code(findings)
    state = {
        0: "No regression",
        EXIT_REGRESSION: "**Regression**",
        EXIT_BLIND: "**Nothing to compare**",
        EXIT_FAILED: "**Methods failed**",
    }
    asked = unguarded(findings) if code == EXIT_BLIND else {f.metric for f in findings if f.gated}
    metrics = dict.fromkeys(f.metric for f in findings if f.metric in asked)
    gated = ", ".join(_TITLES.get(metric, metric) for metric in metrics)
    return (
        f"{state[code]} ({gated}) in {methods} "
        f"method{'s' if methods != 1 else ''}{': ' + counts if counts else ''}."
    )


def _cell(findings: Sequence[Finding], notes: list[str]) -> str:
    """The verdict that matters most, its figures, and the numbers of the notes on it."""
    if not findings:
        return "–"
    verdict = min((f.verdict for f in findings), key=_ORDER.index)
    chosen = [f for f in findings if f.verdict is verdict]
    largest = max(chosen, key=lambda f: abs(f.change or 0))
    text = str(verdict)
    if any(f.fails for f in chosen) or verdict is Verdict.FAILED:
        text = f"**{text}**"
    if largest.change is not None and verdict in (Verdict.WORSE, Verdict.BETTER):
        text += f" {change_in_words(largest)}"
        text += f" ({largest.level})" if largest.level and len(findings) > 1 else ""
    marks = ""
    for reason in dict.fromkeys(f.reason for f in chosen if f.reason):
        if reason not in notes:
            notes.append(reason)
        marks += f" {str(notes.index(reason) + 1).translate(_SUPERSCRIPTS)}"
    return text + marks


def change_in_words(finding: Finding) -> str:
    """A score's change in its unit, a cost's in percent."""
    assert finding.change is not None
    if finding.metric in ("time", "memory"):
        return f"{100 * finding.change:+.1f} %"
    if math.isinf(finding.change):
        return f"{finding.change:+}".replace("inf", "∞")
    return f"{finding.change:+.3f} {finding.unit}".strip()


def _name(finding: Finding) -> str:
    device = "" if finding.device == "cpu" else f" ({finding.device})"
    return _escape(finding.title + device)


def compare_json(findings: Sequence[Finding], about: Sequence[str]) -> str:
    """All figures of all findings. Infinities and what is not a number are null: JSON has none."""
    content = {
        "comparison": JSON_VERSION,
        "exit_code": exit_code(findings),
        "verdicts": Counter(str(f.verdict) for f in findings),
        "about": list(about),
        "findings": [
            {key: _plain(value) for key, value in asdict(f).items()} | {"fails": f.fails}
            for f in findings
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _escape(text: str) -> str:
    """Names and reasons come from plugins: keep them from breaking the table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
