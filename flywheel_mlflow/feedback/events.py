"""One observation, as strictly as it is taken in, and the same as columns of Arrow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError, model_validator

from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.promises.contract import GapType
from flywheel_mlflow.promises.routes import Scope, Severity, Source
from flywheel_mlflow.promises.strict import Strict

if TYPE_CHECKING:
    import pyarrow as pa

#: A line this long is read as an event; a longer one is a file in the wrong place. Users do paste whole logs.
MAX_EVENT_BYTES = 2 * 1024 * 1024
MAX_RECORD_IDS = 1000

#: Times need a zone: feedback comes from many places, and an hour's doubt hides which came first.
TIME_PATTERN = (
    r"^[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
#: The same as other tools write it: nanoseconds, no seconds, a zone as +0200 or UTC.
_TIME = re.compile(
    r"([12][0-9]{3})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,12}))?)?)?"
    r" ?(Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?",
    re.IGNORECASE,
)
_EXAMPLE = "write it as 2026-10-01T12:00:00Z"


def read_time(value: object, zone: tzinfo | None = None) -> datetime:
    """A time as people and tools write it; digits beyond microseconds are cut off.

    ``zone`` is that of a time which states none.

    Raises:
        ValueError: it is none, or states no zone; the message says which.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=_some(zone))
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError("a number: say time_format epoch_s or epoch_ms in a mapping")
    if not isinstance(value, str) or not (parts := _TIME.fullmatch(value.strip())):
        raise ValueError(f"not a time: {_EXAMPLE}")
    year, month, day, hour, minute, second, fraction, named = parts.groups()
    if hour is None:
        raise ValueError(f"a day without a time: {_EXAMPLE}")
    if second == "60":
        raise ValueError("second 60: a leap second has no place among times, write second 59")
    known = _some(zone) if named is None else _offset(named)
    micros = int((fraction or "0")[:6].ljust(6, "0"))
    try:
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), micros, known)
    except ValueError as error:
        raise ValueError(f"no such time: {error}") from error


def _offset(named: str) -> tzinfo:
    if not named.startswith(("+", "-")):
        return UTC
    hours, minutes = int(named[1:3]), int(named[3:].lstrip(":") or 0)
    if hours > 23 or minutes > 59:
        raise ValueError(f"a zone {named} is more than a day away")
    return timezone(timedelta(hours=hours, minutes=minutes) * (-1 if named[0] == "-" else 1))


def _some(zone: tzinfo | None) -> tzinfo:
    if zone is None:
        raise ValueError("a time without a zone: add Z or +02:00, or say time_zone in a mapping")
    return zone


def _time(value: object) -> object:
    return read_time(value)


Time = Annotated[datetime, BeforeValidator(_time), AfterValidator(lambda value: value.astimezone(UTC))]
# Half a character (a lone surrogate) is refused by pydantic itself.
FreeText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_EVENT_BYTES)]


class FeedbackEvent(Strict):
    """One observation that somebody or something made; what is not known is left out.

    A machine's ``suggestion`` and a person's ``response`` are kept apart, so that nobody mistakes one for the other. A
    ``correction`` and a pair of answers, of which one was preferred, are there to be learned from as they are.
    """

    id: Label = Field(description="Names the event for ever; the same id with the same content is the same event.")
    time: Time = Field(description="When it was observed: ISO 8601 with its zone.")
    source: Source = Field(description="Where it was observed.")
    text: FreeText = Field(description="The observation in words, as they were typed.")
    project: Identifier | None = Field(default=None, description="The project it is about, if known.")
    stage: Identifier | None = Field(default=None, description="The stage it was observed in, if known.")
    type: GapType | None = Field(default=None, description="What is missing.")
    scope: Scope | None = Field(default=None, description="How far it reaches.")
    severity: Severity | None = None
    trace_id: Label | None = Field(default=None, description="Evidence: a trace of MLflow, or of the tool that tells.")
    run_id: Label | None = Field(default=None, description="Evidence: an MLflow run.")
    record_ids: tuple[Label, ...] = Field(
        default=(), max_length=MAX_RECORD_IDS, description="Evidence: records, as INTERFACE/ID where it is known."
    )
    interface: Identifier | None = Field(default=None, description="Evidence: the interface it was seen in.")
    interface_version: Label | None = Field(default=None, description="Evidence: the digest of that version.")
    suggestion: FreeText | None = Field(default=None, description="What a machine proposed.")
    response: FreeText | None = Field(default=None, description="What a person answered.")
    recommended_action: FreeText | None = None
    reporter: Label | None = Field(default=None, description="Who or what reported it.")
    # New fields stand last: which are there is part of an event's identity, by their places.
    span_id: Label | None = Field(default=None, description="Evidence: a step of that trace.")
    prompt: FreeText | None = Field(default=None, description="What was asked.")
    correction: FreeText | None = Field(
        default=None, description="What should have been answered, as a person wrote it."
    )
    chosen: FreeText | None = Field(
        default=None, description="Of two answers to the prompt the one that was preferred."
    )
    rejected: FreeText | None = Field(default=None, description="The other one.")

    @model_validator(mode="after")
    def _prefers_one_of_two(self) -> Self:
        if (self.chosen is None) != (self.rejected is None):
            raise ValueError("chosen and rejected: a preference is between two answers")
        return self


#: The event's fields in the order of its columns.
COLUMNS: tuple[str, ...] = tuple(FeedbackEvent.model_fields)
REQUIRED = ("id", "time", "source", "text")
FREE_TEXTS = (
    "text", "suggestion", "response", "recommended_action", "prompt", "correction", "chosen", "rejected",
)  # fmt: skip

#: What ingesting adds to an event: line or row of its file (from 1).
LINE = "line"


@cache
def event_schema() -> pa.Schema:
    """The columns of events: UTF-8 strings, ``time`` in microseconds UTC, ``record_ids`` a list of strings."""
    import pyarrow as pa

    types = {"time": pa.timestamp("us", "UTC"), "record_ids": pa.list_(pa.string())}
    return pa.schema([pa.field(name, types.get(name, pa.string()), name not in REQUIRED) for name in COLUMNS])


@cache
def read_schema() -> pa.Schema:
    """The columns of events with the line each came from."""
    import pyarrow as pa

    return event_schema().append(pa.field(LINE, pa.int64(), nullable=False))


def parse_event(row: Mapping[str, Any]) -> FeedbackEvent | str:
    """The event a row of plain values is, or in one sentence why it is none; values are never quoted."""
    try:
        return FeedbackEvent.model_validate(dict(row))
    except ValidationError as error:
        return "; ".join(_fault(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()[:5])


def _fault(location: tuple[int | str, ...], kind: str, message: str) -> str:
    words = {"extra_forbidden": "unknown field (a mapping says which fields to take)", "missing": "missing"}
    # A key is as hostile as a value: its repr shows what it is made of.
    place = ".".join(str(part) if str(part) in COLUMNS or isinstance(part, int) else ascii(part) for part in location)
    return f"{place[:120]}: {words.get(kind, message.removeprefix('Value error, '))}"


def events_table(events: list[FeedbackEvent], lines: list[int] | None = None) -> pa.RecordBatch:
    """Events as columns; ``lines`` are those of their file, else 1, 2, 3 ..."""
    import pyarrow as pa

    numbers = lines if lines is not None else list(range(1, len(events) + 1))
    rows = [
        {**{name: getattr(event, name) for name in COLUMNS}, "record_ids": list(event.record_ids) or None, LINE: number}
        for event, number in zip(events, numbers, strict=True)
    ]
    return pa.RecordBatch.from_pylist(rows, schema=read_schema())
