"""Tests of what people change about themes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.decisions.ledger import Event, Identity
from flywheel_mlflow.feedback.theme_corrections import Correction, CorrectionKind, corrected, fold_corrections
from flywheel_mlflow.feedback.themes import Group, Observation

NOON = datetime(2026, 10, 1, 12, tzinfo=UTC)
RENAMED, MERGED, MOVED = CorrectionKind.RENAMED, CorrectionKind.MERGED, CorrectionKind.MOVED


def group(*ids: str) -> Group:
    events = tuple(Observation(item, NOON + timedelta(minutes=len(item)), f"says {item}", "human") for item in ids)
    return Group(f"title {ids[0]}", tuple(event.text for event in events[:5]), events)


def change(
    kind: CorrectionKind, theme: str, into: str = "", title: str = "", events: tuple[str, ...] = ()
) -> Correction:
    return Correction(kind, theme, into, title, events)


def event(kind: str, body: dict[str, Any]) -> Event:
    return Event(1, NOON, Identity("ada", "os"), kind, body, "", "", "", None, "")


def held(groups: tuple[tuple[str, Group], ...]) -> dict[str, list[str]]:
    return {name: [event.id for event in found.events] for name, found in groups}


def test_a_title_is_all_that_renaming_changes() -> None:
    """Texts, by which a theme is known again, and events stay."""
    before = group("a", "b")
    ((name, after),) = corrected([("t1", before)], [change(RENAMED, "t1", title="Wrong page")])
    assert (name, after.title, after.texts, after.events) == ("t1", "Wrong page", before.texts, before.events)


def test_merging_leaves_one_theme_with_all_events() -> None:
    """The theme that stays keeps its title; later iterations find the other's events in it too."""
    merged = corrected([("t1", group("a")), ("t2", group("b"))], [change(MERGED, "t1", into="t2")])
    assert held(merged) == {"t2": ["a", "b"]}
    assert merged[0][1].title == "title b"
    assert held(corrected([("t1", group("c"))], [change(MERGED, "t1", into="t2")])) == {"t2": ["c"]}


def test_moving_splits_off_what_belongs_elsewhere() -> None:
    """Without a known target the events are a theme of their own, with the title given; a theme emptied is gone."""
    split = corrected([("t1", group("a", "b", "c"))], [change(MOVED, "t1", "t9", "Another matter", ("b",))])
    assert held(split) == {"t1": ["a", "c"], "t9": ["b"]}
    assert (split[1][1].title, split[1][1].texts) == ("Another matter", ("says b",))
    assert "says b" not in split[0][1].texts
    emptied = corrected([("t1", group("a")), ("t2", group("b"))], [change(MOVED, "t1", "t2", events=("a",))])
    assert held(emptied) == {"t2": ["a", "b"]}


def test_what_the_iteration_does_not_have_changes_nothing() -> None:
    """A decision about other events or themes is for other iterations."""
    groups = [("t1", group("a"))]
    strange = [
        change(MOVED, "t1", "t9", "x", ("z",)),
        change(RENAMED, "t5", title="x"),
        change(MERGED, "t5", into="t1"),
    ]
    assert held(corrected(groups, strange)) == {"t1": ["a"]}
    assert corrected(groups, strange)[0][1] == groups[0][1]


names = st.sampled_from(["t1", "t2", "t3", "new"])
changes = st.lists(
    st.builds(
        change,
        st.sampled_from([RENAMED, MERGED, MOVED]),
        names,
        names,
        st.just("title"),
        st.lists(st.sampled_from("abcdef"), max_size=4).map(tuple),
    ),
    max_size=6,
)


@given(changes)
def test_no_event_is_lost_or_doubled(made: list[Correction]) -> None:
    """Whatever is decided in whatever order, each event stays in exactly one theme, and no theme is empty."""
    groups = [("t1", group("a", "b")), ("t2", group("c", "d")), ("t3", group("e", "f"))]
    made = [item for item in made if item.kind is not MERGED or item.theme != item.into]
    found = held(corrected(groups, made))
    assert sorted(event for events in found.values() for event in events) == list("abcdef")
    assert all(found.values())


@pytest.mark.parametrize(
    "body",
    [
        {"theme": "t1"},
        {"into": "t2", "events": ["a"]},
        {"theme": "t1", "into": "t2", "events": "a"},
        {"theme": "t1", "into": ["t2"]},
        {"theme": "t1", "into": "t2", "events": [3]},
    ],
)
def test_an_event_that_lacks_what_it_needs_changes_nothing(body: dict[str, Any]) -> None:
    """The ledger may hold anything; what cannot be understood decides nothing."""
    assert fold_corrections([event(MOVED, body)]) == ()
    whole = {"theme": "t1", "into": "t2", "events": ["a"]}
    assert [item.events for item in fold_corrections([event(MOVED, body), event(MOVED, whole)])] == [("a",)]
