"""How the fields of a foreign file become those of an event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import load_model, value_at
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.feedback.events import COLUMNS, REQUIRED, read_time
from flywheel_mlflow.promises.strict import Strict, Text

if TYPE_CHECKING:
    import pyarrow as pa

ForeignField = Annotated[str, StringConstraints(min_length=1, max_length=250)]
EventField = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]
TimeFormat = Literal["iso", "epoch_s", "epoch_ms"]


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


Zone = Annotated[str, StringConstraints(max_length=80), AfterValidator(_known_zone)]
Encoding = Annotated[str, StringConstraints(max_length=40), AfterValidator(_known_encoding)]

_PER_SECOND = {"epoch_s": 1, "epoch_ms": 1000}
#: 3000-01-01: a number beyond is of another unit than the mapping says.
_MAX_SECONDS = 32_503_680_000


class ColumnMapping(Strict):
    """Which foreign field becomes which field of an event.

    A dot in a foreign name walks into a nested object (JSONL only). Fields that no column names are not taken.
    """

    columns: dict[EventField, ForeignField] = Field(description="Our field: theirs.")
    values: dict[EventField, dict[str, Text]] = Field(
        default_factory=dict, description="Our field: their value: ours; values that are not listed stay as they are."
    )
    constants: dict[EventField, Text] = Field(default_factory=dict, description="Our field: one value for all events.")
    time_format: TimeFormat = Field(default="iso", description="How their times are written; epochs count in UTC.")
    time_zone: Zone | None = Field(default=None, description="Zone of times that state none, such as Europe/Berlin.")
    encoding: Encoding | None = Field(
        default=None, description="How a text file is encoded, such as cp1252; UTF-8, or what its first bytes say."
    )

    @field_validator("columns", "values", "constants")
    @classmethod
    def _names_fields_of_events(cls, value: dict[str, Any]) -> dict[str, Any]:
        unknown = sorted(set(value) - set(COLUMNS))
        if unknown:
            raise ValueError(f"events have no field {', '.join(unknown)}")
        return value

    @model_validator(mode="after")
    def _brings_what_an_event_needs(self) -> Self:
        twice = sorted(self.columns.keys() & self.constants.keys())
        if twice:
            raise ValueError(f"{', '.join(twice)}: a column and a constant")
        missing = [name for name in REQUIRED if name not in self.columns and name not in self.constants]
        if missing or "id" not in self.columns:
            raise ValueError(f"an event cannot do without {', '.join(missing or ['a column for its id'])}")
        if {"record_ids", "time"} & (self.values.keys() | self.constants.keys()):
            raise ValueError("record_ids and time come from columns as they are")
        return self

    @property
    def digest(self) -> str:
        """sha256 of the mapping: the same file read otherwise is another file."""
        return digest_of(self)

    def row(self, foreign: Mapping[str, Any], *, nested: bool) -> dict[str, Any]:
        """The event's fields that one foreign row has, not yet judged; ``nested`` says that dots walk into objects."""
        found: dict[str, Any] = dict(self.constants)
        for name, path in self.columns.items():
            value = value_at(foreign, path.split(".")) if nested else foreign.get(path)
            if value is None or value == "":
                continue
            found[name] = self._value(name, value)
        return found

    def _value(self, name: str, value: Any) -> Any:
        if name == "time" and self.time_format != "iso":
            return _epoch(value, _PER_SECOND[self.time_format])
        if name == "time":
            return _local(value, self.time_zone)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # ids are often numbers elsewhere
        if isinstance(value, str):
            return self.values.get(name, {}).get(value, value)
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
                column = _translated(column, self.values[name])
            found[name] = column
        return pa.table(found)


def read_mapping(path: Path) -> ColumnMapping:
    """The mapping in a YAML file.

    Raises:
        DocumentError: every fault of the file together.
    """
    try:
        return load_model(path, ColumnMapping)[0]
    except DocumentError as error:
        hint = "correct the mapping, then ingest again; `flywheel schema feedback_mapping` prints what it may say"
        raise DocumentError(error.faults, hint=hint) from error


def _local(value: Any, zone: str | None) -> Any:
    """A time with the zone of the mapping where it states none; what is no time stays, to be refused."""
    try:
        return read_time(value, ZoneInfo(zone) if zone else None)
    except ValueError:
        return value


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
