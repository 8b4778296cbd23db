"""Engines: where a board's own firmware runs, under the bench's clock or under its own."""
