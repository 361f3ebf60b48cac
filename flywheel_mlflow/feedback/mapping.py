"""How the fields of a foreign file become those of an event."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, ValidationError, field_validator, model_validator

from flywheel_mlflow.base.canonical import canonical_json, digest_of
from flywheel_mlflow.base.documents import load_model, parse_json, value_at
from flywheel_mlflow.base.errors import DocumentError, InputError, UnknownName
from flywheel_mlflow.base.paths import parse_path
from flywheel_mlflow.feedback.events import COLUMNS, REQUIRED, read_time
from flywheel_mlflow.promises.strict import Strict, Text

if TYPE_CHECKING:
    import pyarrow as pa

ForeignField = Annotated[str, StringConstraints(min_length=1, max_length=250)]
EventField = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
#: Ways to a value, tried in this order.
Alternatives = Annotated[tuple[ForeignField, ...], Field(min_length=1, max_length=10)]

#: Where the mappings lie that are shipped, by the tool whose exports they read.
_SHIPPED = resources.files("flywheel_mlflow.feedback") / "mappings"
#: In a condition: whatever is said, as long as something is.
ANYTHING = "*"
_PLACE = re.compile(r"\{([^{}]+)\}")


def _time_format(value: str) -> str:
    if value in ("iso", *_PER_SECOND):
        return value
    try:
        if "%" not in value or datetime.now(UTC).strftime(value) == value:
            raise ValueError("no directive")
        datetime.strptime(datetime.now(UTC).strftime(value), value)  # noqa: DTZ007 - only whether it can be read
    except ValueError as error:
        raise ValueError("write iso, epoch_s, epoch_ms, or a pattern such as %d/%b/%y %I:%M %p") from error
    return value


def _known_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no such time zone: write it as UTC or Europe/Berlin") from error
    return value


def _known_encoding(value: str) -> str:
    try:
        "".encode(value)
    except (LookupError, ValueError) as error:
        raise ValueError("no such encoding of texts: write it as utf-8, utf-16 or cp1252") from error
    return value


TimeFormat = Annotated[str, StringConstraints(max_length=60), AfterValidator(_time_format)]
Zone = Annotated[str, StringConstraints(max_length=80), AfterValidator(_known_zone)]
Encoding = Annotated[str, StringConstraints(max_length=40), AfterValidator(_known_encoding)]

_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1000}
#: 3000-01-01: a number beyond is of another unit than the mapping says.
_MAX_SECONDS = 32_503_680_000


#: Their field: the values, one of which it has.
Condition = dict[ForeignField, tuple[str, ...]]


class PassedOver:
    """What a row is that a mapping does not take."""


#: The one of its kind.
PASSED_OVER = PassedOver()


class Preference(Strict):
    """How a tool tells which of two answers was preferred."""

    choice: ForeignField | Alternatives = Field(description="The field that says which.")
    answers: dict[Text, ForeignField] = Field(
        min_length=2, max_length=2, description="What it says: the field with the answer that is meant by it."
    )


class ColumnMapping(Strict):
    """Which foreign field becomes which field of an event.

    A foreign field is a column's name, or in JSON a path: `a.b`, `a[0].b`. Where several are named the first that says
    something counts. One with braces is a text made of others, `{name}: {value}`, which says nothing where one of them
    says nothing. Fields that no column names are not taken.
    """

    columns: dict[EventField, ForeignField | Alternatives] = Field(description="Our field: theirs.")
    values: dict[EventField, dict[str, Text | None]] = Field(
        default_factory=dict,
        description="Our field: their value: ours. Values that are not listed stay as they are; with `*`: null they "
        "are left out.",
    )
    constants: dict[EventField, Text] = Field(default_factory=dict, description="Our field: one value for all events.")
    preference: Preference | None = Field(
        default=None, description="Fills chosen and rejected from a choice between two answers."
    )
    only: dict[EventField, Condition] = Field(
        default_factory=dict, description="Our field: which rows it is taken from, said as under `take`."
    )
    take: tuple[Condition, ...] = Field(
        default=(),
        max_length=20,
        description="Rows that are taken, all if left out: those that meet one of these, each a list of values for "
        "each of some fields; `*` stands for any value. The others ask for nothing, and are counted.",
    )
    rows: ForeignField | None = Field(default=None, description="JSON: where the list of rows is, such as issues.")
    time_format: TimeFormat = Field(
        default="iso", description="How their times are written: iso, epoch_s, epoch_ms, or a pattern of strptime."
    )
    time_zone: Zone | None = Field(default=None, description="Zone of times that state none, such as Europe/Berlin.")
    observed: datetime | None = Field(default=None, description="The time of events that state none, with its zone.")
    encoding: Encoding | None = Field(
        default=None, description="How a text file is encoded, such as cp1252; UTF-8, or what its first bytes say."
    )

    @field_validator("columns", "values", "constants", "only")
    @classmethod
    def _names_fields_of_events(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - set(COLUMNS))
        if unknown:
            raise ValueError(f"events have no field {', '.join(unknown)}")
        return value

    @field_validator("observed", mode="before")
    @classmethod
    def _has_a_zone(cls, value: Any) -> Any:
        return value if value is None else read_time(value)

    @model_validator(mode="after")
    def _brings_what_an_event_needs(self) -> Self:
        twice = sorted(self.columns.keys() & self.constants.keys())
        if twice:
            raise ValueError(f"{', '.join(twice)}: a column and a constant")
        given = {*self.columns, *self.constants, *(("time",) if self.observed else ())}
        missing = [name for name in REQUIRED if name not in given]
        if missing or "id" not in self.columns:
            raise ValueError(f"an event cannot do without {', '.join(missing or ['a column for its id'])}")
        if {"record_ids", "time"} & (self.values.keys() | self.constants.keys()):
            raise ValueError("record_ids and time come from columns as they are")
        if self.preference and {"chosen", "rejected"} & given:
            raise ValueError("chosen and rejected: a preference and a column")
        return self

    @property
    def digest(self) -> str:
        """sha256 of the mapping: the same file read otherwise is another file."""
        return digest_of(self.model_dump(mode="json", exclude_defaults=True))

    @cached_property
    def is_columnar(self) -> bool:
        """Whether whole columns can be read by it; else each row is looked at by itself."""
        return not (
            self.take
            or self.only
            or self.preference
            or self.observed
            or any(ANYTHING in listed or None in listed.values() for listed in self.values.values())
            or "%" in self.time_format
            or any(not isinstance(theirs, str) or _is_row_wise(theirs) for theirs in self.columns.values())
        )

    @cached_property
    def plain_columns(self) -> dict[str, str]:
        """Our field: theirs, of a mapping that is columnar."""
        return {name: theirs for name, theirs in self.columns.items() if isinstance(theirs, str)}

    @cached_property
    def foreign_fields(self) -> frozenset[str]:
        """Every foreign field that it asks for."""
        found = [*self.columns.values(), *(key for item in (*self.take, *self.only.values()) for key in item)]
        if self.preference:
            found += [self.preference.choice, *self.preference.answers.values()]
        return frozenset(name for item in found for one in _several(item) for name in (_PLACE.findall(one) or (one,)))

    def missing_for_id(self, names: Sequence[str]) -> str:
        """The column without which a table of these columns has no ids; empty where it has what they are made of."""
        missing = ""
        for one in _several(self.columns["id"]):
            wanted = _PLACE.findall(one) or [one]
            lacking = [name for name in wanted if name not in names]
            if not lacking:
                return ""
            missing = missing or lacking[0]
        return missing

    def row(self, foreign: Mapping[str, Any], *, nested: bool) -> dict[str, Any] | PassedOver:
        """The event's fields that one foreign row has, not yet judged; ``nested`` says that paths walk into values."""
        if self.take and not any(self._takes(item, foreign, nested=nested) for item in self.take):
            return PASSED_OVER
        found: dict[str, Any] = dict(self.constants)
        for name, theirs in self.columns.items():
            if name in self.only and not self._takes(self.only[name], foreign, nested=nested):
                continue
            value = _first(theirs, foreign, nested=nested)
            if value is not None and (own := self._value(name, value)) is not None:
                found[name] = own
        if self.observed is not None:
            found.setdefault("time", self.observed)
        if self.preference is not None:
            found |= _preferred(self.preference, foreign, nested=nested)
        return found

    def _takes(self, wanted: Condition, foreign: Mapping[str, Any], *, nested: bool) -> bool:
        for theirs, values in wanted.items():
            value = _look_up(theirs, foreign, nested=nested)
            if value is None or not (ANYTHING in values or _as_text(value) in values):
                return False
        return True

    def _value(self, name: str, value: Any) -> Any:
        if name == "time" and self.time_format in _PER_SECOND:
            return _epoch(value, _PER_SECOND[self.time_format])
        if name == "time":
            return _local(value, self.time_zone, self.time_format)
        if name == "record_ids":
            return value
        if isinstance(value, dict | list):
            value = _json(value)  # corrections and answers are often objects
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # ids are often numbers elsewhere
        if isinstance(value, str):
            listed = self.values.get(name, {})
            return listed.get(value, listed.get(ANYTHING, value))
        return value

    def table(self, foreign: pa.Table) -> pa.Table:
        """The same for whole columns, strings (epochs: or whole numbers), which have our names already."""
        import pyarrow as pa

        rows = foreign.num_rows
        found = {
            name: pa.array([value], pa.string()).take(pa.repeat(0, rows)) for name, value in self.constants.items()
        }
        for name in self.columns.keys() & set(foreign.column_names):
            column = foreign.column(name)
            if name == "time" and self.time_format != "iso":
                column = _epochs(column, _PER_SECOND[self.time_format])
            elif name in self.values:
                column = _translated(column, {theirs: ours for theirs, ours in self.values[name].items() if ours})
            found[name] = column
        return pa.table(found)


def shipped_mappings() -> tuple[str, ...]:
    """The tools whose exports a shipped mapping reads, by name."""
    names = (item.name for item in _SHIPPED.iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml")))


def shipped_text(name: str) -> str:
    """The file of a shipped mapping.

    Raises:
        UnknownName: none is called so.
    """
    if name not in shipped_mappings():
        raise UnknownName("mapping", name, shipped_mappings(), where="`flywheel feedback mappings` lists them")
    return (_SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")


def with_times(mapping: ColumnMapping, *, zone: str = "", observed: str = "") -> ColumnMapping:
    """The mapping with the zone of times that state none, and the time of events that state none.

    Raises:
        InputError: no such zone or time.
    """
    said = {"time_zone": zone, "observed": observed}
    given = {name: text for name, text in said.items() if text}
    try:
        return ColumnMapping.model_validate(mapping.model_dump(exclude_unset=True) | given) if given else mapping
    except ValidationError as error:
        found = error.errors()[0]
        what = {"time_zone": "--zone", "observed": "--observed"}.get(str(found["loc"][0]) if found["loc"] else "", "")
        raise InputError(f"{what}: {found['msg'].removeprefix('Value error, ')}") from error


def read_mapping(source: str | Path) -> ColumnMapping:
    """The mapping in a YAML file, or a shipped one by its name.

    Raises:
        DocumentError: every fault of the file together. UnknownName: neither a file nor a shipped mapping.
    """
    path = Path(source)
    if isinstance(source, str) and not path.suffix and not path.exists():
        shipped_text(source)
        with resources.as_file(_SHIPPED / f"{source}.yaml") as file:
            return load_model(file, ColumnMapping)[0]
    try:
        return load_model(path, ColumnMapping)[0]
    except DocumentError as error:
        hint = "correct the mapping, then ingest again; `flywheel schema feedback_mapping` prints what it may say"
        raise DocumentError(error.faults, hint=hint) from error


def _several(item: str | tuple[str, ...]) -> tuple[str, ...]:
    return (item,) if isinstance(item, str) else item


def _is_row_wise(theirs: str) -> bool:
    """Whether a foreign field is a text made of others, or a place in a list."""
    return "{" in theirs or "[" in theirs


def _first(theirs: str | tuple[str, ...], foreign: Mapping[str, Any], *, nested: bool) -> Any:
    """What the first alternative says that says something; None where none does."""
    for one in _several(theirs):
        value = _made(one, foreign, nested=nested) if _PLACE.search(one) else _look_up(one, foreign, nested=nested)
        if value is not None:
            return value
    return None


def _made(template: str, foreign: Mapping[str, Any], *, nested: bool) -> str | None:
    """A text of several fields; None where one of them says nothing, or is no single value."""
    values = {name: _look_up(name, foreign, nested=nested) for name in _PLACE.findall(template)}
    if any(value is None or isinstance(value, dict | list) for value in values.values()):
        return None
    return _PLACE.sub(lambda found: _as_text(values[found[1]]), template)


def _look_up(name: str, foreign: Mapping[str, Any], *, nested: bool) -> Any:
    """The value of a foreign field, None where it says nothing."""
    value = foreign.get(name)
    if value is None and (parts := _parts(name))[1:]:
        # In a cell of a table a list or an object stands as JSON.
        value = value_at(foreign, parts) if nested else value_at(_from_cell(foreign.get(str(parts[0]))), parts[1:])
    return None if isinstance(value, str | list | dict) and not value else value


def _parts(name: str) -> tuple[str | int, ...]:
    try:
        return parse_path(name)
    except ValueError:
        return tuple(name.split("."))


def _from_cell(cell: Any) -> Any:
    """The list or object that a cell of a table holds as JSON; None where it holds none."""
    if not isinstance(cell, str) or not cell.startswith(("[", "{")):
        return None
    try:
        return parse_json(cell, name="cell")
    except DocumentError:
        return None


def _as_text(value: Any) -> str:
    """A value as conditions and texts have it: whole numbers without a point, JSON's words for truth."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else _json(value) if isinstance(value, dict | list) else str(value)


def _json(value: Any) -> str:
    """A list or object as JSON; what JSON cannot hold, an infinite number say, by its word: the text is for people."""
    try:
        return canonical_json(value)
    except (TypeError, ValueError):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _preferred(rule: Preference, foreign: Mapping[str, Any], *, nested: bool) -> dict[str, Any]:
    """The preferred answer and the other one; nothing where the choice is neither, or an answer is missing."""
    choice = _first(rule.choice, foreign, nested=nested)
    answers = {key: _look_up(field, foreign, nested=nested) for key, field in rule.answers.items()}
    chosen = answers.pop(_as_text(choice), None) if choice is not None else None
    if chosen is None or len(answers) != 1 or None in answers.values():
        return {}
    (rejected,) = answers.values()
    return {"chosen": _as_text(chosen), "rejected": _as_text(rejected)}


def _local(value: Any, zone: str | None, written: str) -> Any:
    """A time with the zone of the mapping where it states none; what is no time stays, to be refused."""
    known = ZoneInfo(zone) if zone else None
    told = value
    if "%" in written and isinstance(value, str):
        with suppress(ValueError):  # then it may be written as ISO 8601 says
            told = datetime.strptime(value.strip(), written)  # noqa: DTZ007 - its zone is looked for next
    try:
        return read_time(told, known)
    except ValueError:
        return told


def _epoch(value: Any, per_second: int) -> Any:
    """A whole number of seconds or milliseconds as a time; anything else stays, to be refused."""
    number = (
        int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16 else value
    )
    if isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= _MAX_SECONDS * per_second:
        return datetime.fromtimestamp(number / per_second, UTC)
    return value


def _epochs(column: pa.ChunkedArray, per_second: int) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.cast(column, pa.int64())
    inside = pc.and_(pc.greater_equal(numbers, 0), pc.less_equal(numbers, _MAX_SECONDS * per_second))
    numbers = pc.if_else(inside, numbers, pa.scalar(None, pa.int64()))
    return pc.cast(pc.multiply(numbers, 1_000_000 // per_second), pa.timestamp("us", "UTC"))


def _translated(column: pa.ChunkedArray, values: Mapping[str, str]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    places = pc.index_in(column, pa.array(list(values), pa.string()))
    return pc.coalesce(pa.array(list(values.values()), pa.string()).take(places.combine_chunks()), column)
