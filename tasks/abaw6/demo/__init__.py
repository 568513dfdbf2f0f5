"""A small world of drawn people, written to disk in the official layouts; only for trying the harness out."""
