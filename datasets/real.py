"""Camera noise with a ground truth: pairs of a noisy photograph and one that is (nearly) clean."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from denoisebench.datasets.archives import ArchiveError
from denoisebench.datasets.published import MANIFESTS, Published
from denoisebench.datasets.unpacked import Unpacked
from denoisebench.files import make_folder, replacing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class SiddValidation(Unpacked):
    """The sRGB validation blocks of SIDD, which come as two MATLAB arrays.

    Each array, uint8 (40, 32, 256, 256, 3), holds 32 blocks of each of 40 photographs; they are
    cut into PNGs, so that a frame is read without 250 MB around it.
    """

    def _write_files(self, archive: Path) -> None:
        blocks = _array(archive)
        pattern = self._noisy if "Noisy" in archive.name else self._clean
        intact = self._intact()
        for scene, block in np.ndindex(blocks.shape[:2]):
            path = pattern.replace("*", f"{scene + 1:02}-{block + 1:02}")
            if path not in intact:
                _write_png(self.folder / path, blocks[scene, block])


def _array(path: Path) -> np.ndarray:
    """Read the blocks in a MATLAB file, whose variable has the file's name."""
    from scipy.io import loadmat

    try:
        blocks: np.ndarray = loadmat(path, variable_names=[path.stem])[path.stem]
    except Exception as error:  # its reader of damaged data may raise anything
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ArchiveError(f"{path.name} is damaged ({error})") from error
    if blocks.ndim != 5 or blocks.shape[-1] != 3 or blocks.dtype != "uint8":
        raise ArchiveError(f"{path.name} holds {blocks.dtype} {blocks.shape}, no 8-bit RGB blocks")
    return blocks


def _write_png(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    make_folder(path.parent)
    with replacing(path) as file:
        Image.fromarray(pixels).save(file, format="PNG", compress_level=1)


REAL_SETS: dict[str, Callable[[], Published]] = {
    "real:cc15": partial(Published, MANIFESTS / "cc15.toml"),
    "real:nam25": partial(Published, MANIFESTS / "nam25.toml"),
    "real:polyu": partial(Unpacked, MANIFESTS / "polyu.toml"),
    "real:sidd-val": partial(SiddValidation, MANIFESTS / "sidd-val.toml"),
}
