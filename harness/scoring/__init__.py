"""Predictions that others made: read by name, laid on frames, judged under a stated policy, recorded as a row."""
