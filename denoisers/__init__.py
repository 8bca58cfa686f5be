"""The denoising methods: one short file each, found by the registry. See CONTRIBUTING.md."""

from denoisebench.denoisers.registry import Card, Denoiser, register

__all__ = ["Card", "Denoiser", "register"]
