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
from denoisebench.reporting.formatting import NONE, decimals, three_digits
from denoisebench.reporting.junit import JunitSuite
from denoisebench.statistics import LEVEL
from denoisebench.text import one_line
from denoisebench.words import counted

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
_MISSING = "❌ **Methods or cells are missing**"
_HINT = "HEAD must hold what BASE holds; `--allow-missing` compares what both have."
_UNCERTAIN = "⚠️ **No regression seen**"
_LISTED = (Verdict.WORSE, Verdict.FAILED, Verdict.MISSING, Verdict.BETTER, Verdict.NEW)
"""The verdicts that the list of changes explains; the notes below the table explain the others."""

_JUNIT_KINDS = {
    Verdict.FAILED: "error",
    Verdict.NOT_COMPARABLE: "skipped",
    Verdict.UNCERTAIN: "skipped",
    Verdict.MISSING: "skipped",
}


@dataclass(frozen=True)
class About:
    """Description of the runs that were compared, for the reader of the verdicts.

    Attributes:
        runs: lines of three texts: a property, and its value in BASE and in HEAD.
        limits: a line on the changes that fail the comparison.
        remarks: lines on the way the runs were compared.
        commands: commands that repeat the comparison.
    """

    runs: tuple[tuple[str, ...], ...] = ()
    limits: str = ""
    remarks: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


def compare_markdown(findings: Sequence[Finding], about: About) -> str:
    """Render what was compared, the changes with their grounds, all verdicts, and the commands."""
    parts = [
        headline(findings),
        _subject(about),
        _changes(findings),
        _HINT if any(f.fails and f.verdict is Verdict.MISSING for f in findings) else "",
        _verdicts(findings),
        "  \n".join(map(escape_remark, about.remarks)),
        "To repeat it:" if about.commands else "",
        "\n".join(f"    {one_line(command)}" for command in about.commands),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _subject(about: About) -> str:
    """Write what was compared: a table of both runs, and the limits."""
    body = [
        [what, *map(escape_markdown, (base, "the same" if head == base else head))]
        for what, base, head in about.runs
    ]
    grid = tabulate(body, ["", "BASE", "HEAD"], "github", disable_numparse=True) if body else ""
    return "\n\n".join(filter(None, [grid, escape_markdown(about.limits)]))


def headline(findings: Sequence[Finding]) -> str:
    """Write one line: the outcome, and the numbers of methods that were compared or were not."""
    code = exit_code(findings)
    asked = unguarded(findings) if code == EXIT_BLIND else {f.metric for f in findings if f.gated}
    titles = dict.fromkeys(f.metric_title for f in findings if f.metric in asked)
    rows = {f.row for f in findings if code == EXIT_BLIND or f.is_compared}
    counts = ", ".join(f"{len(rows)} {kind}" for kind, rows in _kinds(findings).items() if rows)
    return (
        f"{_state(findings, code)} ({escape_markdown(', '.join(titles))}) "
        f"in {counted(len(rows), 'method')}{': ' + counts if counts else ''}."
    )


def _state(findings: Sequence[Finding], code: int) -> str:
    """Write the outcome of a comparison by its exit code."""
    failing = {f.verdict for f in findings if f.fails}
    if failing == {Verdict.MISSING}:
        return _MISSING
    unseen = any(f.gated and f.verdict is Verdict.UNCERTAIN for f in findings)
    return _UNCERTAIN if unseen and code == 0 else _STATES[code]


def _kinds(findings: Sequence[Finding]) -> dict[str, set[tuple[str, str]]]:
    """Return the rows of each kind that the headline counts, by the kind in words."""
    worse = {f.row for f in findings if f.fails and f.verdict is Verdict.WORSE}
    gated = [f for f in findings if f.gated]
    blind = exit_code(findings) == EXIT_BLIND  # then all that is counted could not be compared
    return {
        "worse": worse,
        "failed": _rows(findings, Verdict.FAILED),
        "missing": _rows(findings, Verdict.MISSING),
        "worse in what is not guarded": _rows(findings, Verdict.WORSE) - worse,
        "better": _rows(findings, Verdict.BETTER) - worse,
        "new": _rows(findings, Verdict.NEW),
        "not comparable": set() if blind else _rows(gated, Verdict.NOT_COMPARABLE),
        "cannot tell": _rows(gated, Verdict.UNCERTAIN),
    }


def _rows(findings: Sequence[Finding], verdict: Verdict) -> set[tuple[str, str]]:
    """Return the rows that have the verdict at least once."""
    return {f.row for f in findings if f.verdict is verdict}


def _changes(findings: Sequence[Finding]) -> str:
    """Write a list of what got worse, failed, is missing, got better or is new, worst first."""
    groups: dict[tuple[str, ...], list[Finding]] = {}
    for f in findings:
        if f.verdict in (Verdict.WORSE, Verdict.BETTER):
            groups.setdefault((*f.row, f.verdict, f.metric), []).append(f)
        elif f.verdict in _LISTED:
            groups.setdefault((*f.row, f.verdict), []).append(f)
    worst_first = sorted(groups.values(), key=lambda group: _urgency(group[0]))
    return "\n".join(f"- {_change(group)}" for group in worst_first)


def _urgency(f: Finding) -> tuple[bool, int]:
    """Return a key that sorts regressions first, then by verdict."""
    return not f.fails, _ORDER.index(f.verdict)


def _change(group: Sequence[Finding]) -> str:
    """Write one line for a method's findings of one verdict; of one metric, if they have figures.

    The line shows the noise level that changed most, and its grounds.
    """
    f = max(group, key=lambda f: abs(f.change or 0))
    mark = _mark_of(group)
    if f.verdict not in (Verdict.WORSE, Verdict.BETTER):
        reasons = "; ".join(dict.fromkeys(f.reason for f in group))
        return f"{mark} **{_name(f)}: {f.verdict}.** {_code(reasons)}"
    level = f" at {f.level}" if f.level else ""
    others = f", also at {counted(len(group) - 1, 'other level')}" if len(group) > 1 else ""
    change = escape_markdown(f"{f.metric_title} {change_in_words(f)}")
    figures, grounds = escape_markdown(_figures_in_words(f)), escape_remark(_grounds_in_words(f))
    return f"{mark} **{_name(f)}: {change}**{level}{others} ({figures}): {grounds}"


def _mark_of(group: Sequence[Finding]) -> str:
    """Return the sign at the head of a line: a failure, a warning, or good news."""
    verdict = group[0].verdict
    if verdict is Verdict.FAILED or any(f.fails for f in group):
        return "❌"
    return "⚠️" if verdict in (Verdict.WORSE, Verdict.MISSING) else "✅"


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
        return (
            f"significant in {counted(f.frames, 'pair')} of launches{', twice' if f.fails else ''}"
        )
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
    if verdict in _LISTED:
        return text
    if (share := chosen[0].detectable) is not None:
        text += f" (seen from {decimals(1)(100 * share)} %)"
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
        "compared": len({f.row for f in findings if f.is_compared}),
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

    A gated metric that got worse or is missing is a failure, a method that failed an error. A
    finding that could not be judged is skipped.
    """
    suite = JunitSuite("bench compare")
    for f in findings:
        name = " ".join(filter(None, [f.method, f.metric, f.level]))
        if f.fails and f.verdict is Verdict.WORSE:
            details = f"{_figures_in_words(f)}; {_grounds_in_words(f)}"
            message = f"{f.verdict}: {change_in_words(f)}"
            suite.add(name, f.device, "failure", message, details)
        else:
            kind = "failure" if f.fails else _JUNIT_KINDS.get(f.verdict, "")
            suite.add(name, f.device, kind, f"{f.verdict}: {f.reason}")
    return suite.xml()


VERDICT_FORMATS: Mapping[str, tuple[str, Callable[[Sequence[Finding], About], str]]] = {
    "md": ("compare.md", compare_markdown),
    "json": ("compare.json", compare_json),
    "junit": ("compare.xml", lambda findings, _: compare_junit(findings)),
}
"""The formats of verdicts: the file's name, and the function that renders its text."""
