"""Who computes a study's tasks: this process, workers of this machine, or a cluster by its address.

Tasks go to Dask (docs/adr/0014). A worker that dies takes nothing with it: its task is handed to
another one, and comes to the same result, since a pack is drawn from its seed wherever that is.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hil.core.errors import EnvironmentProblem
from hil.study.identity import whole_code
from hil.study.tasks import Done, Task, perform

if TYPE_CHECKING:
    from distributed import Client

Results: TypeAlias = Iterator[tuple[Task, Done]]
"""Tasks and what came of them, each as soon as it is there, in any order."""


class Fan(NamedTuple):
    """Who computes: takes tasks and yields results, with so many ``workers`` at once."""

    compute: Callable[[Sequence[Task]], Results]
    workers: int


WAIT_FOR_WORKERS_S = 10
"""How long a cluster may take to have a worker; those that come later are given work too."""
_CONNECT_S = 5
_QUIETLY = {
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.profile.enabled": False,
}
"""Dask looks at itself fifty times a second, and its workers at their stack a hundred times: 3.8 %
of two cores, of which this leaves 0.5 % (docs/performance.md). Nobody reads it here."""


def _one_by_one(tasks: Sequence[Task]) -> Results:
    for task in tasks:
        yield task, perform(task)


HERE = Fan(_one_by_one, 1)
"""Task after task in this process, which a debugger can look into."""


@contextmanager
def on_this_machine(workers: int) -> Iterator[Fan]:
    """Yield who computes in so many processes of this machine; ``HERE`` for one.

    The processes end with this one, however it ends. Raises EnvironmentProblem.
    """
    if workers == 1:
        yield HERE
        return
    import dask  # noqa: PLC0415 - the next line's
    from distributed import Client, LocalCluster  # noqa: PLC0415 - brings an event loop

    with (
        dask.config.set(_QUIETLY),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # None: its usual port, on every interface
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield Fan(partial(_spread, client), workers)


@contextmanager
def at_address(address: str) -> Iterator[Fan]:
    """Yield who computes on a cluster that somebody has started.

    Raises EnvironmentProblem for an address where no scheduler is, one without workers, and for
    workers with other code than ours: their results would go by the name of ours.
    """
    from distributed import Client  # noqa: PLC0415 - see above

    if not address:
        raise EnvironmentProblem("--cluster: found '', expected an address: tcp://lab-7:8786")
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            f"--cluster {address}: no Dask scheduler answers there; start one: dask scheduler"
        ) from error
    except TypeError as error:  # tls:// without certificates
        raise EnvironmentProblem(
            f"--cluster {address}: {error}: see Dask's TLS settings"
        ) from error
    with client:
        yield Fan(partial(_spread, client), _checked(client, address))


def _checked(client: "Client", address: str) -> int:
    """Return how many workers there are, all with our code. Raises EnvironmentProblem."""
    from distributed import TimeoutError as TimedOut  # noqa: PLC0415 - see above

    try:
        client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS_S)
    except TimedOut as error:
        raise EnvironmentProblem(
            f"--cluster {address}: it has no workers; start some: dask worker {address}"
        ) from error
    for worker, answer in client.run(_version, on_error="return").items():
        if answer != whole_code():
            raise EnvironmentProblem(_other_code(worker, answer))
    return len(client.scheduler_info(n_workers=-1)["workers"])


def _version() -> str:
    """Return what ``whole_code`` says where this runs."""
    return whole_code()


def _other_code(worker: str, found: object) -> str:
    return (
        f"worker {worker}: found code {str(found)[:60]}, expected {whole_code()} as here: "
        "install the same version there"
    )


def _spread(client: "Client", tasks: Sequence[Task]) -> Results:
    """Hand out tasks, the longest first.

    Raises EnvironmentProblem where workers keep dying, or the scheduler does.
    """
    from distributed import KilledWorker, as_completed  # noqa: PLC0415 - see above
    from distributed.client import FutureCancelledError  # noqa: PLC0415 - the same

    address = client.scheduler.address  # asked now: it has none once it has gone
    futures = {
        client.submit(perform, task, pure=False, priority=-place): task
        for place, task in enumerate(tasks)
    }
    try:
        for future in as_completed(futures):
            done: Done = future.result()
            if done.code != whole_code():
                raise EnvironmentProblem(_other_code("that joined later", done.code))
            yield futures[future], done
            future.release()
    except KilledWorker as error:
        raise EnvironmentProblem(
            "workers were killed again and again at one task, for lack of memory perhaps; what was "
            "done is kept: try again with fewer --workers"
        ) from error
    except FutureCancelledError as error:
        raise EnvironmentProblem(
            f"--cluster {address}: the scheduler has gone; what was done is kept"
        ) from error
    finally:
        if client.status == "running":  # nobody computes on for a study that has ended
            client.cancel(list(futures), force=True)
