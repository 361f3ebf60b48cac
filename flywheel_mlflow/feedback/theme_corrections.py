"""What people change about themes: another title, two themes that are one, events that belong elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from flywheel_mlflow.decisions.event_values import word, words
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.feedback.themes import Group, Observation, typical_texts

#: Events that one decision moves; a theme of more is cut by several.
MAX_MOVED = 100


class CorrectionKind(StrEnum):
    """How a theme was changed, as the ledger calls it."""

    RENAMED = "theme_renamed"
    MERGED = "theme_merged"
    MOVED = "theme_events_moved"


@dataclass(frozen=True, slots=True)
class Correction:
    """One change of a theme.

    ``into`` is the theme that takes what is merged or moved, a new one where nobody had that id before; ``title`` the
    new title, empty to keep it; ``events`` are the ids of what is moved.
    """

    kind: CorrectionKind
    theme: str
    into: str
    title: str
    events: tuple[str, ...]


def fold_corrections(events: Iterable[Event]) -> tuple[Correction, ...]:
    """The changes in the ledger's order; an event that lacks what it needs changes nothing."""
    corrections = []
    for event in events:
        if event.kind not in set(CorrectionKind):
            continue
        try:
            kind = CorrectionKind(event.kind)
            title = word(event.body["title"] if kind is CorrectionKind.RENAMED else event.body.get("title", ""))
            corrections.append(
                Correction(
                    kind=kind,
                    theme=word(event.body["theme"]),
                    into="" if kind is CorrectionKind.RENAMED else word(event.body["into"]),
                    title=title,
                    events=words(event.body["events"]) if kind is CorrectionKind.MOVED else (),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue  # the audit tells events that decide nothing
    return tuple(corrections)


def corrected(groups: Sequence[tuple[str, Group]], corrections: Iterable[Correction]) -> tuple[tuple[str, Group], ...]:
    """Groups by theme id as people want them, in the order they had; a group that lost all its events is gone.

    Each change is applied to whatever the iteration has of it, so the same changes hold in every later iteration.
    """
    known = dict(groups)
    for change in corrections:
        if change.kind is CorrectionKind.RENAMED:
            if change.theme in known:
                known[change.theme] = replace(known[change.theme], title=change.title)
        elif change.kind is CorrectionKind.MERGED:
            if change.theme in known:
                _give(known, change.into, known.pop(change.theme).events, change.title)
        else:
            _move(known, change)
    return tuple(known.items())


def _move(known: dict[str, Group], change: Correction) -> None:
    moved = frozenset(change.events)
    taken: list[Observation] = []
    for name, group in list(known.items()):
        mine = [event for event in group.events if event.id in moved]
        if name == change.into or not mine:
            continue
        taken += mine
        left = [event for event in group.events if event.id not in moved]
        if left:
            known[name] = remade(group.title, group.texts, left)
        else:
            del known[name]
    if taken:
        _give(known, change.into, taken, change.title)
    elif change.title and change.into in known:
        # A later iteration has none of these events, and the theme they became all the same.
        known[change.into] = replace(known[change.into], title=change.title)


def _give(known: dict[str, Group], name: str, events: Iterable[Observation], title: str) -> None:
    """Add events to a theme, which is new where nobody has it."""
    into = known.get(name)
    every = {event.id: event for event in (*(into.events if into else ()), *events)}
    ordered = [every[key] for key in sorted(every)]
    texts = into.texts if into else ()
    known[name] = remade(title or (into.title if into else ""), texts, ordered)


def remade(title: str, texts: Sequence[str], events: Sequence[Observation]) -> Group:
    """A group of these events that keeps those of its typical texts which somebody in it said."""
    typical = typical_texts(events, texts)
    return Group(title or typical[0], typical, tuple(events))
