"""Forms of a server with accounts, over HTTP: what they decide, and every way in which one is none of ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from releases_bench import MANAGER, REVIEWER
from servers.console import FORM_TYPE, FORMS, PUBLIC_NAME, SHUT_OUT, VIEWER, ConsoleServer
from servers.plugin import ADMIN, PluginServer, signed_in

from flywheel_mlflow.console.tokens import LIFETIME
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity, unwitnessed
from flywheel_mlflow.operations.deciding import LedgerSnapshot

APPROVAL: dict[str, Any] = {"version": 3, "role": "reviewer", "reason": "it is <b>good</b>"}


def snapshot(console: ConsoleServer) -> LedgerSnapshot:
    """The ledger as the administrator reads it."""
    with signed_in(ADMIN):
        return console.plugin.bench().snapshot()


def events(console: ConsoleServer) -> int:
    return len(snapshot(console).ledger.events)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "application/json"}, 415),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_forms_of_other_pages_are_refused(console: ConsoleServer, headers: dict[str, str], status: int) -> None:
    """A good token does not help a page of another server, of this machine or none, nor another kind of body."""
    before = events(console)
    answer = console.send(REVIEWER, "approve", APPROVAL, token=console.token(REVIEWER), headers=headers)
    assert answer.status_code == status, answer.text
    assert events(console) == before


def test_forms_pass_a_proxy(console: ConsoleServer) -> None:
    """Under the public name that MLflow was told, and over TLS that a proxy ended, pages and forms work as here."""
    host = {"Host": PUBLIC_NAME}
    page = console.page(VIEWER, "/releases/3", headers=host)
    assert page.status_code == 200
    ours = host | {"Origin": f"https://{PUBLIC_NAME}"}
    answer = console.send(VIEWER, "approve", APPROVAL, token=console.token(VIEWER), headers=ours)
    assert (answer.status_code, "decides who may approve" in answer.text) == (409, True)
    theirs = host | {"Origin": "https://flow.example.evil.example"}
    assert console.send(VIEWER, "approve", APPROVAL, token=console.token(VIEWER), headers=theirs).status_code == 403
    assert console.page(VIEWER, headers={"Host": "evil.example"}).status_code == 403


def test_tokens_are_checked(console: ConsoleServer) -> None:
    """No token, two, an edited one, somebody else's: nothing is decided, and all typed is shown."""
    before = events(console)
    good = console.token(REVIEWER)
    for token in (
        None,
        "",
        good[:-1],
        "9" + good[1:],
        console.token(VIEWER),
        console.token("chen"),
    ):
        answer = console.send(REVIEWER, "approve", APPROVAL, token=token)
        assert answer.status_code == 403, token
        assert "Nothing was decided" in answer.text
        assert "it is &lt;b&gt;good&lt;/b&gt;" in answer.text
        assert "<form" not in answer.text, "who cannot show a token is not handed a form that has one"
    twice = console.plugin.call(
        "POST",
        f"{FORMS}/approve",
        who=REVIEWER,
        data=f"token={good}&token={good}&version=3&role=reviewer&reason=x",
        headers={"Content-Type": FORM_TYPE, "Origin": console.uri},
    )
    assert twice.status_code == 403
    assert events(console) == before


def test_an_old_page_is_asked_again(console: ConsoleServer) -> None:
    """A page open for too long decides nothing; the same form comes back with all that was typed and a new token."""
    before = events(console)
    old = console.token(REVIEWER, datetime.now(UTC) - LIFETIME - timedelta(minutes=1))
    reason = "a long reason " * 100
    answer = console.send(REVIEWER, "approve", APPROVAL | {"reason": reason}, token=old)
    assert answer.status_code == 403
    assert "open for too long" in answer.text
    assert f">{reason}</textarea>" in answer.text
    assert 'name="token"' in answer.text
    assert old not in answer.text
    assert events(console) == before


def test_who_may_not_decide_decides_nothing(console: ConsoleServer) -> None:
    """Nobody, wrong passwords and people without READ are turned away; a person without a role is refused by rule."""
    before = events(console)
    token = console.token(VIEWER)
    assert console.send(None, "approve", APPROVAL, token=token).status_code == 401
    answer = console.send(VIEWER, "approve", APPROVAL, token=token)
    assert answer.status_code == 409
    for word in (
        "decides who may approve",
        VIEWER,
        "it is &lt;b&gt;good&lt;/b&gt;",
        'name="token"',
        "/ml/flywheel/releases/3",
    ):
        assert word in answer.text
    console.plugin.deny(SHUT_OUT, "registered_model", console.name)
    assert console.send(SHUT_OUT, "approve", APPROVAL, token=console.token(SHUT_OUT)).status_code == 403
    assert events(console) == before


@pytest.mark.parametrize(
    ("act", "fields", "status"),
    [
        ("override", {"version": "3", "to": "staging", "reason": "r", "second": "ben"}, 404),
        ("create", {"iteration": "3"}, 404),
        ("nothing", {}, 404),
        ("approve", {"version": "3", "role": "reviewer", "reason": ""}, 400),
        ("approve", {"version": "3", "role": "reviewer", "reason": "x" * 2_001}, 400),
        ("approve", {"version": "3", "role": "reviewer", "reason": "x", "dry_run": "true"}, 400),
        ("approve", {"version": "three", "role": "reviewer", "reason": "x"}, 400),
        ("approve", {"version": "99", "role": "reviewer", "reason": "x"}, 400),
        ("approve", {"version": "3", "role": "<script>", "reason": "x"}, 400),
        ("gate", {"version": ["3", "2"], "to": "staging"}, 400),
        ("rollback", {"reason": "x"}, 400),
        ("retire", {"version": "2", "reason": "x"}, 409),
        ("promote", {"version": "3", "to": "production"}, 409),
    ],
)
def test_what_cannot_be_done_is_told(console: ConsoleServer, act: str, fields: dict[str, Any], status: int) -> None:
    """Unknown acts, fields, values and limits, and rules that say no: a page says which, and nothing is written."""
    before = events(console)
    answer = console.send(MANAGER, act, fields, token=console.token(MANAGER))
    assert answer.status_code == status, answer.text[-3000:]
    assert "Signed in as" in answer.text
    assert "<script" not in answer.text
    assert events(console) == before


@pytest.mark.parametrize(
    ("fields", "told", "again"),
    [
        ({"version": 3, "reason": "it is fine"}, "Findings: none is ticked", False),
        ({"version": 3, "findings": "p01.quality", "reason": "\u202eenif"}, "Reason: U+202E hides", True),
        ({"version": 3, "findings": "p01.quality", "reason": ""}, "Reason is empty", True),
    ],
)
def test_a_form_is_asked_for_what_it_lacks(
    console: ConsoleServer, fields: dict[str, Any], told: str, again: bool
) -> None:
    """In words for a browser; what can be mended here can be sent again, for the rest a link leads to the page."""
    page = "/ml/flywheel/drift?iteration=2&against=1"
    headers = {"Referer": f"{console.uri}{page}"}
    answer = console.send(REVIEWER, "explain-drift", fields, token=console.token(REVIEWER), headers=headers)
    assert answer.status_code == 400
    assert told in answer.text
    assert page.replace("&", "&amp;") in answer.text
    assert ("Send it again" in answer.text) == again
    assert again or "it is fine" in answer.text
    for word in ("--help", "Field required", "Value error"):
        assert word not in answer.text


def test_too_much_is_not_read(console: ConsoleServer) -> None:
    """A body over the limit, or with too many fields, or that is no form, is refused."""
    token = console.token(REVIEWER)
    long = console.send(REVIEWER, "approve", APPROVAL | {"reason": "x" * 70_000}, token=token)
    assert long.status_code == 413
    many = console.send(REVIEWER, "explain-drift", {"version": 3, "findings": ["f"] * 600, "reason": "r"}, token=token)
    assert many.status_code == 400
    headers = {"Content-Type": FORM_TYPE, "Origin": console.uri}
    for body in (b"\xff\xfe", b"a&b", b"%FF=1"):
        answer = console.plugin.call("POST", f"{FORMS}/approve", who=REVIEWER, data=body, headers=headers)
        assert answer.status_code == 400, body
    assert console.plugin.call("GET", f"{FORMS}/approve", who=REVIEWER).status_code in (403, 404, 405)


def done(console: ConsoleServer, who: str, act: str, **fields: Any) -> str:
    """Where a form that is taken leads to."""
    answer = console.send(who, act, fields, token=console.token(who))
    assert answer.status_code == 303, answer.text[-3000:]
    assert "Set-Cookie" not in answer.headers
    return answer.headers["Location"]


def test_releases_are_decided_by_forms(console: ConsoleServer) -> None:
    """A reviewer approves, the manager promotes and rolls back: by forms alone, each in their proven name.

    Each form leads to the page that shows what it decided; sent twice, no move is made twice.
    """
    start = events(console)
    _, _, rest = console.page(REVIEWER, "/releases/3").text.partition('name="token" value="')
    shown = console.send(REVIEWER, "approve", APPROVAL, token=rest.partition('"')[0])
    assert shown.status_code == 303, "the token of the page itself is good"
    for to in ("staging", "production"):
        place = done(console, REVIEWER, "approve", version=3, role="reviewer", reason="it is <b>good</b>")
        number = place.rpartition("=")[2]
        assert place == f"/ml/flywheel/releases/3?event={number}"
        page = console.page(VIEWER, place.removeprefix("/ml/flywheel"))
        assert "release 3 approved as reviewer: it is &lt;b&gt;good&lt;/b&gt;" in page.text
        assert done(console, MANAGER, "gate", version=3, to=to).startswith("/ml/flywheel/releases/3?event=")
        assert done(console, MANAGER, "promote", version=3, to=to).startswith("/ml/flywheel/releases/3?event=")
        again = console.send(MANAGER, "promote", {"version": 3, "to": to}, token=console.token(MANAGER))
        assert again.status_code == 409
    assert snapshot(console).aliases["production"] == 3
    back = done(console, MANAGER, "rollback", to=2, reason="it lies")
    assert back.startswith("/ml/flywheel/releases/2?event=")
    twice = console.send(MANAGER, "rollback", {"to": 2, "reason": "it lies"}, token=console.token(MANAGER))
    assert twice.status_code == 409
    found = snapshot(console)
    assert found.aliases["production"] == 2
    written = found.ledger.events[start:]
    assert {event.actor for event in written} == {Identity(REVIEWER, AUTHENTICATED), Identity(MANAGER, AUTHENTICATED)}
    with signed_in(ADMIN):
        keys = console.plugin.bench().bench.flywheel.blueprint.releases.server_keys
    assert unwitnessed(found.ledger.events, keys) == ()
    assert done(console, MANAGER, "reconcile") == "/ml/flywheel/releases"


def test_risks_are_kept_by_forms(console: ConsoleServer) -> None:
    """The risk that a rollback opened is changed by a form; empty fields stay as they were, a day means its end."""
    risk = max(snapshot(console).risks) if snapshot(console).risks else _opened(console.plugin)
    place = done(console, MANAGER, "risk-update", risk=risk, owner="", due="2030-01-31", likelihood="2", mitigation="")
    assert place.startswith(f"/ml/flywheel/risks/{risk}")
    found = snapshot(console).risks[risk]
    assert (found.due.isoformat(), found.likelihood) == ("2030-01-31T23:59:59+00:00", 2)


def _opened(plugin: PluginServer) -> str:
    due = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    made = plugin.done(MANAGER, "risk-open", title="Rain", owner=MANAGER, due=due, likelihood=1, impact=1)
    return str(made["risk"])


def test_the_body_says_where_the_console_is(console: ConsoleServer) -> None:
    """`about`, which anybody may ask, has the console's address below the server's prefix."""
    about = console.plugin.call("GET", "/ajax-api/2.0/flywheel/about").json()
    assert about["console"] == "/ml/flywheel/"


def test_an_override_is_confirmed_by_a_form(console: ConsoleServer) -> None:
    """The second person finds the form on the release's page and confirms; others read there whom it waits for."""
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    console.plugin.done(MANAGER, "override", version=3, to="production", reason="a test", until=until, second=REVIEWER)
    form = 'action="/ml/ajax-api/2.0/flywheel/forms/override-confirm"'
    assert form in console.page(REVIEWER, "/releases/3").text
    theirs = console.page(VIEWER, "/releases/3").text
    assert form not in theirs
    assert f"names {REVIEWER} as the second person" in theirs
    refused = console.send(VIEWER, "override-confirm", {"version": 3, "reason": "x"}, token=console.token(VIEWER))
    assert refused.status_code == 409
    assert done(console, REVIEWER, "override-confirm", version=3, reason="agreed").startswith("/ml/flywheel/releases/3")
    (override,) = snapshot(console).state.overrides
    assert override.confirmed is not None
    assert form not in console.page(REVIEWER, "/releases/3").text
