"""How a strategy is written, with its parameters and layers: in profiles and in experiments.

::

    {strategy: fixed-threshold, start: 20 mV, stop: 10 mV}
    {strategy: oracle, layers: [neighbour-exclusion, {derating: {limit: 80 degC}}]}

What is registered tomorrow is in the schema and in ``hil check`` with no line here.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    Discriminator,
    GetJsonSchemaHandler,
    Tag,
    TypeAdapter,
    WrapValidator,
    create_model,
)
from pydantic import Field as FormField
from pydantic_core import CoreSchema, PydanticCustomError

from hil.balancing import LAYERS, STRATEGIES
from hil.balancing.layers import Layered
from hil.profile.forms import Form, filled, form_fields, make
from hil.profile.model import Controller
from hil.profile.problems import TAG
from hil.profile.tree import Table, Text

# --- layers ------------------------------------------------------------------------------------


def _layer(name: str, cls: type[Any]) -> Any:
    """Return the branch of one layer: its name is the key of its parameters."""
    body: Any = filled(cls)
    form = create_model(f"{name}-layer", __base__=Form, layer=(body, FormField(alias=name)))
    return Annotated[form, AfterValidator(lambda form: form.layer), Tag(TAG + name)]


def _layer_kind(entry: Any) -> str | None:
    """Name the branch: the only key that should be there."""
    return TAG + next(iter(entry), "") if isinstance(entry, Table) else None


class _OrBareName:
    """A layer whose parameters are all left as they are may be written as its name alone."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> Mapping[str, Any]:
        """Say so in the JSON Schema."""
        return {"anyOf": [{"type": "string", "enum": sorted(LAYERS)}, handler(schema)]}


def _spelt_out(entry: Any, build: Any) -> Any:
    """Give a bare name its empty parameters before the union looks at it."""
    if isinstance(entry, Text):
        table = Table(entry.mark)
        table.put(str(entry), Table(entry.mark), entry.mark)
        return build(table)
    if not isinstance(entry, Table) or not entry:
        raise PydanticCustomError("shape", "expected a layer, such as neighbour-exclusion")
    return build(entry)


LAYER: Any = Annotated[
    Union[tuple(_layer(name, cls) for name, cls in LAYERS.items())],  # noqa: UP007 - one branch a layer
    Discriminator(_layer_kind),
    WrapValidator(_spelt_out),
    _OrBareName(),
]

# --- strategies --------------------------------------------------------------------------------

MODE: Any = Literal["command", "shadow"]


def _branch(name: str, cls: type[Any], build: Any, **more: Any) -> Any:
    """Return the branch of one strategy: its parameters stand beside its name and its layers."""
    form = create_model(
        f"{name}-{'controller' if more else 'strategy'}",
        __base__=Form,
        **more,
        strategy=(_only(name), ...),
        layers=(list[LAYER], ()),
        **form_fields(cls),
    )
    return Annotated[form, AfterValidator(lambda form: build(form, cls)), Tag(TAG + name)]


def _built(form: Any, cls: type[Any]) -> Any:
    """Return the strategy; without layers it is what it was before there were any."""
    strategy = make(cls, form)
    return Layered(strategy, tuple(form.layers)) if form.layers else strategy


def _controller(form: Any, cls: type[Any]) -> Controller:
    return Controller(form.mode, form.strategy, _built(form, cls))


def _only(word: str) -> Any:
    """Return the type of one word; as a type checker sees it, the word is data."""
    return Literal[word]


def _named(node: Any) -> str | None:
    """Name the branch: the strategy that is written."""
    if not isinstance(node, dict) or "strategy" not in node:
        return None
    return f"{TAG}{node['strategy']}"


def _one_of(build: Any, **more: Any) -> Any:
    """Return the union of all strategies, each with its own parameters."""
    branches = tuple(_branch(name, cls, build, **more) for name, cls in STRATEGIES.items())
    return Annotated[Union[branches], Discriminator(_named)]  # noqa: UP007 - one branch a strategy


CONTROLLER: Any = _one_of(_controller, mode=(MODE, "command"))
"""The ``controller`` of a profile."""

STRATEGY: TypeAdapter[Any] = TypeAdapter(_one_of(_built))
"""Reads a strategy where there is no board to command: an arm of an experiment."""
