"""Denoise Bench: compare image denoisers fairly, fast and reproducibly."""

__version__ = "0.1.0"
