"""``hil``, in a process that tells what it has kept, and that can be made to die at any step.

``python mortal.py TELL DIE FOLDER ARGUMENTS...``: descriptor TELL gets the number of the last
record acknowledged, a line after each sync; the DIE-th time that something under FOLDER is opened,
renamed, removed or made, the process is killed before it happens (0: never). One that lives to its
end tells minus how many times that was.
"""

import os
import signal
import sys

from hil.cli import main
from hil.results import writer
from hil.results.writer import Batches

CHANGES = frozenset(
    {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "sqlite3.connect"}
)


OFTEN_NS = 20_000_000


def tell(descriptor: int) -> None:
    """Write down what is acknowledged, once it is; and let that be often."""
    writer.WAITS_NS = OFTEN_NS
    sync = Batches.sync

    def told(self: Batches) -> None:
        before = self.acknowledged
        sync(self)
        if self.acknowledged != before:
            os.write(descriptor, b"%d\n" % self.acknowledged)

    Batches.sync = told  # type: ignore[method-assign]  # to listen in


class Fate:
    """Dies when the number-th change is about to be made."""

    def __init__(self, number: int, folder: str) -> None:
        self._number, self._folder = number, folder
        self.changes = 0

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        """Be an audit hook."""
        if event in CHANGES and self._folder in str(arguments[0]):
            self.changes += 1
            if self.changes == self._number:
                os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    told, fate = int(sys.argv[1]), Fate(int(sys.argv[2]), sys.argv[3])
    tell(told)
    sys.addaudithook(fate)
    sys.argv = ["hil", *sys.argv[4:]]
    code = main()
    os.write(told, b"%d\n" % -fate.changes)
    sys.exit(code)
