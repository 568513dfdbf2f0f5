"""Published tables whose averages do not add up."""
