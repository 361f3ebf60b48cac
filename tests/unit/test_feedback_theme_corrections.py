"""Tests of what people change about themes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.decisions.ledger import Event, Identity
from flywheel_mlflow.feedback.recurring import Theme, Themes, name_themes
from flywheel_mlflow.feedback.text_vectors import TextVectors
from flywheel_mlflow.feedback.theme_corrections import Correction, CorrectionKind, corrected, fold_corrections
from flywheel_mlflow.feedback.theme_guidance import guided
from flywheel_mlflow.feedback.themes import Group, Observation, Sample, group_events

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


def _earlier(name: str, said: str) -> Theme:
    """A theme of an earlier iteration, by the texts of these events."""
    texts = tuple(f"says {item}" for item in said)
    nothing: dict[str, int] = {}
    return Theme(name, "p01", 1, name, texts, (), (), nothing, nothing, nothing, nothing, NOON, NOON)


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


def test_what_people_changed_is_there_in_the_next_iteration() -> None:
    """What was split off, merged and renamed keeps its id and title when other people say it again."""

    def themes(iteration: int, texts: dict[str, str], known: list[Themes], made: list[Correction]) -> Themes:
        sample = Sample()
        for name, text in texts.items():
            sample.offer(Observation(name, NOON, text, "human"))
        return name_themes(iteration, {"p01": group_events(sample)}, known, made)

    said = {
        "a": "no answer about the headcount of a site",
        "b": "the answer about headcount of a site is missing",
        "c": "no answer about the headcount chart of a site",
        "d": "the page with invoices loads slowly",
        "e": "bills open late every morning",
    }
    first = themes(1, said, [], [])
    theme = {event: item.id for item in first.themes for event in item.events}
    assert theme["a"] == theme["b"] == theme["c"] != theme["d"] != theme["e"] != theme["a"]
    made = [
        change(MOVED, theme["a"], "p01-split", "Charts", ("c",)),
        change(MERGED, theme["e"], into=theme["d"]),
        change(RENAMED, theme["d"], title="Invoices are slow"),
    ]
    mended = themes(1, said, [first], made)
    assert {item.id: set(item.events) for item in mended.themes} == {
        theme["a"]: {"a", "b"}, "p01-split": {"c"}, theme["d"]: {"d", "e"},
    }  # fmt: skip
    again = {
        "v": "no answer about headcount of the site",
        "w": "headcount chart of a site: no answer about it",
        "x": "page with invoices loads very slowly",
        "y": "bills open late in the morning",
    }
    found = themes(2, again, [mended], made)
    assert themes(2, again, [mended, found], made) == found
    later = {item.id: item for item in found.themes}
    assert {name: set(item.events) for name, item in later.items()} == {
        theme["a"]: {"v"}, "p01-split": {"w"}, theme["d"]: {"x", "y"},
    }  # fmt: skip
    assert (later["p01-split"].title, later[theme["d"]].title) == ("Charts", "Invoices are slow")
    assert {item.seen_in for item in later.values()} == {(1,)}


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


@given(changes)
def test_what_was_decided_before_loses_no_event_either(made: list[Correction]) -> None:
    """Whatever was decided about earlier themes, each event of a later iteration is in exactly one theme."""
    groups = [("t1", group("a", "b")), ("t2", group("c", "d")), ("t4", group("e", "f"))]
    earlier = {name: _earlier(name, texts) for name, texts in (("t1", "a"), ("t2", "cf"), ("t3", "b"), ("new", "de"))}
    found = held(guided(groups, frozenset({"t4"}), earlier, made, TextVectors(None)))
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
