"""The commands and how each of their ends becomes an exit code."""

import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from hil import __version__
from hil.cli import BAD_INPUT, BUG, ENVIRONMENT, OUTPUT, USAGE
from hil.cli.streams import OutputProblem, ReaderGone
from hil.core.errors import BenchError, ConfigError, ConfigErrors, UnitError, printable
from hil.results.redact import without_passwords

MOST_ERRORS = 100

app = App(
    name="hil",
    help="Hardware-in-the-loop test bench for battery-management boards, real or virtual.",
    version=__version__,
    help_format="plaintext",
)
# Named, not imported: who lists runs does not wait for the physics to be compiled.
app.command("hil.cli.run:run", help="Play a profile on a bench and judge the board.")
app.command("hil.cli.check:check", help="Check a profile against a bench; no device is touched.")
app.command("hil.cli.devices:devices", help="Ask every device of a bench who it is.")
app.command("hil.cli.commission:commission", help="Test how a bench is wired to its board.")
app.command("hil.cli.safe:safe", help="Put a bench into its safe state, now.")
app.command("hil.cli.serve:serve", help="Put a bench's virtual devices on real endpoints.")
app.command("hil.cli.runs:runs", help="List, show, verify, repair, replay, compare, export runs.")
app.command("hil.cli.report:report", help="Write a run's HTML report and JUnit file again.")
app.command("hil.cli.validate:validate", help="Hold a cell model against measured curves.")
app.command("hil.cli.study:study", help="Put a claim to the test on many packs at once.")
app.command("hil.cli.atlas:atlas", help="Put all claims to the test, and write a page for each.")
app.command("hil.cli.telemetry:telemetry", help="Send to a broker what it has not got of a run.")


def command(arguments: Sequence[str] | None) -> int:
    """Run one command; ``None`` takes the process's arguments. Returns the exit code."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        outcome = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()  # here, where a failure still has an exit code
    except ReaderGone:
        return 0
    except (CycloptsError, BenchError) as error:
        return _complain(*_told(error))
    except Exception:  # noqa: BLE001 - a bug: shown whole, never swallowed, told apart by its code
        return _complain(traceback.format_exc() + "hil: this is a bug in the bench", BUG)
    # Commands that judge return their code; the others return nothing, which is success.
    return outcome if isinstance(outcome, int) else 0


def _told(error: Exception) -> tuple[str, int]:
    """Return an error's line and the exit code that goes with it."""
    if isinstance(error, ConfigErrors):
        return "\n".join(_lines(error.errors)), BAD_INPUT
    if isinstance(error, ConfigError):
        return str(error), BAD_INPUT
    # what the user typed stands in it: escapes and line feeds are shown, not sent
    text = printable(str(error))
    if isinstance(error, CycloptsError | UnitError):
        return f"hil: {text}  (try: hil --help)", USAGE
    return f"hil: {text}", OUTPUT if isinstance(error, OutputProblem) else ENVIRONMENT


def _lines(errors: Sequence[ConfigError]) -> list[str]:
    """Return a line each, up to a few screens of them."""
    lines = [str(error) for error in errors[:MOST_ERRORS]]
    more = len(errors) - len(lines)
    return [*lines, f"hil: {more} more errors in these files"] if more else lines


def _complain(text: str, code: int) -> int:
    """Print it, without a password: what was typed in the wrong place is repeated in an error."""
    print(without_passwords(text), file=sys.stderr)  # noqa: T201 - the command line's own voice
    return code
