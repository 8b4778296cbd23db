"""Drivers of boards under test."""
