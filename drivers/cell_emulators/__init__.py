"""Drivers of cell emulators."""
