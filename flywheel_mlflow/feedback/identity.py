"""Knows every event once: by a hash of its id, with a hash of its content to tell a repetition from a conflict."""

from __future__ import annotations

from hashlib import blake2b
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from flywheel_mlflow.feedback.events import COLUMNS

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
Verdicts = npt.NDArray[np.uint8]

NEW, REPEATED, CONFLICT = 0, 1, 2

#: Two of ten million different ids share a 64-bit hash with a probability of 3e-6, and then their contents differ: the
#: later event is a conflict and becomes a dead letter. Nothing is lost without a word.
_HASH_BYTES = 8
#: Index parts by the first bits of the id's hash: merging new ids copies one part at a time, not the whole.
_PART_BITS = 6
#: New ids are gathered until there are so many before they are merged; each merge copies the index once.
_GATHERED = 1 << 19

#: Bytes that no UTF-8 text holds, between the values of a row and between the items of a list.
_BETWEEN, _BETWEEN_ITEMS = b"\xff", b"\xfe"


def id_hashes(events: pa.RecordBatch) -> Hashes:
    """64 bits of blake2b over each event's id."""
    return _hashes(events.column("id"))


def id_hash(event_id: str) -> int:
    """The same for one id."""
    return int.from_bytes(blake2b(event_id.encode("utf-8", "replace"), digest_size=_HASH_BYTES).digest(), "little")


def content_hashes(events: pa.RecordBatch) -> Hashes:
    """64 bits of blake2b over everything else an event says; equal for equal content, whichever file it came in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from flywheel_mlflow.records.arrays import as_numpy, valid

    rows = events.num_rows
    present = np.zeros(rows, dtype="<u4")
    columns = []
    kept = _as_kept_before(events)
    for number, name in enumerate(COLUMNS):
        column = kept.get(name, events.column(name))
        if name in ("id", "time") or column.null_count == rows:
            continue
        present |= valid(column).astype("<u4") << np.uint32(number)
        if name == "record_ids":
            column = pc.binary_join(pc.cast(column, pa.list_(pa.binary())), _BETWEEN_ITEMS)
        columns.append(pc.cast(column, pa.binary()))
    head = np.zeros(rows, dtype=[("present", "<u4"), ("time", "<i8")])
    head["present"] = present
    head["time"] = as_numpy(pc.cast(events.column("time"), pa.int64()))
    first = pa.FixedSizeBinaryArray.from_buffers(pa.binary(12), rows, [None, pa.py_buffer(head)])
    # Which values are there stands in front, so leaving nulls out makes no two rows alike.
    return _hashes(pc.binary_join_element_wise(pc.cast(first, pa.binary()), *columns, _BETWEEN, null_handling="skip"))


def _as_kept_before(events: pa.RecordBatch) -> dict[str, pa.Array]:
    """Earlier versions kept a correction as the response: an event that has one alone is still the same event."""
    import pyarrow.compute as pc

    response, correction = events.column("response"), events.column("correction")
    if correction.null_count == events.num_rows:
        return {}
    alone = pc.and_(response.is_null(), correction.is_valid())
    return {
        "response": pc.if_else(alone, correction, response),
        "correction": pc.if_else(alone, None, correction),
    }


def _hashes(column: pa.Array) -> Hashes:
    _, offsets, data = column.buffers()
    places = np.frombuffer(offsets, dtype=np.int32, count=len(column) + 1, offset=4 * column.offset).tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    # A copy of a fresh hash costs half of making one, with its dozen parameters (Python 3.11).
    fresh = blake2b(digest_size=_HASH_BYTES)
    digests = []
    for start, end in pairwise(places):
        digest = fresh.copy()
        digest.update(view[start:end])
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64, copy=False)


class IdIndex:
    """The events seen so far, 16 bytes for each, whatever they say."""

    def __init__(self) -> None:
        empty = np.zeros(0, dtype=np.uint64)
        self._parts: list[tuple[Hashes, Hashes]] = [(empty, empty)] * (1 << _PART_BITS)
        self._recent: tuple[Hashes, Hashes] = (empty, empty)

    def copy(self) -> IdIndex:
        """Another index that knows the same events; what one of the two learns later, the other does not know."""
        other = IdIndex()
        # The arrays are shared: growing a part makes new ones.
        other._parts, other._recent = list(self._parts), self._recent
        return other

    def __len__(self) -> int:
        return len(self._recent[0]) + sum(len(ids) for ids, _ in self._parts)

    def judge(self, ids: Hashes, contents: Hashes) -> Verdicts:
        """For each event NEW, REPEATED or CONFLICT; of several with one id in this batch the first is the one.

        New events are known from now on.
        """
        order = np.argsort(ids, kind="stable")
        sorted_ids, sorted_contents = ids[order], contents[order]
        first = np.append(True, sorted_ids[1:] != sorted_ids[:-1]) if len(ids) else np.zeros(0, dtype=bool)
        leaders = np.flatnonzero(first)[np.cumsum(first) - 1]
        verdicts = np.where(first, NEW, REPEATED)
        expected = sorted_contents[leaders]
        for known_ids, known_contents, span in self._known(sorted_ids):
            some = sorted_ids[span]
            places = np.searchsorted(known_ids, some)
            places[places == len(known_ids)] = 0
            same = known_ids[places] == some
            verdicts[span][same] = REPEATED
            expected[span][same] = known_contents[places[same]]
        verdicts[(verdicts == REPEATED) & (expected != sorted_contents)] = CONFLICT
        fresh = verdicts == NEW
        self._add(sorted_ids[fresh], sorted_contents[fresh])
        result = np.empty(len(ids), dtype=np.uint8)
        result[order] = verdicts
        return result

    def add(self, ids: Hashes, contents: Hashes) -> None:
        """Know events that are stored already; an id that is known stays as it is."""
        self.judge(ids, contents)

    def _known(self, ids: Hashes) -> list[tuple[Hashes, Hashes, slice]]:
        """Sorted known hashes, each with the part of the sorted ``ids`` that may be among them."""
        found = [(*self._recent, slice(0, len(ids)))] if len(self._recent[0]) else []
        cuts = self._cuts(ids)
        for number, (known, contents) in enumerate(self._parts):
            if len(known) and cuts[number] < cuts[number + 1]:
                found.append((known, contents, slice(cuts[number], cuts[number + 1])))
        return found

    def _cuts(self, ids: Hashes) -> list[int]:
        """Where each part begins in sorted hashes."""
        borders = np.arange(1, 1 << _PART_BITS, dtype=np.uint64) << np.uint64(64 - _PART_BITS)
        return [0, *np.searchsorted(ids, borders).tolist(), len(ids)]

    def _add(self, ids: Hashes, contents: Hashes) -> None:
        self._recent = _merged(*self._recent, ids, contents)
        if len(self._recent[0]) < _GATHERED:
            return
        recent_ids, recent_contents = self._recent
        cuts = self._cuts(recent_ids)
        for number, part in enumerate(self._parts):
            span = slice(cuts[number], cuts[number + 1])
            self._parts[number] = _merged(*part, recent_ids[span], recent_contents[span])
        empty = np.zeros(0, dtype=np.uint64)
        self._recent = (empty, empty)


def _merged(ids: Hashes, contents: Hashes, new_ids: Hashes, new_contents: Hashes) -> tuple[Hashes, Hashes]:
    """Two sorted, disjoint sets of ids as one, the contents beside them."""
    places = np.searchsorted(ids, new_ids)
    return np.insert(ids, places, new_ids), np.insert(contents, places, new_contents)
