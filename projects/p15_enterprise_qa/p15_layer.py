"""The semantic layer: what the business calls things, and what these are in the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from p15_warehouse import Warehouse
from pydantic import Field, ValidationError

from flywheel_mlflow.base.documents import Document, faults_of
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.pipelines import Task
from flywheel_mlflow.promises.strict import Strict

_Model = TypeVar("_Model", bound=Strict)


class Metric(Strict):
    """A number the business speaks of: an SQL aggregate over a base table, with the filter that belongs to it."""

    synonyms: tuple[str, ...] = ()
    base: str
    expression: str
    filter: str | None = None


class Dimension(Strict):
    """Something numbers are broken down by."""

    synonyms: tuple[str, ...] = ()
    expression: str


class Layer(Strict):
    """Tables, joins, metrics, dimensions, columns people ask for, and words for values."""

    tables: tuple[str, ...]
    joins: tuple[tuple[str, str], ...]
    time_column: str
    metrics: dict[str, Metric]
    dimensions: dict[str, Dimension]
    columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    values: dict[str, tuple[str, str]] = Field(default_factory=dict)


class Definitions(Strict):
    """What can be added to a layer: metrics, more words for metrics and dimensions, and words for values."""

    metrics: dict[str, Metric] = Field(default_factory=dict)
    synonyms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    values: dict[str, tuple[str, str]] = Field(default_factory=dict)


class Catalogue(Definitions):
    """The definitions of one department."""

    catalogue: str
    kind: str


class Extension(Definitions):
    """What a task may ask for: definitions of its own, and all catalogues of some kinds."""

    catalogues: tuple[str, ...] = ()


def read_layer(value: Any, name: str) -> Layer:
    """The layer in a JSON document.

    Raises:
        DocumentError: every fault of the document together.
    """
    return _validated(Layer, value, name)


def read_catalogues(rows: Iterable[Mapping[str, Any]]) -> tuple[Catalogue, ...]:
    """The catalogues of the departments.

    Raises:
        DocumentError: a row is no catalogue.
    """
    return tuple(_validated(Catalogue, row, "catalogues.jsonl") for row in rows)


def extended(
    layer: Layer, tasks: Iterable[Task], catalogues: Sequence[Catalogue] = (), *, catalogued: bool = False
) -> Layer:
    """The layer with what the tasks add or ask for; what is there already is never replaced.

    Where it is ``catalogued``, it has every catalogue, asked for or not.

    Raises:
        DocumentError: a payload is not what this project understands.
        InputError: it defines a metric again, gives words to something the layer does not have, or asks for a kind of
            catalogue nobody writes.
    """
    known = {item.kind for item in catalogues}
    unread = set(known) if catalogued else set()
    for task in tasks:
        asked = _validated(Extension, task.payload, f"task {task.id}")
        if unknown := sorted(set(asked.catalogues) - known):
            raise InputError(f"there is no catalogue of the kind {unknown[0]!r}", where=f"task {task.id}")
        for added in (asked, *(item for item in catalogues if item.kind in asked.catalogues)):
            layer = _with(layer, added, task.id)
        unread -= set(asked.catalogues)
    for added in (item for item in catalogues if item.kind in unread):
        layer = _with(layer, added, "catalogued")
    return layer


def _validated(model: type[_Model], value: Any, name: str) -> _Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise DocumentError(faults_of(error, Document(name, value, {}))) from error


def _with(layer: Layer, added: Definitions, task: str) -> Layer:
    again = sorted(set(added.metrics) & set(layer.metrics) | set(added.values) & set(layer.values))
    unknown = sorted(set(added.synonyms) - set(layer.metrics) - set(layer.dimensions))
    if again or unknown:
        wrong = f"defines {again[0]!r} again" if again else f"gives words to {unknown[0]!r}, which is not there"
        raise InputError(f"the task {wrong}", where=f"task {task}", hint="a definition is changed in the layer itself")

    def worded(items: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: item.model_copy(update={"synonyms": (*item.synonyms, *added.synonyms.get(name, ()))})
            for name, item in items.items()
        }

    return layer.model_copy(
        update={
            "metrics": {**worded(layer.metrics), **added.metrics},
            "dimensions": worded(layer.dimensions),
            "values": {**layer.values, **added.values},
        }
    )


def unresolved(layer: Layer, warehouse: Warehouse) -> list[str]:
    """Columns (``table.column``) that the layer names and the warehouse does not have, sorted."""
    from p15_sql import columns_in

    named = {column for join in layer.joins for column in join} | set(layer.columns) | {layer.time_column}
    named |= {column for column, _ in layer.values.values()}
    for metric in layer.metrics.values():
        named |= columns_in(metric.expression) | columns_in(metric.filter or "")
    for dimension in layer.dimensions.values():
        named |= columns_in(dimension.expression)
    known = {f"{table}.{column}" for table, columns in warehouse.tables.items() for column in columns}
    return sorted(named - known)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that mean something: ``kind`` is metric, dimension, column, value or table, ``target`` what exactly."""

    words: str
    kind: str
    target: Any = field(compare=False)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every phrase of a layer and its values, longest first."""

    phrases: tuple[Phrase, ...]

    def matches(self, text: str) -> tuple[list[tuple[int, Phrase]], str]:
        """The phrases in a text with their places, in order, and the text without them. A longer phrase wins."""
        rest, found = text.lower(), []
        for phrase in self.phrases:
            for match in re.finditer(_form(phrase.words), rest):
                found.append((match.start(), phrase))
                # A bar keeps the places of what follows and lets no phrase grow over the gap.
                rest = rest[: match.start()] + "|" * len(match[0]) + rest[match.end() :]
        return sorted(found, key=lambda item: item[0]), rest


def _form(words: str) -> str:
    escaped = re.escape(words)
    return rf"\b{escaped}\b" if words.isascii() else escaped


def vocabulary_of(layer: Layer, values: Mapping[str, tuple[str, str]]) -> Vocabulary:
    """The phrases of a layer together with the words for values."""
    phrases = [Phrase(table, "table", table) for table in layer.tables]
    for kind, items in (("metric", layer.metrics), ("dimension", layer.dimensions)):
        for name, item in items.items():
            phrases += [Phrase(word.lower(), kind, name) for word in (name, *item.synonyms)]
    phrases += [Phrase(word.lower(), "column", column) for column, words in layer.columns.items() for word in words]
    phrases += [Phrase(word.lower(), "value", target) for word, target in values.items()]
    order = {"metric": 0, "dimension": 1, "value": 2, "column": 3, "table": 4}
    best: dict[str, Phrase] = {}
    for phrase in sorted(phrases, key=lambda item: (order[item.kind], item.words)):
        best.setdefault(phrase.words, phrase)
    return Vocabulary(tuple(sorted(best.values(), key=lambda item: (-len(item.words), item.words))))


def value_index(layer: Layer, warehouse: Warehouse) -> dict[str, tuple[str, str]]:
    """Word -> (column, value) for every value of the columns numbers are broken down by, and the layer's own words.

    A dimension that is computed or that the warehouse lacks has no values to index.
    """
    found: dict[str, tuple[str, str]] = {}
    for dimension in layer.dimensions.values():
        column = dimension.expression
        table, _, name = column.partition(".")
        if name in warehouse.tables.get(table, ()) and column not in warehouse.denied:
            found |= {value.lower(): (column, value) for value in warehouse.values_of(column)}
    return found | {word.lower(): target for word, target in layer.values.items()}
