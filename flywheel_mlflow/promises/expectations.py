"""Expectations of rows, such as ``length(content) > 20 and label != ''``: parsed, never evaluated as code."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from flywheel_mlflow.base.rules import COMPARE
from flywheel_mlflow.promises.strict import Strict

#: Of a row: True, False, or None where fields are missing.
Holds = Callable[[Mapping[str, Any]], bool | None]
_Value = Callable[[Mapping[str, Any]], Any]

MAX_LENGTH, MAX_DEPTH = 500, 20

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d{1,15}(?:\.\d{1,15})?(?:[eE][-+]?\d{1,3})?)(?![\w.])"
    r"|'(?P<single>[^']*)'|\"(?P<double>[^\"]*)\""
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_\-]*(?:\.[A-Za-z0-9_\-]+)*)"
    r"|(?P<sign><=|>=|==|!=|[<>()\[\],]))",
    re.ASCII,
)
_CONSTANTS = {"true": True, "false": False}
_WORDS = frozenset({"and", "or", "not", "in", "is", "null", "length", *_CONSTANTS})


@dataclass(frozen=True, slots=True)
class Expectation:
    """What should hold of a row: the fields it reads, by dotted path, and whether it holds of their values.

    A field that is missing or null leaves a comparison open. Values of different kinds are not equal, and neither is
    less than the other.
    """

    text: str
    fields: tuple[str, ...]
    holds: Holds = field(compare=False, repr=False)


def parse_expectation(text: str) -> Expectation:
    """The expectation a text says.

    Fields, numbers, texts in quotes, ``true`` and ``false`` are compared by ``== != < <= > >=``, ``in [...]``,
    ``not in [...]`` and ``is null``, ``is not null``, joined by ``and``, ``or``, ``not`` and parentheses.
    ``length(FIELD)`` counts the characters of a text or the elements of a list.

    Raises:
        ValueError: it cannot be read, with the place.
    """
    parser = _Parser(text)
    holds = parser.any_of(0)
    if parser.kind != "end":
        parser.fail("expected 'and', 'or' or the end")
    if not parser.fields:
        raise ValueError(f"{text[:80]!r} reads no field")
    return Expectation(text, tuple(dict.fromkeys(parser.fields)), holds)


def _checked(text: str) -> str:
    parse_expectation(text)
    return text


ExpectationText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH), AfterValidator(_checked)]
#: A file below the folder of the project.
SuiteFile = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*$", max_length=250)
]


class Suite(Strict):
    """A suite of another library, which that library runs over the data while they are logged."""

    great_expectations: SuiteFile | None = Field(
        default=None, description="A suite of Great Expectations as JSON, a file of the project."
    )
    pandera: SuiteFile | None = Field(default=None, description="A schema of pandera as YAML, a file of the project.")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.great_expectations is None) == (self.pandera is None):
            raise ValueError("name one library with its file: great_expectations or pandera")
        return self

    @property
    def library(self) -> str:
        """The library that runs it, as Python imports it."""
        return "pandera" if self.great_expectations is None else "great_expectations"

    @property
    def file(self) -> str:
        """Where it lies below the project's folder."""
        return self.great_expectations or self.pandera or ""


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    at = 0
    while text[at:].strip():
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"cannot read {text[at : at + 40].strip()!r} at character {at + 1}")
        kind = str(match.lastgroup)
        yield kind, match[kind], match.start(kind) + 1
        at = match.end()
    yield "end", "", len(text) + 1


class _Parser:
    """Reads an expectation from its tokens, one ahead."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self.fields: list[str] = []
        self._next()

    def _next(self) -> str:
        before = getattr(self, "value", "")
        self.kind, self.value, self.at = next(self._tokens)
        return before

    def fail(self, expected: str) -> None:
        """Raises ValueError at the token that was not expected."""
        what = repr(self.value[:40]) if self.kind != "end" else "the end"
        raise ValueError(f"{expected} at character {self.at}, not {what}")

    def _is(self, kind: str, *values: str) -> bool:
        return self.kind == kind and self.value in values

    def _take(self, kind: str, value: str) -> None:
        if not self._is(kind, value):
            self.fail(f"expected {value!r}")
        self._next()

    def any_of(self, depth: int) -> Holds:
        """Parts joined by ``or``."""
        return self._joined("or", True, lambda: self._joined("and", False, lambda: self._not(depth)))

    def _joined(self, word: str, decisive: bool, part: Callable[[], Holds]) -> Holds:
        parts = [part()]
        while self._is("name", word):
            self._next()
            parts.append(part())
        return parts[0] if len(parts) == 1 else lambda row: _join(decisive, (one(row) for one in parts))

    def _not(self, depth: int) -> Holds:
        if depth > MAX_DEPTH:
            self.fail("expected fewer parentheses")
        if self._is("name", "not"):
            self._next()
            inner = self._not(depth + 1)
            return lambda row: None if (found := inner(row)) is None else not found
        if self._is("sign", "("):
            self._next()
            inner = self.any_of(depth + 1)
            self._take("sign", ")")
            return inner
        return self._comparison()

    def _comparison(self) -> Holds:
        left = self._operand()
        if self.kind == "sign" and self.value in COMPARE:
            compare = COMPARE[self._next()]
            right = self._operand()
            return lambda row: _compared(compare, left(row), right(row))
        negated = False
        if self._is("name", "is"):
            self._next()
            if self._is("name", "not"):
                negated = bool(self._next())
            self._take("name", "null")
            return lambda row: (left(row) is None) != negated
        if self._is("name", "not"):
            negated = bool(self._next())
        if not self._is("name", "in"):
            self.fail("expected a comparison (== != < <= > >=), 'in' or 'is null'")
        self._next()
        allowed = self._list()

        def is_in(row: Mapping[str, Any]) -> bool | None:
            value = left(row)
            return None if value is None else any(_compared(operator.eq, value, one) for one in allowed) != negated

        return is_in

    def _list(self) -> list[Any]:
        self._take("sign", "[")
        values = [self._literal()]
        while self._is("sign", ","):
            self._next()
            values.append(self._literal())
        self._take("sign", "]")
        return values

    def _literal(self) -> Any:
        if self.kind == "number":
            return float(self._next())
        if self.kind in ("single", "double"):
            return self._next()
        if self.kind == "name" and self.value in _CONSTANTS:
            return _CONSTANTS[self._next()]
        self.fail("expected a number, a text in quotes, true or false")
        raise AssertionError  # unreachable: fail raises

    def _operand(self) -> _Value:
        if self._is("name", "length"):
            self._next()
            self._take("sign", "(")
            path = self._field()
            self._take("sign", ")")
            return lambda row: len(value) if isinstance(value := row[path], Sized) else None
        if self.kind == "name" and self.value not in _CONSTANTS:
            path = self._field()
            return lambda row: row[path]
        value = self._literal()
        return lambda _: value

    def _field(self) -> str:
        if self.kind != "name" or self.value in _WORDS:
            self.fail("expected a field")
        self.fields.append(self.value)
        return self._next()


def _join(decisive: bool, outcomes: Iterator[bool | None]) -> bool | None:
    unknown = False
    for outcome in outcomes:
        if outcome is decisive:
            return decisive
        unknown = unknown or outcome is None
    return None if unknown else not decisive


def _compared(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    alike = _kind(left) is _kind(right)
    if not alike or (_kind(left) is bool and compare not in (operator.eq, operator.ne)):
        return compare is operator.ne and not alike
    return compare(left, right)


def _kind(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)
