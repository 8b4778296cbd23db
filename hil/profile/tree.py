"""YAML as a tree of texts, tables and lists that know where they stand in their file.

Scalars stay texts (YAML would turn ``off`` into False and ``1:30`` into 90). Each node is a str,
dict or list with a ``mark``, so whatever reads the tree can say file, line and column. Built from
PyYAML's events without recursion into its composer, so that no input, however nested or however
often it refers to itself, costs more than the caps below.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self, TypeAlias

import yaml

from hil.core.errors import ConfigError, ConfigErrors
from hil.profile.source import Mark, checked, decoded, read_bytes, unfit

MAX_BYTES = 256 * 1024  # PyYAML reads about 50 kB/s
MAX_DEPTH = 24
MAX_NODES = 20_000  # with every alias counted as if its content were written out

EVENTS_OF_NO_CONTENT = (
    yaml.StreamStartEvent,
    yaml.StreamEndEvent,
    yaml.DocumentStartEvent,
    yaml.DocumentEndEvent,
)


class Text(str):
    """A scalar as it was written."""

    __slots__ = ("mark",)
    mark: Mark

    def __new__(cls, value: str, mark: Mark) -> Self:
        """Attach the mark; everything else is a plain str."""
        text = super().__new__(cls, value)
        text.mark = mark
        return text


class Table(dict[str, Any]):
    """A mapping of texts to nodes, in the order of the file; ``keys_at`` marks the keys.

    ``known`` are the keys that the form which read it takes (see ``hil.profile.forms``).
    """

    def __init__(self, mark: Mark) -> None:
        """Start empty."""
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.known: tuple[str, ...] = ()

    def put(self, key: str, node: "Node", mark: Mark) -> None:
        """Set a key and remember where it was written."""
        self[key] = node
        self.keys_at[key] = mark


class Items(list[Any]):
    """A sequence of nodes."""

    def __init__(self, mark: Mark) -> None:
        """Start empty."""
        super().__init__()
        self.mark = mark


Node: TypeAlias = Text | Table | Items


def load_table(path: Path, shown: str) -> Table:
    """Read a YAML file that holds one mapping. Raises ConfigErrors."""
    place = Mark(shown)
    node = parse(decoded(read_bytes(path, shown, MAX_BYTES), place), place)
    if not isinstance(node, Table):
        raise ConfigErrors([node.mark.error("", "expected a mapping of keys to values")])
    return node


def parse(text: str, origin: Mark) -> Node:
    """Return the one document in ``text``. Raises ConfigErrors with the first thing wrong in it.

    ``origin`` with a line of 0 that is no file (an override) is the mark of every node.
    """
    try:
        node = _Builder(origin).document(checked(text, origin))
    except yaml.YAMLError as error:
        raise ConfigErrors([_syntax_error(error, origin)]) from error
    if node is None:
        raise ConfigErrors([origin.error("", "is empty")])
    return node


def node_of(value: Any, mark: Mark) -> Node:
    """Return plain data as a tree that stands at ``mark``; what is a tree already keeps its own."""
    if isinstance(value, Text | Table | Items):
        return value
    if isinstance(value, Mapping):
        table = Table(mark)
        for key, one in value.items():
            table.put(str(key), node_of(one, mark), mark)
        return table
    if isinstance(value, list | tuple):
        items = Items(mark)
        items.extend(node_of(one, mark) for one in value)
        return items
    return Text(str(value), mark)


def walk(node: Node, key: str = "") -> Iterator[tuple[str, Mark]]:
    """Yield every dotted key below ``node`` with its place; list items count from 1."""
    if isinstance(node, Table):
        for name, child in node.items():
            path = f"{key}.{name}" if key else name
            yield path, node.keys_at[name]
            yield from walk(child, path)
    elif isinstance(node, Items):
        for number, child in enumerate(node, 1):
            path = f"{key}.{number}" if key else str(number)
            yield path, child.mark
            yield from walk(child, path)


class _Builder:
    """Folds PyYAML's events into nodes, innermost open container last."""

    def __init__(self, origin: Mark) -> None:
        self._origin = origin
        self._open: list[Table | Items] = []
        self._key: list[Text | None] = []  # of each open container: the key that waits for a value
        self._anchors: dict[str, Node] = {}
        self._anchored: list[str | None] = []
        self._nodes = 0
        self._root: Node | None = None

    def document(self, text: str) -> Node | None:
        """Return the root, None for a document without content. Raises YAMLError, ConfigErrors."""
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, EVENTS_OF_NO_CONTENT):
                if isinstance(event, yaml.DocumentStartEvent) and self._root is not None:
                    raise self._refuse(event, "a second document: expected one a file")
                continue
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._begin(event)
            else:
                self._end()
        empty = isinstance(self._root, Text) and not self._root
        return None if empty else self._root

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        """Keep the text, whatever YAML would have made of it.

        An escape puts into a quoted text what the file itself may not hold.
        """
        self._check(event)
        problem = unfit(event.value)
        if problem:
            raise self._refuse(event, problem)
        node = Text(event.value, self._mark(event))
        if event.anchor:
            self._anchors[event.anchor] = node
        self._place(node, event)

    def _alias(self, event: yaml.AliasEvent) -> None:
        """Put the same node in again; it is never changed, so sharing it is safe.

        Its size counts each time: that is what stops a few lines from standing for a billion.
        """
        node = self._anchors.get(event.anchor or "")
        if node is None:
            raise self._refuse(event, f"'*{event.anchor}' refers to no anchor before it")
        self._nodes += _size(node)
        self._check(event)
        if len(self._open) + _levels(node) > MAX_DEPTH:
            raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels, aliases written out")
        self._place(node, event)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        """Open a container inside the innermost one."""
        self._check(event)
        if len(self._open) >= MAX_DEPTH:
            raise self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        mark = self._mark(event)
        node = Table(mark) if isinstance(event, yaml.MappingStartEvent) else Items(mark)
        self._place(node, event)
        self._open.append(node)
        self._key.append(None)
        self._anchored.append(event.anchor)

    def _end(self) -> None:
        """Close the innermost container; from here on an alias may name it."""
        node = self._open.pop()
        self._key.pop()
        anchor = self._anchored.pop()
        if anchor:  # only now: a node cannot contain itself
            self._anchors[anchor] = node

    def _place(self, node: Node, event: yaml.Event) -> None:
        """Put a finished or just opened node where it belongs.

        In a mapping nodes come in pairs: the first is kept as key until the second arrives. YAML
        lets a later key win over an equal one, which would hide a mistake, so it is refused.
        """
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        if isinstance(parent, Items):
            parent.append(node)
            return
        key = self._key[-1]
        if key is not None:
            parent.put(str(key), node, key.mark)
            self._key[-1] = None
            return
        if not isinstance(node, Text):
            raise self._refuse(event, "expected a text as key, found a list or mapping")
        if not node.isprintable():
            raise self._refuse(event, f"found '{node}', expected a key in one line")
        if node in parent:
            first = parent.keys_at[node].line
            raise self._refuse(event, f"key '{node}' stands here twice, first in line {first}")
        self._key[-1] = Text(node, self._mark(event))

    def _check(self, event: Any) -> None:
        """Count one more node against the cap, and refuse tags: they ask for code or types."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise self._refuse(event, f"more than {MAX_NODES} values, aliases written out")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise self._refuse(event, f"tag '{tag}': tags are not used here")

    def _mark(self, event: yaml.Event) -> Mark:
        """Return where an event begins."""
        return _place_of(event.start_mark, self._origin)

    def _refuse(self, event: yaml.Event, message: str) -> ConfigErrors:
        """Return the error at an event, to be raised."""
        return ConfigErrors([self._mark(event).error("", message)])


def _size(node: Node) -> int:
    """Return how many nodes an alias stands for; trees are at most MAX_DEPTH deep."""
    if isinstance(node, Text):
        return 1
    children = node.values() if isinstance(node, Table) else node
    return 1 + sum(_size(child) for child in children)


def _levels(node: Node) -> int:
    """Return how many levels a node has: 0 for a text."""
    if isinstance(node, Text):
        return 0
    return 1 + max(map(_levels, node.values() if isinstance(node, Table) else node), default=0)


def _place_of(mark: Any, origin: Mark) -> Mark:
    """Return PyYAML's mark as ours; an override has no lines worth naming."""
    if origin.is_override:
        return origin
    return Mark(origin.file, mark.line + 1, mark.column + 1)


def _syntax_error(error: yaml.YAMLError, origin: Mark) -> ConfigError:
    """Say in one line what PyYAML says in five."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return origin.error("", "is no YAML")
    problem = (error.problem or "is no YAML").replace("\n", " ")
    place = _place_of(error.problem_mark, origin)
    if "'\\t'" in problem:
        return place.error("", "found a tab, expected spaces (YAML forbids tabs in indentation)")
    context = f" {error.context}" if error.context else ""
    return place.error("", f"{problem}{context}")
