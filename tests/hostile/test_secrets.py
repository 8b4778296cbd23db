"""A secret goes where its user sent it and nowhere else: not into a record, a log, a terminal."""

import pytest
from watch import Ground

from hil.cli import main

SECRET = "swordfish7"  # noqa: S105 - what nothing may show
USED = {"HIL_MQTT_PASSWORD": SECRET, "HIL_LAB_TOKEN": f"{SECRET}-and-more-of-it"}
NOBODY = "127.0.0.1:1"
"""Where nobody listens: what goes wrong is told, and the URL with it."""

PLACES = {
    "a password in a URL": (["--mqtt", f"mqtt://bench:{SECRET}@{NOBODY}/hil"], {}),
    "an escaped one": (["--mqtt", f"mqtt://bench:{SECRET}%40@{NOBODY}"], {}),
    "one in the environment": (["--mqtt", f"mqtt://bench@{NOBODY}"], USED),
    "a URL that is none": (["--mqtt", f"mqtt://bench:{SECRET}@{NOBODY}:x"], {}),
    "a URL of another kind": (["--mqtt", f"http://bench:{SECRET}@{NOBODY}"], {}),
}

REFUSED = {"a URL that is none", "a URL of another kind"}
"""Of these nothing is repeated, since nobody knows where in them the password stands."""


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_shown_nowhere(
    place: str,
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    words, environment = PLACES[place]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ground.here)
    code = main(["run", "open-sense-lead", "--until", "20 s", "--verbose", "--json", *words])
    told = b"".join(capfdbinary.readouterr())
    assert told, f"exit code {code} without a word"
    assert SECRET.encode() not in told
    kept = sorted(path for path in ground.here.rglob("*") if path.is_file())
    assert not [path.name for path in kept if SECRET.encode() in path.read_bytes()]
    assert place in REFUSED or b"bench@127.0.0.1" in told, "and whose it was is told"
