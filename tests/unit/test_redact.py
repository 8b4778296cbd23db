"""No output of the log shows a secret, whatever it came in."""

import json

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from hil.cli import logs
from hil.results.redact import HIDDEN, redact, without_secrets

SECRETS = st.text(
    st.characters(categories=["L", "N", "P", "S"], exclude_characters="\"'*"), min_size=6
)
KEYS = st.sampled_from(["password", "mqtt_password", "Token", "api-key", "client_secret"])


@given(SECRETS, KEYS)
def test_no_secret_is_shown(secret: str, key: str) -> None:
    event = {
        key: secret,
        "settings": {key: secret, "list": [{key: [secret]}]},
        "broker": f"mqtt://me:{secret}@broker.lab:1883/topic",
        "reason": f"cannot open 'mqtts://:{secret}@broker.lab' now",
    }
    shown = redact(None, "info", event)
    assert secret not in json.dumps(shown, ensure_ascii=False)
    assert "broker.lab" in shown["reason"]


@given(st.sampled_from([*"=:"]), KEYS, st.text(st.characters(categories=["L", "N"]), min_size=6))
def test_no_secret_is_shown_in_a_sentence(sign: str, key: str, secret: str) -> None:
    told = f"login failed: {key}{sign} {secret}, try again"
    if secret not in f"login failed: {key}{sign} , try again{HIDDEN}":
        assert secret not in without_secrets(told)
        assert without_secrets(told).endswith(", try again")


@pytest.mark.parametrize(
    "text",
    [
        "cell[5].voltage <= 3.60 V",
        "tcp://10.0.0.7:5025",
        "mail me@lab at 10:30",
        "wrong_cell_share",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text
    assert redact(None, "info", {"device": text}) == {"device": text}


def test_the_console_hides_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    forms: tuple[logs.Form, ...] = ("json", "console")
    for form in forms:
        with logs.unstalled(verbose=True, form=form):
            try:
                int("mqtt://me:geheim@broker.lab: no route")
            except ValueError:
                structlog.get_logger().exception("telemetry", password="geheim")  # noqa: S106 - to be hidden
        shown = capsys.readouterr().err
        assert "geheim" not in shown
        assert "broker.lab" in shown
        assert "ValueError" in shown
