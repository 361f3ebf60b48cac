"""Holds the enterprise's database, and lets through reading only."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flywheel_mlflow.base.errors import InputError

#: What SQLite may be asked to do for a question: nothing that changes anything.
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
#: A column of which this share of values has the form of personal data holds personal data.
_PERSONAL_SHARE = 0.5
_SAMPLED_ROWS = 20


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query returned; ``error`` is SQLite's reason when it returned nothing at all."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Warehouse:
    """A SQLite file, its tables with their columns, and the columns nobody may read (``table.column``)."""

    path: Path
    tables: Mapping[str, tuple[str, ...]]
    denied: frozenset[str]

    def read(self, sql: str, *, limit: int, guarded: bool = True) -> Rows:
        """The rows of a query, at most ``limit``; unguarded, whatever the SQL says is done, then undone."""
        with self._open(guarded=guarded) as connection:
            try:
                if guarded:
                    cursor = connection.execute(sql)
                else:
                    *before, last = [part for part in sql.split(";") if part.strip()]
                    for statement in before:
                        connection.execute(statement)
                    cursor = connection.execute(last)
                names = tuple(column[0] for column in cursor.description or ())
                return Rows(names, tuple(cursor.fetchmany(limit)))
            except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
                # Two statements are a Warning on Python 3.11, a NUL or half a surrogate pair a ValueError.
                return Rows((), (), str(error))

    def values_of(self, column: str) -> tuple[str, ...]:
        """The different values of a text column.

        Raises:
            InputError: the column may not be read, or does not exist.
        """
        table, name = column.split(".", 1)
        if column in self.denied or name not in self.tables.get(table, ()):
            raise InputError(f"no values of {column}", hint="it is personal data, or not in the schema")
        # Both names were just found in the schema.
        with self._open(guarded=True) as connection:
            rows = connection.execute(f'SELECT DISTINCT "{name}" FROM "{table}" ORDER BY 1')  # noqa: S608
            return tuple(str(row[0]) for row in rows)

    @contextmanager
    def _open(self, *, guarded: bool) -> Iterator[sqlite3.Connection]:
        mode = "ro" if guarded else "rw"
        connection = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", uri=True, isolation_level=None)
        try:
            if guarded:
                connection.set_authorizer(self._authorise)
            else:
                connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.rollback()
            connection.close()

    def _authorise(self, action: int, table: str | None, column: str | None, *_more: Any) -> int:
        if action not in _READING:
            return sqlite3.SQLITE_DENY
        if action == sqlite3.SQLITE_READ and f"{table}.{column}" in self.denied:
            return sqlite3.SQLITE_DENY
        return sqlite3.SQLITE_OK


def load_warehouse(
    schema: str, tables: Path, path: Path, rules: Iterable[Mapping[str, Any]], renamed: Mapping[str, str] | None = None
) -> Warehouse:
    """Make the database from its schema and CSV files, and find out which columns hold personal data.

    ``renamed`` gives columns of the warehouse another name than the schema of the semantic layer knows.
    """
    for old, new in (renamed or {}).items():
        schema = re.sub(rf"\b{re.escape(old)}\b", new, schema)
    connection = sqlite3.connect(path)
    with connection:
        connection.executescript(schema)
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        columns = {name: tuple(row[1] for row in connection.execute(f'PRAGMA table_info("{name}")')) for name in names}
        for name in names:
            with (tables / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
                _, *rows = csv.reader(stream)
            marks = ", ".join("?" for _ in columns[name])
            connection.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)  # noqa: S608 - names of the schema
        denied = _personal_columns(connection, columns, tuple(rules))
    connection.close()
    return Warehouse(path, columns, denied)


def _personal_columns(
    connection: sqlite3.Connection, columns: Mapping[str, tuple[str, ...]], rules: tuple[Mapping[str, Any], ...]
) -> frozenset[str]:
    fields = {str(field) for rule in rules for field in rule.get("fields") or ()}
    forms = [re.compile(str(rule["pattern"]), re.ASCII) for rule in rules if rule.get("pattern")]
    found = set()
    for table, names in columns.items():
        rows = connection.execute(f'SELECT * FROM "{table}" LIMIT {_SAMPLED_ROWS}').fetchall()  # noqa: S608
        for place, name in enumerate(names):
            values = [unicodedata.normalize("NFKC", row[place]) for row in rows if isinstance(row[place], str)]
            hits = sum(any(form.search(value) for form in forms) for value in values)
            if name in fields or (values and hits >= _PERSONAL_SHARE * len(values)):
                found.add(f"{table}.{name}")
    return frozenset(found)


def privacy_rules(controls: Path) -> tuple[Mapping[str, Any], ...]:
    """The rules of the privacy controls.

    Raises:
        InputError: the controls state none.
    """
    document = json.loads(controls.read_text(encoding="utf-8"))
    rules = document.get("rules") if isinstance(document, Mapping) else None
    stated = tuple(rule for rule in rules or () if isinstance(rule, Mapping) and rule.get("kind"))
    if not stated:
        raise InputError("the privacy controls state no rules", where=controls.name)
    return stated
