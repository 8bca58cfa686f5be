"""``bench denoise``: the user's own photographs and films, denoised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from denoisebench.cells import LARGEST_SIGMA
from denoisebench.cli import EXIT_CELLS_FAILED, EXIT_INTERRUPTED, shared
from denoisebench.cli.types import FiniteRange
from denoisebench.words import counted


class _Sigma(FiniteRange):
    """The word auto, or a sigma on the 8-bit scale."""

    name = "auto|number"

    def convert(self, value: Any, param: Any, ctx: Any) -> float | None:  # type: ignore[override]
        return None if value in (None, "auto") else super().convert(value, param, ctx)


@click.command("denoise", short_help="Denoise your photographs and films.")
@click.argument("inputs", nargs=-1, type=click.Path(path_type=Path), metavar="FILE|FOLDER|FILM...")
@click.option(
    "--method",
    default="auto",
    show_default=True,
    help="Method, also with parameters, as in dct[threshold=2.4]; auto takes the best within the "
    "budget, by the run that --from names.",
)
@click.option(
    "--sigma",
    type=_Sigma(0, LARGEST_SIGMA),
    default="auto",
    show_default=True,
    help="Standard deviation of the noise on the 8-bit scale, also for files of 16 bits; auto "
    "estimates it, file by file.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results, under the files' own names.  [default: beside each file, as "
    "NAME-denoised]",
)
@click.option("--overwrite", is_flag=True, help="Write over results that are there.")
@click.option(
    "--from",
    "run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run by whose PSNR and times auto chooses.  [default: the published one]",
)
@click.option(
    "--budget-per-megapixel",
    "budget",
    type=FiniteRange(0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds that auto's method may take for a megapixel, as that run measured.",
)
@click.option(
    "--preview",
    is_flag=True,
    help="Write preview-denoised.png and .html: the middle of each picture, before and after.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    help="Number of files at a time.  [default: one for each core, at most 4]",
)
@shared.fastest_device
@click.option(
    "--timeout",
    type=FiniteRange(0, min_open=True),
    default=600.0,
    show_default=True,
    help="Time limit in seconds for a megapixel, and for loading a method.",
)
@click.option(
    "--memory-limit",
    type=FiniteRange(0, min_open=True),
    help="Memory limit of the methods' processes together in GB.  [default: 80 % of the free "
    "memory]",
)
@shared.threads
@shared.plugins
@shared.torch
@shared.checkpoints
@shared.weights
def denoise_command(preview: bool, **choices: Any) -> None:
    """Denoise photographs and films of yours, at full size and depth.

    PNG, TIFF, WebP, JPEG, BMP and, with the extra raw, cameras' raw files; of a folder, all of
    these. Bits, grey or colour, alpha, colour profile, EXIF and orientation stay. Films need the
    extra video; codec, times and sound stay.

    No noise is added. Inputs are never written over; results that are there stay, so that the same
    command goes on after an interruption. The results' paths go to stdout, all else to stderr. Exit
    code 0: all done; 2: the request cannot be carried out; 3: some files failed; 130: interrupted.
    """
    from denoisebench.photos.preview import write_preview
    from denoisebench.photos.progress import on_stderr
    from denoisebench.photos.session import DenoiseOptions, denoise_files

    options = DenoiseOptions(**choices)
    progress = on_stderr()
    with shared.terminated_as_interrupted():
        try:
            outcomes = denoise_files(options, progress, progress.say)
        except KeyboardInterrupt:
            progress.end()
            shared.say("Interrupted. The same command goes on with the files left.")
            raise SystemExit(EXIT_INTERRUPTED) from None
        finally:
            progress.end()
    done = [outcome for outcome in outcomes if not outcome.problem]
    for outcome in done:
        click.echo(outcome.target)
    if preview and done:
        page = write_preview(done, options.out or done[0].target.parent)
        shared.say(f"Before and after: {page}")
    if len(done) < len(outcomes):
        shared.say(
            f"{len(outcomes) - len(done)} of {counted(len(outcomes), 'file')} failed, as said above"
        )
        raise SystemExit(EXIT_CELLS_FAILED)
