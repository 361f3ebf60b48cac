"""Turns a question into SQL through the semantic layer, and tells SQL that may run from SQL that may not."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from p15_layer import Layer, Vocabulary
from p15_warehouse import Warehouse
from sqlglot import exp

DIALECT = "sqlite"
#: Words that carry no meaning of their own in a business question.
_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "a all and any are at buy by came did do during each for from had has have highest how in is list many"
        " me most much of on per show sold the there through to via was were what which with table"
        " 按 统计 是 多少 的 年 所有 在",
    )
)
_BREAKDOWN = re.compile(r"(?:\b(?:by|per|which|top \d+)\s+|按)$")
_VERBS = {"delete": "delete", "remove": "delete", "drop": "drop", "update": "update", "删除": "delete"}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was understood of a question; ``missing`` are the words nothing is known of."""

    metric: str | None
    groups: tuple[str, ...]
    columns: tuple[str, ...]
    filters: tuple[tuple[str, str], ...]
    tables: tuple[str, ...]
    year: str | None
    top: int | None
    verb: str | None
    missing: tuple[str, ...]


def plan(question: str, vocabulary: Vocabulary) -> Plan:
    """Understand a question: longest phrases first, what is left over is missing."""
    found, rest = vocabulary.matches(question)
    lowered = question.lower()
    years = re.findall(r"(?<!\d)20\d\d(?!\d)", rest)
    ranked = re.search(r"\btop (\d+)\b", rest)
    top = int(ranked[1]) if ranked else 1 if re.search(r"\b(?:highest|most)\b", rest) else None
    groups = [
        phrase.target
        for place, phrase in found
        if phrase.kind == "dimension" and (_BREAKDOWN.search(lowered[:place]) or phrase.words == "monthly")
    ]
    targets = {kind: [phrase.target for _, phrase in found if phrase.kind == kind] for kind in _KINDS}
    verb = next((meaning for word, meaning in _VERBS.items() if word in rest), None)
    words = re.findall(r"[a-z]+|[\u4e00-\u9fff]+", re.sub(r"\btop \d+\b", " ", rest))
    missing = [word for word in words if not _is_filler(word) and word not in _VERBS]
    return Plan(
        metric=targets["metric"][0] if targets["metric"] else None,
        groups=tuple(dict.fromkeys(groups)),
        columns=tuple(targets["column"]),
        filters=tuple(dict.fromkeys(targets["value"])),
        tables=tuple(targets["table"]),
        year=years[0] if years else None,
        top=top,
        verb=verb,
        missing=tuple(missing),
    )


_KINDS = ("metric", "column", "value", "table")


def _is_filler(word: str) -> bool:
    if word in _FILLERS or word in _VERBS:
        return True
    rest = word
    for filler in sorted((item for item in (*_FILLERS, *_VERBS) if not item.isascii()), key=len, reverse=True):
        rest = rest.replace(filler, "")
    return not rest


def generate(understood: Plan, layer: Layer) -> str | None:
    """SQL for a plan; None when it asks for nothing that is defined.

    What a plan asks to change becomes a statement that changes: stopping it is the guard's business.
    """
    query = _query(understood, layer)
    change = _change(understood, layer) if understood.verb else None
    parts = [part.sql(dialect=DIALECT) for part in (query, change) if part is not None]
    return "; ".join(parts) or None


def _query(understood: Plan, layer: Layer) -> exp.Expr | None:
    if understood.missing or (understood.verb and not understood.year):
        return None
    filters: list[exp.Expr] = [_equals(column, value) for column, value in understood.filters]
    if understood.year:
        year = f"STRFTIME('%Y', {layer.time_column})"
        filters.append(sqlglot.parse_one(year, read=DIALECT).eq(understood.year))
    if understood.columns:
        shown = [sqlglot.parse_one(column, read=DIALECT) for column in understood.columns]
        return _select(shown, understood.columns[0].split(".")[0], filters, layer)
    if understood.metric is None:
        return None
    metric = layer.metrics[understood.metric]
    if metric.filter:
        filters.append(sqlglot.parse_one(metric.filter, read=DIALECT))
    groups = [sqlglot.parse_one(layer.dimensions[name].expression, read=DIALECT) for name in understood.groups]
    number = sqlglot.parse_one(metric.expression, read=DIALECT)
    query = _select([*groups, exp.alias_(number, "value")], metric.base, filters, layer)
    if groups:
        query = query.group_by(*(str(place + 1) for place in range(len(groups))))
        order = ["value DESC"] if understood.top else []
        query = query.order_by(*order, *(str(place + 1) for place in range(len(groups))))
    return query.limit(understood.top) if understood.top and groups else query


def _select(shown: Sequence[exp.Expr], base: str, filters: Sequence[exp.Expr], layer: Layer) -> exp.Select:
    query = exp.select(*shown).from_(base)
    needed = {column.table for item in (*shown, *filters) for column in item.find_all(exp.Column)} - {base, ""}
    joined = {base}
    for table in sorted(needed):
        for left, right in _way(base, table, layer):
            new = next((side.split(".")[0] for side in (left, right) if side.split(".")[0] not in joined), None)
            if new is not None:
                query = query.join(new, on=f"{left} = {right}", join_type="left", dialect=DIALECT)
                joined.add(new)
    return query.where(*filters) if filters else query


def _way(start: str, end: str, layer: Layer) -> tuple[tuple[str, str], ...]:
    """The shortest chain of joins between two tables; empty when there is none."""
    ways: deque[tuple[str, tuple[tuple[str, str], ...]]] = deque([(start, ())])
    seen = {start}
    while ways:
        table, way = ways.popleft()
        if table == end:
            return way
        for left, right in layer.joins:
            for here, there in ((left, right), (right, left)):
                other = there.split(".")[0]
                if here.split(".")[0] == table and other not in seen:
                    seen.add(other)
                    ways.append((other, (*way, (left, right))))
    return ()


def _change(understood: Plan, layer: Layer) -> exp.Expr | None:
    named = understood.tables or ((layer.metrics[understood.metric].base,) if understood.metric else ())
    if not named:
        return None
    if understood.verb == "drop":
        return sqlglot.parse_one(f"DROP TABLE {named[0]}", read=DIALECT)
    filters = [_equals(column, value) for column, value in understood.filters]
    return exp.delete(named[0], where=exp.and_(*filters) if filters else None)


def _equals(column: str, value: str) -> exp.Expr:
    table, name = column.split(".")
    return exp.column(name, table).eq(value)


def columns_in(sql: str) -> set[str]:
    """The columns an SQL text names with their table, as ``table.column``."""
    return {f"{column.table}.{column.name}" for column in _all(sql, exp.Column)}


def tables_in(sql: str) -> set[str]:
    """The tables an SQL text names."""
    return {table.name for table in _all(sql, exp.Table)}


def literals_in(sql: str) -> set[str]:
    """The strings an SQL text compares with."""
    return {literal.this for literal in _all(sql, exp.Literal) if literal.is_string}


def _all(sql: str, kind: type[exp.Expr]) -> list[Any]:
    return [node for item in sqlglot.parse(sql, read=DIALECT) if item is not None for node in item.find_all(kind)]


def refusal(sql: str, warehouse: Warehouse) -> str:
    """Why an SQL text may not run; empty when it may.

    It may when it is one statement, a SELECT, over known tables, and names neither ``*`` nor a column that is denied.
    """
    try:
        statements = [item for item in sqlglot.parse(sql, read=DIALECT) if item is not None]
    except sqlglot.errors.ParseError:
        return "it is no SQL"
    if len(statements) != 1:
        return f"it holds {len(statements)} statements"
    query = statements[0]
    if not isinstance(query, exp.Select | exp.SetOperation):
        return f"it is no SELECT but {query.key.upper()}"
    strangers = sorted({table.name for table in query.find_all(exp.Table)} - set(warehouse.tables))
    if strangers:
        return f"unknown table {strangers[0]}"
    if any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star)):
        return "it reads every column"
    denied = {column.split(".")[1] for column in warehouse.denied}
    # By its bare name: an alias of a table must not open what the table keeps closed.
    read = sorted({column.name for column in query.find_all(exp.Column)} & denied)
    return f"{read[0]} is personal data" if read else ""
