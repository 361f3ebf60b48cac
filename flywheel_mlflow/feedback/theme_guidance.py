"""Applies what people decided about themes to later events: who was split stays split, who was merged stays merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from flywheel_mlflow.feedback.text_vectors import TextVectors
from flywheel_mlflow.feedback.theme_corrections import Correction, CorrectionKind, remade
from flywheel_mlflow.feedback.themes import Group, Observation, Saying, contrary, spelled, text_similarities


class Known(Protocol):
    """What is read of a theme of an earlier iteration."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Its most typical texts."""

    @property
    def types(self) -> Mapping[str, int]:
        """How often its events state each type."""

    @property
    def severities(self) -> Mapping[str, int]:
        """How often its events state each severity."""


def guided(
    groups: Sequence[tuple[str, Group]],
    fresh: frozenset[str],
    earlier: Mapping[str, Known],
    corrections: Iterable[Correction],
    vectorizer: TextVectors,
) -> tuple[tuple[str, Group], ...]:
    """Groups by theme id, as people would have them by what they decided about earlier iterations.

    A group of a ``fresh`` id that is like one of the texts of a theme into which others were merged belongs to it.
    Where events were moved from one theme to another, each event of the two goes to the theme whose texts are likest.
    """
    known = dict(groups)
    made = list(corrections)
    targets = sorted({item.into for item in made if item.kind is CorrectionKind.MERGED} & earlier.keys())
    for name in [name for name, _ in groups if name in fresh]:
        target = _merged_into(known[name], targets, earlier, vectorizer)
        if target:
            _add(known, target, known.pop(name).events)
    for item in made:
        if item.kind is CorrectionKind.MOVED and {item.theme, item.into} <= earlier.keys():
            _part(known, (item.theme, item.into), earlier, vectorizer)
    if known == dict(groups):
        return tuple(groups)
    # However they came together: looking again gives the same.
    return tuple(sorted(known.items(), key=lambda item: (-len(item[1].events), item[1].texts)))


def _merged_into(
    group: Group, targets: Sequence[str], earlier: Mapping[str, Known], vectorizer: TextVectors
) -> str | None:
    """The theme one of whose texts is likest to a group, if it is like enough and not contrary."""
    places = [(name, text) for name in targets for text in earlier[name].texts]
    if not places:
        return None
    alike = text_similarities(group.texts, [text for _, text in places], vectorizer).mean(axis=0)
    found = sorted((-round(float(alike[place]), 9), name) for place, (name, _) in enumerate(places))
    likeness, name = found[0]
    return name if -likeness >= vectorizer.limits.alike and not is_contrary(group, earlier[name]) else None


def _part(
    known: dict[str, Group], pair: tuple[str, str], earlier: Mapping[str, Known], vectorizer: TextVectors
) -> None:
    """Give each event of two themes to that of the two whose texts are likest; where none is likelier it stays."""
    held = [(name, event) for name in pair if name in known for event in known[name].events]
    texts = sorted({event.text for _, event in held})
    if not texts:
        return
    sides = [earlier[name].texts for name in pair]
    alike = text_similarities(texts, [text for side in sides for text in side], vectorizer)
    cut = len(sides[0])
    likest = {
        text: (round(float(alike[place, :cut].max()), 9), round(float(alike[place, cut:].max()), 9))
        for place, text in enumerate(texts)
    }
    wanted: dict[str, list[Observation]] = {name: [] for name in pair}
    for name, event in held:
        one, two = likest[event.text]
        wanted[name if one == two else pair[0] if one > two else pair[1]].append(event)
    for name, events in wanted.items():
        before = known.get(name)
        if before is not None and {event.id for event in before.events} == {event.id for event in events}:
            continue
        known.pop(name, None)
        if events:
            known[name] = remade("", (), sorted(events, key=lambda event: event.id))


def _add(known: dict[str, Group], name: str, events: Iterable[Observation]) -> None:
    into = known.get(name)
    every = sorted((*(into.events if into else ()), *events), key=lambda event: event.id)
    known[name] = remade("", (), every)


def is_contrary(group: Group, theme: Known) -> bool:
    """Whether a group asks for the contrary of a theme, for another type of thing, or has another class of severity."""
    types = set(group.counted("type")), set(theme.types)
    high = [{severity == "high" for severity in counts} for counts in (group.counted("severity"), theme.severities)]
    if any(one and two and not one & two for one, two in (types, high)):
        return True
    texts = [[Saying(spelled(text), "", "") for text in side] for side in (group.texts, theme.texts)]
    return bool(contrary(*texts).any())
