"""Scores of an 8-bit estimate against the 8-bit clean frame: pure functions."""

from denoisebench.metrics.fidelity import SSIM_WINDOW, psnr, ssim
from denoisebench.metrics.saturation import saturation_error

__all__ = ["SSIM_WINDOW", "psnr", "saturation_error", "ssim"]
