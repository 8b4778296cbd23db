"""Holding a bench: nobody else drives it meanwhile, and what somebody left on goes off first."""

from collections.abc import Iterator
from contextlib import contextmanager

from hil.app.leases import Leases, Tenancy, alive, leases, myself, places
from hil.app.preparation import has_twins
from hil.app.summons import hears
from hil.bench.lease import HeldError, Holder
from hil.core.errors import EnvironmentProblem
from hil.profile import Bench


@contextmanager
def held(bench: Bench, what: str) -> Iterator[Tenancy | None]:
    """Hold all that a bench shares with others; None for one that is all in this process.

    It is given back by who has read it back safe (``Tenancy.free``), not here: what is left on
    stays held, by a holder that is gone. Raises EnvironmentProblem if somebody else holds it.
    """
    if has_twins(bench):
        yield None
        return
    shared = leases()
    try:
        tenancy = shared.take(places(bench).values(), myself(what, bench.name))
    except HeldError as error:
        raise EnvironmentProblem(f"{bench.name}: {told(shared, bench, error)}") from None
    yield tenancy


def told(shared: Leases, bench: Bench, held_by: HeldError) -> str:
    """Say who has a bench, in what state that is, and what to do."""
    names = [name for name, place in places(bench).items() if place == held_by.resource]
    who = f"{', '.join(names)} ({held_by.resource}) is held by {held_by.holder}"
    return f"{who}{state_of(shared, held_by.holder, bench.name)}"


def state_of(shared: Leases, holder: Holder, bench: str) -> str:
    """Say in what state a holder is, and what to do about it."""
    if not alive(holder.process):
        return ", which has died: its guardian is making it safe, try again in a few seconds"
    if hears(shared.folder, holder.process):
        return f": wait for its end, or end it: hil safe --bench {bench}"
    return f", which does not answer: hil safe --bench {bench} ends it and makes all safe"
