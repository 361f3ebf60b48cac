"""Finds, for each lesson, the document of the foundation corpus that reads best beside it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_WORD = re.compile(r"[a-z]{3,}")
#: Words in more than this share of the documents tell documents apart no more.
COMMON_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Reading:
    """A document, and how well it fits: the share, by weight, of the lesson's words it contains."""

    document: str
    overlap: float


class Library:
    """An inverted index over the corpus, weighted by inverse document frequency."""

    def __init__(self, corpus: Sequence[Mapping[str, Any]]) -> None:
        self._texts = [" ".join(str(record.get("content", "")).lower().split()) for record in corpus]
        self._ids = [str(record["id"]) for record in corpus]
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, text in enumerate(self._texts):
            for word in set(_WORD.findall(text)):
                self._places[word].append(place)

    def reading(self, lesson: str) -> Reading | None:
        """The document that holds most of a lesson's telling words; None when none holds any."""
        words = set(_WORD.findall(lesson.lower()))
        weights = {word: self._weight(word) for word in words}
        total = sum(weights.values())
        scores: dict[int, float] = defaultdict(float)
        for word, weight in sorted(weights.items()):
            for place in self._places.get(word, ()) if weight else ():
                scores[place] += weight
        if not scores or not total:
            return None
        best = min(scores, key=lambda place: (-scores[place], self._ids[place]))
        return Reading(self._ids[best], scores[best] / total)

    def _weight(self, word: str) -> float:
        share = (len(self._places.get(word, ())) + 1) / (len(self._texts) + 1)
        return 0.0 if share > COMMON_SHARE else -math.log(share)

    def holds(self, questions: Iterable[str]) -> set[str]:
        """The questions that stand in the corpus word for word: whoever trained on it has seen them."""
        plain = {question: " ".join(question.lower().split()) for question in questions}
        return {question for question, words in plain.items() if any(words in text for text in self._texts)}
