"""Groups what a project's routed events say into themes, whatever their language or order."""

from __future__ import annotations

import hashlib
import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from flywheel_mlflow.feedback.polarity import AXES, NEGATIONS, poles
from flywheel_mlflow.feedback.text_vectors import TextVectors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from flywheel_mlflow.feedback.embedding import Embedder
    from flywheel_mlflow.feedback.text_vectors import Vectors

    Labels = npt.NDArray[np.int64]

#: Events of one project that are looked at, and different texts among them that are clustered; of more, a sample that
#: does not depend on their order. Clustering compares all pairs: 2,000 texts are 32 MB of similarities.
MAX_EVENTS, MAX_TEXTS = 20_000, 2_000
#: A text is compared by its beginning: users paste whole logs.
MAX_COMPARED = 1_000
#: The distance of what must never be one theme: no mean over texts comes below any limit with one of it.
NEVER = 1e9
#: Two texts say the same but for a "not" if they share so many words, and this part of all their words.
LEAST_WORDS, SAME_WORDS = 3, 0.8
#: Texts a theme is shown by, and known again by in later iterations.
REPRESENTATIVES = 5
_SENTENCE = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
MAX_SHOWN = 400
MAX_TITLE = 120


@dataclass(frozen=True, slots=True)
class Observation:
    """One routed event, as far as themes read it; ``time`` is UTC, what the event left out is None."""

    id: str
    time: datetime
    text: str
    source: str
    type: str | None = None
    scope: str | None = None
    severity: str | None = None
    interface: str | None = None
    record_ids: tuple[str, ...] = ()


class Saying(NamedTuple):
    """What is compared: a text in its spelling, the type of gap, the class of severity; empty: unknown."""

    text: str
    type: str
    severity: str


def _class(severity: str | None) -> str:
    """High, or not: what must not wait is no detail of what can."""
    return "" if severity is None else "high" if severity == "high" else "other"


@dataclass(frozen=True, slots=True)
class Group:
    """Events that say much the same.

    ``texts`` are the most typical ones, the first of them most of all; ``title`` is the sentence of these that says
    most of what all say.
    """

    title: str
    texts: tuple[str, ...]
    events: tuple[Observation, ...]

    def counted(self, field: str) -> dict[str, int]:
        """How often each value of a field occurs; events that leave it out are not counted."""
        values = (getattr(event, field) for event in self.events)
        return dict(sorted(Counter(value for value in values if value is not None).items()))


@dataclass(frozen=True, slots=True)
class Grouped:
    """The groups of one project, largest first, and what was looked at.

    ``events`` came in, ``sampled`` of them were looked at, ``alone`` of these fit no group of the texts that were
    clustered.
    """

    groups: tuple[Group, ...]
    events: int
    sampled: int
    alone: int


class Sample:
    """At most :data:`MAX_EVENTS` of a project's events, chosen by a hash of their ids and so whatever their order."""

    def __init__(self, most: int = MAX_EVENTS) -> None:
        self._most = most
        self._kept: list[tuple[int, str, Observation]] = []
        self.seen = 0

    def offer(self, observation: Observation) -> None:
        """One event more."""
        self.seen += 1
        rank = int.from_bytes(hashlib.blake2b(observation.id.encode("utf-8", "replace"), digest_size=8).digest())
        entry = (-rank, observation.id, observation)
        if len(self._kept) < self._most:
            heapq.heappush(self._kept, entry)
        elif entry[:2] > self._kept[0][:2]:
            heapq.heapreplace(self._kept, entry)

    @property
    def observations(self) -> tuple[Observation, ...]:
        """The chosen events by id."""
        return tuple(sorted((item[2] for item in self._kept), key=lambda item: item.id))


def spelled(text: str) -> str:
    """The text as it is compared: one width and case, blanks for everything that is no letter, digit or mark."""
    folded = unicodedata.normalize("NFKC", text[:MAX_COMPARED]).casefold()
    kept = (char if char.isalnum() or unicodedata.category(char)[0] == "M" else " " for char in folded)
    return " ".join("".join(kept).split())


def group_events(
    sample: Sample, *, most_texts: int = MAX_TEXTS, distance: float | None = None, embedder: Embedder | None = None
) -> Grouped:
    """The groups of a project's events; the same for the same events in any order.

    Equal texts are one text. Texts beyond ``most_texts`` join the group they are nearest to, if one is near enough.
    ``distance`` replaces the limit of :class:`TextVectors`, which compares by the ``embedder`` too, if there is one.
    """
    by_text: dict[Saying, list[Observation]] = defaultdict(list)
    for event in sample.observations:
        by_text[Saying(spelled(event.text), event.type or "", _class(event.severity))].append(event)
    ordered = sorted(by_text, key=lambda item: (hashlib.sha256(item.text.encode("utf-8", "replace")).digest(), item))
    clustered, rest = sorted(ordered[:most_texts]), sorted(ordered[most_texts:])
    vectorizer = TextVectors(embedder)
    groups, alone = _clusters(vectorizer, clustered, rest, distance or vectorizer.limits.distance)
    found = [_group(vectorizer, items, vectors, by_text) for items, vectors in groups]
    found.sort(key=lambda item: (-len(item.events), item.texts))
    missing = sum(len(by_text[text]) for text in alone)
    return Grouped(tuple(found), sample.seen, len(sample.observations), missing)


def _clusters(
    vectorizer: TextVectors, sayings: Sequence[Saying], rest: Sequence[Saying], distance: float
) -> tuple[list[tuple[list[Saying], Vectors]], list[Saying]]:
    """Groups of sayings with their vectors, and those of ``rest`` that fit none."""
    import numpy as np
    from sklearn.cluster import AgglomerativeClustering

    if not sayings:
        return [], list(rest)
    vectors = vectorizer.fit([saying.text for saying in sayings])
    labels: Labels = np.zeros(len(sayings), dtype=np.int64)
    if len(sayings) > 1:
        apart = np.clip(1.0 - (vectors @ vectors.T).toarray(), 0.0, 1.0)
        apart[contrary(sayings, sayings)] = NEVER
        np.fill_diagonal(apart, 0.0)
        model = AgglomerativeClustering(
            n_clusters=None, metric="precomputed", linkage="average", distance_threshold=distance
        )
        labels = model.fit_predict(apart)
    members: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels.tolist()):
        members[label].append(place)
    groups = [([sayings[place] for place in places], vectors[places]) for places in members.values()]
    alone = _join(groups, vectorizer.of([saying.text for saying in rest]), rest, distance) if rest else []
    return groups, alone


def _join(
    groups: list[tuple[list[Saying], Vectors]], vectors: Vectors, rest: Sequence[Saying], distance: float
) -> list[Saying]:
    """Add each saying to the group it is nearest to and contradicts nowhere; those that are near to none."""
    import numpy as np

    centres = np.vstack([np.asarray(found.mean(axis=0)) for _, found in groups])
    shut = np.array([contrary(rest, members).any(axis=1) for members, _ in groups])
    alone = []
    for place, saying in enumerate(rest):
        near = np.where(shut[:, place], -1.0, np.asarray(vectors[place] @ centres.T).ravel())
        best = int(near.argmax())
        if near[best] >= 1.0 - distance and not contrary([saying], groups[best][0]).any():
            groups[best][0].append(saying)
        else:
            alone.append(saying)
    return alone


def contrary(left: Sequence[Saying], right: Sequence[Saying]) -> npt.NDArray[np.bool_]:
    """Which sayings must never share a theme, ``left`` by ``right``.

    They state different types or classes of severity, point contrary ways on an axis of :mod:`polarity`, or say the
    same but for a "not".
    """
    import numpy as np

    apart = np.zeros((len(left), len(right)), dtype=bool)
    for field in ("type", "severity"):
        one, two = (np.array([getattr(item, field) for item in side], dtype=object) for side in (left, right))
        apart |= (one[:, None] != two[None, :]) & (one[:, None] != "") & (two[None, :] != "")
    one, two = (np.array([poles(item.text) for item in side], dtype=np.int8) for side in (left, right))
    for axis in range(len(AXES)):
        apart |= one[:, axis, None] * two[None, :, axis] < 0
    return apart | _negated(left, right)


def _negated(left: Sequence[Saying], right: Sequence[Saying]) -> npt.NDArray[np.bool_]:
    """Which texts have nearly the same words, but for a negation that one of them has."""
    import numpy as np
    from sklearn.feature_extraction.text import CountVectorizer

    words = [[set(item.text.split()) for item in side] for side in (left, right)]
    counter = CountVectorizer(analyzer=lambda item: item - NEGATIONS, binary=True)
    counted = counter.fit([*words[0], *words[1], {"-"}])
    one, two = (counted.transform(side) for side in words)
    shared = (one @ two.T).toarray()
    sizes = [np.asarray(side.sum(axis=1)).ravel() for side in (one, two)]
    union = sizes[0][:, None] + sizes[1][None, :] - shared
    alike = (shared >= LEAST_WORDS) & (shared >= SAME_WORDS * union)
    turned = [np.array([bool(item & NEGATIONS) for item in side]) for side in words]
    same_but_not: npt.NDArray[np.bool_] = alike & (turned[0][:, None] != turned[1][None, :])
    return same_but_not


def _group(
    vectorizer: TextVectors,
    sayings: Sequence[Saying],
    vectors: Vectors,
    by_text: Mapping[Saying, Sequence[Observation]],
) -> Group:
    """One group; typical is what is nearest to all its clustered texts, each counted as often as it was said."""
    import numpy as np

    clustered = sayings[: vectors.shape[0]]
    weights = np.array([len(by_text[saying]) for saying in clustered], dtype=float)
    centre = np.asarray(weights @ vectors).ravel()
    near = np.round(np.asarray(vectors @ centre).ravel(), 9)
    order = sorted(range(len(clustered)), key=lambda place: (-near[place], clustered[place]))
    typical = tuple(_as_said(by_text[clustered[place]]) for place in order[:REPRESENTATIVES])
    sentences = list(dict.fromkeys(part for text in typical for part in _sentences(text))) or [typical[0]]
    telling = np.round(np.asarray(vectorizer.of([spelled(part) for part in sentences]) @ centre).ravel(), 9)
    title = sentences[min(range(len(sentences)), key=lambda place: (-telling[place], place))]
    events = sorted((event for saying in sayings for event in by_text[saying]), key=lambda event: event.id)
    return Group(title, typical, tuple(events))


def typical_texts(events: Sequence[Observation], before: Sequence[str]) -> tuple[str, ...]:
    """Typical texts of some events: those of ``before`` that one of them said, then others, oldest first."""
    said = dict.fromkeys(_as_said([event]) for event in sorted(events, key=lambda event: (event.time, event.id)))
    kept = [text for text in before if text in said]
    return tuple(dict.fromkeys([*kept, *said]))[:REPRESENTATIVES]


def _sentences(text: str) -> list[str]:
    """The sentences of a text on one line; the whole text where it has no end of a sentence."""
    return [part.strip() for part in _SENTENCE.split(text) if spelled(part)]


def _as_said(events: Sequence[Observation]) -> str:
    """How the first of some events that say the same says it, on one line."""
    first = min(events, key=lambda event: (event.time, event.id))
    return " ".join(first.text[: 2 * MAX_SHOWN].split())[:MAX_SHOWN]


def similarities(
    left: Sequence[Sequence[str]], right: Sequence[Sequence[str]], vectorizer: TextVectors
) -> npt.NDArray[np.float64]:
    """How alike groups of texts are, 0 to 1: the cosine between the means of their texts, ``left`` by ``right``."""
    import numpy as np

    groups = [[spelled(text) for text in texts] for texts in (*left, *right)]
    vectorizer.fit(sorted({text for texts in groups for text in texts}))
    centres = np.vstack([np.asarray(vectorizer.of(texts).mean(axis=0)) for texts in groups])
    lengths = np.linalg.norm(centres, axis=1, keepdims=True)
    centres = np.divide(centres, lengths, out=np.zeros_like(centres), where=lengths > 0)
    found: npt.NDArray[np.float64] = centres[: len(left)] @ centres[len(left) :].T
    return found


def text_similarities(left: Sequence[str], right: Sequence[str], vectorizer: TextVectors) -> npt.NDArray[np.float64]:
    """The cosine of single texts, ``left`` by ``right``."""
    one, two = ([spelled(text) for text in side] for side in (left, right))
    vectorizer.fit(sorted({*one, *two}))
    found: npt.NDArray[np.float64] = (vectorizer.of(one) @ vectorizer.of(two).T).toarray()
    return found


def observations_of(rows: Iterable[Mapping[str, Any]]) -> Iterable[Observation]:
    """The observations in rows of events."""
    for row in rows:
        yield Observation(
            id=row["id"],
            time=row["time"],
            text=row["text"],
            source=row["source"],
            type=row["type"],
            scope=row["scope"],
            severity=row["severity"],
            interface=row["interface"],
            record_ids=tuple(row["record_ids"] or ()),
        )
