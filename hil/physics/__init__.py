"""The virtual plant and the electronics of a board: one scalar source, no I/O."""
