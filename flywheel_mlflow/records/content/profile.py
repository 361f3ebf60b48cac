"""The values a content profile is made of, and the file it is kept in."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import FlywheelError, RecordError
from flywheel_mlflow.records.arrays import as_numpy, from_numpy, texts_array, valid
from flywheel_mlflow.records.parquet import open_parquet

ColumnKind = Literal["number", "label", "time"]

#: Version of the file's format.
FORMAT = 1
#: No content profile has more rows or columns; a file that says so is not one of ours.
MAX_ROWS = 100_000
MAX_COLUMNS = 1000

#: What stands behind a field's name in the column that says whether the files it names could be looked at.
STATE = "files"

_META = b"flywheel"
_AGAIN = "log the interface again"


@dataclass(frozen=True, slots=True)
class ContentColumn:
    """One thing known of each sampled row, None where the row has none; times are seconds since 1970.

    ``leaf`` is the field it is made of.
    """

    name: str
    leaf: str
    kind: ColumnKind
    values: tuple[float | str | None, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """Some words in a row, in how many of the rows they stand; line ends are written ⏎."""

    text: str
    words: int
    rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """What is known of the words of one text field.

    ``features`` are the hashed words and word pairs of the sampled rows one after the other, those of a row sorted, and
    ``starts`` says where each row begins, with one more start than rows; ``there`` which rows have a text. ``phrases``
    are the most frequent ones; one of n words that is not among them is in no more rows than ``least`` says for n.
    """

    field: str
    features: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    there: npt.NDArray[np.bool_]
    phrases: tuple[Phrase, ...]
    least: tuple[tuple[int, int], ...]

    @property
    def texts(self) -> int:
        """How many rows have a text."""
        return int(self.there.sum())


@dataclass(frozen=True, slots=True, eq=False)
class VectorSketch:
    """The vectors of one field, each of length 1, along some fixed directions; NaN where a row has none.

    ``values`` has a row for each sampled row; ``dimension`` is that of the vectors themselves.
    """

    field: str
    dimension: int
    values: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Unseen:
    """Files that nobody looked into, why, and the digest of them all: where it is the same, nothing changed there."""

    what: str
    why: str
    digest: str


@dataclass(frozen=True, slots=True)
class ContentProfile:
    """The content of sampled rows.

    ``places`` says where each row lies, ``left_out`` names fields not looked into, as they are too many, and ``unseen``
    the kinds of files that cannot be looked into.
    """

    places: tuple[str, ...]
    columns: tuple[ContentColumn, ...]
    wordings: tuple[Wording, ...] = ()
    vectors: tuple[VectorSketch, ...] = ()
    left_out: tuple[str, ...] = ()
    unseen: tuple[Unseen, ...] = ()

    @property
    def rows(self) -> int:
        """How many rows were sampled."""
        return len(self.places)


def content_to_parquet(profile: ContentProfile) -> bytes:
    """The profile as a Parquet file with a row for each sampled row; equal profiles give equal bytes."""
    names: list[str] = ["place"]
    arrays: list[Any] = [texts_array(profile.places).dictionary_encode()]
    for column in profile.columns:
        names.append(f"column {column.name}")
        arrays.append(_column_array(column))
    for wording in profile.wordings:
        names.append(f"wording {wording.field}")
        mask = None if wording.there.all() else from_numpy(~wording.there)
        starts = from_numpy(wording.starts.astype(np.int32))
        arrays.append(pa.ListArray.from_arrays(starts, from_numpy(wording.features), mask=mask))
    for vector in profile.vectors:
        names.append(f"vector {vector.field}")
        flat = from_numpy(np.ascontiguousarray(vector.values.astype(np.float32)).reshape(-1))
        arrays.append(pa.FixedSizeListArray.from_arrays(flat, max(1, vector.values.shape[1])))
    meta = {
        "format_version": FORMAT,
        "columns": [[column.leaf, column.kind] for column in profile.columns],
        "wordings": [
            {"phrases": [[item.text, item.words, item.rows] for item in wording.phrases], "least": wording.least}
            for wording in profile.wordings
        ],
        "vectors": [vector.dimension for vector in profile.vectors],
        "left_out": profile.left_out,
    }
    if profile.unseen:
        meta["unseen"] = [[item.what, item.why, item.digest] for item in profile.unseen]
    table = pa.Table.from_arrays(arrays, names=names).replace_schema_metadata({_META: canonical_json(meta)})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", compression_level=6, write_page_checksum=True)
    return buffer.getvalue()


def _column_array(column: ContentColumn) -> Any:
    if column.kind == "label":
        return texts_array([None if value is None else str(value) for value in column.values]).dictionary_encode()
    there = np.array([value is not None for value in column.values], dtype=bool)
    numbers = np.array([0.0 if value is None else float(value) for value in column.values], np.float64)
    return from_numpy(numbers, there)


def content_from_parquet(data: bytes, *, name: str = "content profile") -> ContentProfile:
    """The profile of a file that :func:`content_to_parquet` wrote.

    Raises:
        RecordError: the bytes are no such file.
    """
    try:
        with open_parquet(io.BytesIO(data)) as source:
            meta = parse_json((source.schema_arrow.metadata or {}).get(_META, b"").decode("utf-8"), name=name)
            if source.metadata.num_rows > MAX_ROWS or source.metadata.num_columns > MAX_COLUMNS:
                raise ValueError("it is too large")
            return _profile_of(source.read(), meta)
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, IndexError, FlywheelError) as error:
        why = error.what if isinstance(error, FlywheelError) else str(error)
        raise RecordError(f"not a content profile of format {FORMAT}: {why[:200]}", where=name, hint=_AGAIN) from error


def _profile_of(table: Any, meta: Any) -> ContentProfile:
    if meta["format_version"] != FORMAT:
        raise ValueError(f"it is of format {json.dumps(meta['format_version'])[:20]}")
    arrays = {key: table.column(key).combine_chunks() for key in table.column_names}
    places = arrays["place"].to_pylist()
    columns = [key for key in table.column_names if key.startswith("column ")]
    wordings = [key for key in table.column_names if key.startswith("wording ")]
    vectors = [key for key in table.column_names if key.startswith("vector ")]
    return ContentProfile(
        places=tuple(str(place) for place in places),
        columns=tuple(
            _column(key.removeprefix("column "), leaf, kind, arrays[key])
            for key, (leaf, kind) in zip(columns, meta["columns"], strict=True)
        ),
        wordings=tuple(
            _wording(key.removeprefix("wording "), item, arrays[key])
            for key, item in zip(wordings, meta["wordings"], strict=True)
        ),
        vectors=tuple(
            VectorSketch(key.removeprefix("vector "), int(dimension), _matrix(arrays[key]))
            for key, dimension in zip(vectors, meta["vectors"], strict=True)
        ),
        left_out=tuple(str(item) for item in meta["left_out"]),
        unseen=tuple(Unseen(str(what), str(why), str(digest)) for what, why, digest in meta.get("unseen", ())),
    )


def _column(name: str, leaf: str, kind: str, array: Any) -> ContentColumn:
    if kind not in ("number", "label", "time"):
        raise ValueError(f"a column of kind {kind[:20]!r}")
    if (kind == "label") != pa.types.is_dictionary(array.type):
        raise ValueError(f"the column {name[:80]!r} is not of its kind")
    # Arrow's own conversion takes ten times as long.
    if kind == "label":
        names = [*array.dictionary.to_pylist(), None]
        values = [names[place] for place in as_numpy(array.indices, missing=len(names) - 1).tolist()]
    else:
        values = as_numpy(array).tolist()
        for place in np.flatnonzero(~valid(array)).tolist():
            values[place] = None
    return ContentColumn(name, str(leaf), kind, tuple(values))  # type: ignore[arg-type]


def _wording(field: str, item: Any, array: Any) -> Wording:
    features = np.asarray(as_numpy(array.flatten()), np.int32)
    lengths = as_numpy(array.value_lengths())
    return Wording(
        field=field,
        features=features,
        starts=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        there=valid(array),
        phrases=tuple(Phrase(str(text), int(words), int(rows)) for text, words, rows in item["phrases"]),
        least=tuple((int(size), int(count)) for size, count in item["least"]),
    )


def _matrix(array: Any) -> npt.NDArray[np.float32]:
    flat = as_numpy(pc.cast(array.flatten(), pa.float32()), missing=np.nan)
    if not valid(array).all():
        raise ValueError("a vector is missing")
    return np.asarray(flat, np.float32).reshape(len(array), -1)
