"""Reports of stored runs: pure functions of a run's folder. No method runs here."""

FORMATS = ("html", "md", "latex", "csv", "json")
"""Formats that a report can be written in."""
