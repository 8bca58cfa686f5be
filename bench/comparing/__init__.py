"""Comparison of two versions of a method: by stored runs, and by launches in turn."""
