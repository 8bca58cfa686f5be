"""Reports of stored runs: pure functions of a run's folder. No method runs here."""
