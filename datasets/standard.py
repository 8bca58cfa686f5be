"""The test sets that the denoising literature prints its figures on."""

from __future__ import annotations

from functools import partial

from denoisebench.datasets.published import MANIFESTS, Published

STANDARD_SETS = {
    f"standard:{name}": partial(Published, MANIFESTS / f"{name}.toml")
    for name in ("set12", "bsd68", "cbsd68", "kodak24", "mcmaster", "urban100")
}
