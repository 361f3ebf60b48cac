"""Sees every row that a request is about to write into MLflow's stores, whatever its handler, and lets it be judged.

A handler reads ids, names and aliases in its own way, and the database compares them in its own. The rows that come out
of both are what counts: they are looked at here, within the transaction, before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
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


@cache
def _mapper(kind: type) -> Mapper[Any] | None:
    """How MLflow's stores map a class; None for classes of anybody else."""
    return inspect(kind) if issubclass(kind, Base) else None


@cache
def _belonging(table: Any) -> tuple[str, ...]:
    """The columns of a table that say where its rows belong."""
    names = (*RUN_COLUMNS, "experiment_id", *(ENDS if table.name in TIES else ()))
    return tuple(name for name in names if name in table.columns)


def _of_objects(session: Session) -> Iterator[Change]:
    # Asked once: each of them is made anew for whoever asks.
    new, dirty, deleted = set(session.new), set(session.dirty), set(session.deleted)
    seen = set()
    for item in chain(new, dirty, deleted):
        mapper = _mapper(item.__class__)
        if mapper is None:
            continue
        table = str(mapper.local_table.name)  # type: ignore[attr-defined]  # a table has a name
        if table in JUDGED:
            names = [attribute.key for attribute in mapper.column_attrs]
            now = {name: _value(mapper, item, name) for name in names}
            former = _former(item, names) if item in dirty else {}
            if item in deleted or item in new:
                yield Change(table, now, None) if item in deleted else Change(table, None, now)
            elif former:
                yield Change(table, now | former, now)
            continue
        # A batch has thousands of these: each owner once.
        columns = _belonging(mapper.local_table)
        owners = {tuple(_owner(mapper, item, name, new) for name in columns)}
        if item in dirty:
            former = _former(item, columns)
            owners.add(tuple(former.get(name, getattr(item, name)) for name in columns))
        for owner in owners:
            if (table, owner) not in seen and any(value is not None for value in owner):
                seen.add((table, owner))
                yield Change(table, None, dict(zip(columns, owner, strict=True)))


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
