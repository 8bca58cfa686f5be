"""The machine: its devices, threads and memory, and the timing of calls on it."""
