"""Verification: run what papers printed figures of, and compare ours with theirs."""
