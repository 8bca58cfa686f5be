"""Tables of a run: pure functions of its folder. No method runs here and no frame is read."""

FORMATS = ("html", "md", "latex", "csv", "json")
"""What a report can be written as."""
