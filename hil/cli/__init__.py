"""The command line. ``main`` turns every outcome into an exit code and every error into one line.

0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ABORTED; 64 usage, 65 a file that cannot be used, 69 the host
cannot do what is asked, 70 a bug in the bench.
"""

import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from hil import __version__
from hil.core.errors import BenchError, ConfigError, ConfigErrors, UnitError

USAGE, BAD_INPUT, ENVIRONMENT, BUG = 64, 65, 69, 70

app = App(
    name="hil",
    help="Hardware-in-the-loop test bench for battery-management boards, real or virtual.",
    version=__version__,
    help_format="plaintext",
)
# Named, not imported: who lists runs does not wait for the physics to be compiled.
app.command("hil.cli.run:run", help="Play a profile on a bench and judge the board.")
app.command("hil.cli.check:check", help="Check a profile against a bench; no device is touched.")
app.command("hil.cli.runs:runs", help="List, show and export runs.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the process's exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _code(
            app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        )
    except (CycloptsError, UnitError) as error:
        return _complain(f"hil: {error}  (try: hil --help)", USAGE)
    except (ConfigError, ConfigErrors) as error:
        return _complain(str(error), BAD_INPUT)
    except BenchError as error:
        return _complain(f"hil: {error}", ENVIRONMENT)
    except BrokenPipeError:
        # The reader of our output has gone (``hil runs export ... | head``): that is its right.
        sys.stderr.close()
        return ENVIRONMENT
    except Exception:  # noqa: BLE001 - a bug: shown whole, never swallowed, told apart by its code
        return _complain(traceback.format_exc() + "hil: this is a bug in the bench", BUG)


def _code(outcome: object) -> int:
    """Commands that judge return their code; the others return nothing, which is success."""
    return outcome if isinstance(outcome, int) else 0


def _complain(text: str, code: int) -> int:
    print(text, file=sys.stderr)  # noqa: T201 - the command line's own voice
    return code
