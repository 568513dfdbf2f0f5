"""The five tracks of ABAW6 as tasks: their specs, the readers of their data sets, and the demo world."""
