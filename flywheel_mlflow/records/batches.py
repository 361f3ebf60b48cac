"""A batch of records with what several checks need of each, computed once from their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from flywheel_mlflow.records.arrays import Mask, as_numpy, texts_array, valid
from flywheel_mlflow.records.columns import (
    Field,
    fields_of,
    has_null,
    has_whole_float,
    keys_of,
    members,
    record_texts,
    replaced,
    search_texts,
    text_lengths,
    texts_of,
    values_at,
)
from flywheel_mlflow.records.fingerprints import Hashes, content_text, hash_texts, normalised_hashes
from flywheel_mlflow.records.personal import kinds_in, tells_kind
from flywheel_mlflow.records.personal_columns import rows_with_personal_data
from flywheel_mlflow.records.reading import MAX_RECORD_BYTES, Record
from flywheel_mlflow.records.refusals import RowFault
from flywheel_mlflow.records.shingles import Counts, Shingles, content_texts, shingles_of

RecordSchema = Literal["record", "free"]

#: A part of the data: the number of its file, then where in it the part begins. Parts sort in the order of the data.
Part = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive records of a part as Arrow holds them.

    ``array`` is an array of objects in the types of :mod:`~flywheel_mlflow.records.arrow_values`; ``record`` gives one
    record as Python reads it. Columns forget two things that a fingerprint of nested content depends on: whether a
    field that is null was written (``keeps_nulls``: it always was; else ``wrote_null`` says where one may have been),
    and whether a whole number was written as 1 or 1.0 (``keeps_numbers``: the column says).
    """

    array: Any
    row: int
    record: Callable[[int], Record]
    keeps_nulls: bool
    keeps_numbers: bool
    wrote_null: Callable[[int], bool] = field(default=lambda _: False)


@dataclass(frozen=True)
class Batch:
    """A block with what is known of each record.

    ``row`` counts from 0 in the part. ``ids``, ``keys`` and ``fingerprints`` are aligned with the records; 0 in them
    means there is none. ``keys`` select the sample: the id's hash, or the content's where a row has no id.
    ``lengths`` counts the characters of the content, -1 where there is none. ``suspects`` are the positions of records
    whose texts may hold personal data.
    """

    part: Part
    block: Block
    ids: Hashes
    keys: Hashes
    fingerprints: Hashes
    lengths: npt.NDArray[np.int64]
    suspects: list[int]

    @property
    def array(self) -> Any:
        """The records."""
        return self.block.array

    @property
    def row(self) -> int:
        """The row of the first record in the part."""
        return self.block.row

    @property
    def rows(self) -> int:
        """How many records."""
        return len(self.block.array)

    @cached_property
    def fields(self) -> list[Field]:
        """The fields of the records at any depth, but not in lists."""
        return list(fields_of(self.array))

    @cached_property
    def texts(self) -> Any:
        """The canonical JSON of the records, see :mod:`~flywheel_mlflow.records.record_digest`."""
        return record_texts(self.array)

    @cached_property
    def shingles(self) -> tuple[Counts, Shingles]:
        """Of each text in the records' contents its record, and the shingles of these texts."""
        texts, rows = content_texts(self.array)
        return rows, shingles_of(texts)

    def values_at(self, *paths: tuple[str, ...]) -> list[tuple[str, Any]]:
        """The values of the records at the first of the paths where there is a field, by kind."""
        return next((found for path in paths if (found := values_at(self.array, path))), [])


def make_batch(schema: RecordSchema, part: Part, block: Block) -> Batch:
    """The batch of a block of records.

    ``record`` demands an id of every record; ``free`` takes any row.

    Raises:
        RowFault: a record without a usable id, or one that is too long.
    """
    needs_id = schema == "record"
    suspects = _suspects(block)
    ids = _ids(block, needs_id=needs_id)
    fingerprints, lengths = _contents(block, needs_id=needs_id)
    return Batch(part, block, ids, np.where(ids != 0, ids, fingerprints), fingerprints, lengths, suspects)


def _suspects(block: Block) -> list[int]:
    keys = keys_of(block.array)
    if any(map(_is_personal, keys)):
        return list(
            range(len(block.array))
        )  # which rows have the key, and perhaps null in it, is a matter for the close look
    columns = search_texts(block.array)
    lengths = sum((as_numpy(pc.binary_length(texts)) for texts in columns), start=np.zeros(len(block.array), np.int64))
    for position in np.flatnonzero(lengths > MAX_RECORD_BYTES).tolist():
        if sum(len(texts[position].as_py() or "") for texts in columns) > MAX_RECORD_BYTES:
            what = f"a record of more than {MAX_RECORD_BYTES} characters"
            raise RowFault(what, block.row + position, hint="split it, or store files beside")
    return rows_with_personal_data(columns, name=" ".join(sorted(filter(tells_kind, keys))))


@lru_cache(maxsize=4096)
def _is_personal(key: str) -> bool:
    return bool(kinds_in(key))


def _ids(block: Block, *, needs_id: bool) -> Hashes:
    given = [(kind, values) for kind, values in values_at(block.array, ("id",)) if kind in _ID_KINDS]
    texts = [pc.cast(values, pa.string()) for _, values in given]
    text = pc.coalesce(*texts) if texts else pa.nulls(len(block.array), pa.string())
    usable = valid(text) & (as_numpy(pc.binary_length(text)) > 0)
    if needs_id and not usable.all():
        row = int(np.argmin(usable))
        raise RowFault(
            _why_no_id(block.record(row).get("id")), block.row + row, hint='give every record an "id" of its own'
        )
    hashes = hash_texts(text)
    return hashes if usable.all() else np.where(usable, hashes, 0)


_ID_KINDS = ("string", "integer", "big integer")


def _why_no_id(identity: object) -> str:
    if identity == "":
        return "a record with an empty id"
    return "a record without id" if identity is None else "an id that is neither a text nor a whole number"


def _contents(block: Block, *, needs_id: bool) -> tuple[Hashes, npt.NDArray[np.int64]]:
    """The fingerprint and the length of each record's content, its payload where it has none."""
    columns = dict(zip([item.name for item in block.array.type], block.array.flatten(), strict=True))
    text = pa.nulls(len(block.array), pa.string())
    lengths = np.full(len(block.array), -1, dtype=np.int64)
    for name in ("content", "payload"):
        column = columns.get(name)
        if column is not None:
            free = ~valid(text)
            text = pc.coalesce(text, _spelled(block, column, lambda record, name=name: record[name]))  # type: ignore[misc]
            here = free & valid(text)
            lengths[here] = text_lengths(column)[here]
    if not needs_id and text.null_count:
        columns.pop("id", None)
        rest = pa.StructArray.from_arrays(list(columns.values()), names=list(columns)) if columns else None
        text = pc.coalesce(text, _whole_rows(block, rest))
    return normalised_hashes(text), lengths


def _whole_rows(block: Block, rest: Any) -> Any:
    """A row without content is known by all it holds but its id."""
    if rest is None:
        return texts_array(["{}"] * len(block.array))
    return _spelled(block, rest, lambda record: {key: value for key, value in record.items() if key != "id"})


def _spelled(block: Block, column: Any, value: Callable[[Record], Any]) -> Any:
    """The texts of a column as fingerprints have always been made of them; the record is asked where columns forget."""
    texts = texts_of(column, whole_numbers=False, nulls=block.keeps_nulls)
    if all(kind == "string" for kind, _ in members(column)):
        return texts
    asked = np.zeros(len(column), dtype=bool)
    if not block.keeps_numbers:
        asked |= has_whole_float(column)
    if not block.keeps_nulls:
        nulls = has_null(column)
        nulls[nulls] = [block.wrote_null(position) for position in np.flatnonzero(nulls).tolist()]
        asked |= nulls
    return _asked(block, texts, asked & valid(texts), value)


def _asked(block: Block, texts: Any, asked: Mask, value: Callable[[Record], Any]) -> Any:
    positions = np.flatnonzero(asked).tolist()
    if not positions:
        return texts
    spelled = [content_text(value(block.record(position))) for position in positions]
    return replaced(texts, asked, spelled)
