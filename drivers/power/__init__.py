"""Drivers of what powers the board itself."""
