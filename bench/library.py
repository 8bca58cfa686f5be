"""The library's face: run, load, compare and report from Python, as the command line does."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from denoisebench import protocol
from denoisebench.comparing.findings import Finding, exit_code
from denoisebench.comparing.findings_report import About, compare_markdown, headline
from denoisebench.comparing.limits import ComparisonLimits, read_calibration, read_fail_on
from denoisebench.comparing.stored_runs import compare_runs
from denoisebench.comparing.subject import describe_limits, describe_runs
from denoisebench.denoisers.registry import split_expressions
from denoisebench.errors import UsageError, unknown
from denoisebench.protocol.noise import select_noise
from denoisebench.reporting.advice import Advice, advise_on
from denoisebench.reporting.advice_text import advice_json, advice_markdown
from denoisebench.reporting.figures.strip import STRIP, write_strip
from denoisebench.reporting.joint import PaperOptions
from denoisebench.reporting.markdown import render
from denoisebench.reporting.table import full_table
from denoisebench.reporting.write import (
    REPORT_FORMATS,
    joint_if_possible,
    write_reports,
    write_tables,
)
from denoisebench.running.execution import RunInterrupted, execute
from denoisebench.running.plan import FurtherOptions, RunOptions
from denoisebench.running.progress import Silent, for_stderr
from denoisebench.running.sets import make_plans
from denoisebench.store.merging import merge_runs
from denoisebench.store.results import Results, finished, load_run
from denoisebench.store.tables import frames_table, table1
from denoisebench.text import command_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import pandas as pd

    from denoisebench.photos.session import Denoised, FurtherDenoiseOptions
    from denoisebench.reporting.table import Table
    from denoisebench.running.progress import Progress
    from denoisebench.verifying.convention_search import ConventionSearch, FurtherConventionOptions

__all__ = [
    "AdvisedRuns",
    "Comparison",
    "FurtherOptions",
    "ReportOptions",
    "Run",
    "RunInterrupted",
    "add_noise",
    "advise",
    "compare",
    "conventions",
    "denoise",
    "load",
    "merge",
    "printed_tables",
    "report",
    "report_tables",
    "run",
    "run_sets",
]


@dataclass(frozen=True)
class Run:
    """A stored run. In Jupyter it shows its Table 1.

    Attributes:
        folder: where it is stored.
        results: its manifest and measurements.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> run
        Run('stills': 1 of 1 cell measured)
        >>> run.table()[["method", "sigma", "frames"]].to_dict("records")
        [{'method': 'median', 'sigma': 25.0, 'frames': 1}]
    """

    folder: Path
    results: Results

    def table(self, *, common: bool = False) -> pd.DataFrame:
        """Tabulate means, times and memory: one row a method, noise level and device.

        A row that lacks frames has no means, since means over other frames cannot be compared.

        Args:
            common: True to take all means over the frames that all methods have, level by level.

        Returns:
            Columns and units as `denoisebench.columns.TABLE1_COLUMNS` says; further metrics have
            a column ``NAME_mean`` each.
        """
        return table1(self.results.on_common_frames() if common else self.results)

    def frames(self) -> pd.DataFrame:
        """Tabulate the cells: one row a method, device, frame, noise level and draw.

        Returns:
            Columns and units as `denoisebench.columns.FRAMES_COLUMNS` says; further metrics have a
            column each.
        """
        return frames_table(self.results)

    def failures(self) -> pd.DataFrame:
        """Tabulate the cells that failed: method, device, frame, sigma, status and reason."""
        only = {m.cell: m for m in self.results.failures()}
        columns = ["method", "device", "frame", "sigma", "status", "reason"]
        return frames_table(replace(self.results, measurements=only))[columns]

    @cached_property
    def table1(self) -> Table:
        """Table 1 as it is printed, with its footnotes."""
        return full_table(self.results)

    def write_tables(self) -> str:
        """Write ``table1.md``, ``table1.csv`` and ``frames.csv`` into the folder.

        Frames that cannot be scored are shown in ``strip.png``.

        Returns:
            The Markdown of Table 1.

        Raises:
            UsageError: they cannot be written.
        """
        markdown = write_tables(self.results, self.table1, self.folder)
        write_strip(self.results, self.folder, self.folder)
        return markdown

    @property
    def strip(self) -> Path | None:
        """The picture of frames that cannot be scored; None where there is none."""
        path = self.folder / STRIP
        return path if path.is_file() else None

    def __repr__(self) -> str:
        name = self.results.manifest.dataset.name
        return f"Run({name!r}: {self.results.progress} measured)"

    def _repr_html_(self) -> str:
        from denoisebench.reporting.html import table_html

        return table_html(self.table1)


@dataclass(frozen=True)
class Comparison:
    """Verdicts on a run, HEAD, against an earlier one, BASE. In Jupyter it shows them.

    Attributes:
        findings: a verdict for each method, device, metric and noise level.
        about: remarks for a reader, and the commands that repeat it.
    """

    findings: tuple[Finding, ...]
    about: About = field(default_factory=About)

    @property
    def exit_code(self) -> int:
        """0: all well; 1: worse or missing; 2: nothing to compare; 3: methods failed."""
        return exit_code(self.findings)

    @property
    def regressions(self) -> list[Finding]:
        """The findings that fail the comparison: what got worse or is missing."""
        return [finding for finding in self.findings if finding.fails]

    def table(self) -> pd.DataFrame:
        """Tabulate the findings: one row a method, device, metric and noise level.

        Returns:
            Columns as the attributes of `comparing.findings.Finding`; ``base``, ``head``,
            ``change``, ``low``, ``high`` and ``limit`` are in the row's ``unit``, for the costs
            ``time`` and ``memory`` the change is a share.
        """
        import pandas as pd

        return pd.DataFrame([vars(finding) for finding in self.findings])

    def markdown(self) -> str:
        """Write the verdicts as Markdown, as a comment of a pull request shows them."""
        return compare_markdown(self.findings, self.about)

    def __repr__(self) -> str:
        return f"Comparison({headline(self.findings)})"

    def _repr_markdown_(self) -> str:
        return self.markdown()


@dataclass(frozen=True)
class AdvisedRuns:
    """Advice from stored runs, each by itself. In Jupyter it shows its sentences.

    Attributes:
        by_run: the advice by the run's name; see `reporting.advice.Advice` for its figures.
    """

    by_run: Mapping[str, Advice]

    def markdown(self) -> str:
        """Write the advice in sentences, as Markdown."""
        return advice_markdown(self.by_run)

    def json(self) -> str:
        """Write the figures behind the advice, and its sentences, as JSON."""
        return advice_json(self.by_run)

    def __repr__(self) -> str:
        return self.markdown()

    def _repr_markdown_(self) -> str:
        return self.markdown()


@overload
def run(
    methods: str | Sequence[str] = "all",
    dataset: str | Path | None = None,
    sigma: float | Sequence[float] | None = None,
    *,
    plugins: str | Path | Sequence[str | Path] = (),
    out: str | Path | None = None,
    quiet: bool = False,
    **options: Unpack[FurtherOptions],
) -> Run: ...


@overload
def run(
    methods: str | Sequence[str],
    dataset: list[str | Path] | list[str] | list[Path],
    sigma: float | Sequence[float] | None = None,
    *,
    plugins: str | Path | Sequence[str | Path] = (),
    out: str | Path | None = None,
    quiet: bool = False,
    **options: Unpack[FurtherOptions],
) -> list[Run]: ...


def run(
    methods: str | Sequence[str] = "all",
    dataset: str | Path | Sequence[str | Path] | None = None,
    sigma: float | Sequence[float] | None = None,
    *,
    plugins: str | Path | Sequence[str | Path] = (),
    out: str | Path | None = None,
    quiet: bool = False,
    **options: Unpack[FurtherOptions],
) -> Run | list[Run]:
    """Add noise to frames, denoise them with every method, score and time them.

    Every cell is saved as it is measured: after an interruption the same call goes on, and cells
    that the folder holds are not measured again.

    Args:
        methods: ``all``, names, globs, or names with parameters (``nlm-skimage[h=0.7]``): a string
            with commas between them, or a sequence.
        dataset: a name, such as ``documentary`` or ``pairs:PATH``, or the `Path` of a folder of
            images. None takes the first to be had. A list of them is a run on each.
        sigma: standard deviations of the noise on the 8-bit scale, 0 to 255; None takes 15, 25 and
            50, or what the frames bring.
        plugins: Python files with further methods or metrics.
        out: the run's folder, or that of several runs, which have a folder each in it; None takes
            ``results/DATASET``.
        quiet: print no progress.
        options: see `FurtherOptions`.

    Returns:
        The stored run; of a list of data sets, a list of runs, which `report` takes. Methods that
        failed keep their rows; see `Run.failures`.

    Raises:
        UsageError: the request cannot be carried out; the message says what to do.
        RunInterrupted: by Ctrl-C or the notebook's stop button; what was measured is stored.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median,gaussian", "stills", 25, frames=1, out=folder, quiet=True)
        >>> sorted(run.table().method)
        ['gaussian', 'median']
    """
    chosen = _options(methods, sigma, plugins, out, options)
    several = isinstance(dataset, list | tuple)
    given = [dataset] if isinstance(dataset, str | Path) else dataset or ()
    names = [f"folder:{name}" if isinstance(name, Path) else name for name in given]
    if several and not names:
        raise UsageError("dataset: a list is empty; name at least one data set")
    progress, say = (Silent, _nothing) if quiet else (for_stderr, _on_stderr)
    done = list(run_sets(chosen, names, progress, say))
    for one in done:
        one.write_tables()
    return done if several else done[0]


def _check_known(function: str, options: Collection[str], known: Collection[str]) -> None:
    """Check the names of a function's further options.

    Raises:
        UsageError: there is no such option.
    """
    if unknown_names := sorted(set(options) - set(known)):
        raise UsageError(f"{function}: {unknown('option', unknown_names[0], known)}")


def _nothing(line: str) -> None:
    """Tell nobody."""


def _on_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _options(
    methods: str | Sequence[str],
    sigma: float | Sequence[float] | None,
    plugins: str | Path | Sequence[str | Path],
    out: str | Path | None,
    further: FurtherOptions,
) -> RunOptions:
    """Return the arguments of `run` as options of the command line.

    Raises:
        UsageError: there is no such option.
    """
    _check_known("run", further, FurtherOptions.__annotations__)
    return RunOptions(
        methods=_names(methods),
        sigmas=None if sigma is None else _numbers(sigma),
        plugins=_paths(plugins),
        out=None if out is None else Path(out),
        **_formed(RunOptions, further),
    )


def run_sets(
    options: RunOptions,
    datasets: Sequence[str],
    progress: Callable[[], Progress],
    say: Callable[[str], None],
) -> Iterator[Run]:
    """Carry out a run on each of some data sets; the tables are not written yet.

    Args:
        options: what is asked for.
        datasets: expressions that name the data sets; none takes the default one.
        progress: makes what is told of every cell of a run.
        say: is told what the user should know, a line at a time.

    Yields:
        The stored runs, each as it is complete.

    Raises:
        UsageError, RunInterrupted: see `run`.
    """
    plans = make_plans(options, datasets)
    for number, (plan, line) in enumerate(plans, 1):
        say(line if len(plans) == 1 else f"Data set {number} of {len(plans)}: {line}")
        for metric in plan.metrics:
            if metric.unavailable:
                say(f"{metric.name}: unavailable: {metric.unavailable}")
        say(f"Results: {plan.folder}")
        try:
            results = execute(plan, plan.folder, progress(), say)
        except RunInterrupted as stop:
            whole = replace(options, dataset=",".join(datasets)).command
            raise RunInterrupted(stop.folder, whole if len(plans) > 1 else stop.command) from None
        yield Run(plan.folder, results)


def denoise(
    files: str | Path | Sequence[str | Path],
    method: str = "auto",
    sigma: float | None = None,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    **options: Unpack[FurtherDenoiseOptions],
) -> list[Denoised]:
    """Denoise photographs and films at full size and depth, as ``bench denoise`` does.

    Args:
        files: photographs, folders of photographs, and films.
        method: a method with its parameters, or ``auto`` for the best that a run has in time.
        sigma: of the noise on the 8-bit scale; None estimates it, file by file.
        out: folder for the results; None puts them beside their inputs, as ``NAME-denoised``.
        overwrite: True to write over results that are there; else they stay.
        quiet: print no progress.
        options: see `photos.session.DenoiseOptions`.

    Returns:
        An outcome for each file: where the result is, or the ``problem``.

    Raises:
        UsageError: the request cannot be carried out, or all results are there.
        KeyboardInterrupt: by Ctrl-C; finished files are there.

    Examples:
        >>> import denoisebench as db
        >>> from PIL import Image
        >>> photo = Path(folder, "photo.png")
        >>> Image.linear_gradient("L").save(photo)
        >>> [done] = db.denoise(photo, "median", out=Path(folder, "clean"), quiet=True)
        >>> done.problem, done.target.name, done.about
        ('', 'photo.png', '256×256 grey, 8 bit')
    """
    from denoisebench.photos.progress import SilentFiles, on_stderr
    from denoisebench.photos.session import DenoiseOptions, denoise_files

    _check_known("denoise", options, [option.name for option in fields(DenoiseOptions)])
    chosen = DenoiseOptions(
        _paths(files), method, sigma, None if out is None else Path(out), overwrite
    )
    progress = SilentFiles() if quiet else on_stderr()
    try:
        chosen = replace(chosen, **_formed(DenoiseOptions, options))
        return denoise_files(chosen, progress, progress.say)
    finally:
        progress.end()


def load(folder: str | Path) -> Run:
    """Load a stored run.

    Raises:
        UsageError: the folder holds no run, or a damaged one.

    Examples:
        >>> import denoisebench as db
        >>> _ = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> db.load(folder)
        Run('stills': 1 of 1 cell measured)
    """
    return Run(Path(folder), load_run(Path(folder)))


def merge(
    runs: Iterable[str | Path], out: str | Path, *, times_of: str | Path | None = None
) -> Run:
    """Merge runs of several machines or people, measured under one protocol, into a new folder.

    Args:
        runs: the runs' folders. Of a cell that several have, the first one's scores are taken.
        out: the merged run's folder; it must be new or empty.
        times_of: the run, one of ``runs``, on whose machine the times and memory that are kept were
            measured: a table never mixes machines. None takes the first run with times.

    Returns:
        The merged run. ``results.manifest.parts`` says what each run gave.

    Raises:
        UsageError: the runs differ in protocol, noise, data, metrics or versions of methods, a
            cell has other scores in another run, or nothing can be written.

    Examples:
        >>> import denoisebench as db
        >>> for method in ("median", "gaussian"):
        ...     _ = db.run(method, "stills", 25, frames=1, out=folder / method, quiet=True)
        >>> db.merge([folder / "median", folder / "gaussian"], folder / "both")
        Run('stills': 2 of 2 cells measured)
    """
    folders, folder = [Path(run) for run in runs], Path(out)
    chosen = None if times_of is None else Path(times_of)
    further = [] if chosen is None else ["--times-of", str(chosen)]
    words = ["bench", "merge", *map(str, folders), *further, "--out", str(folder)]
    merge_runs(folders, folder, command_line(words), chosen)
    return load(folder)


def compare(
    base: Run | str | Path,
    head: Run | str | Path,
    fail_on: str | ComparisonLimits = "psnr,ssim",
    *,
    calibration: str | Path | None = None,
    allow_missing: bool = False,
) -> Comparison:
    """Compare two stored runs: is HEAD worse than BASE?

    Scores are compared cell by cell, on the frames and noise that both have; times on one machine
    only.

    Args:
        base: the run to compare with, or its folder.
        head: the run that is judged, or its folder.
        fail_on: what is a regression, and by how much worse: ``psnr=0.02,time=10%``. Limits that
            were read already know their calibration, and what may be missing.
        calibration: file that ``bench calibrate`` wrote on this machine: times must grow by more.
        allow_missing: True to pass though HEAD lacks methods or cells of BASE.

    Raises:
        UsageError: a folder holds no finished run, or ``fail_on`` cannot be read or compared.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> db.compare(run, run).exit_code
        0
    """
    limits = fail_on
    if isinstance(limits, str):
        limits = _limits(limits, calibration, allow_missing)
    before, now = _run(base), _run(head)
    findings = compare_runs(
        finished(before.folder, before.results), finished(now.folder, now.results), limits
    )
    about = About(
        describe_runs(before.results, now.results, (str(before.folder), str(now.folder))),
        describe_limits(now.results, limits),
        ("Scores are compared on the frames and noise that both have.",),
        (now.results.manifest.command,),
    )
    return Comparison(tuple(findings), about)


def report(
    run: Run | str | Path | Iterable[Run | str | Path],
    formats: str | Sequence[str] = ("html", "md", "csv"),
    *,
    out: str | Path | None = None,
    **options: Unpack[ReportOptions],
) -> str:
    """Write reports of runs.

    Of several runs, each on a data set of its own, one table with the data sets as columns is
    written, too, and returned. Its options make it of one run as well.

    Args:
        run: a run or its folder, or several.
        formats: of ``html``, ``md``, ``latex``, ``csv`` and ``json``.
        out: folder for the reports; None takes the run's own, if there is one run.
        options: see `ReportOptions`.

    Returns:
        The Markdown of the tables; empty unless ``md`` is among the formats.

    Raises:
        UsageError: a folder holds no run, a format or metric is unknown, the runs cannot stand in
            the table that is asked for, or nothing can be written.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> print(db.report(run, "md").splitlines()[0][:8])
        | Method
        >>> print(db.report(run, "md", columns="psnr", caption="My table").splitlines()[0])
        My table
    """
    runs = [run] if isinstance(run, Run | str | Path) else list(run)
    _check_known("report", options, ReportOptions.__annotations__)
    tables = report_tables(runs, formats, None if out is None else Path(out), options)
    return "\n".join(map(render, tables)) if "md" in _names(formats) else ""


class ReportOptions(TypedDict, total=False):
    """Further options of `denoisebench.report`.

    Attributes:
        against: the method that others are compared with; None takes the best.
        metrics: the scores to show beside PSNR: ``all``, names or globs.
        common: True to take all means over the frames that all methods of a run have, level by
            level, if some methods lack frames.
        columns: data sets, sigmas, metrics, ``time`` and ``memory`` that the one table shows.
        rows: its methods, in their order: names, globs or ``all``.
        caption: its caption.
        label: the name by which LaTeX refers to it.
        standard_errors: True to show the standard error of each of its means.
        paper: False to leave the PSNR of the paper out of Table 1.
    """

    against: str | None
    metrics: str | Sequence[str]
    common: bool
    columns: str | Sequence[str]
    rows: str | Sequence[str]
    caption: str
    label: str
    standard_errors: bool
    paper: bool


def printed_tables(runs: Sequence[Run]) -> list[Table]:
    """Return the tables that show runs: one of all, if they can stand in one, or one of each.

    Args:
        runs: the runs, at least one.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> len(printed_tables([run]))
        1
    """
    joint = joint_if_possible([run.results for run in runs])
    return [run.table1 for run in runs] if joint is None else [joint]


def report_tables(
    runs: Sequence[Run | str | Path],
    formats: str | Sequence[str],
    out: Path | None,
    options: ReportOptions,
) -> list[Table]:
    """Write reports of runs, as `report`, and return the tables to print.

    Args:
        runs: the runs or their folders.
        formats: formats of `REPORT_FORMATS`.
        out: folder for the reports; None for that of the one run.
        options: what else to show, and how.

    Raises:
        UsageError: a folder holds no run, or an option names nothing in the runs.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median", "stills", 25, frames=1, out=folder, quiet=True)
        >>> [table] = report_tables([run], "md", None, {"rows": "median"})
        >>> table.caption
        'PSNR in dB on stills.'
    """
    if not runs:
        raise UsageError("report: give at least one run")
    if out is None and len(runs) > 1:
        raise UsageError("several runs: say where their report goes with --out FOLDER")
    for name in _names(formats):
        if name not in REPORT_FORMATS:
            raise UsageError(unknown("format", name, REPORT_FORMATS))
    loaded = [_run(one) for one in runs]
    expressions = _names(options.get("metrics", "all"))
    shown = {}
    for name, one in _named(loaded).items():
        results = one.results.showing(expressions)
        shown[name] = one.folder, results.on_common_frames() if options.get("common") else results
    paper = PaperOptions(
        _names(options.get("columns", ())),
        _names(options.get("rows", ())),
        options.get("caption", ""),
        options.get("label", ""),
        options.get("standard_errors", False),
    )
    return write_reports(
        shown,
        out or loaded[0].folder,
        _names(formats),
        options.get("against"),
        paper if paper != PaperOptions() else None,
        with_paper=options.get("paper", True),
    )


def advise(runs: Run | str | Path | Iterable[Run | str | Path]) -> AdvisedRuns:
    """Say which methods stored runs recommend.

    For best quality, for quality per second, under a free licence and for real noise, each claim
    with its interval. Runs are never mixed.

    Args:
        runs: a run or its folder, or several.

    Raises:
        UsageError: a folder holds no run.

    Examples:
        >>> import denoisebench as db
        >>> run = db.run("median,gaussian", "stills", 25, frames=2, out=folder, quiet=True)
        >>> print(db.advise(run).markdown().splitlines()[0][:39])
        - **Best quality:** Gaussian (27.32 dB)
    """
    given = [runs] if isinstance(runs, Run | str | Path) else list(runs)
    if not given:
        raise UsageError("advise: give at least one run")
    return AdvisedRuns(
        {name: advise_on(one.results) for name, one in _named(map(_run, given)).items()}
    )


def conventions(
    method: str,
    dataset: str | Path,
    sigma: float | None = None,
    *,
    printed: str | None = None,
    quiet: bool = False,
    **options: Unpack[FurtherConventionOptions],
) -> ConventionSearch:
    """Find the conventions under which a method has a printed figure.

    Args:
        method: the method with its parameters.
        dataset: a name, such as ``standard:set12``, or the `Path` of a folder of images.
        sigma: standard deviation of the noise on the 8-bit scale; None for recorded noise.
        printed: the figure as it is printed, such as ``"31.20"``; None shows effects alone.
        quiet: print no progress.
        options: see `verifying.convention_search.SearchOptions`.

    Returns:
        The figure under each convention, the protocol's first.

    Raises:
        UsageError: the request cannot be carried out, or the method fails.

    Examples:
        >>> import denoisebench as db
        >>> found = db.conventions("median", "stills", 25, frames=1, seeds=1, quiet=True)
        >>> str(found.scores[0].convention), found.scores[0].effect
        ('protocol', 0.0)
    """
    from denoisebench.verifying.convention_search import SearchOptions, find_conventions

    _check_known("conventions", options, [option.name for option in fields(SearchOptions)])
    name = f"folder:{dataset}" if isinstance(dataset, Path) else dataset
    chosen = replace(SearchOptions(method, name, sigma, printed), **_formed(SearchOptions, options))
    return find_conventions(chosen, lambda line: None if quiet else print(line, file=sys.stderr))


def add_noise(
    clean: np.ndarray,
    sigma: float,
    *,
    seed: int = 0,
    dataset: str = "",
    frame: str = "",
    noise: str = "gaussian",
) -> np.ndarray:
    """Add noise to a frame as a run does: the same on every machine, neither clipped nor rounded.

    Args:
        clean: uint8 (H, W, C), C = 3 (RGB) or 1.
        sigma: strength of the noise on the 8-bit scale, at least 0.
        seed: number of the noise draw.
        dataset: name of a data set; with ``frame``, the noise is bit by bit that of a run on it.
        frame: id of a frame of the data set.
        noise: the noise and its parameters, such as ``jpeg[quality=50]``.

    Returns:
        float32 (H, W, C); clean values lie in [0, 1].

    Raises:
        ValueError: the frame is not uint8 (H, W, C), or sigma is negative or no number.
        UsageError: there is no such noise.

    Examples:
        >>> import numpy as np
        >>> import denoisebench as db
        >>> noisy = db.add_noise(np.full((64, 64, 3), 128, np.uint8), 25)
        >>> noisy.dtype, noisy.shape
        (dtype('float32'), (64, 64, 3))
        >>> bool(abs(255 * noisy.std() - 25) < 1)
        True
    """
    if clean.dtype != "uint8" or clean.ndim != 3 or clean.shape[2] not in (1, 3):
        raise ValueError(
            f"clean must be uint8 (H, W, C) with 3 channels or 1, not {clean.dtype} {clean.shape}"
        )
    if not 0 <= sigma < float("inf"):
        raise ValueError(f"sigma must be a number of at least 0, not {sigma}")
    model = select_noise(noise)
    return protocol.add_noise(clean, sigma, dataset=dataset, frame=frame, seed=seed, noise=model)


def _limits(fail_on: str, calibration: str | Path | None, allow_missing: bool) -> ComparisonLimits:
    try:
        sizes, gated = read_fail_on(fail_on)
    except ValueError as error:
        raise UsageError(f"fail_on: {error}") from error
    known = {} if calibration is None else read_calibration(Path(calibration))
    return ComparisonLimits(sizes, gated, known, allow_missing)


def _run(run: Run | str | Path) -> Run:
    return run if isinstance(run, Run) else load(run)


def _named(runs: Iterable[Run]) -> dict[str, Run]:
    """Return the runs by their folders' names, with numbers where folders share a name.

    The digest is left out that a folder's name has where it is that of a folder of images.
    """
    named: dict[str, Run] = {}
    for run in runs:
        folder, data = run.folder.resolve().name, run.results.manifest.dataset.name
        digest = f"-{data.rpartition('-')[2]}"
        plain = name = folder if folder == data else folder.removesuffix(digest) or folder
        number = 1
        while name in named:
            number += 1
            name = f"{plain}-{number}"
        named[name] = run
    return named


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(split_expressions(names)) if isinstance(names, str) else tuple(names)


def _numbers(numbers: float | Sequence[float]) -> tuple[float, ...]:
    given: Any = [numbers] if isinstance(numbers, Real) else numbers
    if isinstance(given, str) or not all(isinstance(number, Real) for number in given):
        raise UsageError(f"{given!r} is no number, nor a sequence of numbers")
    if not len(given):
        raise UsageError("a sequence of sigmas is empty; leave it out, or give at least one")
    return tuple(map(float, given))


def _paths(paths: str | Path | Sequence[str | Path]) -> tuple[Path, ...]:
    return tuple(map(Path, [paths] if isinstance(paths, str | Path) else paths))


_FORMS: dict[Any, Callable[[Any], Any]] = {
    "tuple[str, ...]": _names,
    "tuple[float, ...]": _numbers,
    "tuple[Path, ...]": _paths,
}
"""Readers of arguments by the type that a field of options declares."""


def _formed(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments as the fields of a class of options have them: of one name a tuple, say."""
    types = {option.name: option.type for option in fields(kind)}
    return {
        name: _FORMS[types[name]](value) if types[name] in _FORMS else value
        for name, value in given.items()
    }
