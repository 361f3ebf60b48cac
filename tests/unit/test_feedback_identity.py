"""Every event is known once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from feedback_columns import batch, row
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.feedback import identity
from flywheel_mlflow.feedback.identity import (
    CONFLICT,
    NEW,
    REPEATED,
    IdIndex,
    content_hashes,
    id_hash,
    id_hashes,
)

BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1)), max_size=30), max_size=8)


@given(batches=BATCHES, gathered=st.integers(1, 50))
def test_the_index_agrees_with_a_dictionary(batches: list[list[tuple[int, int]]], gathered: int) -> None:
    """New, repeated or in conflict, within a batch and over batches, however often the index is merged."""
    before, identity._GATHERED = identity._GATHERED, gathered
    try:
        index, known = IdIndex(), dict[int, int]()
        for pairs in batches:
            # Spread over the parts of the index, 0 and the largest number among them.
            ids = np.array([key * ((2**64 - 1) // 40) for key, _ in pairs], dtype=np.uint64)
            contents = np.array([said for _, said in pairs], dtype=np.uint64)
            expected = []
            for key, said in pairs:
                verdict = NEW if key not in known else REPEATED if known[key] == said else CONFLICT
                known.setdefault(key, said)
                expected.append(verdict)
            assert index.judge(ids, contents).tolist() == expected
        assert len(index) == len(known)
    finally:
        identity._GATHERED = before


CHANGES: list[dict[str, Any]] = [
    {"text": "another"},
    {"time": "2026-10-01T12:00:01Z"},
    {"severity": "low"},
    {"suggestion": "x"},
    {"response": "x"},
    {"record_ids": ["a/1"]},
    {"record_ids": ["a/1", "b"]},
    {"project": "p01"},
    {"stage": "p01"},
    {"trace_id": "word 1"},
]


def test_any_change_changes_the_content_and_nothing_else() -> None:
    """Each field counts, the id does not; a value in another field is another content."""
    hashes = {int(content_hashes(batch(row(1, **change)))[0]) for change in [{}, *CHANGES]}
    assert len(hashes) == len(CHANGES) + 1
    assert content_hashes(batch(row(1)))[0] == content_hashes(batch(row(1, id="another")))[0]


def test_the_content_does_not_depend_on_neighbours() -> None:
    """The same event hashes alike alone, beside fuller events, and in a slice."""
    full = row(2, severity="low", project="p01", record_ids=["a/1"], suggestion="s", response="r")
    alone = content_hashes(batch(row(1)))[0]
    together = batch(full, row(1))
    assert content_hashes(together)[1] == alone
    assert content_hashes(together.slice(1))[0] == alone
    assert content_hashes(batch(row(1, time="2026-10-01T14:00:00+02:00", record_ids=[])))[0] == alone


@pytest.mark.parametrize("name", ["e1", "日本", "é/1"])
def test_one_id_hashes_as_its_column(name: str) -> None:
    """So that one event can be looked for in the stored hashes."""
    assert id_hash(name) == int(id_hashes(batch(row(1, id=name)))[0])
