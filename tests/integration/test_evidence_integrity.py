"""What collecting reads is what the run held when it ended, or the run does not count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from workbench import Bench, flywheel_command, records, write_records

from flywheel_mlflow.operations.projects.project_run import judge

Edit = Callable[[Bench, str], object]


def metric(name: str, value: float) -> Edit:
    """A metric logged on the ended run."""
    return lambda bench, run_id: bench.client.log_metric(run_id, name, value)


def tag(name: str, value: str) -> Edit:
    """A tag set on the ended run."""
    return lambda bench, run_id: bench.client.set_tag(run_id, f"flywheel.{name}", value)


def dataset(name: str, context: str) -> Edit:
    """A dataset input logged on the ended run."""

    def edit(bench: Bench, run_id: str) -> None:
        found = Dataset(name, "d" * 32, "flywheel", "{}")
        label = InputTag("mlflow.data.context", context)
        bench.client.log_inputs(run_id, datasets=[DatasetInput(found, [label])])

    return edit


def _forged(bench: Bench, run_id: str) -> None:
    """A metric, and the value kept beside it, made to agree."""
    kept = bench.run(run_id).data.tags["flywheel.covered_values"]
    before = bench.run(run_id).data.metrics["checks.passed"]
    bench.client.log_metric(run_id, "checks.passed", 900)
    bench.client.set_tag(
        run_id, "flywheel.covered_values", kept.replace(f'"checks.passed":{before}', '"checks.passed":900.0')
    )


EDITS: dict[str, tuple[Edit, str]] = {
    "a KPI": (metric("retrieval_hit_rate", 0.1), "metric p05.retrieval_hit_rate"),
    "a KPI by a hair": (metric("retrieval_hit_rate", 0.9374999999999999), "metric p05.retrieval_hit_rate"),
    "a KPI that becomes NaN": (metric("retrieval_hit_rate", float("nan")), "metric p05.retrieval_hit_rate"),
    "a sample size added": (metric("citation_accuracy.n", 10_000), "metric p05.citation_accuracy.n"),
    "a count of checks": (metric("checks.passed", 70), "metric p05.checks.passed"),
    "a count that was 0": (metric("checks.warned", 3), "metric p05.checks.warned"),
    "costs": (metric("cost.review_hours", 0), "metric p05.cost.review_hours"),
    "outcomes of checks": (tag("checks", '{"outcomes":{}}'), "tag flywheel.checks"),
    "tasks it read": (tag("tasks", '["t-1"]'), "tag flywheel.tasks"),
    "the contract it was logged under": (tag("contract", "0" * 64), "tag flywheel.contract"),
    "the kind of evidence": (tag("evidence", "published"), "tag flywheel.evidence"),
    "an interface version": (dataset("retrieval_metrics", "interface_out"), "interface retrieval_metrics"),
    "an input": (dataset("foundation_corpus", "interface_in"), "input foundation_corpus"),
    "the values kept beside": (tag("covered_values", "{}"), "tag flywheel.covered_values"),
    "a value and what is kept of it": (_forged, "tag flywheel.covered_values"),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_after_the_end_is_named(local_bench: Bench, case: str) -> None:
    """Whatever is read and was changed since, the run is skipped with the name of what was changed."""
    edit, name = EDITS[case]
    older, run_id = local_bench.log("p05").run_id, local_bench.log("p05").run_id
    assert local_bench.collect().evidence["p05"].run_id == run_id
    edit(local_bench, run_id)
    collected = local_bench.collect()
    assert collected.evidence["p05"].run_id == older
    told = {item.run_id: item.reason for item in collected.skipped}
    assert told == {run_id: f"was changed after it ended: {name}"}


def test_both_stores_keep_what_the_digest_covers(bench: Bench, tmp_path: Path) -> None:
    """Numbers of every size and interface versions come back exactly; one changed metric is found, and nothing else."""
    numbers = {"third": 1 / 3, "sum": 0.1 + 0.2, "tiny": 5e-324, "huge": 1.6e308, "zero": -0.0, "whole": 2**53 + 2}
    data = {
        "teaching_corpus": write_records(tmp_path / "teaching_corpus.jsonl", records(5)),
        "verified_code_examples": write_records(tmp_path / "code.jsonl", records(5, start=9)),
    }
    with bench.open("p04") as run:
        run.log_metrics({"verification_pass_rate": 1 / 7, "books": 3})
        run.log_metrics(numbers)
        run.log_check("a" * 250, True)
        for name, path in data.items():
            run.log_interface(name, path)
    found = bench.collect().evidence["p04"]
    assert (found.run_id, found.is_verified) == (run.run_id, True)
    bench.client.log_metric(run.run_id, "tiny", 0.0)
    assert [item.reason for item in bench.collect().skipped] == ["was changed after it ended: metric p04.tiny"]


def test_many_values_fit_and_many_changes_are_counted(local_bench: Bench) -> None:
    """The values take as many tags as they need, and a reason stays short."""
    with local_bench.open("p05") as run:
        run.log_metrics({"queries": 8} | {f"measured_number_{index:04d}": index / 7 for index in range(900)})
    labels = local_bench.run(run.run_id).data.tags
    assert {"flywheel.covered_values", "flywheel.covered_values.2"} <= labels.keys()
    assert local_bench.collect().evidence["p05"].is_verified
    for index in range(5):
        local_bench.client.log_metric(run.run_id, f"measured_number_{index:04d}", -1)
    (skipped,) = local_bench.collect().skipped
    assert skipped.reason.endswith("p05.measured_number_0002 and 2 more")


def test_nobody_can_change_the_digest(bench: Bench) -> None:
    """MLflow keeps parameters as they are: the digest cannot be made to fit again."""
    run_id = bench.log("p05").run_id
    with pytest.raises(MlflowException):
        bench.client.log_param(run_id, "flywheel.evidence_digest", "0" * 64)
    assert bench.collect().evidence["p05"].evidence_digest == bench.run(run_id).data.params["flywheel.evidence_digest"]


def test_what_nobody_reads_may_be_added(local_bench: Bench) -> None:
    """A number, tag or note that is no evidence does not disturb."""
    run_id = local_bench.log("p05").run_id
    local_bench.client.log_metric(run_id, "seen_later", 3)
    local_bench.client.set_tag(run_id, "mlflow.note.content", "looked at by ana")
    local_bench.client.set_tag(run_id, "reviewed", "yes")
    assert local_bench.collect().evidence["p05"].run_id == run_id


def test_a_changed_run_does_not_stop_carrying(local_bench: Bench) -> None:
    """Where the only run of an iteration was changed, the one before is carried, if that is as it was."""
    first, second = local_bench.log("p01", 1).run_id, local_bench.log("p01", 2).run_id
    local_bench.client.log_metric(second, "checks.failed", 0)
    local_bench.client.log_metric(second, "checks.passed", 10_000)
    carried = local_bench.collect(2).evidence["p01"]
    assert (carried.run_id, carried.carried_from) == (first, 1)
    local_bench.client.log_metric(first, "checks.passed", 10_000)
    assert "p01" not in local_bench.collect(2).evidence


def test_a_run_of_another_iteration_cannot_be_moved(local_bench: Bench) -> None:
    """A run tagged for another iteration after it ended counts in neither."""
    run_id = local_bench.log("p05", 1).run_id
    local_bench.client.set_tag(run_id, "flywheel.iteration", "3")
    collected = local_bench.collect(3)
    assert "p05" not in collected.evidence
    assert [item.reason for item in collected.skipped] == ["was changed after it ended: tag flywheel.iteration"]


def test_a_run_without_a_digest_counts_and_is_shown_as_not_verified(local_bench: Bench) -> None:
    """Earlier versions logged a digest nobody can compute again: their runs count, and everybody sees what they are."""
    labels = {"schema": "1", "kind": "project", "iteration": "1", "project": "p05", "valid": "true"}
    place = local_bench.experiment("p05")
    run_id = local_bench.client.create_run(place).info.run_id
    for key, value in {**labels, "name": local_bench.name, "evidence_digest": "e" * 64}.items():
        local_bench.client.set_tag(run_id, f"flywheel.{key}", value)
    local_bench.client.set_terminated(run_id)
    evidence = local_bench.collect().evidence["p05"]
    assert (evidence.run_id, evidence.evidence_digest, evidence.is_verified) == (run_id, "", False)
    assert any("not verified" in note for note in judge(local_bench.flywheel, evidence).notes)
    shown = flywheel_command("collect", "-i", "1", root=local_bench.flywheel.root, uri=local_bench.uri)
    assert shown.code == 0, shown.err
