"""A number that changed between two assembled iterations, and who is suspected, on a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from workbench import Bench, Ended, bench_on, copy_flywheel, flywheel_command, fresh_name, records, write_records

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.drift.wording import word_of
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.operations.assembly.localising import localise, localise_collected

SOURCES = {"flywheel_mlflow/__init__.py": ""}
NUMBER = "p12.selection_pass_rate"


def _card(folder: Path, kept: int) -> Path:
    """A data card whose one filter lets so many of 300 rows through."""
    note = {"rule": "verified", "rows_in": 300, "rows_out": kept, "reason": "quality"}
    path = folder / f"card-{kept}.json"
    path.write_text(json.dumps({"source": "made for a test", "licence": "CC0-1.0", "filters": [note]}))
    return path


def log_turn(bench: Bench, folder: Path, iteration: int, *, length: int, kept: int, passed: float, fault: str) -> None:
    """p04 makes a corpus of this length, p12 builds on it and selects this share; both log a fault as a parameter."""
    rows = records(200)
    for number, row in enumerate(rows):
        row["quality_signals"] = {"length": length + number % 20}
    with bench.open("p04", iteration) as run:
        run.log_params({"injected_fault": fault})
        run.log_document({"verification_pass_rate": 0.99, "synthesized_count": 60, "num_books": 2})
        corpus = write_records(folder / f"corpus-{iteration}.jsonl", rows)
        run.log_interface("teaching_corpus", corpus, card=_card(folder, kept))
        run.log_interface("verified_code_examples", write_records(folder / "code.jsonl", records(60, start=500)))
    with bench.open("p12", iteration) as run:
        run.log_params({"injected_fault": "none" if fault == "none" else "red_herring"})
        run.log_input("teaching_corpus")
        run.log_input("verified_code_examples")
        run.log_document(
            {
                "training_manifest": {"merged_records": 80},
                "rejection_sampling_summary": {"pass_rate": passed, "verified_total": 500},
            }
        )


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    """A flywheel on disk."""
    return copy_flywheel(repository, tmp_path / "home", fresh_name())


@pytest.fixture
def store(embedded_store: Callable[[], EmbeddedStore]) -> EmbeddedStore:
    """An embedded store for that flywheel."""
    return embedded_store()


@pytest.fixture
def bench(home: Path, store: EmbeddedStore, tmp_path: Path) -> Bench:
    """Three turns: in the second p04's filter drops more and its corpus moves, in the third nothing is new."""
    found = bench_on(load_flywheel(home), store.uri)
    moved = {"length": 75, "kept": 200, "passed": 0.5}
    turns = [
        {"length": 60, "kept": 290, "passed": 0.9, "fault": "none"},
        moved | {"fault": "x"},
        moved | {"fault": "y"},
    ]
    for iteration, values in enumerate(turns, start=1):
        log_turn(found, tmp_path, iteration, **values)  # type: ignore[arg-type]
    return found


def _explain(home: Path, store: EmbeddedStore, *words: str) -> Ended:
    return flywheel_command("explain", *words, root=home, uri=store.uri)


def test_the_producer_is_named_with_what_changed_in_it(bench: Bench, home: Path, store: EmbeddedStore) -> None:
    """The producer whose data moved comes first, with filter, signal and digest; what runs say of themselves does not
    count; a turn without news has one suspect; the command prints the same as a table, as JSON, and refuses bad input.
    """
    for iteration in (1, 2, 3):
        assemble_iteration(bench.flywheel, bench.tracking, iteration, sources=SOURCES)
    found = localise(bench.flywheel, bench.tracking, NUMBER, 1, 2)
    first, second = found.suspects
    assert (found.before, found.value) == (0.9, 0.5)
    assert found.verdict.startswith("worse")
    assert (first.project, first.distance, first.through) == ("p04", 1, ("teaching_corpus",))
    assert second.project == "p12"
    assert {(item.kind.value, item.subject) for item in first.changes} == {
        ("filter", "teaching_corpus/filter verified"),
        ("signal", "teaching_corpus/quality_signals.length"),
        ("data", "teaching_corpus"),
    }
    assert first.suspicion > 0.5
    assert found.notes == ()
    everything = str(found)
    assert "red_herring" not in everything
    assert "injected_fault" not in everything

    calm = localise(bench.flywheel, bench.tracking, NUMBER, 2, 3)
    assert [(item.project, item.suspicion, item.changes) for item in calm.suspects] == [("p12", 1.0, ())]
    back = localise(bench.flywheel, bench.tracking, NUMBER, 2, 1)
    assert back.suspects[0].project == "p04"
    assert back.verdict.startswith("better")

    table = _explain(home, store, NUMBER, "--between", "1", "2")
    assert table.code == 0, table.err
    assert "p04" in table.out
    assert "look closer at 1: flywheel drift --iteration 2 --against 1 --full --dry-run" in table.out
    machine = _explain(home, store, NUMBER, "--between", "1", "2", "--json")
    assert [item["project"] for item in machine.json["suspects"]] == ["p04", "p12"]
    for words, says in (
        (("p12.selection_pas_rate", "--between", "1", "2"), "p12.selection_pass_rate"),
        ((NUMBER, "--between", "2", "2"), "cannot be compared with itself"),
        ((NUMBER, "--between", "1", "9"), "iteration 9 has no valid assembly"),
        ((NUMBER, "--between", "0", "1"), "iteration 0 has no valid assembly"),
        ((NUMBER, "--between", "1", "2", "--iteration", "1"), "leave --iteration out"),
        (("run_count", "--between", "1", "2"), "unknown metric"),
        (("project_count", "--between", "1", "2"), "does not rest on numbers of projects"),
    ):
        ended = _explain(home, store, *words)
        assert (ended.code, says in ended.err) == (2, True), ended.err
    with pytest.raises(UnknownName):
        localise(bench.flywheel, bench.tracking, "p12.nothing", 1, 2)
    with pytest.raises(InputError):
        localise(bench.flywheel, bench.tracking, NUMBER, 3, 4)


def test_a_profile_that_cannot_be_read_is_told(bench: Bench) -> None:
    """Damaged files beside the data cost what they would have said, which is told, and no more."""
    collected = {turn: bench.collect(turn) for turn in (1, 2)}
    run = bench.run(str(collected[2].evidence["p04"].run_id))
    place = Path(run.info.artifact_uri.removeprefix("file://")) / "flywheel/profiles/teaching_corpus.json"
    place.write_text("{")
    found = localise_collected(bench.flywheel, bench.tracking, collected, NUMBER, 1, 2)
    assert found.suspects[0].project == "p04"
    assert {item.kind.value for item in found.suspects[0].changes} == {"data"}
    assert any("teaching_corpus" in note for note in found.notes), found.notes


SAMPLED = "p04.verification_pass_rate"


def _log_samples(bench: Bench, folder: Path, iteration: int, rate: float, right: range) -> None:
    """A turn of p04 with this pass rate, whose single samples q0 to q59 are right where told."""
    with bench.open("p04", iteration) as run:
        run.log_document({"verification_pass_rate": rate, "synthesized_count": 60, "num_books": 2})
        run.log_interface(
            "teaching_corpus", write_records(folder / f"sampled-{iteration}.jsonl", records(40 + iteration))
        )
        run.log_samples("verification_pass_rate", {f"q{number}": float(number in right) for number in range(60)})


def test_the_verdict_is_that_of_the_drift_report(home: Path, store: EmbeddedStore, tmp_path: Path) -> None:
    """Samples of single questions and earlier values decide here as they do there, word for word, whichever way round
    the iterations are named; so do the verdicts of the KPIs that are listed.
    """
    bench = bench_on(load_flywheel(home), store.uri)
    turns = [(0.8, range(48)), (0.9, range(54)), (0.8, range(54)), (0.4, range(24)), (0.85, range(6, 60))]
    for iteration, (rate, right) in enumerate(turns, start=1):
        _log_samples(bench, tmp_path, iteration, rate, right)
        assemble_iteration(bench.flywheel, bench.tracking, iteration, sources=SOURCES)
    texts = {}
    for before, now in ((1, 2), (2, 3), (3, 4), (2, 5), (4, 2)):
        report = drift_iteration(bench.flywheel, bench.tracking, now, against=before, dry_run=True).report
        (kpi,) = (item for item in report.kpis if item.subject == SAMPLED)
        found = localise(bench.flywheel, bench.tracking, SAMPLED, before, now)
        texts[before, now] = found.verdict
        assert found.verdict == f"{word_of(kpi)}: {kpi.text}"
        assert "same samples" in found.verdict
        for item in found.suspects[0].changes:
            if item.subject == SAMPLED:
                assert item.text.endswith(f", {word_of(kpi)}")
    # The share fell by 0.1, and of the same samples none was lost; the loss of turn 4 is beyond all that was seen.
    assert "0.9 → 0.8, unchanged on the same samples" in texts[2, 3]
    assert texts[3, 4].startswith("worse")


def test_a_project_without_evidence_has_no_verdict(bench: Bench) -> None:
    """Where a project logged nothing this time its KPI cannot be compared, said as the drift report says it."""
    collected = {turn: bench.collect(turn) for turn in (1, 2)}
    gone = replace(collected[2], evidence={"p04": collected[2].evidence["p04"]})
    found = localise_collected(bench.flywheel, bench.tracking, {1: collected[1], 2: gone}, NUMBER, 1, 2)
    assert found.verdict == "cannot be told: no evidence in this iteration: nothing of this project can be compared"
