"""Everything that changes a score, in one place and under one digest.

Numbers under different digests are never put in one table or compared.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.protocol import estimation
from denoisebench.protocol import noise as noises
from denoisebench.protocol.noise import WHITE_GAUSSIAN
from denoisebench.protocol.pixels import as_float as as_float
from denoisebench.protocol.pixels import quantise as quantise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.protocol.noise import Noise

PROTOCOL_VERSION = 1
RECORDED = "recorded"
"""What stands for a noise's name where a camera recorded it with the frame."""


def noise_generator(
    dataset: str, frame: str, sigma: float, seed: int, noise: str = WHITE_GAUSSIAN.name
) -> np.random.Generator:
    """A Philox generator keyed by what it noises, so that order, host and process do not matter.

    Args:
        dataset: the data set's name.
        frame: the frame's id within it.
        sigma: strength of the noise on the 8-bit scale.
        seed: which of several noise draws.
        noise: its spec.
    """
    identity = [PROTOCOL_VERSION, dataset, frame, float(sigma), seed]
    if noise != WHITE_GAUSSIAN.name:
        identity.append(noise)
    digest = hashlib.sha256(json.dumps(identity).encode()).digest()
    key = int.from_bytes(digest[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def add_noise(
    clean: np.ndarray,
    sigma: float,
    *,
    dataset: str,
    frame: str,
    seed: int,
    noise: Noise = WHITE_GAUSSIAN,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A noisy frame; by default ``clean + sigma · n``, neither clipped nor quantised.

    Args:
        clean: uint8 (H, W, C).
        sigma: strength of the noise on the 8-bit scale.
        dataset, frame, seed: see `noise_generator`.
        noise: which.
        out: where to put the result, float32 (H, W, C).

    Returns:
        float32 (H, W, C); the clean frame's range is [0, 1].
    """
    generator = noise_generator(dataset, frame, sigma, seed, noises.noise_spec(noise))
    noisy = np.empty(clean.shape, np.float32) if out is None else out
    noise.add(as_float(clean), sigma / 255, generator, noisy)
    return noisy


def mean_psnr(values: Sequence[float]) -> float:
    """Mean over images of the per-image PSNR in dB; the squared errors are not pooled."""
    return float(np.mean(values))


@cache
def description(noise: str = WHITE_GAUSSIAN.name) -> dict[str, Any]:
    """The protocol in words, with a probe of the noise this machine's libraries draw.

    numpy does not promise the same normal variates for ever. If a release or a platform draws
    others, the probe changes, hence the digest, and results are not mixed.

    Args:
        noise: its spec, or `RECORDED`.
    """
    return {
        "version": PROTOCOL_VERSION,
        **_noise(noise),
        "scored_output": "clipped to [0, 1], rounded to 8 bit",
        "psnr": "peak 255, MSE over all pixels and channels, no border crop; mean over images",
        "ssim": "Gaussian window 11x11, sigma 1.5, population covariance, K1 0.01, K2 0.03, "
        "L 255, windows inside the image, mean over windows and channels; mean over images",
    }


def _noise(spec: str) -> dict[str, Any]:
    """What the noisy frame is, and what methods that need a sigma are told."""
    if spec == RECORDED:
        return {"noise": RECORDED, "noisy_input": "float32, as recorded", "told": estimation.RULE}
    if spec == WHITE_GAUSSIAN.name:
        probe = noise_generator("probe", "probe", 25, 0).standard_normal(4096, dtype=np.float32)
        return {
            "noise": "additive white Gaussian, numpy Philox, float32 normals, "
            "key sha256(version, dataset, frame, sigma, seed)",
            "noise_probe": _short_digest(probe),
            "noisy_input": "float32, not clipped, not quantised",
        }
    noise = noises.select_noise(spec)
    ramp = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    drawn = add_noise(ramp, 25, dataset="probe", frame="probe", seed=0, noise=noise)
    return {
        "noise": f"{noise.words}; numpy Philox, "
        "key sha256(version, dataset, frame, sigma, seed, noise)",
        "noise_parameters": noises.noise_parameters(noise),
        "noise_probe": _short_digest(drawn),
        "noisy_input": "float32, as the noise leaves it",
        "told": "the frame's noise, root mean square",
    }


def _short_digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


@cache
def digest(noise: str = WHITE_GAUSSIAN.name) -> str:
    """The first 12 hex digits of the sha256 of the description for a noise."""
    text = json.dumps(description(noise), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
