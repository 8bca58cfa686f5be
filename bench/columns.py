"""The columns of ``frames.csv`` and ``table1.csv``, with their meanings and units."""

from __future__ import annotations

__all__ = ["FRAMES_COLUMNS", "TABLE1_COLUMNS", "TEXT_COLUMNS", "with_further"]

FRAMES_COLUMNS = {
    "method": "the method's spec, `name[param=value,…]`",
    "device": "`cpu` or `cuda`",
    "frame": "the frame's id",
    "sigma": "strength of the drawn noise on the 8-bit scale; empty where it was recorded",
    "told": "the sigma of `--told`, on the 8-bit scale; empty without it or if the method is blind",
    "sigma_given": "the sigma that the method was given, on the 8-bit scale; empty if it is blind",
    "seed": "number of the noise draw, from 0",
    "status": "outcome of the cell: `ok`, or another status of the protocol",
    "reason": "reason of a status that is not `ok`, or of a missing score",
    "psnr": "in dB; infinite for a perfect estimate",
    "ssim": "in [-1, 1]; empty for frames under 11 pixels",
    "ms": "median time of the warm calls, in milliseconds",
    "event_ms": "the same by the device's own clock, in milliseconds (CUDA)",
    "transfer_ms": "frame to the device and estimate back, in milliseconds (CUDA)",
    "cold_ms": "the process's first call, in milliseconds; on the cell that made it",
    "load_ms": "importing and building the method, in milliseconds; on the same cell",
    "rounds": "number of warm calls that were timed",
    "peak_memory_mb": "resident memory above the level before the call, in MB",
    "peak_device_memory_mb": "memory of the device above the level before the call, in MB",
    "pixels": "height times width",
    "noisy_digest": "digest of the noisy frame",
    "output_digest": "digest of the scored estimate",
    "quality_key": "identity of all that decides the scores",
    "timing_key": "identity of all that decides the times",
}
"""One row a cell. Further metrics have a column each, under their names, after ``ssim``."""

TABLE1_COLUMNS = {
    "method": "the method's spec, `name[param=value,…]`",
    "title": "the method's name in tables",
    "sigma": "strength of the drawn noise on the 8-bit scale; empty where it was recorded",
    "told": "the sigma of `--told` at this level, on the 8-bit scale; empty without it",
    "device": "`cpu` or `cuda`",
    "frames": "number of frames of which every noise draw was measured, of those in the means",
    "psnr_mean": "mean over frames and noise draws, in dB; empty for a row that lacks frames",
    "psnr_std": "sample standard deviation of the PSNR, in dB",
    "psnr_gain": "mean PSNR less that of the noisy frames, in dB; empty without the row `noisy`",
    "psnr_paper": "the method's PSNR in the paper's Table 1, in dB",
    "ssim_mean": "mean over frames and noise draws, in [-1, 1]",
    "ms_per_frame": "median over frames of the warm calls' median, in milliseconds",
    "ms_per_megapixel": "the same for a million pixels, in milliseconds",
    "transfer_ms": "median of the transfers, in milliseconds (CUDA)",
    "mp_per_s": "megapixels a second in batches of frames; median over the frames' sizes",
    "batch": "number of frames in such a batch, the fastest that was found",
    "j_per_mp": "energy of the whole GPU for a megapixel in such batches, in joules (extra `gpu`)",
    "cold_ms": "median of the processes' first calls, in milliseconds",
    "peak_memory_mb": "largest memory above the level before the call, in MB",
    "status": "`ok`, `incomplete` (cells are missing), or the failed cells' most common status",
    "note": "failures of the row, and remarks that a reader of its figures needs",
}
"""One row a method, noise level and device. Further metrics have ``NAME_mean``, after SSIM's."""


TEXT_COLUMNS = frozenset(
    [
        "method",
        "title",
        "device",
        "frame",
        "status",
        "reason",
        "note",
        "noisy_digest",
        "output_digest",
        "quality_key",
        "timing_key",
    ]
)
"""The columns of both tables that hold text; all others hold numbers."""


def with_further(columns: dict[str, str], names: list[str], after: str) -> list[str]:
    """List column names with those of further metrics put in their place.

    Args:
        columns: `FRAMES_COLUMNS` or `TABLE1_COLUMNS`.
        names: the further columns.
        after: the column that they follow.

    Examples:
        >>> with_further({"psnr": "", "ssim": "", "ms": ""}, ["lpips"], after="ssim")
        ['psnr', 'ssim', 'lpips', 'ms']
    """
    known = list(columns)
    place = known.index(after) + 1
    return [*known[:place], *names, *known[place:]]
