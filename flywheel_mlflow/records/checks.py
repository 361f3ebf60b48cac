"""The standard record checks, each an accumulator over batches that ends in one finding.

A check observes batches in any number and gives its finding at the end; it never raises because
data are bad. Findings name places and record ids, never the values at fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.promises.contract import InterfaceOut
from flywheel_mlflow.records.batches import Batch, Places
from flywheel_mlflow.records.fingerprints import NO_HASH, Hashes, as_hashes, content_text, hash_text
from flywheel_mlflow.records.personal import find_personal_data, withheld
from flywheel_mlflow.records.reading import Record

SOURCE = "flywheel.records"
EXAMPLES = 5

#: The seven fields of the sample record; of a pair one suffices.
RECORD_FIELDS = (
    ("id",),
    ("source",),
    ("content", "payload"),
    ("metadata",),
    ("quality_signals",),
    ("split", "stage"),
    ("audit_trace",),
)
#: More licences than this are no statement anybody reads, and a longer one is none.
MAX_LICENCES, MAX_LICENCE_LENGTH = 20, 100
_LICENCE_PATHS = (
    ("metadata", "license"),
    ("metadata", "licence"),
    ("source", "license"),
    ("source", "licence"),
    ("license",),
    ("licence",),
)

#: A split is a handful of names; a field with more holds something else.
MAX_SPLITS = 1000
_MAX_FIELDS_SHOWN = 50


class RecordCheck(Protocol):
    """What the standard checks have in common, whichever engine feeds them."""

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""

    def result(self) -> Check:
        """The finding over everything seen so far."""


class _Finding:
    """Counts rows and offences and words them as a check."""

    name: ClassVar[str]

    def __init__(self, interface: str, severity: CheckSeverity = CheckSeverity.BLOCKING) -> None:
        self._interface = interface
        self._severity = severity
        self._rows = 0
        self._failing = 0
        self._examples: list[dict[str, Any]] = []

    def _offend(self, batch: Batch, position: int, **more: Any) -> None:
        self._failing += 1
        if len(self._examples) < EXAMPLES:
            identity = batch.records[position].get("id")
            shown = withheld(str(identity)[:200]) if isinstance(identity, str | int) else None
            self._examples.append({"place": batch.place(position), "id": shown, **more})

    def _check(self, outcome: Outcome, message: str, **more: Any) -> Check:
        details = {"rows": self._rows, "failing": self._failing, "examples": tuple(self._examples), **more}
        return Check(f"{self._interface}.{self.name}", outcome, message, self._severity, SOURCE, details)

    def _judge(self, good: str, bad: str, **more: Any) -> Check:
        if self._failing:
            return self._check(Outcome.FAILED, f"{self._failing} of {self._rows} rows {bad}", **more)
        return self._check(Outcome.PASSED, f"{self._rows} rows, {good}", **more)


class RequiredFields(_Finding):
    """Every row has the fields its schema demands and those the contract lists, none of them null."""

    name = "required_fields"

    def __init__(self, interface: str, schema: str, fields: Sequence[str]) -> None:
        super().__init__(interface)
        self._needed = (RECORD_FIELDS if schema == "record" else ()) + tuple((field,) for field in fields)
        self._usual = [names[0] for names in self._needed]
        self._missing: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += len(batch.records)
        usual = self._usual
        for position, record in enumerate(batch.records):
            if None not in map(record.get, usual):
                continue
            missing = [names for names in self._needed if not _has_any(record, names)]
            if missing:
                words = [" or ".join(names) for names in missing]
                self._missing.update(words)
                self._offend(batch, position, missing=tuple(words))

    def result(self) -> Check:
        """The finding; skipped when neither schema nor contract demands a field."""
        if not self._needed:
            return self._check(Outcome.SKIPPED, "neither the schema nor the contract demands a field")
        return self._judge("each with all required fields", "lack a required field", missing=dict(self._missing))


def _has_any(record: Record, names: tuple[str, ...]) -> bool:
    for name in names:
        if record.get(name) is not None:
            return True
        if "." in name and _value_at(record, name.split(".")) is not None:
            return True
    return False


def _value_at(record: Record, parts: Sequence[str]) -> Any:
    """The value at a path of nested objects, or None; lean, for it runs several times a record."""
    current: Any = record
    for part in parts:
        if type(current) is not dict:
            return None
        current = current.get(part)
    return current


class _Repeats(_Finding):
    """Finds rows whose hash an earlier row has, from eight bytes a row."""

    def __init__(self, interface: str, severity: CheckSeverity = CheckSeverity.BLOCKING) -> None:
        super().__init__(interface, severity)
        self._places = Places()
        self._hashes: list[Hashes] = []

    def _collect(self, batch: Batch, hashes: Hashes) -> None:
        self._rows += len(batch.records)
        self._places.observe(batch)
        self._hashes.append(hashes)

    def hashes(self) -> Hashes:
        """The hash of every row so far, 0 for a row without."""
        return np.concatenate(self._hashes) if self._hashes else as_hashes(b"")

    def _find(self, hashes: Hashes) -> None:
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        again = (ordered[1:] == ordered[:-1]) & (ordered[1:] != 0)
        later, earlier = order[1:][again], order[:-1][again]
        self._failing = len(later)
        self._examples = [
            {"place": self._places.place(int(later[index])), "same_as": self._places.place(int(earlier[index]))}
            for index in np.argsort(later)[:EXAMPLES]
        ]


class UniqueIds(_Repeats):
    """No two rows of the interface have the same id."""

    name = "unique_ids"

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._collect(batch, batch.ids)

    def result(self) -> Check:
        """The finding; skipped when no row has an id."""
        hashes = self.hashes()
        without = int(np.count_nonzero(hashes == 0))
        self._find(hashes)
        if without == self._rows:
            return self._check(Outcome.SKIPPED, "no row has an id")
        return self._judge("each id once", "repeat an id", without_id=without)


class ExactDuplicates(_Repeats):
    """No two rows have the same content, whatever its case and white space."""

    name = "exact_duplicates"

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._collect(batch, batch.fingerprints)

    def result(self) -> Check:
        """The finding; skipped when no row has content."""
        hashes = self.hashes()
        without = int(np.count_nonzero(hashes == 0))
        self._find(hashes)
        if without == self._rows:
            return self._check(Outcome.SKIPPED, "no row has content")
        return self._judge("each content once", "repeat the content of another", without_content=without)


class SplitLeakage(_Finding):
    """No group (an article, a page, a seed) has rows in two splits; rows are told by group, not by id."""

    name = "split_leakage"

    def __init__(self, interface: str, group_key: str | None) -> None:
        super().__init__(interface)
        self._group_key = group_key
        self._group_parts = (group_key or "").split(".")
        self._places = Places()
        self._groups = bytearray()
        self._codes: list[np.ndarray[Any, np.dtype[np.uint16]]] = []
        self._splits: dict[str, int] = {}
        self._unknown = 0
        self._too_many = False

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += len(batch.records)
        if self._group_key is None:
            return
        self._places.observe(batch)
        codes = np.zeros(len(batch.records), dtype=np.uint16)
        for position, record in enumerate(batch.records):
            group = record.get(self._group_key)
            if group is None:
                group = _value_at(record, self._group_parts)
            code = self._code(record)
            if group is None or code == 0:
                self._unknown += 1
                self._groups += NO_HASH
            else:
                codes[position] = code
                self._groups += hash_text(content_text(group))
        self._codes.append(codes)

    def _code(self, record: Record) -> int:
        split = record.get("split")
        if split is None:
            split = record.get("stage")
        if split is None or split == "":
            return 0
        name = str(split)[:200]
        code = self._splits.get(name)
        if code is None:
            if len(self._splits) == MAX_SPLITS:
                self._too_many = True
                return 1  # the finding is an error whatever the code
            code = self._splits[name] = len(self._splits) + 1
        return code

    def result(self) -> Check:
        """The finding: skipped without a group key, an error when the field of the split holds no splits.

        Rows whose group or split is unknown fail it: leakage cannot be ruled out for them.
        """
        if self._group_key is None:
            return self._check(Outcome.SKIPPED, "the contract declares no group_key")
        if self._too_many:
            return self._check(
                Outcome.ERROR, f"more than {MAX_SPLITS} different splits: the field holds something else"
            )
        leaking = self._leaking_groups()
        self._failing = leaking + self._unknown
        more = {
            "leaking_groups": leaking,
            "unknown_rows": self._unknown,
            "splits": tuple(sorted(withheld(name) for name in self._splits)),
        }
        if leaking or self._unknown:
            parts = [f"{leaking} groups have rows in two splits"] if leaking else []
            parts += [f"{self._unknown} rows have no group or no split"] if self._unknown else []
            return self._check(Outcome.FAILED, "; ".join(parts), **more)
        return self._check(Outcome.PASSED, f"{self._rows} rows, every group in one split", **more)

    def _leaking_groups(self) -> int:
        """Counts the groups with two splits, and takes the first few pairs of rows as examples."""
        groups = as_hashes(self._groups)
        codes = np.concatenate(self._codes) if self._codes else np.zeros(0, dtype=np.uint16)
        order = np.lexsort((codes, groups))
        group, code = groups[order], codes[order]
        leak = (group[1:] == group[:-1]) & (code[1:] != code[:-1]) & (group[1:] != 0)
        later, earlier = order[1:][leak], order[:-1][leak]
        self._examples = [
            {"place": self._places.place(int(later[index])), "same_group_as": self._places.place(int(earlier[index]))}
            for index in np.argsort(later)[:EXAMPLES]
        ]
        return len(np.unique(group[1:][leak]))


class RawPersonalData(_Finding):
    """No personal data anywhere in a record: not in the content, not in its metadata, not in a key."""

    name = "raw_personal_data"

    def __init__(self, interface: str) -> None:
        super().__init__(interface)
        self._kinds: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch: closely only at its suspects, which is where all hits are."""
        self._rows += len(batch.records)
        for position in batch.suspects:
            hits = list(find_personal_data(batch.records[position]))
            if hits:
                self._kinds.update(kind for _, kind in hits)
                self._count_fields(hits)
                shown = tuple({"path": path[:200], "kind": kind} for path, kind in hits[:EXAMPLES])
                self._offend(batch, position, hits=shown)

    def _count_fields(self, hits: list[tuple[str, str]]) -> None:
        for path, _ in hits:
            field = path.split("[", 1)[0][:200]
            if field in self._fields or len(self._fields) < _MAX_FIELDS_SHOWN:
                self._fields[field] += 1

    def result(self) -> Check:
        """The finding, with hits by kind and by field."""
        return self._judge(
            "no personal data found", "hold personal data", kinds=dict(self._kinds), fields=dict(self._fields)
        )


class LicenceAndSource(_Finding):
    """Every row says where it comes from and under which licence, itself or through the data card."""

    name = "licence_and_source"

    def __init__(self, interface: str, schema: str, *, card_source: bool, card_licence: bool) -> None:
        # Free rows (figures, logs) need not carry their origin; the card should, so look, do not stop.
        super().__init__(interface, CheckSeverity.BLOCKING if schema == "record" else CheckSeverity.WARNING)
        # A sample record names its own source: a card speaks of the whole, not of the one sample.
        self._source_known = card_source and schema != "record"
        self._licence_known = card_licence
        self._licences: set[str] = set()
        self._without: Counter[str] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += len(batch.records)
        for position, record in enumerate(batch.records):
            missing = []
            if not self._source_known and not _says_something(record.get("source")):
                missing.append("source")
            if not self._licence_known:
                licence = _licence_of(record)
                if licence is None:
                    missing.append("licence")
                elif len(self._licences) <= MAX_LICENCES:
                    self._licences.add(licence)
            if missing:
                self._without.update(missing)
                self._offend(batch, position, missing=tuple(missing))

    def result(self) -> Check:
        """The finding, with the count of rows that lack each."""
        return self._judge("source and licence known", "lack source or licence", without=dict(self._without))

    @property
    def licences(self) -> tuple[str, ...]:
        """The licences the rows state, when every row states one that can be shown, and they are not too many."""
        whole = self._rows > 0 and not self._without["licence"] and len(self._licences) <= MAX_LICENCES
        return tuple(sorted(self._licences)) if whole and all(map(_is_shown, self._licences)) else ()


def _is_shown(licence: str) -> bool:
    return len(licence) <= MAX_LICENCE_LENGTH and label_fault(licence) is None


def _licence_of(record: Record) -> str | None:
    """The licence a record states, as text; None when it states none."""
    stated = next((value for path in _LICENCE_PATHS if _says_something(value := _value_at(record, path))), None)
    return stated.strip() if isinstance(stated, str) else None if stated is None else canonical_json(stated)


def _says_something(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return any(_says_something(item) for item in items)
    return value is not None and not isinstance(value, bool)


def duplicates_of(spec: InterfaceOut) -> ExactDuplicates:
    """The duplicate check of an interface: among free rows (events, figures) equal rows may be right."""
    blocking = spec.record_schema == "record"
    return ExactDuplicates(spec.name, CheckSeverity.BLOCKING if blocking else CheckSeverity.WARNING)
