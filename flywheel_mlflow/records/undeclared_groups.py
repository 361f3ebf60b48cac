"""Finds fields that look like groups (a document, a user) and have rows in several splits, where none is declared."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.checks import PlaceOf, first_texts, hashes_of
from flywheel_mlflow.records.columns import encode
from flywheel_mlflow.records.findings import Warned
from flywheel_mlflow.records.word_sketches import Columns

#: What a field is called that says which rows belong together; also with ``_id``, ``id`` or ``_name`` behind it.
GROUPS = frozenset(
    {
        "article",
        "author",
        "book",
        "case",
        "conversation",
        "customer",
        "dialog",
        "dialogue",
        "doc",
        "document",
        "episode",
    }
    | {"file", "image", "page", "parent", "passage", "patient", "problem", "product", "recording", "repo"}
    | {
        "repository",
        "scene",
        "seed",
        "session",
        "source_doc",
        "source_document",
        "speaker",
        "story",
        "thread",
        "uri",
        "url",
        "user",
    }
    | {"video", "website"}
)
_ENDINGS = ("_id", "id", "_name", "")
#: Groups kept of each field, those with the smallest hashes.
MOST_GROUPS = 4096
#: Fewer groups, or larger ones, are categories, which every split should have.
LEAST_GROUPS, LARGEST_MEAN, SMALLEST_MEAN = 10, 50.0, 1.5
#: So many groups in two splits, and this share, are no slip.
STRADDLING, STRADDLING_SHARE = 2, 0.01


class UndeclaredGroups(Warned):
    """No document, user or other group has rows in two splits where the contract declares no group_key."""

    name = "undeclared_groups"

    def __init__(self, interface: str, group_key: str | None) -> None:
        super().__init__(interface)
        self._is_declared = group_key is not None
        self._fields: dict[str, _Groups] = {}

    def observe(self, batch: Batch) -> None:
        """Looks at a batch."""
        self._rows += batch.rows
        if self._is_declared:
            return
        splits = hashes_of(first_texts(batch, [("split",), ("stage",)]))
        for item in batch.fields:
            if item.kind in ("string", "integer") and is_group(item.path):
                groups = hashes_of(encode(item.values, item.kind, whole_numbers=True))
                known = (groups != 0) & (splits != 0)
                self._fields.setdefault(item.path, _Groups()).observe(groups[known], splits[known])

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        for path, groups in other._fields.items():
            self._fields.setdefault(path, _Groups()).merge(groups)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding; skipped with a group_key, without splits, and without fields that look like groups."""
        looked = {path: groups for path, groups in sorted(self._fields.items()) if groups.is_group}
        found = {path: groups.straddling for path, groups in looked.items() if groups.straddles}
        self._failing = sum(found.values())
        path = next(iter(found), "")
        bad = f"{found[path]} of {len(looked[path])} values of {path} have rows in two splits" if found else ""
        return self._look(
            place_of,
            len(looked),
            "the contract declares a group_key, or no field of rows in several splits looks like a group",
            f"{', '.join(list(looked)[:3])}: every value in one split",
            f"{bad}: declare group_key: {path}, or split by it",
            straddling=found,
        )


def is_group(path: str) -> bool:
    """Whether a field is called as groups are, and lies neither in the content nor among the signals."""
    root, _, _ = path.partition(".")
    name = path.rpartition(".")[2].lower()
    if root in ("content", "payload", "quality_signals", "audit_trace"):
        return False
    return any(name.endswith(ending) and name.removesuffix(ending) in GROUPS for ending in _ENDINGS)


class _Groups:
    """The groups of a field with the smallest hashes: their rows, and the smallest and largest hash of their splits."""

    def __init__(self) -> None:
        self._columns: Columns = {name: np.zeros(0, np.uint64) for name in ("group", "rows", "first", "last")}
        self._splits: tuple[int, int] | None = None
        self._limit: int | None = None

    def __len__(self) -> int:
        return len(self._columns["group"])

    def observe(self, groups: Any, splits: Any) -> None:
        """Adds rows by the hashes of their group and split."""
        if len(groups):
            self._meet((int(splits.min()), int(splits.max())))
            ones = np.ones(len(groups), np.uint64)
            self._add({"group": groups, "rows": ones, "first": splits, "last": splits})

    def merge(self, other: _Groups) -> None:
        """Adds what another has seen."""
        if other._splits is not None:
            self._meet(other._splits)
        limits = [item for item in (self._limit, other._limit) if item is not None]
        self._limit = min(limits, default=None)
        self._add(other._columns)

    def _meet(self, splits: tuple[int, int]) -> None:
        before = self._splits or splits
        self._splits = min(before[0], splits[0]), max(before[1], splits[1])

    def _add(self, columns: Columns) -> None:
        together = {name: np.concatenate((self._columns[name], columns[name])) for name in columns}
        order = np.argsort(together["group"], kind="stable")
        groups = together["group"][order]
        if not len(groups):
            return
        starts = np.flatnonzero(np.concatenate(([True], groups[1:] != groups[:-1])))
        self._columns = {
            "group": groups[starts],
            "rows": np.add.reduceat(together["rows"][order], starts),
            "first": np.minimum.reduceat(together["first"][order], starts),
            "last": np.maximum.reduceat(together["last"][order], starts),
        }
        if len(starts) > MOST_GROUPS:
            self._limit = min(int(groups[starts[MOST_GROUPS]]), self._limit or 1 << 64)
        if self._limit is not None:
            kept = int(np.searchsorted(groups[starts], np.uint64(self._limit)))
            self._columns = {name: values[:kept] for name, values in self._columns.items()}

    @property
    def is_group(self) -> bool:
        """Whether there are several splits, and groups of a size that groups have."""
        if self._splits is None or self._splits[0] == self._splits[1] or len(self) < LEAST_GROUPS:
            return False
        return SMALLEST_MEAN <= float(self._columns["rows"].mean()) <= LARGEST_MEAN

    @property
    def straddling(self) -> int:
        """How many of the groups kept have rows in two splits."""
        return int(np.count_nonzero(self._columns["first"] != self._columns["last"]))

    @property
    def straddles(self) -> bool:
        """Whether that is more than a slip."""
        return self.straddling >= max(STRADDLING, STRADDLING_SHARE * len(self))
