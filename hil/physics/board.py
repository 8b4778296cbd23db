"""The electronics of a board: what it measures, how it bleeds, how warm it gets."""

from hil.physics.noise import noise_row, uniform_row

__all__ = ["noise_row", "uniform_row"]
