"""Drivers of thermal chambers."""
