"""Makes a content profile of sampled records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, TypeVar

import numpy as np

from flywheel_mlflow.records.content.descriptors import describe, shape_of
from flywheel_mlflow.records.content.labels import repeated, shared_labels
from flywheel_mlflow.records.content.leaves import IN_LIST, Scalar, leaves_of
from flywheel_mlflow.records.content.media import NO_MEDIA, MediaContent
from flywheel_mlflow.records.content.pairs import number_pairs, text_pairs, vector_pairs
from flywheel_mlflow.records.content.profile import ColumnKind, ContentColumn, ContentProfile, VectorSketch, Wording
from flywheel_mlflow.records.content.times import seconds_of
from flywheel_mlflow.records.content.vectors import as_vectors, sketch
from flywheel_mlflow.records.content.wording import LEAST_FEATURES, WordingBuilder
from flywheel_mlflow.records.content.wording import MAX_ROWS as MAX_WORDED_ROWS

#: Fields looked into, those that most rows have first.
MAX_LEAVES = 128
#: Text fields whose wording is kept, and the hashed words of one row over all of them.
MAX_TEXTS = 6
FEATURES = MAX_TEXTS * LEAST_FEATURES

#: A field is a text when the median of its values has so many words or characters and there are more than so many
#: different ones, else a label.
_TEXT_WORDS = 4
_TEXT_CHARACTERS = 60
_LABELS = 20
#: Roles, tools and other short texts of a list are told in order up to here.
_IN_ORDER = 6
_ORDERED_CHARACTERS = 40

#: The column that says whether a content is there more than once.
REPEATED = "repeated content"

Values = list[float | str | None]
Leaf = TypeVar("Leaf")


@dataclass(frozen=True, slots=True)
class ContentRule:
    """Which fields are looked into: all, or those named; ``skipped`` are known otherwise."""

    fields: tuple[str, ...] = ()
    skipped: frozenset[str] = frozenset()

    def takes(self, leaf: str) -> bool:
        """Whether a field is looked into."""
        plain = leaf.replace(IN_LIST, "")
        if self.fields and not any(plain == name or plain.startswith(f"{name}.") for name in self.fields):
            return False
        return leaf not in self.skipped


@dataclass(frozen=True, slots=True)
class SampledRow:
    """A record of the sample, where it lies, and whether other rows have the same content.

    Of rows of the sample with the same content only the first one says so; the others, and rows without content, are
    None: so each answer is about another content.
    """

    record: Mapping[str, Any]
    place: str
    repeated: bool | None


@dataclass(slots=True)
class _Building:
    columns: list[ContentColumn] = field(default_factory=list)
    wordings: list[Wording] = field(default_factory=list)
    vectors: list[VectorSketch] = field(default_factory=list)
    texts: dict[str, list[str | None]] = field(default_factory=dict)

    def add(self, name: str, leaf: str, kind: ColumnKind, values: Iterable[float | str | None]) -> None:
        self.columns.append(ContentColumn(name, leaf, kind, tuple(values)))


def content_of(rows: Sequence[SampledRow], rule: ContentRule, media: MediaContent = NO_MEDIA) -> ContentProfile:
    """What is kept of the content of these rows, and of the media they name."""
    walked = [leaves_of(row.record) for row in rows]
    scalars = _by_leaf([item[0] for item in walked], rule)
    lists = _by_leaf([item[1] for item in walked], rule)
    lengths = _by_leaf([item[2] for item in walked], rule)
    ranked = sorted(
        [*scalars, *lists], key=lambda leaf: (-_there(scalars[leaf] if leaf in scalars else lists[leaf]), leaf)
    )
    left_out = ranked[MAX_LEAVES:]
    building = _Building([*media.columns], vectors=[*media.vectors])
    for leaf in sorted(ranked[:MAX_LEAVES]):
        if leaf in scalars:
            _add_leaf(building, leaf, scalars[leaf])
        else:
            _add_list(building, leaf, lists[leaf])
    building.columns += number_pairs(_numbers([item[0] for item in walked], rule))
    longer = sorted(leaf for leaf in lengths if not any(item.field == leaf for item in building.vectors))
    left_out += [f"length of {leaf}" for leaf in longer[MAX_LEAVES:]]
    for leaf in longer[:MAX_LEAVES]:
        building.add(f"{leaf}: elements", leaf, "number", map(_number, lengths[leaf]))
    if not rule.fields:
        words = {True: "yes", False: "no", None: None}
        building.add(REPEATED, REPEATED, "label", [words[row.repeated] for row in rows])
    left_out += [f"wording of {leaf}" for leaf in _add_texts(building)]
    return ContentProfile(
        places=tuple(row.place for row in rows),
        columns=tuple(sorted(building.columns, key=lambda column: column.name)),
        wordings=tuple(building.wordings),
        vectors=tuple(building.vectors),
        left_out=tuple(sorted(left_out)),
        unseen=media.unseen,
    )


def _by_leaf(rows: Sequence[Mapping[str, Leaf]], rule: ContentRule) -> dict[str, list[Leaf | None]]:
    """The values of each leaf that is looked into, by row."""
    names = {name: None for row in rows for name in row if rule.takes(name)}
    return {name: [row.get(name) for row in rows] for name in names}


def _numbers(rows: Sequence[Mapping[str, Scalar]], rule: ContentRule) -> dict[str, list[float | None]]:
    """The numbers and times among the scalar leaves, also of those whose values are known otherwise."""
    found = {}
    for leaf, values in _by_leaf(rows, ContentRule(rule.fields)).items():
        numbers = [_as_number(value) for value in values]
        if _there(numbers) * 2 > _there(values):
            found[leaf] = numbers
    return found


def _as_number(value: Scalar | None) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    return seconds_of(value) if isinstance(value, str) else float(value)


def _there(values: Iterable[object | None]) -> int:
    return sum(value is not None for value in values)


def _add_leaf(building: _Building, leaf: str, values: Sequence[Scalar | None]) -> None:
    texts = [value if isinstance(value, str) else None for value in values]
    others = [None if isinstance(value, str) else value for value in values]
    if _there(texts) and _there(others):  # several types in one field: the most frequent one is looked into
        names = {type(None): None, bool: "truth", int: "number", float: "number", str: "text"}
        building.add(f"{leaf}: type", leaf, "label", [names[type(value)] for value in values])
    if _there(texts) * 2 >= _there(values):
        _add_strings(building, leaf, texts)
    elif any(isinstance(value, bool) for value in others):
        building.add(leaf, leaf, "label", [None if value is None else str(value) for value in others])
    else:
        building.add(leaf, leaf, "number", map(_number, others))


def _add_strings(building: _Building, leaf: str, texts: Sequence[str | None]) -> None:
    times = [None if text is None else seconds_of(text) for text in texts]
    known = [text for text in texts if text is not None]
    if _there(times) * 2 >= len(known):
        building.add(leaf, leaf, "time", times)
        building.add(f"{leaf}: shape", leaf, "label", _shapes(texts))
    elif _are_texts(known):
        building.texts[leaf] = list(texts)
    else:
        building.add(leaf, leaf, "label", shared_labels(texts))
        building.add(f"{leaf}: shape", leaf, "label", _shapes(texts))


def _are_texts(known: Sequence[str]) -> bool:
    long = median(map(len, known)) >= _TEXT_CHARACTERS or median(len(text.split()) for text in known) >= _TEXT_WORDS
    return long and len(set(known)) > min(_LABELS, len(known) // 2)


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _shapes(texts: Sequence[str | None]) -> list[str | None]:
    return shared_labels([None if text is None else shape_of(text) for text in texts])


def _add_list(building: _Building, leaf: str, values: Sequence[list[Scalar] | None]) -> None:
    numbers = [
        None if value is None else [float(item) for item in value if not isinstance(item, str)] for value in values
    ]
    if leaf.count(IN_LIST) == 1 and (matrix := as_vectors(values)) is not None:
        name = leaf.removesuffix(IN_LIST)
        found, sizes = sketch(name, matrix)
        building.vectors.append(found)
        building.add(
            f"{name}: norm", name, "number", [None if np.isnan(size) else float(f"{size:.6g}") for size in sizes]
        )
        return
    if any(numbers):
        means = [sum(item) / len(item) if item else None for item in numbers]
        building.add(f"{leaf}: mean", leaf, "number", means)
        building.add(f"{leaf}: rise", leaf, "number", [item[-1] - item[0] if item else None for item in numbers])
    texts = [None if value is None else [item for item in value if isinstance(item, str)] for value in values]
    strings = [item for value in texts for item in value or ()]
    if not strings:
        return
    times = [[seconds_of(item) for item in value or ()] for value in texts]
    if sum(item is not None for value in times for item in value) * 2 > len(strings):
        known = [[item for item in value if item is not None] for value in times]
        building.add(f"{leaf}: first", leaf, "time", [item[0] if item else None for item in known])
        building.add(f"{leaf}: rise", leaf, "number", [item[-1] - item[0] if item else None for item in known])
        return
    if len(set(strings)) * 2 <= len(strings) and median(map(len, strings)) < _ORDERED_CHARACTERS:
        order = [
            None if not value else " > ".join(item[:_ORDERED_CHARACTERS] for item in value[:_IN_ORDER])
            for value in texts
        ]
        building.add(f"{leaf}: order", leaf, "label", shared_labels(order))
        first = [None if not value else value[0][:_ORDERED_CHARACTERS] for value in texts]
        building.add(f"{leaf}: first", leaf, "label", shared_labels(first))
    else:
        building.texts[leaf] = [None if not value else "\n".join(value) for value in texts]


def _add_texts(building: _Building) -> list[str]:
    """Descriptors of all texts, the wording of the largest ones and how they go together; names what was left out."""
    sizes = {leaf: sum(len(text or "") for text in texts) for leaf, texts in building.texts.items()}
    ranked = sorted(sizes, key=lambda leaf: (-sizes[leaf], leaf))
    worded = ranked[:MAX_TEXTS]
    for leaf in sorted(building.texts):
        _add_descriptors(building, leaf, building.texts[leaf])
    for leaf in sorted(worded):
        builder = WordingBuilder(leaf, FEATURES // len(worded))
        for text in building.texts[leaf][:MAX_WORDED_ROWS]:
            builder.observe(text)
        building.wordings.append(builder.result())
    together = {leaf: building.texts[leaf] for leaf in worded}
    building.columns += [*text_pairs(together), *vector_pairs(building.vectors, together)]
    return ranked[MAX_TEXTS:]


def _add_descriptors(building: _Building, leaf: str, texts: Sequence[str | None]) -> None:
    described = [None if text is None else describe(text) for text in texts]
    names = next(item for item in described if item is not None)
    for name, example in names.items():
        values: Values = [None if item is None else item[name] for item in described]
        building.add(f"{leaf}: {name}", leaf, "label" if isinstance(example, str) else "number", values)
    building.add(f"{leaf}: {REPEATED}", leaf, "label", repeated(texts))
    openings = [None if text is None else " ".join(text[:60].split()[:2]) for text in texts]
    building.add(f"{leaf}: opening", leaf, "label", shared_labels(openings))
