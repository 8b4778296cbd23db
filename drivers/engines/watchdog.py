"""The end of a process whose firmware does not come back from a call.

C that loops for ever holds the bench's only thread: no signal handler runs any more, so neither
Ctrl-C nor a CI service's SIGTERM gets through, and a job hangs until somebody kills it hard. A
thread beside it sees that a call does not end, says so, and ends the process; what the run has
recorded up to then stays, as after a crash (`hil runs repair`). Nothing of a run depends on it: it
only ever looks at two numbers, and in a run that goes well it never acts.
"""

import os
import threading
import weakref

LOOKS = 10
"""Looks, a second apart, at which one and the same call is going on. Calls take microseconds."""

EXIT_CODE = 70
"""sysexits.h: EX_SOFTWARE. No verdict was reached."""


class Watchdog:
    """Watches calls: ``calls`` is odd while one is going on."""

    def __init__(self, who: str) -> None:
        """``who`` is named when it hangs."""
        self.calls = 0
        self.who = who
        self._over = threading.Event()

    def start(self) -> None:
        """Begin to look, until ``stop``, or until nobody holds this watchdog any more."""
        self._over = threading.Event()
        looking = (weakref.ref(self), self._over)
        threading.Thread(target=_look, args=looking, name="firmware-watchdog", daemon=True).start()

    def stop(self) -> None:
        """Look no more; harmless when stopped."""
        self._over.set()


def _look(watchdog: "weakref.ref[Watchdog]", over: threading.Event) -> None:
    """Look once a second; a run that is over and forgotten takes its thread with it."""
    seen, since = 0, 0
    while not over.wait(1.0):
        watched = watchdog()
        if watched is None:
            return
        calls, who = watched.calls, watched.who
        del watched  # or nothing would ever let go of it
        since = since + 1 if calls == seen and calls % 2 else 0
        seen = calls
        if since >= LOOKS:
            _give_up(who)


def _give_up(who: str) -> None:
    """End the process: its main thread is lost, so there is no other way."""
    told = f"hil: {who} does not come back from a call for {LOOKS} s: a loop without end?"
    told += " The run ends here; `hil runs repair` makes its record readable.\n"
    os.write(2, told.encode())
    os._exit(EXIT_CODE)
