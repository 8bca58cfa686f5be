"""Measurement protocol: the noise, the rounding and the estimates of sigma, with their digest."""

from denoisebench.protocol.pixels import as_float, quantise
from denoisebench.protocol.rules import (
    PROTOCOL_VERSION,
    RECORDED,
    add_noise,
    description,
    digest,
    mean_psnr,
    noise_generator,
)

__all__ = [
    "PROTOCOL_VERSION",
    "RECORDED",
    "add_noise",
    "as_float",
    "description",
    "digest",
    "mean_psnr",
    "noise_generator",
    "quantise",
]
