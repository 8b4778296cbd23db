"""Profiles and benches: what the YAML files say, checked, in units that names end with."""

from hil.profile.bench import Bench, DeviceConfig, LinkConfig, load_bench, read_options
from hil.profile.check import Findings, check_profile
from hil.profile.load import load_cell, load_profile
from hil.profile.model import Profile
from hil.profile.scene import Known
from hil.profile.schema import bench_schema, profile_schema

__all__ = [
    "Bench",
    "DeviceConfig",
    "Findings",
    "Known",
    "LinkConfig",
    "Profile",
    "bench_schema",
    "check_profile",
    "load_bench",
    "load_cell",
    "load_profile",
    "profile_schema",
    "read_options",
]
