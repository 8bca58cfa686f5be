"""Stored runs: everything that reads or writes the files of a run's folder."""
