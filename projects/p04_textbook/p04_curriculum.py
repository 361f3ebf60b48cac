"""Orders topics so that nothing is taught before what it builds on, and binds them into volumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from flywheel_mlflow.base.errors import InputError

DIFFICULTIES = ("intro", "core", "extension", "advanced")
#: A volume with fewer lessons is a leaflet, and is not counted as a book.
MIN_LESSONS_PER_BOOK = 20


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic, the volume it is in, and its place in the order of teaching, from 0."""

    name: str
    volume: int
    place: int
    after: tuple[str, ...]


def order_topics(rows: Iterable[Mapping[str, Any]]) -> dict[str, Topic]:
    """Topics by name, in an order of teaching: volume by volume, prerequisites first.

    Raises:
        InputError: topics wait for each other in a circle, or for a topic of a later volume, or for none.
    """
    found = {row["topic"]: row for row in rows}
    strangers = sorted({name for row in found.values() for name in row["after"]} - found.keys())
    if strangers:
        raise InputError(f"no such topics: {', '.join(strangers)}", where="topics.jsonl")
    late = [row["topic"] for row in found.values() if any(found[x]["volume"] > row["volume"] for x in row["after"])]
    if late:
        raise InputError(f"build on a later volume: {', '.join(late)}", where="topics.jsonl")
    try:
        order = list(
            TopologicalSorter({name: sorted(row["after"]) for name, row in sorted(found.items())}).static_order()
        )
    except CycleError as error:
        raise InputError(f"topics wait for each other: {' -> '.join(error.args[1])}", where="topics.jsonl") from error
    # Volumes only grow along prerequisites (checked above), so a stable sort keeps the order within.
    order.sort(key=lambda name: found[name]["volume"])
    return {
        name: Topic(name, found[name]["volume"], place, tuple(found[name]["after"])) for place, name in enumerate(order)
    }


def teaching_order(topic: Topic, difficulty: str, lesson: str) -> tuple[int, int, str]:
    """What lessons are sorted by: the topic's place, then difficulty, then id."""
    return topic.place, DIFFICULTIES.index(difficulty), lesson


def books(lessons: Iterable[tuple[int, str]]) -> dict[int, dict[str, int]]:
    """Lessons per topic of each volume that is a book; ``lessons`` are (volume, topic)."""
    volumes: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for volume, topic in lessons:
        volumes[volume][topic] += 1
    return {
        volume: dict(chapters)
        for volume, chapters in sorted(volumes.items())
        if sum(chapters.values()) >= MIN_LESSONS_PER_BOOK
    }


def taught_too_early(topics: Mapping[str, Topic], sequence: Sequence[str]) -> list[str]:
    """Topics of a sequence of lessons whose prerequisites come after them, or never."""
    first: dict[str, int] = {}
    for place, name in enumerate(sequence):
        first.setdefault(name, place)
    return [
        name for name, place in first.items() if any(first.get(other, place) >= place for other in topics[name].after)
    ]
