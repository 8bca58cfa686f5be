"""Runs: planning, supervision of the methods' processes, scoring and saving."""
