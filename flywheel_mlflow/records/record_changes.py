"""Counts the records that two versions of an interface do not share: added, removed, changed, by their id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal

from flywheel_mlflow.records.fingerprints import content_text
from flywheel_mlflow.records.personal import withheld
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import record_files

#: Ids that are named of each kind, and bytes of the hash by which a record is known.
MOST_NAMED, HASH_BYTES = 10, 16


@dataclass(frozen=True, slots=True)
class RecordChanges:
    """How many records are new in a version, gone from it, other than before, and the same.

    ``named`` holds the first ids of each kind, sorted, without those that are personal data.
    """

    added: int
    removed: int
    changed: int
    same: int
    named: Mapping[str, tuple[str, ...]]

    def __str__(self) -> str:
        return f"{self.added} added, {self.removed} removed, {self.changed} changed, {self.same} the same"


def compare_records(current: Path, reference: Path, data_format: Literal["jsonl", "parquet"]) -> RecordChanges:
    """The records of ``current`` against those of ``reference``, files or folders; some 150 bytes of memory a record.

    Raises:
        RecordError: a record without an id, an id that stands twice, or data that cannot be read.
    """
    now, before = _hashes(current, data_format), _hashes(reference, data_format)
    shared = now.keys() & before.keys()
    kinds = {
        "added": now.keys() - shared,
        "removed": before.keys() - shared,
        "changed": {name for name in shared if now[name] != before[name]},
    }
    return RecordChanges(
        len(kinds["added"]),
        len(kinds["removed"]),
        len(kinds["changed"]),
        len(shared) - len(kinds["changed"]),
        {kind: tuple(withheld(name[:200]) for name in sorted(names)[:MOST_NAMED]) for kind, names in kinds.items()},
    )


def _hashes(data: Path, data_format: Literal["jsonl", "parquet"]) -> dict[str, bytes]:
    """A hash of each record by its id."""
    found: dict[str, bytes] = {}
    for file in record_files(data, data_format):
        reader = reader_for(file, data_format)
        for row, record in enumerate(record for batch in reader.batches() for record in batch):
            name = record.get("id")
            if not isinstance(name, str | int) or name == "":
                reader.fail(
                    "a record without id, so versions cannot be compared by id",
                    reader.place(row),
                    hint="give every record an id that stays from version to version",
                )
            if str(name) in found:
                reader.fail(
                    "an id stands twice, so versions cannot be compared by id",
                    reader.place(row),
                    hint="give every record an id of its own",
                )
            found[str(name)] = blake2b(content_text(record).encode(), digest_size=HASH_BYTES).digest()
    return found
