"""The clock, the tick, the run, and what keeps it safe."""
