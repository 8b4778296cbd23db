"""The JSON Schema describes what the loader takes: shipped files satisfy it, mistakes do not."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hil.profile import bench_schema, profile_schema
from hil.profile.conditions import QUANTITIES
from hil.profile.files import CHECKOUT

RUNS = sorted((CHECKOUT / "runs").glob("*.yaml"))
BENCHES = sorted((CHECKOUT / "benches").glob("*.yaml"))
TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Check the keywords of JSON Schema that say what structure a document has."""
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for one, count in (("anyOf", range(1, 99)), ("oneOf", range(1, 2))):
        if one in schema and sum(fits(value, s, root) for s in schema[one]) not in count:
            return False
    names = schema.get("type", [])
    names = [names] if isinstance(names, str) else names
    if (
        ("const" in schema and value != schema["const"])
        or ("enum" in schema and value not in schema["enum"])
        or (names and not any(isinstance(value, TYPES[name]) for name in names))
    ):
        return False
    if isinstance(value, dict):
        return object_fits(value, schema, root)
    if isinstance(value, list):
        enough = len(value) >= schema.get("minItems", 0)
        return enough and all(fits(one, schema.get("items", {}), root) for one in value)
    return True


def object_fits(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> bool:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    if any(name not in value for name in schema.get("required", [])):
        return False
    for name, one in value.items():
        if name in properties:
            if not fits(one, properties[name], root):
                return False
        elif rest is False or (isinstance(rest, dict) and not fits(one, rest, root)):
            return False
    return True


def as_editors_read_it(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_shipped_profiles_satisfy_the_schema(path: Path) -> None:
    schema = profile_schema()
    assert fits(as_editors_read_it(path), schema, schema)


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_shipped_benches_satisfy_the_schema(path: Path) -> None:
    schema = bench_schema()
    assert fits(as_editors_read_it(path), schema, schema)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ("needs:", "need:"),
        ("- soak:", "- sook:"),
        ("top-balance", "top-ballance"),
        (r"\{strategy: top-balance\}", "{strategy: top-balance, begin: 5 mV}"),
        ("soc: 60 %", "sok: 60 %"),
        ("cell.voltage: {min", "cell.volt: {min"),
        ("current: 20 A", "current: [20 A]"),
        (r"until: \[any", "until: {any"),
        ("cells: 16", "cells: many"),
        ("- rest: 1 h", "- rest"),
        ("limit: board|max_current: 20 A", "limit: bord"),
        ("verdict:(.|\n)*", "verdict: []"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(pattern: str, replacement: str) -> None:
    text = (CHECKOUT / "runs" / "room-baseline.yaml").read_text()
    changed, count = re.subn(pattern, replacement.replace("{any", "{any: x, b"), text, count=1)
    assert count == 1
    changed = changed.replace("{any: x, b cell.voltage >= 3.45 V]", "{any: x}")
    schema = profile_schema()
    assert not fits(yaml.safe_load(changed), schema, schema)


def test_editors_are_offered_every_quantity_and_step() -> None:
    text = str(profile_schema())
    for name in QUANTITIES:
        assert f"'{name}'" in text
    for kind in ("soak", "charge", "hold", "discharge", "rest", "follow", "repeat", "inject"):
        assert f"'{kind}'" in text
