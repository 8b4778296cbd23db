"""A hardware-in-the-loop test bench for battery-management boards.

``hil`` knows physics, verdicts and the tick; everything that speaks to a device is in the
sibling package ``drivers``.
"""

__version__ = "0.1.0"
