"""Expectations, deviations, metrics and their uncertainty."""
