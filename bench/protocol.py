"""Everything that changes a score, in one place and under one digest.

Numbers under different digests are never put in one table or compared.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION = 1


def noise_generator(dataset: str, frame: str, sigma: float, seed: int) -> np.random.Generator:
    """A Philox generator keyed by what it noises, so that order, host and process do not matter.

    Args:
        dataset: the data set's name.
        frame: the frame's id within it.
        sigma: standard deviation on the 8-bit scale.
        seed: which of several noise draws.
    """
    identity = json.dumps([VERSION, dataset, frame, float(sigma), seed])
    key = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def add_noise(
    clean: np.ndarray,
    sigma: float,
    *,
    dataset: str,
    frame: str,
    seed: int,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """White Gaussian noise: ``noisy = clean + sigma · n``, neither clipped nor quantised.

    Args:
        clean: uint8 (H, W, C).
        sigma: standard deviation on the 8-bit scale.
        dataset, frame, seed: see `noise_generator`.
        out: where to put the result, float32 (H, W, C).

    Returns:
        float32 (H, W, C); the clean frame's range is [0, 1].
    """
    generator = noise_generator(dataset, frame, sigma, seed)
    noisy = generator.standard_normal(clean.shape, dtype=np.float32, out=out)
    noisy *= np.float32(sigma / 255)
    noisy += as_float(clean)
    return noisy


def as_float(frame: np.ndarray) -> np.ndarray:
    """uint8 [0, 255] to float32 [0, 1]."""
    return frame * np.float32(1 / 255)


def quantise(output: np.ndarray) -> np.ndarray:
    """Clip a finite float32 estimate to [0, 1] and round it to 8 bit: what is scored."""
    scaled = output * np.float32(255)
    np.clip(scaled, 0, 255, out=scaled)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def mean_psnr(values: Sequence[float]) -> float:
    """Mean over images of the per-image PSNR in dB; the squared errors are not pooled."""
    return float(np.mean(values))


@cache
def description() -> dict[str, Any]:
    """The protocol in words, with a probe of the noise this machine's numpy draws.

    numpy does not promise the same normal variates for ever. If a release or a platform draws
    others, the probe changes, hence the digest, and results are not mixed.
    """
    probe = noise_generator("probe", "probe", 25, 0).standard_normal(4096, dtype=np.float32)
    return {
        "version": VERSION,
        "noise": "additive white Gaussian, numpy Philox, float32 normals, "
        "key sha256(version, dataset, frame, sigma, seed)",
        "noise_probe": hashlib.sha256(probe.tobytes()).hexdigest()[:16],
        "noisy_input": "float32, not clipped, not quantised",
        "scored_output": "clipped to [0, 1], rounded to 8 bit",
        "psnr": "peak 255, MSE over all pixels and channels, no border crop; mean over images",
        "ssim": "Gaussian window 11x11, sigma 1.5, population covariance, K1 0.01, K2 0.03, "
        "L 255, windows inside the image, mean over windows and channels; mean over images",
    }


@cache
def digest() -> str:
    """The first 12 hex digits of the sha256 of the description."""
    text = json.dumps(description(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
