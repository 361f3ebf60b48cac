"""Tests of how the texts of a form become the arguments of an act."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.operations.acts.acting import ACTS, read_act
from flywheel_mlflow.operations.acts.forms import FORMS, fields_of, needed_by, read_form

#: For every form what a browser sends, and the arguments it means.
GOOD: dict[str, tuple[list[tuple[str, str]], dict[str, Any]]] = {
    "approve": (
        [("version", "3"), ("role", "reviewer"), ("reason", "one\r\ntwo"), ("until", "2026-12-01")],
        {"version": 3, "role": "reviewer", "reason": "one\ntwo", "until": "2026-12-01T23:59:59+00:00"},
    ),
    "confirm-changes": ([("version", "3"), ("reason", "")], {"version": 3}),
    "explain-drift": (
        [("version", "3"), ("findings", "a"), ("findings", "b"), ("reason", "r")],
        {"version": 3, "findings": ["a", "b"], "reason": "r"},
    ),
    "gate": ([("version", "3"), ("to", "staging")], {"version": 3, "to": "staging"}),
    "promote": ([("version", "3"), ("to", "staging")], {"version": 3, "to": "staging"}),
    "reconcile": ([("force", "true")], {"force": True}),
    "reject": ([("version", "3"), ("role", "r"), ("reason", "bad")], {"version": 3, "role": "r", "reason": "bad"}),
    "reroute": ([("event", "e"), ("to", "p01"), ("reason", "r")], {"event": "e", "to": "p01", "reason": "r"}),
    "retire": ([("version", "3"), ("reason", "r")], {"version": 3, "reason": "r"}),
    "risk-close": (
        [("risk", "R1"), ("evidence", "e"), ("reason", "r")],
        {"risk": "R1", "evidence": "e", "reason": "r"},
    ),
    "risk-update": (
        [("risk", "R1"), ("owner", ""), ("due", "2026-12-01T15:30"), ("likelihood", "5"), ("mitigation", " ")],
        {"risk": "R1", "due": "2026-12-01T15:30:00+00:00", "likelihood": 5},
    ),
    "override-confirm": ([("version", "3"), ("reason", "r")], {"version": 3, "reason": "r"}),
    "rollback": ([("reason", "r"), ("to", "2")], {"reason": "r", "to": 2}),
    "task-estimate": (
        [("about", "p01-0"), ("cost", "3d"), ("reuse", ""), ("reason", "r")],
        {"about": "p01-0", "cost": "3d", "reason": "r"},
    ),
    "task-spend": ([("task", "p01-0-3"), ("total", "12h")], {"task": "p01-0-3", "total": "12h"}),
    "theme-decline": ([("theme", "t"), ("reason", "r"), ("iteration", "")], {"theme": "t", "reason": "r"}),
    "theme-queue": (
        [("theme", "t"), ("reason", "r"), ("iteration", "2")],
        {"theme": "t", "reason": "r", "iteration": 2},
    ),
}


def test_forms_are_the_declared_acts() -> None:
    """Every form is of an act; making a release, overriding, and what programs write are none."""
    assert set(FORMS) == set(GOOD)
    assert set(FORMS) < set(ACTS)
    assert not {"create", "override", "risk-watch", "review", "task-accept", "task-absorb", "task-withdraw"} & set(
        FORMS
    )
    with pytest.raises(UnknownName):
        read_form("override", [])


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_filled_in_form_is_read(name: str) -> None:
    """Numbers, times, line ends and lists become the values that the act takes; empty optional fields are left out."""
    sent, meant = GOOD[name]
    assert read_form(name, sent) == meant


@pytest.mark.parametrize(
    ("name", "sent", "told"),
    [
        ("gate", [("version", "3"), ("version", "4"), ("to", "staging")], "sent twice"),
        ("gate", [("version", "3")], "to is missing"),
        ("gate", [("version", "0"), ("to", "staging")], "version is 0, and must be at least 1"),
        ("gate", [("version", "1_0"), ("to", "staging")], "no whole number"),
        ("gate", [("version", "\u0663"), ("to", "staging")], "no whole number"),
        ("gate", [("version", ""), ("to", "staging")], "no whole number"),
        ("gate", [("version", "9" * 10), ("to", "staging")], "no whole number"),
        ("gate", [("version", "3"), ("to", "staging"), ("dry_run", "true")], "no field 'dry_run'"),
        ("gate", [("version", "3"), ("to", "staging"), ("surprise", "1")], "no field 'surprise'"),
        ("approve", [("version", "3"), ("role", "r"), ("reason", "r"), ("signature", "x")], "no field 'signature'"),
        ("approve", [("version", "3"), ("role", "r"), ("reason", "")], "reason is empty"),
        (
            "approve",
            [("version", "3"), ("role", "r"), ("reason", "x" * 2_001)],
            "reason has 2,001 characters, at most 2,000 are kept",
        ),
        ("approve", [("version", "3"), ("role", "r"), ("reason", "r"), ("until", "soon")], "no time"),
        ("approve", [("version", "3"), ("role", "r"), ("reason", "r"), ("until", "1700000000")], "no time"),
        ("approve", [("version", "3"), ("role", "r"), ("reason", "r"), ("until", "0001-01-01T00:00+23:59")], "no time"),
        (
            "approve",
            [("version", "3"), ("role", "r"), ("reason", "\u202eevil")],
            r"^reason: U\+202E hides or reverses text",
        ),
        ("explain-drift", [("version", "3"), ("reason", "r")], "^findings: none is ticked"),
        ("explain-drift", [("version", "3")], "^findings: none is ticked; reason is missing"),
        ("reroute", [("event", "e" * 251), ("to", "p01"), ("reason", "r")], "event has 251 characters"),
        ("risk-update", [("risk", "R1"), ("impact", "6")], "impact is 6, and must be at most 5"),
        ("risk-close", [("risk", "R1"), ("evidence", "e"), ("reason", "\ud800")], "characters that cannot be kept"),
        ("reconcile", [("force", "on")], "neither true nor false"),
        ("rollback", [("reason", "r")], "to is missing"),
        ("rollback", [("reason", "r"), ("to", "")], "to is missing"),
    ],
)
def test_what_cannot_be_read_is_refused(name: str, sent: list[tuple[str, str]], told: str) -> None:
    """Each with what is wrong, for somebody who knows no command; the limits are those of the act."""
    with pytest.raises(InputError, match=told) as caught:
        read_form(name, sent)
    for word in ("--help", "Field required", "Value error", "cannot "):
        assert word not in str(caught.value).replace("characters that cannot be kept", "")


def test_a_box_that_nobody_ticked_is_asked_for() -> None:
    """What to do says to tick one, and what else to fill in."""
    with pytest.raises(InputError) as caught:
        read_form("explain-drift", [("version", "3"), ("reason", "r")])
    assert caught.value.hint == "go back to the page of the form, and tick at least one of the findings"
    assert needed_by("explain-drift") == ("version", "findings", "reason")
    assert needed_by("rollback") == ("reason", "to")


@given(st.data(), st.sampled_from(sorted(FORMS)))
def test_whatever_is_sent_is_read_or_refused(data: st.DataObject, name: str) -> None:
    """Any fields with any texts give arguments that the act takes, or an error of ours."""
    keys = st.sampled_from([*fields_of(name), "dry_run", "x"]) | st.text(max_size=8)
    texts = st.sampled_from(["1", "true", "2026-12-01", "", "r"]) | st.text(max_size=30)
    sent = data.draw(st.lists(st.tuples(keys, texts), max_size=8))
    try:
        found = read_form(name, sent)
    except InputError:
        return
    act = read_act(name, found)
    assert not act.dry_run
    assert set(found) <= {key for key, _ in sent}
