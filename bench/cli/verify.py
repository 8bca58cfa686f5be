"""``bench verify``: the harness checked against published numbers."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED, shared
from denoisebench.cli.types import METHODS, SIGMAS, CommaList
from denoisebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.running.plan import Plan
    from denoisebench.verifying.agreement import Comparison
    from denoisebench.verifying.published import Expectation

EXIT_OFF = 1

_DATASETS = CommaList("data set,…", lambda text: text.split(","), lambda item: str(item).strip())


@click.command("verify", short_help="Check the harness against published numbers.")
@click.option("--quick", is_flag=True, help="Only a few images at one sigma: about a minute.")
@click.option(
    "--methods",
    type=METHODS,
    default="all",
    show_default=True,
    help="all, names or globs, of methods with published figures.",
)
@click.option(
    "--dataset",
    "datasets",
    type=_DATASETS,
    default=(),
    help="standard:set12, standard:bsd68, standard:cbsd68.  [default: all]",
)
@click.option(
    "--sigma",
    "sigmas",
    type=SIGMAS,
    default=(),
    help="Standard deviations of the noise, on the 8-bit scale.  [default: all published]",
)
@shared.timeout
@shared.threads
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for a run per data set, and for the table.  "
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
    """Run methods on standard sets as papers did, and compare with what the papers print.

    A row agrees, is off by so many decibels, or is not comparable, and why. What is measured is
    saved cell by cell: after an interruption the same command goes on. The table goes to stdout,
    everything else to stderr. Exit code 0: all agree or are not comparable; 1: something is off;
    2: the request cannot be carried out; 3: a method failed; 130: interrupted.
    """
    from denoisebench.denoisers import registry
    from denoisebench.running.plan import Options
    from denoisebench.verifying import agreement as verification
    from denoisebench.verifying import published as expectations

    if quick and (datasets or sigmas):
        raise UsageError(
            "--quick takes its own data set and sigma; leave out --dataset and --sigma"
        )
    published, part = expectations.load()
    part_taken = part if quick else None
    chosen = verification.choose(published, methods, datasets, sigmas, part_taken)
    options = Options(**choices)
    for plugin in options.plugins:
        registry.load_file(plugin)
    comparable = [e for e in chosen if not verification.unavailable(e)]
    plans = verification.plans(comparable, options, part_taken)
    out = out or Path("results", "verify-quick" if quick else "verify")
    complete = _measure(plans, out)
    raise SystemExit(_conclude(_comparisons(chosen, plans, out, complete), out))


def _measure(plans: Sequence[Plan], out: Path) -> list[Plan]:
    """Carry the plans out, one after the other; return those that came to their end."""
    from denoisebench.cli.run import measure
    from denoisebench.verifying.agreement import folder

    complete = []
    for plan in plans:
        click.echo(f"Frames: {plan.dataset.title}", err=True)
        if not measure(plan, folder(out, plan)):
            break
        complete.append(plan)
    return complete


def _comparisons(
    chosen: Sequence[Expectation], plans: Sequence[Plan], out: Path, complete: Sequence[Plan]
) -> list[Comparison]:
    """Every expectation beside what was measured for it, in the order of the file."""
    from denoisebench.running.folder import STORE
    from denoisebench.store.sqlite import Store
    from denoisebench.verifying import agreement as verification

    plan_of = {plan.options.dataset: plan for plan in plans}
    found: list[Comparison] = []
    known = {}
    for plan in complete:
        with Store(verification.folder(out, plan) / STORE, read_only=True) as store:
            known[plan.options.dataset] = store.measurements()
    for expectation in chosen:
        if reason := verification.unavailable(expectation):
            found += verification.not_compared(expectation, reason)
        else:
            plan = plan_of[expectation.dataset]
            found += verification.compare(expectation, plan, known.get(expectation.dataset, {}))
    return found


def _conclude(found: Sequence[Comparison], out: Path) -> int:
    """Write and print the table, and say how it came out."""
    from collections import Counter

    from denoisebench import files
    from denoisebench.verifying.agreement import Verdict
    from denoisebench.verifying.table import verification_csv, verification_markdown

    command = _command()
    table = verification_markdown(found, command)
    files.make_folder(out)
    files.write_text(out / "verification.md", table)
    files.write_text(out / "verification.csv", verification_csv(found))
    click.echo(table, nl=False)
    counts = Counter(c.verdict for c in found)
    said = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    click.echo(f"{said}. Wrote verification.md and verification.csv to {out}", err=True)
    if counts[Verdict.INCOMPLETE]:
        click.echo(f"Interrupted. To go on from here: {command}", err=True)
        return EXIT_INTERRUPTED
    if counts[Verdict.OFF]:
        return EXIT_OFF
    return EXIT_CELLS_FAILED if counts[Verdict.FAILED] else 0


def _command() -> str:
    """The command that asks for the same verification; ``--fresh`` is not repeated."""
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
    return shlex.join(words)
