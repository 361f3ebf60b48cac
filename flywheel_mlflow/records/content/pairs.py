"""How two fields of a record go together: what is lost when values move between rows and each field stays as it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

import numpy as np

from flywheel_mlflow.records.content.profile import ContentColumn, VectorSketch

#: Words that two texts of a row may share: short ones all texts share.
_LONG_WORD = re.compile(r"\w{4,}")
#: Characters of a text whose words are looked at.
_LOOKED_AT = 4000
#: Numbers with names alike that are compared, and rows whose nearest vector is looked for.
MOST_PAIRS = 20
MOST_NEIGHBOURS = 2000
_NAME_PART = re.compile(r"[^._\[\]: ]+")

Numbers = Sequence[float | None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def text_pairs(texts: Mapping[str, Sequence[str | None]]) -> Iterator[ContentColumn]:
    """Of every two texts of a row: the share of words they share, and how much longer one is (natural log)."""
    words = {leaf: [_long_words(text) for text in values] for leaf, values in texts.items()}
    for one, other in combinations(sorted(texts), 2):
        name = f"{one} with {other}"
        yield _column(f"{name}: shared words", name, _each(words[one], words[other], _shared))
        yield _column(f"{name}: length ratio", name, _each(texts[one], texts[other], _ratio))


def number_pairs(numbers: Mapping[str, Numbers]) -> Iterator[ContentColumn]:
    """The difference of two numbers or times whose names differ in one word: start and end, chosen and rejected."""
    alike = [pair for pair in combinations(sorted(numbers), 2) if _alike(*pair)]
    for one, other in alike[:MOST_PAIRS]:
        differences = _each(numbers[one], numbers[other], lambda a, b: float(f"{b - a:.6g}"))
        yield _column(f"{one} to {other}: difference", f"{one} to {other}", differences)


def vector_pairs(vectors: Sequence[VectorSketch], texts: Mapping[str, Sequence[str | None]]) -> Iterator[ContentColumn]:
    """The words a text shares with that of the nearest vector's row: with vectors of other texts they are few.

    A row is in one pair at most, so that every answer is about other texts.
    """
    for vector in vectors:
        neighbours = dict(_neighbours(vector.values[:MOST_NEIGHBOURS].astype(np.float64)))
        for leaf, values in sorted(texts.items()):
            words = [_long_words(text) for text in values]
            near = [words[neighbours[row]] if row in neighbours else None for row in range(len(words))]
            name = f"{vector.field} with {leaf}"
            yield _column(f"{name}: words shared with the nearest", name, _each(words, near, _shared))


def _neighbours(vectors: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Iterator[tuple[int, int]]:
    """Rows with the row whose vector has the smallest angle to theirs, each row once."""
    there = np.flatnonzero(~np.isnan(vectors[:, 0])) if vectors.size else np.zeros(0, np.int64)
    if len(there) < 2:
        return
    alike = vectors[there] @ vectors[there].T
    np.fill_diagonal(alike, -np.inf)
    taken: set[int] = set()
    for row, nearest in zip(there.tolist(), there[np.argmax(alike, axis=1)].tolist(), strict=True):
        if row not in taken and nearest not in taken:
            taken |= {row, nearest}
            yield row, nearest


def _alike(one: str, other: str) -> bool:
    words, others = _NAME_PART.findall(one), _NAME_PART.findall(other)
    return len(words) == len(others) > 1 and sum(a != b for a, b in zip(words, others, strict=True)) == 1


def _column(name: str, leaf: str, values: Sequence[float | None]) -> ContentColumn:
    return ContentColumn(name, leaf, "number", tuple(values))


def _each(
    ones: Sequence[Item | None], others: Sequence[Item | None], both: Callable[[Item, Item], Result | None]
) -> list[Result | None]:
    return [None if one is None or other is None else both(one, other) for one, other in zip(ones, others, strict=True)]


def _long_words(text: str | None) -> frozenset[str] | None:
    return None if text is None else frozenset(_LONG_WORD.findall(text[:_LOOKED_AT].lower()))


def _shared(one: frozenset[str], other: frozenset[str]) -> float | None:
    least = min(len(one), len(other))
    return round(len(one & other) / least, 4) if least else None


def _ratio(one: str, other: str) -> float:
    return round(math.log((len(one) + 1) / (len(other) + 1)), 4)
