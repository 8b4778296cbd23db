"""Checks of an experiment as tables, one a check, whatever way they are written.

::

    checks:
      - {name: spread, role: claim, metric: soc_spread, arm: mine, below: 1 %, variants: all}
      - {name: near the oracle, ..., variants: [cold, humid]}

A check with ``variants`` stands for one in each of them, named ``cold: near the oracle``; ``all``
are those of the file, without the conditions that they change.
"""

from collections.abc import Iterator, Sequence

from hil.core.errors import ConfigErrors
from hil.profile.bases import on_top
from hil.profile.conditions import nearest
from hil.profile.tree import Items, Table, Text

VARIANTS, ALL = "variants", "all"


def check_tables(tree: Table, variants: Sequence[str]) -> list[Table]:
    """Take the checks out of an experiment's file.

    Raises ConfigErrors where there are none: nothing would be claimed.
    """
    found = tree.pop("checks", None)
    if not isinstance(found, Items) or not found:
        mark = tree.keys_at.get("checks", tree.mark)
        raise ConfigErrors([mark.error("checks", "expected a list of checks, at least one")])
    return [one for node in found for one in _each(node, variants)]


def _each(node: Table, variants: Sequence[str]) -> Iterator[Table]:
    """Yield a check, or a check for each of its variants. Raises ConfigErrors."""
    wanted = node.get(VARIANTS) if isinstance(node, Table) else None
    if wanted is None:
        yield node
        return
    for key in ("variant", "against_variant"):
        if key in node:
            message = f"expected '{key}' or '{VARIANTS}', not both"
            raise ConfigErrors([node.keys_at[key].error(key, message)])
    for variant in _names(wanted, node, variants):
        one = on_top(node, Table(node.mark))
        del one[VARIANTS]
        mark = node.keys_at[VARIANTS]
        one.put("variant", Text(variant, mark), mark)
        if "name" in node:
            one.put("name", Text(f"{variant}: {node['name']}", mark), node.keys_at["name"])
        yield one


def _names(wanted: object, node: Table, variants: Sequence[str]) -> Sequence[str]:
    """Return the variants that a check is of. Raises ConfigErrors for one that is not there."""
    if wanted == ALL:
        return variants
    mark = node.keys_at[VARIANTS]
    if not isinstance(wanted, Items) or not wanted:
        raise ConfigErrors([mark.error(VARIANTS, f"expected '{ALL}' or a list of variants")])
    for name in wanted:
        if name not in variants:
            message = f"no variant '{name}'{nearest(str(name), variants)}"
            raise ConfigErrors([mark.error(VARIANTS, message)])
    return wanted
