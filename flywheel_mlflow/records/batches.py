"""A batch of records with what several checks need of each, computed once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records.fingerprints import (
    NO_HASH,
    Hashes,
    as_hashes,
    content_text,
    hash_text,
    normalise,
)
from flywheel_mlflow.records.personal import may_hold_personal_data
from flywheel_mlflow.records.reading import MAX_RECORD_BYTES, Reader, Record
from flywheel_mlflow.records.schema_tree import SchemaTree

RecordSchema = Literal["record", "free"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some consecutive records of one file.

    ``first_row`` counts from 0 over all files, ``file_row`` within the file. ``ids``, ``keys``
    and ``fingerprints`` are aligned with ``records``; 0 in them means there is none. ``keys``
    select the sample: the id's hash, or the content's where a row has no id. ``lengths`` counts
    the characters of the content. ``suspects`` are the positions of records whose texts may hold
    personal data.
    """

    reader: Reader
    records: Sequence[Record]
    first_row: int
    file_row: int
    ids: Hashes
    keys: Hashes
    fingerprints: Hashes
    lengths: Sequence[int | None]
    suspects: Sequence[int]

    def place(self, position: int) -> str:
        """Where the record at ``position`` lies: file name with line or row."""
        return f"{self.reader.file.name}, {self.reader.place(self.file_row + position)}"


class BatchMaker:
    """Makes batches of one interface's records; its schema grows with each.

    Args:
        interface: name of the interface, the namespace of the record ids.
        schema: ``record`` demands an id of every record; ``free`` takes any row.
    """

    def __init__(self, interface: str, schema: RecordSchema) -> None:
        self.tree = SchemaTree()
        self._namespace = f"{interface}/"
        self._needs_id = schema == "record"

    def make(self, reader: Reader, records: Sequence[Record], file_row: int) -> Batch:
        """The batch of these records, which start at ``file_row`` of the reader's file.

        Raises:
            RecordError: a record without a usable id, or with a value that has no JSON spelling.
        """
        first_row = self.tree.rows
        ids, keys, prints = bytearray(), bytearray(), bytearray()
        lengths: list[int | None] = []
        suspects: list[int] = []
        for position, record in enumerate(records):
            try:
                if self._is_suspect(record):
                    suspects.append(position)
                identity = self._identity(record)
                print_, length = self._content(record)
            except (RecordError, UnicodeEncodeError) as error:
                self._fail(error, reader, file_row + position)
            ids += identity
            prints += print_
            keys += identity if identity is not NO_HASH else print_
            lengths.append(length)
        return Batch(
            reader, records, first_row, file_row, as_hashes(ids), as_hashes(keys), as_hashes(prints), lengths, suspects
        )

    def _is_suspect(self, record: Record) -> bool:
        text = "\n".join(self.tree.observe(record))
        if len(text) > MAX_RECORD_BYTES:
            raise RecordError(
                f"a record of more than {MAX_RECORD_BYTES} characters", hint="split it, or store files beside"
            )
        return may_hold_personal_data(text)

    def _identity(self, record: Record) -> bytes:
        identity = record.get("id")
        if type(identity) is str and identity:
            return hash_text(self._namespace + identity)
        if type(identity) is int:
            return hash_text(self._namespace + str(identity))
        if self._needs_id:
            what = "a record without id" if identity is None else "an id that is neither a text nor a whole number"
            raise RecordError(
                what if identity != "" else "a record with an empty id", hint='give every record an "id" of its own'
            )
        return NO_HASH

    def _content(self, record: Record) -> tuple[bytes, int | None]:
        content = content_of(record)
        if content is not None:
            return hash_text(normalise(content_text(content))), text_length(content)
        if self._needs_id:
            return NO_HASH, None
        row = {key: value for key, value in record.items() if key != "id"}
        return hash_text(normalise(content_text(row))), None

    def _fail(self, error: RecordError | UnicodeEncodeError, reader: Reader, row: int) -> NoReturn:
        if isinstance(error, UnicodeEncodeError):
            reader.fail("a text holds half a surrogate pair, which is no Unicode", reader.place(row), hint="clean it")
        reader.fail(error.what, reader.place(row), hint=error.hint or "correct the record")


def content_of(record: Record) -> Any:
    """The record's ``content``, or its ``payload`` when it has none; None when it has neither."""
    content = record.get("content")
    return content if content is not None else record.get("payload")


def text_length(content: Any) -> int:
    """Characters of a content: of a text its length, of anything nested the sum over its texts."""
    if type(content) is str:
        return len(content)
    if isinstance(content, dict):
        return sum(text_length(item) for item in content.values())
    if isinstance(content, list | tuple):
        return sum(text_length(item) for item in content)
    return 0


class Places:
    """Remembers which rows came from which file, to name the place of a row long after it passed."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._readers: list[Reader] = []

    def observe(self, batch: Batch) -> None:
        """Notes the file of a batch."""
        if not self._readers or self._readers[-1] is not batch.reader:
            self._starts.append(batch.first_row - batch.file_row)
            self._readers.append(batch.reader)

    def place(self, row: int) -> str:
        """Where a row, counted over all files, lies."""
        index = bisect_right(self._starts, row) - 1
        reader = self._readers[index]
        return f"{reader.file.name}, {reader.place(row - self._starts[index])}"
