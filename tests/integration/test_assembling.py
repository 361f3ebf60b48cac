"""Assembling an iteration on real servers: what is written, when nothing is, and what the published figures give."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import Run
from servers.embedded import EmbeddedStore
from servers.proxy import CountingProxy
from workbench import Bench, bench_on, copy_flywheel, datasets_of, flywheel_command, fresh_name

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.registry import EvidenceState
from flywheel_mlflow.evidence.runs import EvidenceKind
from flywheel_mlflow.operations.assembly.assembling import Assembled, assemble_iteration
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.projects.project_run import ProjectRun

DELIVERABLES = {
    *(f"processed/{name}" for name in ("upstream_project_registry.json", "phase_inventory.json")),
    *(f"processed/{name}" for name in ("flywheel_architecture.json", "system_boundaries.json", "stage_plan.json")),
    *(f"processed/{name}" for name in ("flywheel_runs.jsonl", "bottleneck_analysis.json", "cost_model.json")),
    *("processed/org_operating_model.json", "console/milestone_board.json", "console/executive_dashboard.json"),
    *(f"reports/{name}" for name in ("p10_metrics.json", "p10_report.md", "p10_test_results.json")),
    "reports/p10_test_report.md",
}


def _assemble(bench: Bench, iteration: int = 1, *, force: bool = False, resume: str | None = None) -> Assembled:
    return assemble_iteration(
        bench.flywheel,
        bench.tracking,
        iteration,
        sources=read_sources(bench.flywheel),
        force=force,
        resume=resume,
        resume_experiment=bench.run(resume).info.experiment_id if resume else None,
    )


def _assemblies(bench: Bench) -> list[Run]:
    experiment = bench.client.get_experiment_by_name(bench.name)
    assert experiment is not None
    return list(bench.client.search_runs([experiment.experiment_id], "tags.`flywheel.kind` = 'assembly'"))


def _children(bench: Bench, parent: str) -> list[Run]:
    experiment = bench.run(parent).info.experiment_id
    return list(bench.client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'"))


def test_assembly_is_one_parent_with_a_child_per_stage(bench: Bench, tmp_path: Path) -> None:
    """An assembly is a valid parent run with all deliverables, metrics, note, datasets, and a child for each stage."""
    bench.log_published()
    assembled = _assemble(bench)
    parent = bench.run(assembled.run_id)
    assert bench.client.get_experiment(parent.info.experiment_id).name == bench.name
    assert (parent.info.status, parent.data.tags["flywheel.valid"]) == ("FINISHED", "true")
    assert parent.info.run_name == "iteration-001"
    assert parent.data.metrics["flywheel.project_count"] == 15
    assert parent.data.tags["mlflow.note.content"]
    folder = Path(bench.client.download_artifacts(assembled.run_id, "", str(tmp_path)))
    stored = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert set(stored) >= DELIVERABLES
    assert stored == dict(assembled.files)
    children = _children(bench, assembled.run_id)
    stages = bench.flywheel.blueprint.stages
    assert {run.data.tags["flywheel.stage"] for run in children} == {stage.id for stage in stages}
    assert {run.info.status for run in children} == {"FINISHED"}
    assert {run.data.tags["flywheel.kind"] for run in children} == {"stage"}
    made = {item.dataset.name for item in datasets_of(parent)}
    assert made == {"project_registry", "release_gate", "feedback_routing"}


def test_metric_names_are_the_same_in_every_iteration(bench: Bench) -> None:
    """Two iterations with evidence write the same metric names, so the MLflow UI can chart them."""
    names = []
    for iteration in (1, 2):
        bench.log("p05", iteration)
        names.append(set(bench.run(_assemble(bench, iteration).run_id).data.metrics))
    # What needs an iteration before it cannot be known in the first; nothing else may differ.
    assert names[0] <= names[1]
    assert not [name for name in names[1] - names[0] if name.startswith("p")]


def test_same_evidence_writes_nothing(bench: Bench) -> None:
    """Assembling the same evidence again makes no run and says so; --force makes one with the same bytes."""
    bench.log("p05")
    first = _assemble(bench)
    again = _assemble(bench)
    assert (again.unchanged, again.run_id, again.digest) == (True, first.run_id, first.digest)
    assert dict(again.files) == dict(first.files)
    assert len(_assemblies(bench)) == 1
    forced = _assemble(bench, force=True)
    assert not forced.unchanged
    assert forced.digest == first.digest
    assert len(_assemblies(bench)) == 2


def test_second_assembly_costs_no_write(counted_bench: Bench, request_counter: CountingProxy) -> None:
    """Finding that nothing changed costs searches only: no run, no tag, no artifact is written or read."""
    counted_bench.log("p05")
    _assemble(counted_bench)
    request_counter.reset()
    assert _assemble(counted_bench).unchanged
    asked = ["/".join(exchange.path.rsplit("/", 2)[-2:]) for exchange in request_counter.exchanges]
    assert set(asked) <= {"experiments/search", "experiments/get-by-name", "registered-models/get", "runs/search"}
    assert asked.count("runs/search") == 2
    assert len(asked) <= 7  # one of them asks whether there is a ledger, one whether there is feedback


def test_new_evidence_writes_a_new_assembly(bench: Bench) -> None:
    """A new run of one project makes a new assembly, and the newest one is what readers get."""
    bench.log("p05")
    first = _assemble(bench)
    bench.log("p05", document={"citation_accuracy": 0.5})
    second = _assemble(bench)
    assert not second.unchanged
    assert second.digest != first.digest
    recorded = bench.tracking.assemblies.recorded(1)
    assert recorded is not None
    assert (recorded.run_id, recorded.digest) == (second.run_id, second.digest)


def test_run_of_mlflow_run_becomes_the_parent(bench: Bench) -> None:
    """The run that `mlflow run` made in the assembly's experiment becomes the parent, whatever its exit code."""
    bench.log("p05")
    run = bench.client.create_run(bench.tracking.assemblies.experiment(), run_name="made by mlflow")
    assembled = _assemble(bench, resume=run.info.run_id)
    assert assembled.run_id == run.info.run_id
    found = bench.run(run.info.run_id)
    assert (found.info.status, found.data.tags["flywheel.kind"]) == ("FINISHED", "assembly")
    assert found.data.tags["mlflow.runName"] == "iteration-001"
    assert len(_children(bench, run.info.run_id)) == 5
    # MLflow sets the status by the exit code, which is not 0 when a pipeline failed.
    bench.client.set_terminated(run.info.run_id, "FAILED")
    recorded = bench.tracking.assemblies.recorded(1)
    assert recorded is not None
    assert recorded.run_id == run.info.run_id


def test_run_of_another_experiment_is_left_alone(bench: Bench) -> None:
    """A run that `mlflow run` made elsewhere is not written to: the assembly makes its own parent."""
    bench.log("p05")
    run = bench.client.create_run(bench.experiment("elsewhere"))
    assembled = _assemble(bench, resume=run.info.run_id)
    assert assembled.run_id != run.info.run_id
    labels = bench.run(run.info.run_id).data.tags
    assert "flywheel.kind" not in labels
    assert labels["flywheel.assembly_run"] == assembled.run_id


def test_unchanged_run_of_mlflow_run_says_so(bench: Bench) -> None:
    """When nothing changed, the run that `mlflow run` made names the assembly it would have repeated, and is none."""
    bench.log("p05")
    first = _assemble(bench)
    run = bench.client.create_run(first.experiment_id)
    again = _assemble(bench, resume=run.info.run_id)
    found = bench.run(run.info.run_id)
    assert (again.unchanged, again.run_id) == (True, first.run_id)
    assert found.data.tags["flywheel.same_as"] == first.run_id
    assert first.run_id in found.data.tags["mlflow.note.content"]
    assert len(_assemblies(bench)) == 1


def test_ended_run_is_not_written_again(bench: Bench) -> None:
    """A left-over MLFLOW_RUN_ID of a run that ended long ago is refused, not overwritten, by log and assemble alike."""
    logged = bench.log("p05")
    before = bench.run(logged.run_id)
    with pytest.raises(InputError, match="has ended"):
        ProjectRun(bench.flywheel, "p05", 1, bench.tracking, resume=logged.run_id).__enter__()
    first = _assemble(bench)
    with pytest.raises(FlywheelError, match="has ended"):
        _assemble(bench, force=True, resume=first.run_id)
    assert bench.run(logged.run_id).data.to_dictionary() == before.data.to_dictionary()


def test_half_written_assembly_does_not_count(bench: Bench) -> None:
    """A parent run that never got its mark, or is still running, is not an assembly to any reader."""
    bench.log("p05")
    experiment = bench.tracking.assemblies.experiment()
    labels = {"flywheel.kind": "assembly", "flywheel.iteration": "1", "flywheel.name": bench.name}
    bench.client.create_run(experiment, tags={**labels, "flywheel.valid": "true"})
    finished = bench.client.create_run(experiment, tags=labels)
    bench.client.set_terminated(finished.info.run_id)
    assert bench.tracking.assemblies.recorded(1) is None
    assert bench.tracking.assemblies.recorded(1, contradictory=True) is None


def test_published_figures_give_what_was_published(
    repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> None:
    """The main job: counts, bottlenecks and costs of the published figures come out by computation, exactly."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    uri, out = embedded_store().uri, tmp_path / "out"
    ended = flywheel_command("assemble", "-i", "1", "--log", "published", "--out", out, "--json", root=root, uri=uri)
    assert ended.code == 0, ended.err
    said, metrics = ended.json, ended.json["metrics"]
    expected = {
        "flywheel.project_count": 15,
        "flywheel.upstream_check_count": 103,
        "flywheel.upstream_checks_passed": 103,
        "flywheel.upstream_interface_count": 17,
        "flywheel.layer_count": 5,
        "flywheel.stage_count": 5,
        "flywheel.control_point_count": 4,
        "flywheel.boundary_count": 4,
        "flywheel.upstream_evidenced_count": 9,
    }
    assert {name: metrics[name] for name in expected} == expected
    assert metrics["flywheel.review_hours"] == pytest.approx(201.34)
    assert metrics["flywheel.review_cost_rmb"] == pytest.approx(24043.93)
    published = ["foundation_corpus_scale", "prm_validation_gap", "platform_regression_handling"]
    assert sorted(said["bottlenecks"]) == sorted(published)
    assert said["contradictions"] == []
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} >= DELIVERABLES
    report = (out / deliverables.stored_name(deliverables.REPORT, "p10")).read_text()
    assert "201.34" in report
    assert "850.33" in report
    assert "0.924" not in report


def test_published_figures_make_nothing_green(local_bench: Bench) -> None:
    """p11 to p15 stay without evidence and not consumable, p10 is self-evidence, unknown costs are listed."""
    local_bench.log_published()
    assembled = _assemble(local_bench)
    registry = assembled.assembly.registry
    for name in ("p11", "p12", "p13", "p14", "p15"):
        assert registry[name].state is EvidenceState.MISSING
        assert not registry[name].consumable
        assert registry[name].reasons == ("no valid run in iteration 1",)
    own = registry["p10"].evidence
    assert own is not None
    assert own.kind is EvidenceKind.SELF
    costs = json.loads(assembled.files["processed/cost_model.json"])
    unknown = {name for name, entry in registry.items() if entry.evidence and entry.evidence.costs.review_hours is None}
    assert unknown >= {"p05"}
    assert all(name in json.dumps(costs) for name in (*unknown, "p11", "p15"))


def test_logging_published_figures_twice_logs_once(
    repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> None:
    """The main job run twice leaves nine project runs and one assembly."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    uri = embedded_store().uri
    line = ("assemble", "-i", "1", "--log", "published")
    first, second = (flywheel_command(*line, root=root, uri=uri) for _ in range(2))
    assert (first.code, second.code) == (0, 0), first.err + second.err
    bench = bench_on(load_flywheel(root), uri)
    assert "nothing changed since run" in second.out
    assert bench.collect().skipped == ()
    assert len(_assemblies(bench)) == 1


def test_an_iteration_without_evidence_is_not_assembled(bench: Bench) -> None:
    """Nothing logged is no iteration: no run is written that would look like one."""
    with pytest.raises(InputError, match="no evidence to assemble"):
        _assemble(bench)
    assert bench.client.get_experiment_by_name(bench.name) is None
