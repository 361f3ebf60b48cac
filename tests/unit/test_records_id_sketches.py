"""Tests of which ids interfaces have in common, and of what explains them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flywheels import contract
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.evidence.lineage import id_origins
from flywheel_mlflow.evidence.runs import CommonIds
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import common_ids, id_sketches_from_parquet, id_sketches_to_parquet, measure
from flywheel_mlflow.records.arrow_values import objects_array
from flywheel_mlflow.records.batches import Block, make_batch
from flywheel_mlflow.records.id_sketches import IdSketch, IdSketchBuilder

names = st.lists(st.text(st.sampled_from("ab1é"), min_size=1, max_size=5), max_size=30)


def seen(ids: Iterable[Any], most: int = 100) -> IdSketchBuilder:
    """What is known of records with these ids."""
    rows = [{"id": name, "content": "text"} for name in ids]
    builder = IdSketchBuilder(most)
    if rows:
        block = Block(objects_array(rows), 0, rows.__getitem__, keeps_nulls=False, keeps_numbers=True)
        builder.observe(make_batch("free", (0, 0), block))
    return builder


def sketch(*ids: Any, most: int = 100) -> IdSketch:
    return seen(ids, most).result()


def made(project: str, *interfaces: dict[str, Any], reads: Iterable[tuple[str, str]] = ()) -> Contract:
    """A project that makes some interfaces of others."""
    outs = [{"title": "T", "format": "jsonl"} | item for item in interfaces]
    return contract(
        project, interfaces_out=outs, interfaces_in=[{"name": name, "from_iteration": turn} for name, turn in reads]
    )


@given(names, st.integers(0, 30), st.integers(1, 12))
def test_parts_merge_to_the_same_whole(ids: list[str], cut: int, most: int) -> None:
    """However records are cut, the same smallest hashes are kept, up to the same limit."""
    whole, parts = seen(ids, most).result(), seen(ids[cut:], most)
    parts.merge(seen(ids[:cut], most))
    merged = parts.result()
    assert np.array_equal(whole.hashes, merged.hashes)
    assert whole.limit == merged.limit
    assert len(whole.hashes) <= most


@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(names, st.integers(1, 12))))
def test_the_file_keeps_sketches_exactly(data: dict[str, tuple[list[str], int]]) -> None:
    """What is read is what was written, for interfaces without ids, too."""
    sketches = {name: sketch(*ids, most=most) for name, (ids, most) in data.items()}
    read = id_sketches_from_parquet(id_sketches_to_parquet(sketches))
    assert {name: (item.hashes.tolist(), item.limit) for name, item in read.items()} == {
        name: (item.hashes.tolist(), item.limit) for name, item in sketches.items()
    }


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\x80\x04N."])
def test_other_bytes_are_refused(data: bytes) -> None:
    """A damaged artifact is refused, never taken for one without ids."""
    with pytest.raises(RecordError):
        id_sketches_from_parquet(data)


def test_ids_that_tell_something_are_found_on_both_sides() -> None:
    """Texts of four characters and more; numbers and short ids are the same in any two data sets."""
    common = ("doc-18", "7", "1234", 1234, "ab")
    sketches = {"a": sketch("doc-17", *common), "b": sketch(*common)}
    assert list(common_ids(sketches, {})) == [CommonIds("a", "b", 1, 2, 1)]


def test_ids_of_a_common_origin_are_explained() -> None:
    """Both may have what the interface they are made of has, and nothing else."""
    sketches = {"a": sketch("doc-1", "own-1"), "b": sketch("doc-1", "own-1"), "root": sketch("doc-1", "doc-2")}
    pair = frozenset(("a", "b"))
    others = {frozenset((name, "root")): {"root"} for name in "ab"}
    assert list(common_ids(sketches, others | {pair: {"root"}})) == [CommonIds("a", "b", 1, 2, 2)]
    assert not list(common_ids(sketches, others | {pair: {"a"}}))
    assert not list(common_ids(sketches, others | {pair: {"opaque"}}))


def test_large_interfaces_keep_the_same_part() -> None:
    """With room for a part of the ids on both sides, the share found stays near the share there is."""
    draw = random.Random(1)  # noqa: S311 - sample data
    ids = [f"id-{draw.random()}" for _ in range(6000)]
    sketches = {"a": sketch(*ids[:4000], most=300), "b": sketch(*ids[2000:], most=200)}
    (found,) = common_ids(sketches, {})
    assert found.shared is not None
    assert found.shared / found.of_one == pytest.approx(0.5, abs=0.12)
    assert found.of_other == 200


def test_lineage_and_contracts_say_what_may_be_shared() -> None:
    """Data share ids with what they are made of, at any distance, with what else is made of it, and as declared."""
    contracts = [
        made("p01", {"name": "raw_text", "role": "training"}, reads=[("report", "previous")]),
        made("p02", {"name": "corpus"}, {"name": "index"}, reads=[("raw_text", "same")]),
        made("p03", {"name": "report"}, {"name": "quiz", "role": "evaluation"}, reads=[("corpus", "same")]),
        made("p04", {"name": "alone"}, {"name": "twin", "shares_ids_with": ["alone"]}),
    ]
    found = id_origins(contracts)
    assert found[frozenset(("raw_text", "corpus"))] >= {"raw_text"}
    assert found[frozenset(("index", "corpus"))] >= {"raw_text"}
    assert "corpus" not in found[frozenset(("index", "corpus"))]
    assert found[frozenset(("index", "report"))] >= {"raw_text"}
    assert found[frozenset(("alone", "twin"))] == {"alone", "twin"}
    assert frozenset(("alone", "corpus")) not in found
    assert frozenset(("quiz", "raw_text")) not in found
    assert found[frozenset(("quiz", "corpus"))] >= {"corpus"}


def test_circles_end() -> None:
    """Contracts that wait on each other are refused elsewhere; here they do no harm."""
    contracts = [
        made("p01", {"name": "one"}, reads=[("other", "same")]),
        made("p02", {"name": "other"}, reads=[("one", "same")]),
    ]
    assert id_origins(contracts)[frozenset(("one", "other"))] == {"one", "other"}


def test_measuring_gives_the_ids(tmp_path: Path) -> None:
    """Data of records have a sketch, opaque files have none."""
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"id": f"doc-{n}"}) + "\n" for n in range(5)))
    spec = InterfaceOut.model_validate({"name": "a", "title": "A", "format": "jsonl", "schema": "free"})
    found = measure(tmp_path / "a.jsonl", spec).ids
    assert found is not None
    assert (len(found.hashes), found.limit) == (5, None)
    opaque = InterfaceOut.model_validate({"name": "a", "title": "A", "format": "opaque", "schema": "opaque"})
    assert measure(tmp_path / "a.jsonl", opaque).ids is None
