"""Tests of the console's web layer, as far as it needs no server."""

from __future__ import annotations

from typing import Any, NoReturn
from urllib.parse import urlencode

import pytest
from flywheels import small_flywheel
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from flywheel_mlflow.base.errors import (
    DocumentError,
    Fault,
    FlywheelError,
    InputError,
    Refused,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    StorageError,
    UnknownName,
)
from flywheel_mlflow.console.answers import HEADERS, defect, page_answer, status_of, trouble_answer
from flywheel_mlflow.console.forms import NOT_DONE, page_before, read_body, sent_again, shown_on, way_back
from flywheel_mlflow.console.front import MOST_ASKED, NO_ACCOUNTS, Front, asked
from flywheel_mlflow.console.pages import shown_experiments
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.acts.forms import FORMS
from flywheel_mlflow.reports.dashboard_blocks import Embedded, Field, Form, Section
from flywheel_mlflow.reports.pages.frame import Framing, Page, render_framed
from flywheel_mlflow.reports.pages.trouble import trouble_page
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell

FRAMING = Framing("fw", Addresses("/ml"), "ana", "", "the-token")
HOSTILE = "</main><script>alert(1)</script>\u202e"


def never(flywheel: str, actor: str) -> NoReturn:
    raise AssertionError(f"{flywheel} was opened for {actor}")


FRONT = Front(None, authentication=False, open_tracking=never, prefix="/ml")


def request_of(query: str, **parts: str) -> Request:
    """What the router hands a page."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "server": ("flow", 80),
        "query_string": query.encode("utf-8", "surrogatepass"),
        "path_params": parts,
    }
    return Request(scope)


def embedding(address: str = "/ml/flywheel/drift/report?run=x") -> Page:
    return Page("Drift", "drift", sections=(Section("report", "Report", embedded=Embedded("Evidently", address)),))


def policy(answer: Any) -> dict[str, str]:
    """The directives of a Content-Security-Policy."""
    text = str(answer.headers["content-security-policy"])
    return {name: rest for name, _, rest in (part.strip().partition(" ") for part in text.split(";"))}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Refused("no", rule="r"), 409),
        (UnknownName("release", "9", ()), 404),
        (InputError("what?"), 400),
        (DocumentError([Fault("f", 1, "", "x")]), 500),
        (ServerUnreachable("away"), 503),
        (ServerError("the store failed"), 503),
        (ServerRefused("busy", code="TEMPORARILY_UNAVAILABLE"), 503),
        (ServerRefused("gone", code="RESOURCE_DOES_NOT_EXIST"), 404),
        (ServerRefused("no", code="PERMISSION_DENIED"), 500),
        (StorageError("the disk is full"), 500),
        (FlywheelError("oh"), 500),
    ],
)
def test_every_error_has_its_status(error: FlywheelError, status: int) -> None:
    """A question at fault, a rule, what is not there, a server in trouble, and a defect are told apart."""
    assert status_of(error) == status


def test_every_answer_is_closed_in() -> None:
    """No script but one, no frame around it, nothing kept, nothing told to other servers."""
    answer = page_answer(Page("Overview", "overview"), FRAMING)
    for name, value in HEADERS.items():
        assert answer.headers[name.lower()] == value
    told = policy(answer)
    assert told["default-src"] == told["base-uri"] == told["frame-ancestors"] == told["frame-src"] == "'none'"
    assert told["form-action"] == "'self'"
    assert told["script-src"] == told["connect-src"] == "'none'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("host", "frames"),
    [
        ("flow.example:5000", "flow.example:5000/ml/flywheel/drift/report"),
        ("127.0.0.1", "127.0.0.1/ml/flywheel/drift/report"),
        ("[::1]:5000", "'self'"),
        ("", "'self'"),
        ("evil; script-src *", "'self'"),
        ("evil\nx", "'self'"),
        ("* ", "'self'"),
    ],
)
def test_a_page_embeds_nothing_but_reports(host: str, frames: str) -> None:
    """Where its frame may go is the one address of reports, or this server where a policy cannot say so."""
    assert policy(page_answer(embedding(), FRAMING, host=host))["frame-src"] == frames


@pytest.mark.parametrize("host", ["flow.example:5000", "[::1]:5000", "", "evil; script-src *"])
def test_one_script_runs_where_it_can_be_named(host: str) -> None:
    """A page runs the script that shows it anew, and lets it ask one address; trouble, or an odd host, runs none."""
    answer = page_answer(Page("Overview", "overview"), FRAMING, host=host)
    named = host == "flow.example:5000"
    assert policy(answer)["script-src"] == (f"{host}/ml/flywheel/live.js" if named else "'none'")
    assert policy(answer)["connect-src"] == (f"{host}/ml/flywheel/state" if named else "'none'")
    assert (b"<script" in bytes(answer.body)) is named
    trouble = page_answer(Page("Oh", "overview"), FRAMING, 409, host=host)
    assert policy(trouble)["script-src"] == "'none'"
    assert b"<script" not in bytes(trouble.body)


def test_trouble_is_told_as_text() -> None:
    """What, rule, value, limit, where and next step stand on the page; hostile words among them are text."""
    error = Refused(HOSTILE, rule="the rule", value=HOSTILE, limit=2, where="event 7", hint="flywheel gate 3")
    again = Form("/x", "Send it again", "Send again", "why", (Field("reason", "Reason", "area", "y" * 1_900),))
    text = bytes(trouble_answer(error, FRAMING, 409, typed={"Reason": HOSTILE}, again=again).body).decode()
    for word in ("the rule", "event 7", "flywheel gate 3", "y" * 1_900, "the-token"):
        assert word in text
    assert "<script" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("error", "lead"),
    [
        (ServerRefused("you are not signed in", code="UNAUTHENTICATED"), "You are not signed in"),
        (Refused("mal may not read fw", rule="r", value="mal"), "mal may not read fw"),
        (FlywheelError("ana signs approvals"), "ana signs approvals"),
        (FlywheelError("iteration 3 is gone"), "Iteration 3 is gone"),
        (FlywheelError("findings: none is ticked"), "Findings: none is ticked"),
        (FlywheelError("events.parquet is gone"), "events.parquet is gone"),
        (FlywheelError(""), ""),
    ],
)
def test_trouble_begins_as_a_sentence(error: FlywheelError, lead: str) -> None:
    """With a capital letter, unless it begins with a name: of a person, of a file."""
    assert trouble_page(error, "x", reader="ana").lead[0].text == lead


@pytest.mark.parametrize(
    ("referer", "place"),
    [
        ("http://flow:5000/ml/flywheel/drift?iteration=2&against=1", "/ml/flywheel/drift?iteration=2&against=1"),
        ("https://FLOW:5000/ml/flywheel/releases/3", "/ml/flywheel/releases/3"),
        ("http://evil/ml/flywheel/drift", "/ml/flywheel/releases/3"),
        ("http://flow:5000/ml/flywheel/../logout", "/ml/flywheel/releases/3"),
        ("http://flow:5000/ml/flywheel/%2e%2e/logout", "/ml/flywheel/releases/3"),
        ("http://flow:5000/ml/ajax-api/2.0/flywheel/forms/approve", "/ml/flywheel/releases/3"),
        ("http://[::1/ml/flywheel/drift", "/ml/flywheel/releases/3"),
        ("", "/ml/flywheel/releases/3"),
    ],
)
def test_the_way_back_is_to_the_page_of_the_form(referer: str, place: str) -> None:
    """The page that the browser names if it is one of the console's, else the one that the fields lead to."""
    came_from = page_before({"host": "flow:5000", "referer": referer})
    assert way_back(Addresses("/ml"), "explain-drift", [("version", "3")], came_from)[-1].href == place


def test_a_form_that_lacks_a_field_is_not_shown_again() -> None:
    """What the page of the trouble cannot ask for, it does not pretend to: boxes to tick, a release to go back to."""
    addresses = Addresses("/ml")
    reason = ("reason", "it is fine")
    assert sent_again(addresses, "explain-drift", [("version", "3"), reason]) is None
    assert sent_again(addresses, "rollback", [("to", ""), reason]) is None
    form = sent_again(addresses, "explain-drift", [("version", "3"), ("findings", "p01.n"), ("reason", "")])
    assert form is not None
    assert [(field.name, field.kind) for field in form.fields] == [
        ("version", "hidden"),
        ("findings", "hidden"),
        ("reason", "area"),
    ]


def test_the_sign_in_is_asked_for() -> None:
    """The answer to a stranger has the words on which browsers ask for name and password."""
    answer = trouble_answer(ServerRefused("who?", code="UNAUTHENTICATED"), FRAMING, 401)
    assert answer.headers["www-authenticate"] == 'Basic realm="mlflow"'


def test_a_defect_tells_nothing() -> None:
    """Its trace is for the server's log alone."""
    text = bytes(trouble_answer(defect(), FRAMING, status_of(defect())).body).decode()
    assert "look into the server" in text
    assert "Traceback" not in text


def test_the_trace_of_a_defect_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a page raises becomes a page; what is no error of ours is written down for whoever mends it."""

    def fail() -> None:
        raise ZeroDivisionError("a secret detail")

    answer = FRONT.guarded(fail)
    assert isinstance(answer, Response)
    assert answer.status_code == 500
    assert "secret" not in bytes(answer.body).decode()
    assert "a secret detail" in caplog.text


def test_an_error_of_ours_is_told_to_its_reader() -> None:
    """It is no defect: the page says it, and keeps who reads."""

    def fail() -> None:
        raise UnknownName("release", "9", ["1"])

    answer = FRONT.guarded(fail, Identity("ana"))
    assert isinstance(answer, Response)
    assert (answer.status_code, "unknown release" in bytes(answer.body).decode().lower()) == (404, True)


def test_the_path_wins_over_the_query() -> None:
    """Nothing in the query can stand for a part of the path."""
    assert asked(request_of("risk=R2&older=x&risk2=", risk="R1")) == {"risk": "R1", "older": "x", "risk2": ""}


@pytest.mark.parametrize("query", ["a=1&a=2", "&".join(f"q{number}=1" for number in range(MOST_ASKED + 1))])
def test_a_query_asks_for_each_thing_once(query: str) -> None:
    """Twice the same, or far too much, is refused."""
    with pytest.raises(InputError, match="the query"):
        asked(request_of(query))


@given(st.text(max_size=80))
def test_any_query_is_read_or_refused(query: str) -> None:
    """No query breaks a page before the page reads it."""
    try:
        found = asked(request_of(query))
    except InputError:
        return
    assert all(isinstance(value, str) for value in found.values())


@given(st.binary(max_size=80))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """No body breaks the reading of forms."""
    try:
        tokens, fields = read_body(body)
    except InputError:
        return
    assert len(tokens) + len(fields) <= 80


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
    )
)
def test_what_a_browser_sends_arrives(fields: list[tuple[str, str]]) -> None:
    """Every field in order, and tokens apart from them."""
    tokens, found = read_body(urlencode([*fields, ("token", "t")]).encode())
    assert list(found) == [pair for pair in fields if pair[0] != "token"]
    assert tokens[-1] == "t"


def test_every_form_leads_somewhere() -> None:
    """Every act that has a form has a page that shows what it decided."""
    given = {"version": 3, "to": 2, "risk": "R1", "iteration": 4}
    shown = {name: shown_on(name, Addresses("/ml"), given, 7) for name in FORMS}
    assert shown["approve"] == "/ml/flywheel/releases/3?event=7"
    assert shown["rollback"] == "/ml/flywheel/releases/2?event=7"
    assert shown["risk-close"] == "/ml/flywheel/risks/R1?event=7"
    assert all(place.startswith("/ml/flywheel/") and place.endswith("event=7") for place in shown.values()), shown


def test_pages_are_for_those_who_may_read_what_they_show() -> None:
    """Besides the assembly a project's page shows its runs, an interface's its producer's, the board the events."""
    flywheel = small_flywheel()
    name = flywheel.name
    assert shown_experiments(flywheel, "/", {}) == (name,)
    assert shown_experiments(flywheel, "/projects/{project}", {"project": "p02"}) == (name, f"{name}/p02")
    assert shown_experiments(flywheel, "/projects/{project}", {"project": "ledger"}) == (name,)
    produced = flywheel.contracts["p02"].interfaces_out[0].name
    assert shown_experiments(flywheel, "/interfaces/{interface:path}", {"interface": produced}) == (name, f"{name}/p02")
    assert shown_experiments(flywheel, "/feedback", {}) == (name, f"{name}/feedback")
    assert shown_experiments(flywheel, "/compare", {}, {"samples": "p02.quality"}) == (name, f"{name}/p02")
    assert shown_experiments(flywheel, "/compare", {}, {"samples": "p99.quality", "project": "p02"}) == (name,)
    number = {"name": "p02.quality"}
    assert shown_experiments(flywheel, "/numbers/{name:path}", number) == (name,)
    suspects = shown_experiments(flywheel, "/numbers/{name:path}", number, {"first": "1", "second": "2"})
    assert set(suspects) == {name, *(f"{name}/{project}" for project in flywheel.contracts)}


def test_why_nothing_can_be_decided_is_said_in_words() -> None:
    """A page whose acts are off says why, once, and has no form, nor a heading above none."""
    off = Framing("fw", Addresses(), "", NO_ACCOUNTS, "")
    form = Form("/x", "Approve", "Approve", "why", (Field("reason", "Reason"),))
    told = Section("more", "More", notes=(Cell("a note"),), forms=(form,))
    page = Page("Release 1", "releases", sections=(Section("acts", "Decide", forms=(form,)), told))
    text = bytes(page_answer(page, off).body).decode()
    assert text.count(NO_ACCOUNTS) == 1
    assert "a note" in text
    assert "Decide" not in text
    assert "<form" not in text
    assert NOT_DONE not in text


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("run `flywheel drift` and `flywheel gate`", "run <code>flywheel drift</code> and <code>flywheel gate</code>"),
        ("an odd ` stays", "an odd ` stays"),
        ("`<script>`", "<code>&lt;script&gt;</code>"),
    ],
)
def test_commands_in_sentences_are_code(text: str, html: str) -> None:
    """What stands between backticks is code, and still text: nothing in it becomes an element."""
    page = Page("t", "overview", lead=(Cell(text),))
    assert f'<p class="lead">{html}</p>' in render_framed(page, FRAMING)
