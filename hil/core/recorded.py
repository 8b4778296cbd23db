"""What a dataclass says of how its fields are recorded (``hil.profile.resolved``)."""

UNLESS_DEFAULT = {"resolved": "unless default"}
"""Metadata of a field that leaves no trace in a record where it has its default.

For what a file could not say before: one that does not say it is what it was, and so is the digest
of its runs.
"""
