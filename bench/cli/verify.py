"""``bench verify``: check the harness against published figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED, shared
from denoisebench.cli.types import METHODS, SIGMA_LIST, CommaList
from denoisebench.errors import UsageError
from denoisebench.text import command_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.running.plan import Plan
    from denoisebench.verifying.agreement import FigureComparison
    from denoisebench.verifying.published import Expectation

_EXIT_OFF = 1

_DATASETS = CommaList("data set,…", lambda text: text.split(","), lambda item: str(item).strip())


@click.command("verify", short_help="Check the harness against published figures.")
@click.option(
    "--quick", is_flag=True, help="Check a few images at one sigma only; takes about a minute."
)
@click.option(
    "--methods",
    type=METHODS,
    default="all",
    show_default=True,
    help="Methods with published figures: all, names or globs.",
)
@click.option(
    "--dataset",
    "datasets",
    type=_DATASETS,
    default=(),
    help="Data sets: standard:set12, standard:bsd68, standard:cbsd68.  [default: all]",
)
@click.option(
    "--sigma",
    "sigmas",
    type=SIGMA_LIST,
    default=(),
    help="Standard deviations of the noise, on the 8-bit scale.  [default: all published]",
)
@shared.timeout
@shared.threads
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the table, and for a run of each data set.  "
    "[default: results/verify, or results/verify-quick]",
)
@shared.fresh
@shared.plugins
def verify_command(
    quick: bool,
    methods: tuple[str, ...],
    datasets: tuple[str, ...],
    sigmas: tuple[float, ...],
    out: Path | None,
    **choices: Any,
) -> None:
    """Run methods on standard sets as papers did, and compare with the figures in the papers.

    A row agrees, is off by some decibels, or is not comparable for a reason. Every cell is saved as
    it is measured: after an interruption the same command continues. The table goes to stdout,
    everything else to stderr. Exit code 0: all agree or are not comparable; 1: something is off;
    2: the request cannot be carried out; 3: a method failed; 130: interrupted.
    """
    from denoisebench.denoisers import registry
    from denoisebench.running.plan import RunOptions
    from denoisebench.verifying import agreement as verification
    from denoisebench.verifying import published as expectations

    if quick and (datasets or sigmas):
        raise UsageError(
            "--quick takes its own data set and sigma; leave out --dataset and --sigma"
        )
    published, part = expectations.load_published()
    part_taken = part if quick else None
    chosen = verification.choose_expectations(published, methods, datasets, sigmas, part_taken)
    options = RunOptions(**choices)
    registry.load_files(options.plugins, options.timeout)
    comparable = [e for e in chosen if not verification.unavailable(e)]
    plans = verification.plans(comparable, options, part_taken)
    out = out or Path("results", "verify-quick" if quick else "verify")
    complete = _measure(plans, out)
    raise SystemExit(_conclude(_comparisons(chosen, plans, out, complete), out))


def _measure(plans: Sequence[Plan], out: Path) -> list[Plan]:
    """Carry out the plans one after the other, and return those that were completed."""
    from denoisebench.running import progress
    from denoisebench.running.execution import execute
    from denoisebench.verifying.agreement import folder

    complete: list[Plan] = []
    with shared.terminated_as_interrupted():
        try:
            for plan in plans:
                shared.say(f"Frames: {plan.dataset.title}")
                shared.say(f"Results: {folder(out, plan)}")
                execute(plan, folder(out, plan), progress.for_stderr(), shared.say)
                complete.append(plan)
        except KeyboardInterrupt:
            pass
    return complete


def _comparisons(
    chosen: Sequence[Expectation], plans: Sequence[Plan], out: Path, complete: Sequence[Plan]
) -> list[FigureComparison]:
    """Compare every expectation with its measurements, in the order of the file."""
    from denoisebench.store.sqlite import STORE, Store
    from denoisebench.verifying import agreement as verification

    plan_of = {plan.options.dataset: plan for plan in plans}
    found: list[FigureComparison] = []
    known = {}
    for plan in complete:
        with Store(verification.folder(out, plan) / STORE, read_only=True) as store:
            known[plan.options.dataset] = store.measurements()
    for expectation in chosen:
        if reason := verification.unavailable(expectation):
            found += verification.not_compared(expectation, reason)
        else:
            plan = plan_of[expectation.dataset]
            found += verification.compare_with_print(
                expectation, plan, known.get(expectation.dataset, {})
            )
    return found


def _conclude(found: Sequence[FigureComparison], out: Path) -> int:
    """Write and print the table, print a summary, and return the exit code."""
    from collections import Counter

    from denoisebench import files
    from denoisebench.verifying.agreement import Agreement
    from denoisebench.verifying.table import verification_csv, verification_markdown

    command = _command()
    table = verification_markdown(found, command)
    files.make_folder(out)
    files.write_text(out / "verification.md", table)
    files.write_text(out / "verification.csv", verification_csv(found))
    click.echo(table, nl=False)
    counts = Counter(c.verdict for c in found)
    said = ", ".join(
        f"{counts[verdict]} {verdict.value}" for verdict in Agreement if counts[verdict]
    )
    click.echo(f"{said}. Wrote verification.md and verification.csv to {out}", err=True)
    if counts[Agreement.INCOMPLETE]:
        click.echo(f"Interrupted. To go on from here: {command}", err=True)
        return EXIT_INTERRUPTED
    if counts[Agreement.OFF]:
        return _EXIT_OFF
    return EXIT_CELLS_FAILED if counts[Agreement.FAILED] else 0


def _command() -> str:
    """Return the command that asks for the same verification, without ``--fresh``."""
    context = click.get_current_context()
    words = ["bench", "verify"]
    for option in context.command.params:
        name, flag = option.name or "", option.opts[0]
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE or name == "fresh":
            continue
        value = context.params[name]
        if isinstance(value, bool):
            words.append(flag)
        elif option.multiple:
            words += [word for item in value for word in (flag, str(item))]
        elif isinstance(value, tuple):
            words += [flag, ",".join(f"{v:g}" if isinstance(v, float) else v for v in value)]
        else:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return command_line(words)
