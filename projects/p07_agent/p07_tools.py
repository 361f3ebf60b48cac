"""The agent's tools, really executed: search, SQL, calendar, arithmetic, memory."""

from __future__ import annotations

import ast
import operator
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

_OPERATORS: Mapping[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.USub: operator.neg,
}
#: Longer expressions and larger numbers than these are no office arithmetic.
_MOST_CHARACTERS = 200
_LARGEST = 1e12
_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION})
_MOST_ROWS = 20
_DAY_ENDS = "17:00"
_LONGEST_MEETING = 480

#: What each tool takes and gives; a call is checked against this before the tool runs.
SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "name": "search",
        "description": "Full-text search; every word must occur.",
        "parameters": {"query": "string", "collection": "string"},
        "returns": "up to 3 documents: id, title, text",
        "errors": ["bad_arguments", "no_hits"],
        "permission": "read",
    },
    {
        "name": "sql",
        "description": "One SELECT over the table stock(item, warehouse, quantity, price).",
        "parameters": {"query": "string"},
        "returns": f"rows, at most {_MOST_ROWS}",
        "errors": ["bad_arguments", "sql_error"],
        "permission": "read",
    },
    {
        "name": "calendar",
        "description": "Book a meeting; days are written 2025-03-31, times 14:30.",
        "parameters": {"day": "string", "start": "string", "minutes": "integer", "title": "string"},
        "returns": "the booking",
        "errors": ["bad_arguments", "conflict"],
        "permission": "write",
    },
    {
        "name": "python",
        "description": "Arithmetic with + - * / and brackets.",
        "parameters": {"expression": "string"},
        "returns": "a number",
        "errors": ["bad_arguments", "bad_expression"],
        "permission": "compute",
    },
    {
        "name": "memory_write",
        "description": "Keep a value under a key.",
        "parameters": {"key": "string", "value": "string"},
        "returns": "the key",
        "errors": ["bad_arguments"],
        "permission": "write",
    },
    {
        "name": "memory_read",
        "description": "The value kept under a key.",
        "parameters": {"key": "string"},
        "returns": "the value",
        "errors": ["bad_arguments", "unknown_key"],
        "permission": "read",
    },
)
#: What a schema must say for an agent to learn from it.
SCHEMA_FIELDS = ("name", "description", "parameters", "returns", "errors", "permission")
_TYPES: Mapping[str, type] = {"string": str, "integer": int}


@dataclass(frozen=True, slots=True)
class Observation:
    """What a tool said: a result, or an error with a code and what helps to correct the call."""

    ok: bool
    value: Any = None
    error: str = ""
    message: str = ""
    hints: Mapping[str, Any] = field(default_factory=dict)


class ToolError(Exception):
    """A call that a tool cannot answer; it becomes an observation."""

    def __init__(self, code: str, message: str, **hints: Any) -> None:
        super().__init__(message)
        self.code, self.hints = code, hints


class Environment:
    """One fresh world for one trajectory: nothing a trajectory writes is seen by another.

    Args:
        library: the database behind search and SQL, which are only read.
        meetings: meetings that stand in the calendar already: day, start, minutes.
        keeps_memory: False for a memory that forgets what it is given.
    """

    def __init__(
        self,
        library: sqlite3.Connection,
        meetings: Iterable[Mapping[str, Any]],
        *,
        keeps_memory: bool = True,
    ) -> None:
        self._library = library
        self._meetings = [_span(item["day"], item["start"], item["minutes"]) for item in meetings]
        self._memory: dict[str, str] = {}
        self._keeps_memory = keeps_memory
        self._tools: Mapping[str, Callable[..., Any]] = {
            "search": self._search,
            "sql": self._sql,
            "calendar": self._book,
            "python": calculate,
            "memory_write": self._remember,
            "memory_read": self._recall,
        }

    def call(self, tool: str, arguments: Mapping[str, Any]) -> Observation:
        """Run a tool; whatever goes wrong in it becomes an observation."""
        try:
            _check_arguments(tool, arguments)
            return Observation(ok=True, value=self._tools[tool](**arguments))
        except ToolError as error:
            return Observation(ok=False, error=error.code, message=str(error), hints=error.hints)

    def _search(self, query: str, collection: str) -> list[dict[str, str]]:
        words = [f'"{word}"' for word in re.findall(r"\w+", query)]
        if not words:
            raise ToolError("bad_arguments", "the query holds no word")
        rows = self._library.execute(
            "SELECT id, title, text FROM documents WHERE documents MATCH ? AND collection = ?"
            " ORDER BY bm25(documents), id LIMIT 3",
            (" ".join(words), collection),
        ).fetchall()
        if not rows:
            raise ToolError("no_hits", "no document holds all of these words")
        return [{"id": row[0], "title": row[1], "text": row[2]} for row in rows]

    def _sql(self, query: str) -> list[list[Any]]:
        self._library.set_authorizer(_reading_only)
        try:
            with closing(self._library.execute(query)) as cursor:
                return [list(row) for row in cursor.fetchmany(_MOST_ROWS)]
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            # Two statements are a Warning on Python 3.11, a NUL or half a surrogate pair a ValueError.
            raise ToolError("sql_error", str(error), columns=list(STOCK_COLUMNS)) from error
        finally:
            self._library.set_authorizer(None)

    def _book(self, day: str, start: str, minutes: int, title: str) -> dict[str, Any]:
        begin, end = _span(day, start, minutes)
        busy = [span for span in self._meetings if span[0] < end and begin < span[1]]
        if busy:
            free = max(span[1] for span in busy)
            raise ToolError("conflict", "another meeting is booked then", free_from=f"{free:%H:%M}")
        if f"{end:%H:%M}" > _DAY_ENDS or end.date() != begin.date():
            raise ToolError("conflict", "the office is closed then")
        self._meetings.append((begin, end))
        return {"day": day, "start": start, "minutes": minutes, "title": title}

    def _remember(self, key: str, value: str) -> str:
        if self._keeps_memory:
            self._memory[key] = value
        return key

    def _recall(self, key: str) -> str:
        if key not in self._memory:
            raise ToolError("unknown_key", "nothing is kept under this key", known=sorted(self._memory))
        return self._memory[key]


STOCK_COLUMNS = ("item", "warehouse", "quantity", "price")


def open_library(
    documents: Iterable[tuple[str, str, str, str]], stock: Iterable[tuple[str, str, int, float]]
) -> sqlite3.Connection:
    """The database behind search and SQL: (collection, id, title, text) of documents, and the rows of ``stock``.

    Both tools only read, so that one database serves every trajectory.
    """
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE documents USING fts5(collection UNINDEXED, id UNINDEXED, title, text)")
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?)", documents)
    connection.execute("CREATE TABLE stock (item TEXT, warehouse TEXT, quantity INTEGER, price REAL)")
    connection.executemany("INSERT INTO stock VALUES (?, ?, ?, ?)", stock)
    connection.commit()
    return connection


def _reading_only(action: int, table: str | None, *_more: Any) -> int:
    allowed = action in _READING and (action != sqlite3.SQLITE_READ or table == "stock")
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _check_arguments(tool: str, arguments: Mapping[str, Any]) -> None:
    schema = next((item for item in SCHEMAS if item["name"] == tool), None)
    if schema is None:
        raise ToolError("bad_arguments", f"there is no tool {tool}")
    wanted = schema["parameters"]
    if set(arguments) != set(wanted):
        raise ToolError("bad_arguments", f"{tool} takes {', '.join(wanted)}", parameters=list(wanted))
    for name, value in arguments.items():
        if type(value) is not _TYPES[wanted[name]]:
            raise ToolError("bad_arguments", f"{name} is no {wanted[name]}")


def _span(day: str, start: str, minutes: int) -> tuple[datetime, datetime]:
    if not 1 <= minutes <= _LONGEST_MEETING:
        raise ToolError("bad_arguments", f"a meeting takes 1 to {_LONGEST_MEETING} minutes")
    try:
        begin = datetime.combine(date.fromisoformat(day), datetime.strptime(start, "%H:%M").time())  # noqa: DTZ007
    except ValueError as error:
        raise ToolError("bad_arguments", "a day is written 2025-03-31, a time 14:30") from error
    return begin, begin + timedelta(minutes=minutes)


def calculate(expression: str) -> float:
    """The value of an arithmetic expression, by walking its syntax tree: no name is looked up, nothing is called.

    Raises:
        ToolError: it is no arithmetic, or out of range.
    """
    if len(expression) > _MOST_CHARACTERS:
        raise ToolError("bad_expression", "the expression is too long")
    try:
        value = _value(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ZeroDivisionError, ValueError, RecursionError) as error:
        raise ToolError("bad_expression", f"cannot be worked out: {error}") from error
    return value


def _value(node: ast.AST) -> float:
    found: float
    # A Boolean is an int to isinstance, and no number to anybody else.
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        found = node.value
    elif isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        found = _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _OPERATORS:
        found = _OPERATORS[type(node.op)](_value(node.operand))
    else:
        raise ValueError(f"{type(node).__name__} is no arithmetic")
    if abs(found) > _LARGEST:
        raise ValueError("out of range")
    return found
