"""The denoising methods: one short file each, found by the registry. See CONTRIBUTING.md."""

from denoisebench.denoisers.registry import Card, Denoiser, register
from denoisebench.denoisers.torch_denoiser import TorchDenoiser

__all__ = ["Card", "Denoiser", "TorchDenoiser", "register"]
