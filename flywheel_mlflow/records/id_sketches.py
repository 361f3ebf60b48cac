"""Which ids an interface's records have, as a bounded set of hashes: two interfaces with ids in common are found by it.

The smallest hashes are kept, so that of large interfaces both sides keep the same part of what they share.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.evidence.runs import CommonIds
from flywheel_mlflow.records.arrays import as_numpy, distinct, from_numpy
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.fingerprints import Hashes
from flywheel_mlflow.records.parquet import open_parquet

#: Hashes kept of an interface, 8 bytes each: ids of as many records are kept all, and of a million every thirtieth.
MOST_IDS = 1 << 15
#: Ids of fewer characters, and those that are numbers, are the same in any two data sets.
TELLING_ID = r"^[0-9]*[^0-9].*$"
LEAST_ID = 4

_ALL = np.uint64(2**64 - 1)
_META = b"flywheel.ids"
_FORMAT = 1
_COLUMN = "hash"


@dataclass(frozen=True, slots=True, eq=False)
class IdSketch:
    """The hashes of an interface's telling ids, sorted, each once; all below ``limit``, which is None where all are."""

    hashes: Hashes
    limit: int | None

    @property
    def end(self) -> np.uint64:
        """Above every hash that is known of."""
        return _ALL if self.limit is None else np.uint64(self.limit)

    def below(self, end: np.uint64) -> int:
        """How many ids have a hash below this."""
        return int(np.searchsorted(self.hashes, end))


class IdSketchBuilder:
    """Collects the ids of batches, in any order."""

    def __init__(self, most: int = MOST_IDS) -> None:
        self._most = most
        self._limit: int | None = None
        self._hashes: Hashes = np.zeros(0, np.uint64)

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        for kind, values in batch.values_at(("id",)):
            if kind == "string":
                long = as_numpy(pc.utf8_length(values)) >= LEAST_ID
                telling = long & as_numpy(pc.match_substring_regex(values, TELLING_ID), missing=False)
                self._add(batch.ids[telling])

    def _add(self, hashes: Hashes) -> None:
        if self._limit is not None:
            hashes = hashes[hashes < np.uint64(self._limit)]
        self._hashes = distinct(np.concatenate((self._hashes, hashes)))
        if len(self._hashes) > self._most:
            self._limit = int(self._hashes[self._most])
            self._hashes = self._hashes[: self._most]

    def merge(self, other: Self) -> None:
        """Takes in the ids of other parts."""
        limits = [item for item in (self._limit, other._limit) if item is not None]
        self._limit = min(limits, default=None)
        kept = self._hashes if self._limit is None else self._hashes[self._hashes < np.uint64(self._limit)]
        self._hashes = kept
        self._add(other._hashes)

    def result(self) -> IdSketch:
        """The sketch of all ids seen."""
        return IdSketch(self._hashes, self._limit)


def common_ids(
    sketches: Mapping[str, IdSketch], explained: Mapping[frozenset[str], Iterable[str]]
) -> Iterator[CommonIds]:
    """Every two interfaces that have ids in common, sorted by name.

    ``explained`` names, for two interfaces, those that may be the origin of what both have: ids that stand in one of
    these do not count, nor those of which nobody can tell. Where one of the two is the origin none counts.
    """
    several = _in_several(sketches)
    for one, other in combinations(sorted(several), 2):
        origins = set(explained.get(frozenset((one, other)), ()))
        if origins & {one, other}:
            continue
        shared = np.intersect1d(several[one], several[other], assume_unique=True)
        for origin in sorted(origins & sketches.keys()):
            known = sketches[origin]
            told = np.isin(shared, known.hashes, assume_unique=True)
            shared = shared[~told & (shared < known.end)]
        if len(shared) and origins <= sketches.keys():
            sides = sketches[one], sketches[other]
            end = min(side.end for side in sides)
            yield CommonIds(one, other, len(shared), *(side.below(end) for side in sides))


def _in_several(sketches: Mapping[str, IdSketch]) -> dict[str, Hashes]:
    """The hashes of each interface that another one has, too, where there are any."""
    hashes, counts = np.unique(
        np.concatenate([np.zeros(0, np.uint64), *(item.hashes for item in sketches.values())]), return_counts=True
    )
    again = hashes[counts > 1]
    found = {name: np.intersect1d(item.hashes, again, assume_unique=True) for name, item in sketches.items()}
    return {name: own for name, own in found.items() if len(own)}


def id_sketches_to_parquet(sketches: Mapping[str, IdSketch]) -> bytes:
    """The sketches of a run as one Parquet file: the hashes one after the other, and how many are whose."""
    kept = dict(sorted(sketches.items()))
    about = {name: {"hashes": len(item.hashes), "limit": item.limit} for name, item in kept.items()}
    header = json.dumps({"version": _FORMAT, "interfaces": about}, sort_keys=True).encode()
    hashes = np.concatenate([np.zeros(0, np.uint64), *(item.hashes for item in kept.values())])
    table = pa.Table.from_arrays([from_numpy(hashes)], names=[_COLUMN]).replace_schema_metadata({_META: header})
    buffer = io.BytesIO()
    # Hashes have no repeated values: a dictionary would only cost.
    pq.write_table(table, buffer, compression="zstd", use_dictionary=False, write_page_checksum=True)
    return buffer.getvalue()


def id_sketches_from_parquet(data: bytes) -> dict[str, IdSketch]:
    """The sketches that :func:`id_sketches_to_parquet` wrote.

    Raises:
        RecordError: the bytes are not such a file.
    """
    try:
        with open_parquet(io.BytesIO(data)) as file:
            header = json.loads(file.schema_arrow.metadata[_META])
            if header["version"] != _FORMAT:
                raise RecordError("ids of another version", hint="update flywheel-mlflow")
            column = file.read().column(_COLUMN)
        if column.type != pa.uint64() or column.null_count:
            raise ValueError("no hashes")
        return dict(_sketches(header["interfaces"], as_numpy(column.combine_chunks())))
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError("not a file of ids", hint="log the run again") from error


def _sketches(about: Any, hashes: Hashes) -> Iterator[tuple[str, IdSketch]]:
    start = 0
    for name, item in about.items():
        own = hashes[start : start + int(item["hashes"])]
        start += int(item["hashes"])
        if len(own) != int(item["hashes"]) or bool(np.any(own[1:] <= own[:-1])):
            raise ValueError("hashes that are missing or out of order")
        yield str(name), IdSketch(own, None if item["limit"] is None else int(item["limit"]))
    if start != len(hashes):
        raise ValueError("hashes that are nobody's")
