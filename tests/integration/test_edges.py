"""Edges between projects, resolved by name and digest through a real server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from workbench import Bench, changed, records, write_records

from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.base.errors import InputError, MissingVersion, UnknownName
from flywheel_mlflow.evidence.lineage import Edge, EdgeState
from flywheel_mlflow.evidence.runs import ConsumedInterface
from flywheel_mlflow.operations.assembly.assembling import gather


def _assembled(bench: Bench, iteration: int = 1) -> Assembly:
    gathered = gather(bench.flywheel, bench.tracking, iteration)
    return assemble(
        bench.flywheel,
        gathered.collected,
        before=gathered.before,
        overlaps=gathered.overlaps,
        common_ids=gathered.common_ids,
    )


def _edge(bench: Bench, interface: str = "teaching_corpus", consumer: str = "p06", iteration: int = 1) -> Edge:
    found = [
        edge for edge in _assembled(bench, iteration).edges if (edge.interface, edge.consumer) == (interface, consumer)
    ]
    assert len(found) == 1
    return found[0]


def _teach(bench: Bench, folder: Path, *, start: int = 0, without: tuple[str, ...] = (), iteration: int = 1) -> str:
    data = {
        "teaching_corpus": write_records(folder / "teaching_corpus.jsonl", records(5, start=start, without=without)),
        "verified_code_examples": write_records(folder / "code.jsonl", records(5, start=900)),
    }
    evidence = bench.log("p04", iteration, interfaces=data).entry.evidence
    assert evidence is not None
    return evidence.interfaces_out["teaching_corpus"].digest


def test_input_of_the_same_version_matches(bench: Bench, tmp_path: Path) -> None:
    """A consumer that logs the input its producer made this iteration is a matched edge, with the one digest."""
    digest = _teach(bench, tmp_path)
    bench.log("p06", inputs=["teaching_corpus"])
    edge = _edge(bench)
    assert (edge.state, edge.made, edge.read, edge.missing) == (EdgeState.MATCHED, digest, digest, ())


def test_input_of_an_older_version_is_stale(bench: Bench, tmp_path: Path) -> None:
    """A producer that logs a new version after its consumer ran leaves a stale edge with both digests."""
    old = _teach(bench, tmp_path)
    bench.log("p06", inputs=["teaching_corpus"])
    new = _teach(bench, tmp_path, start=40)
    edge = _edge(bench)
    assert (edge.state, edge.made, edge.read) == (EdgeState.STALE, new, old)


def test_input_nobody_logged(bench: Bench, tmp_path: Path) -> None:
    """Version without input, input without version, and neither run are told apart."""
    assert _edge(bench).state is EdgeState.UNVERSIONED
    _teach(bench, tmp_path)
    assert _edge(bench).state is EdgeState.NO_EVIDENCE
    bench.log("p06")
    assert _edge(bench).state is EdgeState.UNREAD


def test_same_digest_under_another_name_is_no_edge(bench: Bench, tmp_path: Path) -> None:
    """An input with the right digest and another interface's name does not match: the join is on both."""
    digest = _teach(bench, tmp_path)
    bench.log("p06", reads=[ConsumedInterface("verified_code_examples", digest)])
    assert _edge(bench).state is EdgeState.UNREAD
    assert _edge(bench, "verified_code_examples").state is EdgeState.STALE


def test_removed_field_bars_the_producer_for_its_consumer(bench: Bench, tmp_path: Path) -> None:
    """A version without a field a consumer needs makes its producer not consumable for that consumer, by name."""
    _teach(bench, tmp_path, without=("metadata",))
    entry = _assembled(bench).registry["p04"]
    assert "teaching_corpus lacks metadata" in entry.barred["p06"]
    assert _edge(bench).missing == ("metadata",)


def test_feedback_edge_reads_the_iteration_before(bench: Bench, tmp_path: Path) -> None:
    """An edge that is one iteration late joins the consumer's input with the producer's version from before."""
    path = write_records(tmp_path / "reasoning_feedback.jsonl", records(3))
    bench.log("p06", 1, interfaces={"reasoning_feedback": path})
    bench.log("p05", 2, inputs=["reasoning_feedback"])
    edge = _edge(bench, "reasoning_feedback", "p05", 2)
    assert (edge.state, edge.from_iteration) == (EdgeState.MATCHED, "previous")
    with pytest.raises(MissingVersion, match="iteration 0"), bench.open("p05", 1) as run:
        run.log_input("reasoning_feedback")


def test_training_on_evaluation_records_is_not_consumable(bench: Bench, tmp_path: Path) -> None:
    """A training interface with records of another project's evaluation interface makes its project not consumable."""
    _teach(bench, tmp_path)
    shared = records(2) + records(3, start=500)
    bench.log("p05", interfaces={"retrieval_metrics": write_records(tmp_path / "retrieval_metrics.jsonl", shared)})
    registry = _assembled(bench).registry
    words = "teaching_corpus contains 2 of 5 records of the evaluation set retrieval_metrics"
    places = "retrieval_metrics.jsonl, row 1 in teaching_corpus.jsonl, row 1"
    assert f"{words}, such as {places}" in registry["p04"].reasons
    assert not registry["p04"].consumable


def test_questions_inside_training_records_are_found(bench: Bench, tmp_path: Path) -> None:
    """An evaluation question in a longer training record, in other letters and signs, is found with both places."""
    question = "Which of the two rivers that meet below the old bridge is the longer one?"
    taught = records(3) + [
        record | {"content": f"Q: {question.upper()}\nA: the left one."} for record in records(1, start=9)
    ]
    bench.log("p04", interfaces={"teaching_corpus": write_records(tmp_path / "teaching_corpus.jsonl", taught)})
    asked = [records(1, start=500)[0] | {"content": {"question": question, "answer": "the left one"}}]
    bench.log("p05", interfaces={"retrieval_metrics": write_records(tmp_path / "retrieval_metrics.jsonl", asked)})
    (reason,) = [text for text in _assembled(bench).registry["p04"].reasons if "evaluation set" in text]
    assert reason.startswith("teaching_corpus contains 1 of 1 record of the evaluation set retrieval_metrics")
    assert reason.endswith("retrieval_metrics.jsonl, row 1 in teaching_corpus.jsonl, row 4")


def test_clean_training_data_is_no_reason(bench: Bench, tmp_path: Path) -> None:
    """Training and evaluation interfaces without a common record give no reason and no note."""
    _teach(bench, tmp_path)
    other = write_records(tmp_path / "retrieval_metrics.jsonl", records(3, start=500))
    bench.log("p05", interfaces={"retrieval_metrics": other})
    entry = _assembled(bench).registry["p04"]
    assert not [text for text in (*entry.reasons, *entry.notes) if "retrieval_metrics" in text]


def test_ids_in_common_are_told_on_both_sides(local_bench: Bench, tmp_path: Path) -> None:
    """Ids that another project's records have are a note of both producers; where a contract declares them, of none."""
    bench = local_bench
    _teach(bench, tmp_path)
    log = {"retrieval_metrics": write_records(tmp_path / "retrieval_metrics.jsonl", records(3, start=903))}
    logged = bench.log("p05", interfaces=log)
    words = "retrieval_metrics and verified_code_examples have 2 ids in common (of 3 and 5)"
    registry = _assembled(bench).registry
    for project in ("p04", "p05"):
        assert [note for note in registry[project].notes if note.startswith(words)]
    outs = bench.flywheel.contracts["p05"].interfaces_out
    declared = [item.model_copy(update={"shares_ids_with": ("verified_code_examples",)}) for item in outs]
    quiet = replace(bench, flywheel=changed(bench.flywheel, "p05", interfaces_out=tuple(declared)))
    assert not [note for note in _assembled(quiet).registry["p04"].notes if "in common" in note]
    _delete(bench, logged.run_id, "flywheel/ids.parquet")
    unknown = "which ids retrieval_metrics has in common with others is unknown: its run logged none"
    assert unknown in _assembled(bench).registry["p05"].notes


def test_missing_words_are_unknown(bench: Bench, tmp_path: Path) -> None:
    """An interface version whose sketch of words is gone leaves contamination unknown, and says so."""
    _teach(bench, tmp_path)
    tested = write_records(tmp_path / "retrieval_metrics.jsonl", records(3, start=500))
    logged = bench.log("p05", interfaces={"retrieval_metrics": tested})
    _delete(bench, logged.run_id, "flywheel/words.parquet")
    notes = _assembled(bench).registry["p04"].notes
    assert "whether teaching_corpus contains records of retrieval_metrics is unknown: a run logged no words" in notes


def _delete(bench: Bench, run_id: str, *places: str) -> None:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    artifacts = get_artifact_repository(bench.client.get_run(run_id).info.artifact_uri, tracking_uri=bench.uri)
    for place in places:
        artifacts.delete_artifacts(place)  # type: ignore[no-untyped-call]


def test_fetched_input_is_the_data_that_was_logged(bench: Bench, tmp_path: Path) -> None:
    """A consumer fetches exactly the bytes its producer logged, by digest."""
    _teach(bench, tmp_path)
    run = bench.open("p06")
    version = run.log_input("teaching_corpus")
    path = run.fetch_input(version, tmp_path / "fetched")
    assert path.read_bytes() == (tmp_path / "teaching_corpus.jsonl").read_bytes()


def test_fetched_input_that_was_changed_is_refused(local_bench: Bench, tmp_path: Path) -> None:
    """Data changed in the store after they were logged are refused when a consumer fetches them."""
    _teach(local_bench, tmp_path)
    root = Path(local_bench.uri.removeprefix("sqlite:///")).parent / "artifacts"
    stored = next(root.rglob("interfaces/teaching_corpus/teaching_corpus.jsonl"))
    stored.write_bytes(stored.read_bytes()[:-3] + b'"}\n')
    run = local_bench.open("p06")
    with pytest.raises(InputError, match="the version says"):
        run.fetch_input(run.log_input("teaching_corpus"), tmp_path / "fetched")


def test_unknown_input_is_refused(bench: Bench, tmp_path: Path) -> None:
    """Neither an undeclared input nor a digest nobody made can be logged."""
    _teach(bench, tmp_path)
    run = bench.open("p06")
    with pytest.raises(UnknownName):
        run.log_input("knowledge_index")
    with pytest.raises(UnknownName):
        run.log_input("teaching_corpus", digest="0" * 32)
