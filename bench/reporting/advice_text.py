"""Advice from a run in plain sentences: for the terminal, the page and scripts."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from denoisebench.reporting.escaping import escape_markdown, escape_remark
from denoisebench.reporting.formatting import DEVICE_NAMES, decimals, percent, three_digits
from denoisebench.reporting.licences import is_free
from denoisebench.reporting.summary import jsonable
from denoisebench.text import as_json, first_of
from denoisebench.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from denoisebench.reporting.advice import Advice, Estimated, LevelAdvice, Standing

__all__ = ["Claim", "advice_json", "advice_markdown", "claims"]

_SCHEMA = "denoisebench-advice-1"

_FEW_FRAMES = 6
"""Number of frames from which intervals are of use; see `statistics.mean_interval`."""

_hundredths = decimals(2)


@dataclass(frozen=True)
class Claim:
    """One piece of advice. In its text, what stands between backticks is code.

    Attributes:
        about: two or three words that say what it is about.
        text: what it comes to, in few sentences.
        details: the sentences behind it; the page folds them away.

    Examples:
        >>> Claim("Best quality", "Median (30.12 dB).").sentences
        'Median (30.12 dB).'
    """

    about: str
    text: str
    details: str = ""

    @property
    def sentences(self) -> str:
        """All its sentences."""
        return f"{self.text} {self.details}".rstrip()


def advice_markdown(advice: Mapping[str, Advice]) -> str:
    """Write the advice of runs as Markdown: a list of claims for each run.

    Args:
        advice: by the run's name; of several runs, each has a heading.
    """
    parts = []
    for name, one in advice.items():
        lines = [f"- **{c.about}:** {escape_remark(c.sentences)}" for c in claims(one)]
        heading = [f"## {escape_markdown(name)}\n"] if len(advice) > 1 else []
        parts.append("\n".join([*heading, *lines]))
    return "\n\n".join(parts) + "\n"


def advice_json(advice: Mapping[str, Advice]) -> str:
    """Write the advice of runs as JSON: figures, methods and claims; see `Advice`.

    Args:
        advice: by the run's name.
    """
    runs = [_document(name, one) for name, one in advice.items()]
    return as_json({"schema": _SCHEMA, "runs": runs}) + "\n"


def _document(name: str, advice: Advice) -> Any:
    """Return a run's entry in the JSON."""
    plain = {f.name: getattr(advice, f.name) for f in fields(advice) if f.name != "rows"}
    methods = [
        {"method": method, "title": row.title, "family": row.family, "note": row.note}
        | {"licence": row.licence, "is_free": is_free(row.licence)}
        for method, row in advice.rows.items()
    ]
    levels = [asdict(level) for level in advice.levels]
    said = [vars(claim) for claim in claims(advice)]
    return jsonable({"run": name} | plain | {"levels": levels, "methods": methods, "claims": said})


def claims(advice: Advice) -> list[Claim]:
    """Put advice into words: quality, quality per second, licences, real noise, and the intervals.

    Methods are called by their titles. What a network was trained on is told once.
    """
    if not any(at.best for at in advice.levels):
        return [Claim("No advice", _nothing(advice)), *_left_out(advice)]
    writer = _Writer(advice)
    return [
        Claim("Best quality", *writer.quality()),
        Claim("Quality per second", *writer.speed()),
        Claim("Under a free licence", *writer.freedom()),
        Claim("Real noise", _real_noise(advice)),
        *_left_out(advice),
        Claim("Intervals", *_intervals(advice)),
    ]


class _Writer:
    """Writer of the claims that name methods: what each comes to, and what lies behind it."""

    def __init__(self, advice: Advice) -> None:
        self._advice = advice
        self._levels = [at for at in advice.levels if at.best]
        self._told: set[str] = set()

    def quality(self) -> tuple[str, str]:
        """Name the methods of best mean PSNR, and those that are not significantly worse."""
        best = {at: at.best for at in self._levels}
        said = [*self._everywhere(best), *self._leaders(best, self._psnr), *self._equals(best)]
        if all(at.compared == 1 for at in self._levels):
            said.append("No other method competes.")
        elif self._advice.frames > 1 and all(len(at.best) == 1 for at in self._levels):
            said.append("All others are significantly worse.")
        return said[0], self._with_training(said[1:], best)

    def freedom(self) -> tuple[str, str]:
        """Name the best methods under free licences, and the better ones that are not free."""
        free = {at: at.free for at in self._levels if at.free}
        if not free:
            return "no method that was compared has a licence that is known to be free.", ""
        if all(at.free and at.free[0] == at.best[0] for at in self._levels):
            said = [f"the best by mean PSNR: {self._licences(of[:1] for of in free.values())}."]
        else:
            said = [*self._everywhere(free), *self._leaders(free, self._psnr_and_loss)]
            said += [*self._equals(free), f"Free: {self._licences(free.values())}."]
        bound = [
            [one for one in at.best if not is_free(self._advice.rows[one.method].licence)]
            for at in self._levels
        ]
        said += [f"Not free: {self._licences(bound)}."] if any(bound) else []
        return said[0], self._with_training(said[1:], free)

    def speed(self) -> tuple[str, str]:
        """Name the methods for quality per second, with what they lose and gain."""
        value = {at: (at.value,) for at in self._levels if at.value is not None}
        if not value:
            return "no method was timed in this run.", ""
        chosen = [
            f"{self._title(method)}{_device(found[0][1])}: {self._trades(found)}."
            for method, found in _by_method(value).items()
        ]
        return " ".join(chosen), self._with_training([self._front()], value)

    def _trades(self, found: Sequence[tuple[LevelAdvice, Standing]]) -> str:
        """Say what a method loses to the best of each level, and how much faster it is."""
        best = [at.label for at, one in found if one.method == at.best[0].method]
        others = [pair for pair in found if pair[0].label not in best]
        said = [self._trade(*pair) for pair in others]
        if best:
            said.append(f"it is the best itself{f' at {_listed(best)}' if self._several else ''}")
        return "; ".join(said)

    def _trade(self, at: LevelAdvice, one: Standing) -> str:
        """Say what a method loses to the best of a level, and how much faster it is."""
        where = f"at {at.label} it" if self._several else "it"
        best = self._title(at.best[0].method)
        loses = f"{where} loses {_hundredths(one.loss.value)} dB{_span(one.loss, _hundredths)}"
        if one.speedup is None:
            return f"{loses} to {best}, which was not timed"
        times = f"{_factor(one.speedup.value)} times as fast{_span(one.speedup, _factor)}"
        return f"{loses} to {best} and is {times}"

    def _front(self) -> str:
        """List the front, and say by which rule the method was chosen from it."""
        times: dict[str, list[Standing]] = {}
        for at in self._levels:
            for one in at.front:
                times.setdefault(one.method, []).append(one)
        order = {m: median(one.ms_per_megapixel or 0.0 for one in of) for m, of in times.items()}
        names = [
            f"{self._title(m)}{_device(times[m][0])} {three_digits(order[m])}"
            for m in sorted(order, key=order.__getitem__)
        ]
        if len(names) == 1:
            return "No other method is faster." if self._levels[0].compared > 1 else ""
        return (
            "It lies furthest above the line from the fastest to the best, in dB against the "
            "logarithm of time. No method is both better and faster than these, in ms a megapixel: "
            f"{first_of(names, 12)}."
        )

    def _everywhere(self, lists: Mapping[LevelAdvice, tuple[Standing, ...]]) -> list[str]:
        """Name the methods that are among the best at all levels, if there are several levels."""
        if not self._several or len(lists) < len(self._levels):
            return []
        psnr: dict[str, list[float]] = {}
        for of in lists.values():
            for one in of:
                psnr.setdefault(one.method, []).append(one.psnr)
        found = [method for method, values in psnr.items() if len(values) == len(lists)]
        if not found:
            return ["It depends on the level of noise."]
        if len(found) == 1 and {of[0].method for of in lists.values()} == {*found}:
            return []  # the sentence on means says it
        found.sort(key=lambda method: -fmean(psnr[method]))
        return [f"{' or '.join(map(self._title, found))}, at every level of noise."]

    def _leaders(
        self,
        lists: Mapping[LevelAdvice, tuple[Standing, ...]],
        figure: Callable[[LevelAdvice, Standing], str],
    ) -> list[str]:
        """Name the first method at each level."""
        head = "By mean PSNR: " if self._several else ""
        return [f"{head}{self._placed({at: of[:1] for at, of in lists.items()}, figure)}."]

    def _equals(self, lists: Mapping[LevelAdvice, tuple[Standing, ...]]) -> list[str]:
        """Name the methods that are not significantly worse than the first of their level."""
        others = {at: of[1:] for at, of in lists.items()}
        return (
            [f"Not significantly worse: {self._placed(others, self._loss)}."]
            if any(others.values())
            else []
        )

    def _placed(
        self,
        lists: Mapping[LevelAdvice, tuple[Standing, ...]],
        figure: Callable[[LevelAdvice, Standing], str],
    ) -> str:
        """Name methods, each with its levels and a figure at each."""
        named = []
        for method, found in _by_method(lists).items():
            if self._several:
                places = [f"{at.label} ({figure(at, one)})" for at, one in found]
                named.append(f"{self._title(method)} at {_listed(places)}")
            else:
                named.append(f"{self._title(method)} ({figure(*found[0])})")
        return "; ".join(named)

    def _psnr(self, at: LevelAdvice, one: Standing) -> str:
        return f"{_hundredths(one.psnr)} dB"

    def _psnr_and_loss(self, at: LevelAdvice, one: Standing) -> str:
        """Write the PSNR, and the loss to the best of all."""
        loss = "the best" if one.method == at.best[0].method else self._loss(at, one)
        return f"{self._psnr(at, one)}, {loss}"

    def _loss(self, at: LevelAdvice, one: Standing) -> str:
        """Write the loss to the best of all."""
        return f"{_hundredths(one.loss.value)} dB less{_span(one.loss, _hundredths, ', {}')}"

    @property
    def _several(self) -> bool:
        """True if there are several levels of noise."""
        return len(self._advice.levels) > 1

    def _title(self, method: str) -> str:
        return self._advice.rows[method].title

    def _licences(self, lists: Iterable[Sequence[Standing]]) -> str:
        """Name methods with their licences, each once."""
        methods = dict.fromkeys(one.method for of in lists for one in of)
        rows = [self._advice.rows[method] for method in methods]
        return "; ".join(f"{row.title} ({row.licence or 'no licence given'})" for row in rows)

    def _with_training(
        self, said: list[str], lists: Mapping[LevelAdvice, tuple[Standing, ...]]
    ) -> str:
        """Join sentences, and add what the networks among these methods were trained on."""
        new = [method for method in _by_method(lists) if method not in self._told]
        self._told.update(new)
        return " ".join(filter(None, [*said, *map(self._training, new)]))

    def _training(self, method: str) -> str:
        """Say what a network has seen, as its card tells; '' for a method that learns nothing."""
        row, data = self._advice.rows[method], self._advice.dataset
        if row.family != "learned":
            return ""
        told = [s for s in re.split(r"(?<=\.) ", row.note) if re.search(r"\btrain", s, re.I)]
        if not told:
            return f"{row.title} is learned; its card does not tell from what."
        words = told[0].rstrip(".")
        near = f" ({data} is the data set of this run)" if f"{data}'s" in words else ""
        return f"{row.title}: {words[0].lower()}{words[1:]}{near}."


def _by_method(
    lists: Mapping[LevelAdvice, tuple[Standing, ...]],
) -> dict[str, list[tuple[LevelAdvice, Standing]]]:
    """Group standings by method, in the order in which the methods are first met."""
    found: dict[str, list[tuple[LevelAdvice, Standing]]] = {}
    for at, of in lists.items():
        for one in of:
            found.setdefault(one.method, []).append((at, one))
    return found


def _nothing(advice: Advice) -> str:
    """Say why a run gives no advice."""
    if not advice.scored:
        return "nobody knows the clean frames, so that no score tells the methods apart."
    return "no method has the scores of all frames."


def _real_noise(advice: Advice) -> str:
    """Say whether the run tells of the noise of cameras, or how to learn of it."""
    if not advice.command:
        return "the noise of these frames was recorded with them, so that all this is about it."
    return f"this run does not tell, as its noise was drawn. To learn it: `{advice.command}`."


def _left_out(advice: Advice) -> Iterator[Claim]:
    """Name the methods that were not considered, and say so if the run is not complete."""
    words = [f"{first_of(advice.lacking, between='; ')}."] if advice.lacking else []
    if advice.state != "complete":
        words.append(f"The run is {advice.state}: cells may be missing.")
    if words:
        yield Claim("Not considered", " ".join(words))


def _intervals(advice: Advice) -> tuple[str, str]:
    """Explain the intervals, and name the machine of the times."""
    machine = f"Times are of one machine ({advice.machine})."
    if advice.frames == 1:
        return "none, as one frame does not show how frames differ.", machine
    speed = (
        "Those of times are over frames alone, as the run does not tell how its processes differ."
        if advice.spread is None
        else "Those of times are also over the machine's speed, which differed by "
        f"{percent(advice.spread)} (standard deviation) between the processes of the run."
    )
    few = ", too narrow for so few" if advice.frames < _FEW_FRAMES else ""
    paired = "Those of PSNR are paired, and hold for all methods of a level together."
    over = counted(advice.frames, "frame")
    return f"95 %, over {over}{few}.", f"{paired} {speed} {machine}"


def _device(one: Standing) -> str:
    """Name the device of a time, if it is not the CPU."""
    return "" if one.device == "cpu" else f" on {DEVICE_NAMES[one.device]}"


def _span(figure: Estimated, shown: Callable[[float], str], form: str = " ({})") -> str:
    """Write an interval; '' where there is none."""
    if figure.low is None or figure.high is None:
        return ""
    return form.format(f"{shown(figure.low)} to {shown(figure.high)}")


def _factor(times: float) -> str:
    """Write a ratio of times with two digits, or all before the point.

    Examples:
        >>> _factor(4.127), _factor(62.5)
        ('4.1', '62')
    """
    return f"{times:.0f}" if times >= 9.95 else f"{times:.1f}"


def _listed(items: Iterable[str]) -> str:
    """Join texts as a sentence does.

    Examples:
        >>> _listed(["a", "b", "c"])
        'a, b and c'
    """
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last
