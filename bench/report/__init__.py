"""Tables of a run: pure functions of its folder. No method runs here and no frame is read."""
