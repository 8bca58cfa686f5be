"""A run's folder on disk: everything that reads or writes it."""
