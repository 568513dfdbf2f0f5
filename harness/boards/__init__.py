"""Leaderboards: from row files to tables, and what may be compared with what."""
