"""Sees every row that a request is about to write into MLflow's stores, whatever its handler, and lets it be judged.

A handler reads ids, names and aliases in its own way, and the database compares them in its own. The rows that come out
of both are what counts: they are looked at here, within the transaction, before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any

from mlflow.store.db.base_sql_model import Base
from sqlalchemy import event, inspect, select
from sqlalchemy.orm import MANYTOONE, Mapper, ORMExecuteState, Session

#: Columns by which a row belongs to a run.
RUN_COLUMNS = ("run_uuid", "run_id", "source_run_id")
#: Tables that tie things of many kinds together, and the columns of the two ends.
TIES = frozenset({"inputs", "entity_associations"})
ENDS = ("source_id", "destination_id")
#: Tables whose rows are judged by what they hold; rows of all others by where they belong.
JUDGED = frozenset(
    {
        "experiments",
        "experiment_tags",
        "jobs",
        "model_version_tags",
        "model_versions",
        "registered_model_aliases",
        "registered_model_tags",
        "registered_models",
        "runs",
    }
)
#: What goes with its model or version is judged after it: the refusal names what somebody asked for.
WHOLES = ("registered_models", "model_versions")
_NONE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """A row about to be written, by columns: ``before`` is None for a new one, ``after`` for one that goes.

    ``wholesale`` is one of the rows of a statement, of which is not known what becomes of it.
    """

    table: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    wholesale: bool = field(default=False)

    def changes(self, column: str) -> bool:
        """Whether a row that stays gets another value."""
        return self.before is not None and self.after is not None and self.before[column] != self.after[column]

    def values(self, *columns: str) -> set[str]:
        """What the columns hold before and after."""
        sides = (self.before or _NONE, self.after or _NONE)
        return {str(side[name]) for side in sides for name in columns if side.get(name) is not None}

    @property
    def row(self) -> Mapping[str, Any]:
        """The row as it is now; a new one as it will be."""
        return self.before if self.before is not None else self.after or _NONE


def watch(judge: Callable[[Iterable[Change]], None]) -> None:
    """Hand everything that this process writes into MLflow's stores to ``judge``, which raises to refuse it."""

    def flushed(session: Session, *_: Any) -> None:
        judge(_of_objects(session))

    def executed(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            judge(_of_statement(state))

    event.listen(Session, "before_flush", flushed)
    event.listen(Session, "do_orm_execute", executed)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How MLflow's stores map a class, and the columns that say where its rows belong."""

    mapper: Mapper[Any]
    table: str
    columns: tuple[str, ...]
    read: Callable[[Any], Any]


@cache
def _kind(mapped: type) -> _Kind | None:
    """None for classes of anybody else, and for rows that belong to no run and no experiment."""
    if not issubclass(mapped, Base):
        return None
    mapper: Any = inspect(mapped)
    table = str(mapper.local_table.name)
    columns = _belonging(mapper.local_table)
    read = attrgetter(*columns) if columns else id
    return _Kind(mapper, table, columns, read) if columns or table in JUDGED else None


@cache
def _belonging(table: Any) -> tuple[str, ...]:
    """The columns of a table that say where its rows belong."""
    names = (*RUN_COLUMNS, "experiment_id", *(ENDS if table.name in TIES else ()))
    return tuple(name for name in names if name in table.columns)


def _of_objects(session: Session) -> Iterator[Change]:
    # Asked once: each of them is made anew for whoever asks.
    new, dirty, deleted = set(session.new), set(session.dirty), set(session.deleted)
    seen: set[Any] = set()
    for item in sorted(chain(new, dirty, deleted), key=_rank):
        kind = _kind(item.__class__)
        if kind is None:
            continue
        if kind.table in JUDGED:
            change = _judged(kind, item, new, dirty, deleted)
            if change is not None:
                yield change
            continue
        # A batch has thousands of these: each owner once.
        held = (kind.table, kind.read(item))
        moved = item in dirty and not inspect(item).committed_state.keys().isdisjoint(kind.columns)
        if held in seen and not moved:
            continue
        seen.add(held)
        yield Change(kind.table, None, {name: _owner(kind.mapper, item, name, new) for name in kind.columns})
        if moved:
            yield Change(kind.table, _former(item, kind.columns), None)


def _rank(item: Any) -> int:
    kind = _kind(item.__class__)
    return WHOLES.index(kind.table) if kind is not None and kind.table in WHOLES else len(WHOLES)


def _judged(kind: _Kind, item: Any, new: set[Any], dirty: set[Any], deleted: set[Any]) -> Change | None:
    names = [attribute.key for attribute in kind.mapper.column_attrs]
    now = {name: _value(kind.mapper, item, name) for name in names}
    if item in deleted:
        return Change(kind.table, now, None)
    if item in new:
        return Change(kind.table, None, now)
    former = _former(item, names) if item in dirty else {}
    return Change(kind.table, now | former, now) if former else None


def _owner(mapper: Mapper[Any], item: Any, column: str, new: set[Any]) -> Any:
    """Where a row will belong; None when that is new itself, and judged for both."""
    value = getattr(item, column)
    return _of_parent(mapper, item, column, new) if value is None else value


def _value(mapper: Mapper[Any], item: Any, column: str) -> Any:
    """What a column will hold."""
    value = getattr(item, column)
    return _of_parent(mapper, item, column, set()) if value is None else value


def _of_parent(mapper: Mapper[Any], item: Any, column: str, new: set[Any]) -> Any:
    """A child that was only put to its parent gets the parent's value when it is written."""
    for local, relation, remote in _parents(mapper):
        parent = getattr(item, relation) if local == column else None
        if parent is not None and parent not in new:
            return getattr(parent, remote)
    return None


@cache
def _parents(mapper: Mapper[Any]) -> tuple[tuple[str, str, str], ...]:
    """The columns of a child that its parents fill in: column, relation, the parent's column."""
    return tuple(
        (str(local.name), relation.key, str(remote.name))
        for relation in mapper.relationships
        if relation.direction is MANYTOONE
        for local, remote in relation.local_remote_pairs or ()
    )


def _former(item: Any, columns: Iterable[str]) -> dict[str, Any]:
    """The values that the database still has of columns that were set."""
    attributes = inspect(item).attrs
    found = {}
    for name in columns:
        history = attributes[name].load_history()
        if history.added and history.deleted and str(history.deleted[0]) != str(history.added[0]):
            found[name] = history.deleted[0]
    return found


def _of_statement(state: ORMExecuteState) -> Iterator[Change]:
    statement: Any = state.statement
    table = statement.table
    columns = tuple(column.name for column in table.columns) if table.name in JUDGED else _belonging(table)
    if not columns or table not in Base.metadata.tables.values():
        return
    if state.is_insert:
        for row in _inserted(state, statement, columns):
            yield Change(str(table.name), None, row, wholesale=True)
        return
    asked = select(*(table.columns[name] for name in columns)).distinct()
    if statement.whereclause is not None:
        asked = asked.where(statement.whereclause)
    for found in state.session.connection().execute(asked).mappings():
        yield Change(str(table.name), dict(found), None, wholesale=True)


def _inserted(state: ORMExecuteState, statement: Any, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The rows of an insertion, as far as the columns go: from its parameters, or from the statement itself."""
    given: Any = state.parameters
    if given:
        for row in given if isinstance(given, list) else [given]:
            yield {name: row.get(name) for name in columns}
        return
    # One row has its values under the columns' names, the others under these with their number.
    values = statement.compile(dialect=state.session.get_bind().dialect).params
    rows: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        name, _, number = key.rpartition("_m")
        column, row = (name, number) if name and number.isdecimal() else (key, "")
        if column in columns:
            rows.setdefault(row, dict.fromkeys(columns))[column] = value
    yield from rows.values()
