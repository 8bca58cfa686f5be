"""Denoising of a user's own photographs and films, at full size and depth."""
