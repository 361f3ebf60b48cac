"""Tests of acts as plain input and output."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base import errors
from flywheel_mlflow.base.errors import (
    DocumentError,
    ExitCode,
    Fault,
    FlywheelError,
    InputError,
    Refused,
    ServerError,
    ServerRefused,
    ServerUnreachable,
    UnknownName,
)
from flywheel_mlflow.operations.acts.act_errors import error_document, error_from
from flywheel_mlflow.operations.acts.acting import ACTS, read_act

UNTIL = "2026-03-09T12:00:00+02:00"
KEY = "ed25519:" + "A" * 43 + "="
#: For every act arguments that are whole.
GOOD: dict[str, dict[str, Any]] = {
    "sign-head": {"version": 1},
    "create": {"iteration": 3},
    "gate": {"version": 1, "to": "staging"},
    "approve": {"version": 1, "role": "reviewer", "reason": "it is good"},
    "confirm-changes": {"version": 1, "reason": "as planned"},
    "explain-drift": {"version": 1, "findings": ["a"], "reason": "we meant it"},
    "reject": {"version": 1, "role": "reviewer", "reason": "it is bad"},
    "retire": {"version": 1, "reason": "it is old"},
    "override": {"version": 1, "to": "staging", "reason": "fire", "until": UNTIL, "second": "bo"},
    "override-confirm": {"version": 1, "reason": "I agree"},
    "promote": {"version": 1, "to": "production"},
    "rollback": {"reason": "it lies"},
    "reconcile": {},
    "risk-open": {"title": "Rain", "owner": "ana", "due": UNTIL, "likelihood": 1, "impact": 5},
    "risk-update": {"risk": "R1", "owner": "bo"},
    "risk-close": {"risk": "R1", "evidence": "run", "reason": "gone"},
    "risk-watch": {"iteration": 3},
    "review": {"quarter": "2026Q4", "run_id": "run", "digest": "0" * 64},
    "reroute": {"event": "e1", "to": "p01", "reason": "the rules are wrong"},
    "task-accept": {"run_id": "run", "digest": "0" * 64},
    "task-estimate": {"about": "p01-0", "cost": "3d", "reuse": "asset", "reason": "as the last one"},
    "task-spend": {"task": "p01-0-3", "total": "12h"},
    "theme-queue": {"theme": "p01-0", "reason": "next quarter", "iteration": 2},
    "theme-decline": {"theme": "p01-0", "reason": "works as meant"},
    "theme-rename": {"theme": "p01-0", "title": "Wrong page", "reason": "shorter"},
    "theme-merge": {"theme": "p01-0", "into": "p01-1", "reason": "the same"},
    "theme-move": {"theme": "p01-0", "events": ["e1"], "title": "Another matter", "reason": "does not belong"},
    "task-absorb": {"task": "p01-0-3", "iteration": 3, "evidence": "run"},
    "task-withdraw": {"task": "p01-0-3", "reason": "no longer wanted"},
    "task-restore": {"task": "p01-0-3", "reason": "wanted after all"},
    "experiment-start": {"experiment": "rerank"},
    "experiment-decide": {"experiment": "rerank", "decision": "ship", "reason": "it is better"},
    "variant-choose": {"project": "p01", "variant": "resolved", "iteration": 2, "reason": "it is better"},
    "human-review-submit": {"run_id": "run", "digest": "0" * 64},
    "notify-send": {"audit": False},
    "notify-test": {"channel": "room"},
}
STRANGE: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["\ud800", b"", UNTIL]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)


def test_every_act_is_tried_here() -> None:
    """A new act needs arguments above, so that what follows holds for it too."""
    assert set(GOOD) == set(ACTS)


@pytest.mark.parametrize("name", ACTS)
def test_whole_arguments_are_read(name: str) -> None:
    """What is given is what is read; what is left out or None has its default; dry_run is off unless asked for."""
    act = read_act(name, GOOD[name] | {"dry_run": None})
    assert type(act) is ACTS[name].takes
    assert not act.dry_run
    assert read_act(name, GOOD[name] | {"dry_run": True}).dry_run
    for key, value in GOOD[name].items():
        found = getattr(act, key)
        assert (list(found) if isinstance(found, tuple) else found) == (
            datetime.fromisoformat(value) if isinstance(found, datetime) else value
        )


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("change", [{"actor": "boss"}, {"now": UNTIL}, {"dry_run": "no"}, {"dry_run": 1}])
def test_nobody_smuggles_arguments(name: str, change: dict[str, Any]) -> None:
    """An act takes no actor and no clock, and a flag is true or false."""
    with pytest.raises(InputError, match=f"cannot {name}: "):
        read_act(name, GOOD[name] | change)


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("gate", {"version": "1"}, "version"),
        ("gate", {"version": 1.5}, "version"),
        ("gate", {"version": True}, "version"),
        ("gate", {"version": 0}, "version"),
        ("gate", {"version": 10**30}, "version"),
        ("gate", {"to": ""}, "to"),
        ("approve", {"reason": ""}, "reason"),
        ("approve", {"reason": "x" * 2_001}, "reason"),
        ("approve", {"until": "2026-03-09T12:00:00"}, "until"),
        ("approve", {"until": 1_800_000_000}, "until"),
        ("approve", {"until": "soon"}, "until"),
        ("approve", {"signature": {"public_key": KEY}}, "signature.value"),
        ("approve", {"signature": {"public_key": KEY, "value": "x", "more": 1}}, "signature.more"),
        ("approve", {"signature": KEY}, "signature"),
        ("approve", {"role": None}, "role"),
        ("rollback", {"reason": "x" * 999 + "\x1b[31m"}, r"reason: .*U\+001B hides"),
        ("approve", {"reason": "two\n\tlines \u202e"}, r"U\+202E"),
        ("approve", {"reason": "x" * 3_000}, "at most 2000 characters, not 3000"),
        ("override", {"until": None}, "until"),
        ("override", {"second": None}, "second"),
        ("risk-open", {"likelihood": 6}, "likelihood"),
        ("risk-open", {"impact": 0}, "impact"),
        ("risk-open", {"projects": "p01"}, "projects"),
        ("risk-update", {"likelihood": "high"}, "likelihood"),
        ("create", {"iteration": [3]}, "iteration"),
        ("task-estimate", {"reuse": "often"}, "reuse"),
        ("task-estimate", {"cost": 3}, "cost"),
        ("task-spend", {"total": "x" * 41}, "total"),
    ],
)
def test_what_is_wrong_is_named(name: str, change: dict[str, Any], told: str) -> None:
    """The argument at fault is in the message, which is bad input and no crash."""
    with pytest.raises(InputError, match=told):
        read_act(name, GOOD[name] | change)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "half \ud83d", b"bytes", object(), {1: float("nan")}])
def test_what_is_no_plain_value_is_bad_input(value: object) -> None:
    """NaN, half a character (a broken command line) and objects of any kind are named as bad input."""
    with pytest.raises(InputError, match="no plain values"):
        read_act("reject", GOOD["reject"] | {"reason": value})


@given(
    st.sampled_from(sorted(ACTS)),
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["version", "to", "reason", "until", "owner"]), STRANGE, max_size=4
    ),
)
def test_no_argument_crashes_an_act(name: str, arguments: dict[str, Any]) -> None:
    """Whatever is sent, the answer is an act or bad input."""
    with suppress(InputError):
        assert type(read_act(name, GOOD[name] | arguments)) is ACTS[name].takes


def test_an_unknown_act_is_named() -> None:
    """With the acts there are."""
    with pytest.raises(UnknownName, match="promote"):
        read_act("promot", {})


STATUS = {ExitCode.BLOCK: 409, ExitCode.USAGE: 400, ExitCode.FAILURE: 502}
TEXT = st.text(max_size=20)


def travelled(error: FlywheelError) -> FlywheelError:
    """The error as it comes out on the other side, by way of JSON."""
    return error_from(json.loads(json.dumps(error_document(error), allow_nan=False)), STATUS[error.exit_code])


@given(
    TEXT,
    TEXT,
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.lists(TEXT),
    st.none() | TEXT,
    st.none() | TEXT,
)
def test_a_refusal_survives_the_journey(
    what: str, rule: str, value: object, where: str | None, hint: str | None
) -> None:
    """What, rule, value, limit, where and hint read the same on the other side, and the exit code is 1."""
    error = Refused(what, rule=rule, value=value, limit=value, where=where, hint=hint)
    found = travelled(error)
    assert isinstance(found, Refused)
    assert found.diagnostics() == error.diagnostics()
    assert found.exit_code is ExitCode.BLOCK


@pytest.mark.parametrize(
    "error",
    [
        InputError("bad", where="here", hint="mend"),
        UnknownName("release", "9", ["1", "2"]),
        ServerUnreachable("away", hint="wait"),
        ServerRefused("no", code="X", where="there"),
        errors.StorageError("full"),
        errors.AssemblyError("odd"),
        Refused("no", rule="never"),
    ],
)
def test_every_error_keeps_its_words_and_its_exit_code(error: FlywheelError) -> None:
    """A command fails in the same way, whether the act was done here or by the server."""
    found = travelled(error)
    assert found.diagnostics() == error.diagnostics()
    assert found.exit_code is error.exit_code


def test_the_faults_of_a_document_travel_along() -> None:
    """Not only how many there are."""
    error = DocumentError([Fault("flywheel.yaml", line, f"gates[{line}]", "missing") for line in range(1, 30)])
    found = travelled(error)
    assert "flywheel.yaml:3: gates[3]: missing" in found.diagnostics()
    assert found.exit_code is ExitCode.USAGE
    assert len(found.diagnostics()) < 2_000


@given(
    st.dictionaries(st.sampled_from(["error", "error_code", "message"]) | TEXT, STRANGE, max_size=3),
    st.sampled_from([400, 401, 403, 404, 409, 500, 502]),
)
def test_a_strange_answer_is_a_server_that_refuses(document: dict[str, Any], status: int) -> None:
    """A proxy's page, another program's JSON: never a crash, always the status, never a pass."""
    found = error_from(document, status)
    assert found.exit_code is not ExitCode.PASS
    assert isinstance(found.diagnostics(), str)
    assert isinstance(found, ServerRefused)
    assert str(status) in found.what
    assert (found.hint is not None) is (status in (401, 403))


@given(
    st.fixed_dictionaries(
        {"what": TEXT}, optional=dict.fromkeys(("kind", "where", "hint", "rule", "value", "limit"), STRANGE)
    )
)
def test_an_error_with_strange_parts_is_still_an_error(told: dict[str, Any]) -> None:
    """Parts of other types are shown as they are; nothing is raised."""
    found = error_from({"error": told}, 409)
    assert isinstance(found, Refused if told.get("kind") == "Refused" else ServerError)
    assert told["what"] in found.diagnostics()
