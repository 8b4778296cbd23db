"""JSON Schema of profiles and benches, made from the forms that read them; editors complete it."""

from typing import Any

from pydantic import TypeAdapter

from hil.profile.bench import BenchForm
from hil.profile.entries import ProfileForm

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile file."""
    return {"$schema": DIALECT, **TypeAdapter(ProfileForm).json_schema()}


def bench_schema() -> dict[str, Any]:
    """Return the JSON Schema of a bench file.

    A board is written as the name of its design, or as that name with keys that differ from it.
    """
    schema = TypeAdapter(BenchForm).json_schema()
    definitions = schema["$defs"]
    board = definitions["BoardDesign"]
    board["properties"]["design"] = {"type": "string", "description": "a file of profiles/boards"}
    board["required"] = ["design"]
    reference = schema["properties"]["board"]
    schema["properties"]["board"] = {"anyOf": [{"type": "string"}, reference]}
    return {"$schema": DIALECT, **schema}
