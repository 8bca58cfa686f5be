"""Carry out a run: plan it, supervise the methods' processes, score, and save."""
