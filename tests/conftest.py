"""What every test shares: how hypothesis behaves.

Examples are derived from the test itself, so that a commit gives the same result everywhere and
twice; ``make nightly`` looks further, with new examples each night (it prints how to repeat one).
"""

import os

from hypothesis import HealthCheck, settings

pytest_plugins = ("scenario",)

settings.register_profile(
    "commit",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "commit"))
