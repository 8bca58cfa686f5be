"""Findings as Markdown (for a pull request's comment), as JSON and as JUnit XML."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from tabulate import tabulate

from denoisebench.comparing.findings import (
    EXIT_BLIND,
    EXIT_FAILED,
    EXIT_REGRESSION,
    Finding,
    Verdict,
    exit_code,
    unguarded,
)
from denoisebench.comparing.judging import TIME_LEVEL
from denoisebench.comparing.limits import COSTS
from denoisebench.reporting.escaping import escape_markdown, escape_remark
from denoisebench.reporting.formatting import NONE, counted, decimals, three_digits
from denoisebench.reporting.junit import JunitSuite
from denoisebench.statistics import LEVEL
from denoisebench.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_JSON_VERSION = 1
_ORDER = list(Verdict)
_ALIKE = 1e-9  # an interval narrower than this is one value, but for rounding
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_STATES = {
    0: "✅ **No regression**",
    EXIT_REGRESSION: "❌ **Regression**",
    EXIT_BLIND: "⚠️ **Nothing to compare**",
    EXIT_FAILED: "❌ **Methods failed**",
}
_JUNIT_KINDS = {
    Verdict.FAILED: "error",
    Verdict.NOT_COMPARABLE: "skipped",
    Verdict.MISSING: "skipped",
}


@dataclass(frozen=True)
class About:
    """Description of the runs that were compared, for the reader of the verdicts.

    Attributes:
        remarks: lines on the runs and the way they were compared.
        commands: commands that repeat the comparison.
    """

    remarks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def compare_markdown(findings: Sequence[Finding], about: About) -> str:
    """Render the changes with their sizes and grounds, all verdicts, and the commands."""
    parts = [
        headline(findings),
        _changes(findings),
        _verdicts(findings),
        "  \n".join(map(escape_remark, about.remarks)),
        "To repeat it:" if about.commands else "",
        "\n".join(f"    {one_line(command)}" for command in about.commands),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def headline(findings: Sequence[Finding]) -> str:
    """Write one line: the outcome, and the numbers of methods that changed or failed."""
    code = exit_code(findings)
    asked = unguarded(findings) if code == EXIT_BLIND else {f.metric for f in findings if f.gated}
    titles = dict.fromkeys(f.metric_title for f in findings if f.metric in asked)
    worse = {f.row for f in findings if f.fails}
    kinds = {
        "worse": worse,
        "failed": _rows(findings, Verdict.FAILED),
        "worse in what is not guarded": _rows(findings, Verdict.WORSE) - worse,
        "better": _rows(findings, Verdict.BETTER) - worse,
    }
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in kinds.items() if rows)
    methods = counted(len({f.row for f in findings}), "method")
    return (
        f"{_STATES[code]} ({escape_markdown(', '.join(titles))}) in {methods}"
        f"{': ' + counts if counts else ''}."
    )


def _rows(findings: Sequence[Finding], verdict: Verdict) -> set[tuple[str, str]]:
    """Return the rows that have the verdict at least once."""
    return {f.row for f in findings if f.verdict is verdict}


def _changes(findings: Sequence[Finding]) -> str:
    """Write a list of what got worse, failed or got better, the worst first."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for f in findings:
        if f.verdict is Verdict.FAILED:
            groups.setdefault((*f.row, f.verdict), []).append(f)
        elif f.verdict in (Verdict.WORSE, Verdict.BETTER):
            groups.setdefault((*f.row, f.verdict, f.metric), []).append(f)
    worst_first = sorted(groups.values(), key=lambda group: _urgency(group[0]))
    return "\n".join(f"- {_change(group)}" for group in worst_first)


def _urgency(f: Finding) -> tuple[bool, int]:
    """Return a key that sorts regressions first, then by verdict."""
    return not f.fails, _ORDER.index(f.verdict)


def _change(group: Sequence[Finding]) -> str:
    """Write one line for a method's findings of one metric and verdict.

    The line shows the noise level that changed most, and its grounds.
    """
    f = max(group, key=lambda f: abs(f.change or 0))
    if f.verdict is Verdict.FAILED:
        return f"❌ **{_name(f)}: failed.** {_code(f.reason)}"
    mark = "❌" if f.fails else "⚠️" if f.verdict is Verdict.WORSE else "✅"
    level = f" at {f.level}" if f.level else ""
    others = f", also at {counted(len(group) - 1, 'other level')}" if len(group) > 1 else ""
    change = escape_markdown(f"{f.metric_title} {change_in_words(f)}")
    figures, grounds = escape_markdown(_figures_in_words(f)), escape_remark(_grounds_in_words(f))
    return f"{mark} **{_name(f)}: {change}**{level}{others} ({figures}): {grounds}"


def change_in_words(f: Finding) -> str:
    """Write a finding's change: a score's in its unit, a cost's in percent.

    Examples:
        >>> change_in_words(Finding("m", "M", "cpu", "psnr", "PSNR", unit="dB", change=-0.1))
        '−0.100 dB'
    """
    assert f.change is not None
    return _amount(f, f.change) + (f" {f.unit}" if f.unit and f.metric not in COSTS else "")


def _figures_in_words(f: Finding) -> str:
    """Write the figures of BASE and HEAD."""
    shown = three_digits if f.metric in COSTS else decimals(3)
    return f"{shown(f.base)} → {shown(f.head)} {f.unit}".strip()


def _grounds_in_words(f: Finding) -> str:
    """Write the grounds of a verdict on figures: its evidence, its limit and its reason."""
    assert f.limit is not None
    limit = f"{100 * f.limit:.3g} %" if f.metric in COSTS else f"{f.limit:g} {f.unit}".strip()
    return "; ".join(filter(None, [_evidence(f), f"limit {limit}", f.reason]))


def _evidence(f: Finding) -> str:
    """Write the evidence for a change: its interval, or its test."""
    if f.metric == "memory":
        return ""
    if f.low is None or f.high is None:
        return f"significant in {f.frames} pairs of launches{', twice' if f.fails else ''}"
    if f.high - f.low < _ALIKE:
        return f"alike on {counted(f.frames, 'frame')}"
    level = TIME_LEVEL if f.metric == "time" else LEVEL
    low, high = (_amount(f, end) for end in (f.low, f.high))
    return f"{100 * level:g} % interval {low} to {high} over {counted(f.frames, 'frame')}"


def _amount(f: Finding, change: float) -> str:
    """Print a size of change without its unit; a cost's in percent."""
    if f.metric in COSTS:
        return f"{decimals(1, sign=True)(100 * change)} %"
    return decimals(3, sign=True)(change)


def _verdicts(findings: Sequence[Finding]) -> str:
    """Write a table of verdicts by method and metric; of several noise levels, the worst one's."""
    titles = dict.fromkeys((f.metric, f.metric_title) for f in findings)
    notes: list[str] = []
    body = []
    for row in dict.fromkeys(f.row for f in findings):
        mine = [f for f in findings if f.row == row]
        cells = [_cell([f for f in mine if f.metric == metric], notes) for metric, _ in titles]
        body.append([_name(mine[0]), *cells])
    headers = ["Method", *(escape_markdown(title) for _, title in titles)]
    grid = tabulate(body, headers, "github", disable_numparse=True)
    legend = "  \n".join(f"{_mark(i)} {note}" for i, note in enumerate(notes, 1))
    return "\n\n".join(filter(None, [grid, legend]))


def _cell(findings: Sequence[Finding], notes: list[str]) -> str:
    """Write a verdict with the numbers of its notes; changes have theirs in the list above.

    Args:
        findings: one method's findings of one metric.
        notes: all notes so far; new ones are appended.
    """
    if not findings:
        return NONE
    verdict = min((f.verdict for f in findings), key=_ORDER.index)
    chosen = [f for f in findings if f.verdict is verdict]
    text = f"**{verdict}**" if chosen[0].fails or verdict is Verdict.FAILED else str(verdict)
    if verdict in (Verdict.WORSE, Verdict.FAILED, Verdict.BETTER):
        return text
    for note in dict.fromkeys(escape_remark(f.reason) for f in chosen if f.reason):
        if note not in notes:
            notes.append(note)
        text += f" {_mark(notes.index(note) + 1)}"
    return text


def _name(finding: Finding) -> str:
    """Write a method's title, with its device unless it is the CPU."""
    device = "" if finding.device == "cpu" else f" ({finding.device})"
    return escape_markdown(finding.title + device)


def _mark(note: int) -> str:
    """Write a number in superscript."""
    return str(note).translate(_SUPERSCRIPTS)


def _code(text: str) -> str:
    """Write a plugin's words as code, so that GitHub makes no mentions or links of them."""
    return "`" + one_line(text).replace("`", "'") + "`"


def compare_json(findings: Sequence[Finding], about: About) -> str:
    """Render all figures of all findings as JSON; figures that are not finite become null."""
    content = {
        "comparison": _JSON_VERSION,
        "exit_code": exit_code(findings),
        "verdicts": Counter(str(f.verdict) for f in findings),
        "about": asdict(about),
        "findings": [
            {key: _plain(value) for key, value in asdict(f).items()} | {"fails": f.fails}
            for f in findings
        ],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: object) -> object:
    """Return a value that JSON can write: None for infinities and nan."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def compare_junit(findings: Sequence[Finding]) -> str:
    """Render a test case for each finding, as JUnit XML.

    A regression in a gated metric is a failure, a method that failed an error, and a finding
    without figures to compare is skipped.
    """
    suite = JunitSuite("bench compare")
    for f in findings:
        name = " ".join(filter(None, [f.method, f.metric, f.level]))
        if f.fails:
            details = f"{_figures_in_words(f)}; {_grounds_in_words(f)}"
            message = f"{f.verdict}: {change_in_words(f)}"
            suite.add(name, f.device, "failure", message, details)
        else:
            kind = _JUNIT_KINDS.get(f.verdict, "")
            suite.add(name, f.device, kind, f"{f.verdict}: {f.reason}")
    return suite.xml()


VERDICT_FORMATS: Mapping[str, tuple[str, Callable[[Sequence[Finding], About], str]]] = {
    "md": ("compare.md", compare_markdown),
    "json": ("compare.json", compare_json),
    "junit": ("compare.xml", lambda findings, _: compare_junit(findings)),
}
"""The formats of verdicts: the file's name, and the function that renders its text."""
