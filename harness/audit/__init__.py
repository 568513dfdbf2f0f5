"""What is in a data set, and what of it should not be: counts, leaks, near duplicates."""
