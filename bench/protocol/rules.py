"""Rules of the measurement protocol: everything that changes a score, under one digest.

Numbers under different digests are never put in one table or compared.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from denoisebench.protocol.estimation import RULE
from denoisebench.protocol.noise import (
    WHITE_GAUSSIAN,
    noise_parameters,
    noise_spec,
    select_noise,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from denoisebench.protocol.noise import Noise

PROTOCOL_VERSION = 1
"""Version of the protocol; it is part of the digest and of the noise generator's key."""

RECORDED = "recorded"
"""Name that stands for the noise where a camera recorded it with the frame."""


def noise_generator(
    dataset: str, frame: str, sigma: float, seed: int, noise: str = WHITE_GAUSSIAN.name
) -> np.random.Generator:
    """Return the Philox generator of a frame's noise.

    Its key is a hash of the arguments, so that order, host and process do not matter.

    Args:
        dataset: the data set's name.
        frame: the frame's id within it.
        sigma: strength of the noise on the 8-bit scale.
        seed: number of the noise draw.
        noise: the noise's spec.

    Examples:
        >>> first = noise_generator("stills", "coffee", 25, seed=0)
        >>> again = noise_generator("stills", "coffee", 25.0, seed=0)
        >>> first.random() == again.random()
        True
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
    """Add noise to a clean frame; by default ``clean + sigma · n``, neither clipped nor quantised.

    Args:
        clean: uint8 (H, W, C).
        sigma: strength of the noise on the 8-bit scale.
        dataset: the data set's name, for `noise_generator`.
        frame: the frame's id within it, for `noise_generator`.
        seed: number of the noise draw, for `noise_generator`.
        noise: the noise to add.
        out: array for the result, float32 (H, W, C); None makes a new one.

    Returns:
        The noisy frame, float32 (H, W, C), on the scale on which clean values lie in [0, 1].

    Examples:
        >>> clean = np.full((64, 64, 3), 128, np.uint8)
        >>> noisy = add_noise(clean, 25, dataset="stills", frame="coffee", seed=0)
        >>> noisy.shape, noisy.dtype.name
        ((64, 64, 3), 'float32')
        >>> round(255 * float(noisy.std()))
        25
    """
    generator = noise_generator(dataset, frame, sigma, seed, noise_spec(noise))
    noisy = np.empty(clean.shape, np.float32) if out is None else out
    noise.add(clean, sigma / 255, generator, noisy)
    return noisy


def mean_psnr(values: Sequence[float]) -> float:
    """Average the PSNR of images, in dB; their squared errors are not pooled.

    Examples:
        >>> mean_psnr([20.0, 40.0])
        30.0
    """
    return float(np.mean(values))


@cache
def description(noise: str = WHITE_GAUSSIAN.name) -> dict[str, Any]:
    """Describe the protocol for a noise, in words, ready for JSON.

    The description holds a probe of the noise that this machine's libraries draw. numpy does not
    promise the same normal variates for ever: if a release or a platform draws others, the probe
    changes, hence the digest, and results are not mixed.

    Args:
        noise: the noise's spec, or `RECORDED`.

    Examples:
        >>> description()["scored_output"]
        'clipped to [0, 1], rounded to 8 bit'
        >>> description("jpeg[quality=50]")["noise_parameters"]
        {'quality': 50}
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
    """Describe the noisy frame, and the sigma that methods are told."""
    if spec == RECORDED:
        return {"noise": RECORDED, "noisy_input": "float32, as recorded", "told": RULE}
    if spec == WHITE_GAUSSIAN.name:
        probe = noise_generator("probe", "probe", 25, 0).standard_normal(4096, dtype=np.float32)
        return {
            "noise": "additive white Gaussian, numpy Philox, float32 normals, "
            "key sha256(version, dataset, frame, sigma, seed)",
            "noise_probe": _short_digest(probe),
            "noisy_input": "float32, not clipped, not quantised",
        }
    noise = select_noise(spec)
    ramp = np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)
    drawn = add_noise(ramp, 25, dataset="probe", frame="probe", seed=0, noise=noise)
    return {
        "noise": f"{noise.words}; numpy Philox, "
        "key sha256(version, dataset, frame, sigma, seed, noise)",
        "noise_parameters": noise_parameters(noise),
        "noise_probe": _short_digest(drawn),
        "noisy_input": "float32, as the noise leaves it",
        "told": "the frame's noise, root mean square",
    }


def _short_digest(array: np.ndarray) -> str:
    """Return the first 16 hex digits of the sha256 of an array's bytes."""
    return hashlib.sha256(array.tobytes()).hexdigest()[:16]


@cache
def digest(noise: str = WHITE_GAUSSIAN.name) -> str:
    """Return the first 12 hex digits of the sha256 of the protocol's description for a noise.

    Args:
        noise: the noise's spec, or `RECORDED`.

    Examples:
        >>> len(digest())
        12
        >>> digest("gaussian") == digest(), digest(RECORDED) == digest()
        (True, False)
    """
    text = json.dumps(description(noise), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
