"""What every test shares: how hypothesis behaves.

Examples are derived from the test itself, so that a commit gives the same result everywhere and
twice; ``make nightly`` looks further, with new examples each night (it prints how to repeat one).
"""

import os
import tempfile

from hypothesis import HealthCheck, settings

# Not among the leases of this host's own benches; a socket's path has no room for pytest's folders.
_LEASES = tempfile.TemporaryDirectory(prefix="hil-")
os.environ["HIL_LEASES"] = _LEASES.name

pytest_plugins = ("scenario", "ground", "fault_table")

settings.register_profile(
    "commit",
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("nightly", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "commit"))
