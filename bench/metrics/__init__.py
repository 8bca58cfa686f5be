"""Metrics, which score an 8-bit estimate against the 8-bit clean frame, and their registry."""

from denoisebench.metrics.psnr_ssim import SSIM_WINDOW, psnr, ssim
from denoisebench.metrics.registry import register
from denoisebench.metrics.saturation import saturation_error

__all__ = ["SSIM_WINDOW", "psnr", "register", "saturation_error", "ssim"]
