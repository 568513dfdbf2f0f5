"""How sure a score is: clusters drawn, intervals, comparisons, ties. What a score is stands in `harness.metrics`."""
