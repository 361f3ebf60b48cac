"""Tests of remembering what was told, of signing, and of sending without waiting for long or giving secrets away."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from notify_cases import notify_document
from releases_ledger import NOON, LedgerBuilder
from servers.receiving import Post

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.notifications.memory import (
    FIRST_PAUSE,
    LEASE,
    LONGEST_PAUSE,
    Delivery,
    Progress,
    claim,
    outcome,
    progress_of,
    runs_of,
)
from flywheel_mlflow.notifications.notices import Notice
from flywheel_mlflow.notifications.sending import contact_of, open_channel, send_all
from flywheel_mlflow.notifications.services import address_for, markdown_of, text_of
from flywheel_mlflow.notifications.webhook import key_bytes, signed_headers, webhook_document
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.notify import Channel

KEY = "a-key-of-more-than-24-bytes"
NOTICE = Notice("0" * 32, "gate_verdict", "Gate to staging: PASS for release 1", NOON, ("one", "two"), {"release": 1})
DELIVERY = Delivery(NOTICE, "ops")


def after(*params: tuple[str, str]) -> Progress:
    """What became of the delivery, as these params have it."""
    return progress_of(dict(params)).get(DELIVERY.id, Progress())


def test_a_delivery_is_the_same_on_every_attempt() -> None:
    """And another one on another channel, and for another person."""
    assert Delivery(NOTICE, "ops").id == DELIVERY.id
    assert len({DELIVERY.id, Delivery(NOTICE, "room").id, Delivery(NOTICE, "ops", "ana").id}) == 3


def test_what_was_sent_is_never_tried_again() -> None:
    """Not at once and not after a year; an attempt that failed before changes nothing."""
    failed = [claim(DELIVERY, 1, now=NOON, token="a"), outcome(DELIVERY, 1, now=NOON, why="no connection")]
    sent = [claim(DELIVERY, 2, now=NOON, token="b"), outcome(DELIVERY, 2, now=NOON, why="")]
    found = after(*failed, *sent)
    assert (found.sent, found.attempts) == (True, 2)
    assert not found.may_try(NOON + timedelta(days=365), at_once=True)


def test_a_failure_is_tried_again_ever_more_rarely() -> None:
    """After a minute, then two, four ... at the most six hours; at once when somebody asks for it."""
    for attempts, pause in ((1, FIRST_PAUSE), (2, 2 * FIRST_PAUSE), (5, 16 * FIRST_PAUSE), (40, LONGEST_PAUSE)):
        why = outcome(DELIVERY, attempts, now=NOON, why="no connection")
        found = after(claim(DELIVERY, attempts, now=NOON, token="a"), why)
        assert found.why == "no connection"
        assert not found.may_try(NOON + pause - timedelta(seconds=1), at_once=False)
        assert found.may_try(NOON + pause, at_once=False)
        assert found.may_try(NOON, at_once=True)


def test_an_attempt_under_way_is_left_alone_until_its_process_must_be_dead() -> None:
    """Also by somebody who asks for it at once; a time far ahead, which only a wrong clock writes, keeps nobody."""
    found = after(claim(DELIVERY, 1, now=NOON, token="a"))
    assert not found.may_try(NOON + LEASE - timedelta(seconds=1), at_once=True)
    assert found.may_try(NOON + LEASE, at_once=False)
    assert after(claim(DELIVERY, 1, now=NOON + timedelta(days=9), token="a")).may_try(NOON, at_once=False)
    assert not after(claim(DELIVERY, 1, now=NOON + timedelta(seconds=30), token="a")).may_try(NOON, at_once=False)


def test_two_processes_never_write_the_same_claim() -> None:
    """The store refuses the second text under a key, so exactly one of them sends."""
    first, second = (claim(DELIVERY, 1, now=NOON, token=token) for token in "ab")
    assert first[0] == second[0]
    assert first[1] != second[1]


HOSTILE_KEYS = st.text(max_size=40) | st.sampled_from(["a.1", "a.1.outcome", "a.2", "a.9999999"])
HOSTILE_TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        '{"at": "0001-01-01T00:00:00+23:59", "why": ""}',
        '{"at": 1}',
        "[]",
        '{"why": ["x"]}',
        "{",
        '{"at": "9999-12-31T23:59"}',
    ]
)


@given(st.dictionaries(HOSTILE_KEYS, HOSTILE_TEXTS))
def test_any_params_can_be_read(params: dict[str, str]) -> None:
    """Whoever may write the run can write nonsense: it is no attempt, or one that is over."""
    for found in progress_of(params).values():
        assert isinstance(found.may_try(NOON, at_once=False), bool)


def test_the_first_run_that_the_ledger_names_remembers_a_quarter() -> None:
    """A later one, and an event without what it needs, changes nothing."""
    story = LedgerBuilder()
    for body in ({"quarter": "2026Q1"}, {"quarter": "2026Q1", "run_id": "a"}, {"quarter": "2026Q1", "run_id": "b"}):
        story.write("notifications_opened", body)
    story.write("notifications_opened", {"quarter": "2026Q2", "run_id": "c"})
    story.write("reviewed", {"quarter": "2026Q3", "run_id": "d"})
    assert runs_of(story.ledger.events) == {"2026Q1": "a", "2026Q2": "c"}


def test_the_body_is_the_same_on_every_attempt() -> None:
    """So a receiver that keeps ids tells a repetition; the time of the attempt stands in the headers alone."""
    body = canonical_json(webhook_document(DELIVERY, "tiny")).encode()
    early, late = (signed_headers(DELIVERY.id, body, key_bytes(KEY), at) for at in (NOON, NOON + timedelta(hours=1)))
    assert early["webhook-id"] == late["webhook-id"] == json.loads(body)["id"]
    assert early["webhook-signature"] != late["webhook-signature"]
    for headers in (early, late):
        assert Post("/", headers, body).is_signed_with(KEY)
        assert not Post("/", headers, body + b" ").is_signed_with(KEY)
        assert not Post("/", headers, body).is_signed_with(KEY + "x")
        assert not Post("/", headers | {"webhook-timestamp": "0"}, body).is_signed_with(KEY)


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of the Standard Webhooks specification, key in base64 behind its prefix."""
    key = key_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    at = datetime.fromtimestamp(1614265330, tz=UTC)
    headers = signed_headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', key, at)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("text", ["", "short", "whsec_", "whsec_????", "whsec_" + base64.b64encode(b"short").decode()])
def test_keys_that_can_be_guessed_are_refused(text: str) -> None:
    """Too short, or no base64 where it must be; the key is not repeated."""
    with pytest.raises(ValueError, match=r"bytes|base64") as caught:
        key_bytes(text)
    assert not text.removeprefix("whsec_") or text not in str(caught.value)


def channel(**more: Any) -> Channel:
    """A webhook unless told otherwise."""
    return Channel.model_validate({"id": "ops", "kind": "webhook", "url": "${URL}", "key": "${KEY}"} | more)


MAIL = channel(kind="apprise", key=None, contact="email")
SECRET = "hooks.example.org/very-secret"


@pytest.mark.parametrize(
    ("of", "environ", "message"),
    [
        (channel(), {}, "the environment has no URL and no KEY"),
        (channel(), {"URL": f"https://{SECRET}"}, "the environment has no KEY"),
        (channel(), {"URL": f"https://{SECRET}", "KEY": ""}, "the environment has no KEY"),
        (channel(), {"URL": f"ftp://{SECRET}", "KEY": KEY}, "URL holds no http"),
        (channel(), {"URL": f"https://{SECRET}", "KEY": "secret"}, "KEY: the key has 6 bytes"),
        (MAIL, {"URL": f"json://{SECRET}"}, "URL does not say where {contact} goes"),
        (MAIL, {"URL": f"pigeon://{SECRET}/{{contact}}"}, "apprise does not understand the address in URL"),
    ],
)
def test_what_a_channel_lacks_is_told_without_its_secrets(of: Channel, environ: dict[str, str], message: str) -> None:
    """By the names of the variables."""
    with pytest.raises(InputError) as caught:
        open_channel(of, environ)
    assert message in caught.value.what
    assert caught.value.where == "notify.channels.ops"
    assert "very-secret" not in caught.value.diagnostics()


def test_an_open_channel_shows_no_secret() -> None:
    """Not in its text, nor in what the doctor says about it."""
    found = open_channel(channel(), {"URL": f"http://{SECRET}", "KEY": KEY})
    for text in (repr(found), str(found), found.summary):
        assert "very-secret" not in text
        assert KEY not in text
    assert "anybody on the way" in found.summary


def test_a_contact_may_be_a_variable_too() -> None:
    """The address itself, or the variable that holds it; none where the person has no such contact."""
    document = notify_document()
    document["people"][1]["contacts"] = {"email": "${BO_MAIL}"}
    found = Blueprint.model_validate(document)
    mail = found.notify.channels[2]
    assert contact_of(found, mail, "ana", {}) == "ana@example.org"
    assert contact_of(found, mail, "bo", {"BO_MAIL": "bo@example.org"}) == "bo@example.org"
    assert contact_of(found, mail, "bo", {}) is None
    assert contact_of(found, mail, "eve", {}) is None


@pytest.mark.parametrize(
    "contact", ["a@b.org?smtp=evil.org", "a@b.org&to=eve@evil.org", "a@b.org#x", "a/../b", "a%26to=x"]
)
def test_a_contact_cannot_leave_its_place(contact: str) -> None:
    """It stays one value of the address, whatever is in it."""
    found = urlsplit(address_for("mailtos://u:p@example.org?to={contact}&mode=ssl", contact))
    assert parse_qs(found.query) == {"to": [contact], "mode": ["ssl"]}
    assert (found.netloc, found.fragment) == ("u:p@example.org", "")


def test_what_strangers_wrote_calls_and_formats_nothing() -> None:
    """Nobody of a room is called; in chats that read Markdown in any text markup shows as it was written."""
    hostile = "**x** [a](http://evil) @everyone <@U1> `c` @HERE ana@example.org"
    notice = Notice("0" * 32, "regression", "title", NOON, (hostile,), next="flywheel drift --iteration 2 --against 1")
    for text in (text_of(notice), markdown_of(notice)):
        assert "@everyone" not in text
        assert "@HERE" not in text
        assert "ana@example.org" in text
        assert "flywheel drift --iteration 2 --against 1" in text
    first = markdown_of(notice).splitlines()[0]
    assert r"\*\*x\*\* \[a\]\(http://evil\)" in first
    assert r"\<" in first


def test_nobody_waits_for_a_service_that_does_not_answer() -> None:
    """What is done in time is known, what failed says why, and what comes later is told to whoever wants it."""
    gate, came = threading.Event(), threading.Event()
    late: list[tuple[int, str]] = []

    def slow(_: float) -> str:
        gate.wait()
        return "too late"

    def broken(_: float) -> str:
        raise RuntimeError(f"https://{SECRET}")

    def note(place: int, why: str) -> None:
        late.append((place, why))
        came.set()

    steps: list[Callable[[float], str]] = [lambda _: "", slow, broken]
    told: list[str | None] = [None, None, None]
    wait_s = 0.1
    # As long as it takes this machine, however busy, to do the two that wait for nothing.
    while None in (told[0], told[2]) and wait_s < 60:
        wait_s *= 2
        late.clear()
        told = send_all(steps, wait_s=wait_s, late=note)
    assert told == ["", None, "it could not be sent (RuntimeError)"]
    came.clear()
    gate.set()
    assert came.wait(60)
    assert (1, "too late") in late


@pytest.mark.parametrize("name", ["apprise", "urllib3.connectionpool"])
def test_libraries_that_send_log_nothing_meanwhile(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Their messages may hold addresses; other threads, and the same one later, log as ever."""
    logger = logging.getLogger(name)

    def step(_: float) -> str:
        logger.warning("POST https://%s", SECRET)
        return ""

    with caplog.at_level(logging.DEBUG, logger=name):
        assert send_all([step], wait_s=30.0, late=lambda *_: None) == [""]
        assert "very-secret" not in caplog.text
        logger.warning("something else")
    assert "something else" in caplog.text
