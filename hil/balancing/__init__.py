"""The reference controller: one file a strategy."""
