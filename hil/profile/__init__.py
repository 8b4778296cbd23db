"""Profiles and benches: what the YAML files say, checked, in units that names end with.

From text to a profile, one module a stage:

=================  ==========================================================================
``source``         files to text, or one line about why not; places in them
``tree``           YAML to texts, tables and lists that know their line and column
``overrides``      on that tree: ``include``, ``--set``, ``${parameters}``
``forms``          frozen dataclasses as pydantic models: the key is the name without its unit
``entries``        what is written in a shape of its own: steps, limits, expectations
``readers``        texts with a grammar: conditions, criteria, series (``conditions, series``)
``problems``       pydantic's errors to one line each, at the place in the file
``load, bench``    the stages in order, for a profile and for a bench
``check``          what can be known before hardware is touched (``scene, check_*``)
``schema``         the same forms as JSON Schema, for editors
``resolved``       the result as canonical JSON, for the record of a run
=================  ==========================================================================

To add a step: a frozen dataclass in ``model``, a branch in ``entries``. To add a key: a field.
"""

from hil.profile.bench import (
    TWIN,
    Bench,
    DeviceConfig,
    EngineConfig,
    LinkConfig,
    load_bench,
    read_options,
)
from hil.profile.check import Findings, check_profile
from hil.profile.check_bench import bench_errors
from hil.profile.instruments import load_instrument
from hil.profile.load import load_cell, load_profile
from hil.profile.model import Profile
from hil.profile.scene import BenchScene, Known
from hil.profile.schema import bench_schema, profile_schema

__all__ = [
    "TWIN",
    "Bench",
    "BenchScene",
    "DeviceConfig",
    "EngineConfig",
    "Findings",
    "Known",
    "LinkConfig",
    "Profile",
    "bench_errors",
    "bench_schema",
    "check_profile",
    "load_bench",
    "load_cell",
    "load_instrument",
    "load_profile",
    "profile_schema",
    "read_options",
]
