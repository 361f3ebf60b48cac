"""Runs that other tools logged become evidence; everybody else's are left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from workbench import Bench, bench_on, changed, copy_flywheel, flywheel_command, fresh_name, renamed

from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.evidence.runs import EvidenceKind
from flywheel_mlflow.operations.projects.adopting import adopt_runs, suggest_contract
from flywheel_mlflow.tracking import Adopted


def _history(bench: Bench, *runs: Mapping[str, float], status: str = "FINISHED") -> tuple[str, list[str]]:
    """An experiment of some other tool with these runs, each given by its metrics."""
    name = f"{bench.name}-history"
    found = bench.client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else bench.client.create_experiment(name)
    made = []
    for metrics in runs:
        run_id = bench.client.create_run(experiment).info.run_id
        for key, value in metrics.items():
            bench.client.log_metric(run_id, key, value)
        bench.client.log_param(run_id, "model", "x")
        bench.client.set_terminated(run_id, status)
        made.append(run_id)
    return name, made


def _adopt(
    bench: Bench, experiment: str, *, project: str = "p05", iteration: int = 1, only: str = "", dry_run: bool = False
) -> Adopted:
    return adopt_runs(
        bench.flywheel,
        bench.tracking,
        project,
        iteration,
        experiment=experiment,
        filter_string=only or "params.model = 'x'",
        dry_run=dry_run,
    )


def test_foreign_runs_become_evidence(bench: Bench) -> None:
    """Runs of another tool count after adoption, with their KPIs found by name or by the contract's path."""
    experiment, (old, new) = _history(
        bench,
        {"queries": 5, "citation_accuracy": 0.8},
        {"num_queries": 50, "retrieval_hit_rate_at_4": 0.93, "something.else": 1},
    )
    assert bench.collect().evidence == {}
    adopted = _adopt(bench, experiment)
    assert (set(adopted.run_ids), adopted.left_alone) == ({old, new}, ())
    assert adopted.sources["queries"] == ("num_queries", "queries")
    assert adopted.sources["citation_accuracy"] == ("citation_accuracy",)
    assert adopted.sources["latency_ms"] == ()
    assert "citation_accuracy: no metric citation_accuracy in 1 of 2 runs" in adopted.missing
    collected = bench.collect()
    evidence = collected.evidence["p05"]
    assert (evidence.run_id, evidence.kind) == (new, EvidenceKind.ADOPTED)
    assert evidence.kpis["queries"].value == 50  # by the path
    assert evidence.kpis["retrieval_hit_rate"].value == 0.93
    assert evidence.kpis["citation_accuracy"].value is None
    assert [(item.run_id, item.reason) for item in collected.skipped] == [(old, "superseded by a newer valid run")]


def test_adopted_run_without_checks_is_not_consumable(bench: Bench) -> None:
    """An adopted run brings no check results, so it is evidence, and still nobody may build on it."""
    from flywheel_mlflow.operations.projects.project_run import judge

    experiment, _ = _history(bench, {"queries": 50})
    _adopt(bench, experiment)
    entry = judge(bench.flywheel, bench.collect().evidence["p05"])
    assert not entry.consumable
    assert "no check ran" in entry.reasons


def test_dry_run_tags_nothing(bench: Bench) -> None:
    """A dry run names the runs it would take, and changes neither runs nor experiment."""
    experiment, (run_id,) = _history(bench, {"queries": 5})
    before = bench.run(run_id).data.to_dictionary()
    assert _adopt(bench, experiment, dry_run=True).run_ids == (run_id,)
    assert bench.run(run_id).data.to_dictionary() == before
    assert "flywheel.name" not in bench.client.get_experiment(bench.run(run_id).info.experiment_id).tags
    assert bench.collect().evidence == {}


def test_own_and_other_projects_runs_are_left_alone(bench: Bench) -> None:
    """Runs the flywheel logged itself, runs of other projects, and runs that are not finished stay as they are."""
    own = bench.log("p05").run_id
    adopted = _adopt(bench, f"{bench.name}/p05", only="attributes.status = 'FINISHED'")
    assert adopted.run_ids == ()
    assert [(item.run_id, item.reason) for item in adopted.left_alone] == [(own, "was logged by the flywheel itself")]
    experiment, (taken,) = _history(bench, {"queries": 5, "trace_count": 5})
    _adopt(bench, experiment, project="p06")
    _, (failed,) = _history(bench, {"queries": 6}, status="FAILED")
    reasons = {item.run_id: item.reason for item in _adopt(bench, experiment).left_alone}
    assert reasons == {taken: "belongs to p06 already", failed: "is failed, only finished runs are evidence"}
    assert bench.run(taken).data.tags["flywheel.project"] == "p06"


def test_adopting_again_changes_nothing(bench: Bench) -> None:
    """Adopting the same runs again does no harm, and never moves evidence from one iteration to another."""
    experiment, (run_id,) = _history(bench, {"queries": 5})
    _adopt(bench, experiment)
    assert _adopt(bench, experiment).run_ids == (run_id,)
    moved = _adopt(bench, experiment, iteration=2)
    assert moved.run_ids == ()
    assert [item.reason for item in moved.left_alone] == ["counts for iteration 1 already"]
    assert bench.collect(1).evidence["p05"].run_id == run_id


def test_experiment_of_another_flywheel_is_refused(bench: Bench) -> None:
    """A second flywheel cannot take an experiment that is the first one's evidence already."""
    experiment, (run_id,) = _history(bench, {"queries": 5})
    _adopt(bench, experiment)
    other = bench_on(renamed(bench.flywheel, f"{bench.name}-two"), bench.uri)
    with pytest.raises(InputError, match=f"belongs to the flywheel {bench.name}"):
        _adopt(other, experiment)
    assert bench.collect().evidence["p05"].run_id == run_id


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"experiment": "nobody-has-it"}, UnknownName, "unknown experiment"),
        ({"only": "params.model ~ 'x'"}, InputError, "cannot read the filter"),
        ({"only": "nonsense"}, InputError, "cannot read the filter"),
        ({"only": "params.model = 'y'"}, InputError, "no run"),
        ({"project": "p99"}, UnknownName, "unknown project"),
        ({"project": "p10"}, InputError, "assembly layer"),
        ({"iteration": 0}, InputError, "is not an iteration"),
    ],
)
def test_adopting_what_is_not_there(
    bench: Bench, arguments: dict[str, object], error: type[FlywheelError], words: str
) -> None:
    """An unknown experiment, project or iteration, and a filter MLflow cannot read or that finds nothing, are told."""
    experiment, _ = _history(bench, {"queries": 5})
    with pytest.raises(error, match=words) as caught:
        _adopt(bench, **{"experiment": experiment, **arguments})  # type: ignore[arg-type]
    assert caught.value.hint


def test_command_adopts(repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> None:
    """`flywheel adopt` ends with 0 and JSON that parses; a filter that cannot be read ends with 2 or 4 and a hint."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    uri = embedded_store().uri
    experiment, (run_id,) = _history(bench_on(load_flywheel(root), uri), {"queries": 5})
    line = ["adopt", "--experiment", experiment, "--project", "projects/p05_rag", "-i", "1"]
    ended = flywheel_command(*line, "--filter", "params.model = 'x'", "--json", root=root, uri=uri)
    assert ended.code == 0, ended.err
    assert ended.json["adopted"] == [run_id]
    bad = flywheel_command(*line, "--filter", "oops", root=root, uri=uri)
    assert bad.code in (2, 4)
    assert "try:" in bad.err
    assert flywheel_command(*line, "--filter", "params.model = 'z'", root=root, uri=uri).code == 2


def test_runs_of_the_assembly_are_never_adopted(bench: Bench) -> None:
    """The assembly's own experiment is refused, so that no stage run turns into somebody's evidence."""
    bench.tracking.assemblies.experiment()
    with pytest.raises(InputError, match="the assembly's own"):
        bench.tracking.adopter.adopt(bench.name, "", bench.flywheel.contracts["p05"], 1)


def test_runs_that_collide_are_told(bench: Bench) -> None:
    """Of several runs for one iteration it is said beforehand which one counts, runs that count already included."""
    experiment, (old, new) = _history(bench, {"queries": 5}, {"queries": 6})
    rehearsed = _adopt(bench, experiment, dry_run=True)
    assert rehearsed.counts == new
    assert rehearsed.collisions == (
        f"{old} does not count: {new} ended later, and one run of p05 counts in iteration 1",
    )
    own = bench.log("p05").run_id
    again = _adopt(bench, experiment)
    assert again.counts == own
    assert [line.split()[0] for line in again.collisions] == [new, old]
    assert bench.collect().evidence["p05"].run_id == own


def test_run_without_any_kpi_is_left_alone(bench: Bench) -> None:
    """A run that holds no KPI of the contract would supersede evidence with nothing; it is told and left alone."""
    experiment, (full, empty) = _history(bench, {"queries": 5}, {"elsewhere": 1})
    adopted = _adopt(bench, experiment)
    assert (adopted.run_ids, adopted.counts, adopted.collisions) == ((full,), full, ())
    assert [(item.run_id, item.reason.split(":")[0]) for item in adopted.left_alone] == [
        (empty, "holds no KPI of the contract")
    ]


def test_nested_run_can_be_adopted(bench: Bench) -> None:
    """A child of another run is evidence like any run."""
    experiment = bench.client.create_experiment(f"{bench.name}-nested")
    parent = bench.client.create_run(experiment).info.run_id
    child = bench.client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
    bench.client.log_param(child, "model", "x")
    bench.client.log_metric(child, "queries", 5)
    bench.client.set_terminated(child)
    assert _adopt(bench, f"{bench.name}-nested").run_ids == (child,)
    assert bench.collect().evidence["p05"].run_id == child


def test_runs_of_an_evaluation_are_evidence(bench: Bench) -> None:
    """What `mlflow.genai.evaluate` logs, such as `correctness/mean`, is read by the contract's path."""
    path = {"queries": "toxicity/v1/mean", "citation_accuracy": "val acc"}
    kpis = tuple(
        kpi.model_copy(update={"path": path.get(kpi.name, kpi.path)}) for kpi in bench.flywheel.contracts["p05"].kpis
    )
    there = bench.with_flywheel(changed(bench.flywheel, "p05", kpis=kpis))
    experiment, (run_id,) = _history(there, {"toxicity/v1/mean": 0.25, "val acc": 0.5})
    adopted = _adopt(there, experiment)
    assert adopted.sources["queries"] == ("toxicity/v1/mean",)
    evidence = there.collect().evidence["p05"]
    assert (evidence.run_id, evidence.kpis["queries"].value) == (run_id, 0.25)
    assert evidence.kpis["citation_accuracy"].value == 0.5


def test_contract_is_suggested_from_a_run(
    repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> None:
    """`adopt --suggest` writes a contract that validates and by which the very run is adopted, each metric a KPI."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    uri = embedded_store().uri
    bench = bench_on(load_flywheel(root), uri)
    names = ["val acc", "toxicity/v1/mean", "a.b", "train loss", "score", "9 lives"]
    metrics = dict.fromkeys(names, 0.5) | {"acc_stderr": 0.01, "acc": 0.7, "system/cpu": 3.0, "bad": float("nan")}
    metrics |= {"latency_seconds": 2.0}
    experiment, (run_id,) = _history(bench, metrics)
    folder = root / "projects" / "p16_legacy"
    line = ["adopt", "--experiment", experiment, "--filter", "", "--project"]
    written = flywheel_command(*line, folder, "--suggest", root=root, uri=uri)
    assert written.code == 0, written.err
    place = (folder / "project.yaml").relative_to(tmp_path)  # the working folder
    assert written.out.startswith(f"wrote {place} from run {run_id}\n")
    contract = load_flywheel(root).contracts["p16"]
    assert (contract.interfaces_out, contract.checks.required) == ((), ())  # metrics are all there is
    assert {kpi.name: (kpi.path, kpi.direction, kpi.unit) for kpi in contract.kpis} == {
        "a_b": ('["a.b"]', "higher", "value"),
        "acc": ("acc", "higher", "value"),
        "kpi_9_lives": ("9 lives", "higher", "value"),
        "latency_seconds": ("latency_seconds", "lower", "seconds"),
        "score_value": ("score", "higher", "value"),
        "toxicity_v1_mean": ("toxicity/v1/mean", "lower", "value"),
        "train_loss": ("train loss", "lower", "value"),
        "val_acc": ("val acc", "higher", "value"),
    }
    assert {kpi.name: kpi.stderr_path for kpi in contract.kpis if kpi.stderr_path} == {"acc": "acc_stderr"}
    adopted = flywheel_command(*line, "p16", "-i", "1", "--dry-run", "--json", root=root, uri=uri)
    assert adopted.json["missing"] == []
    assert adopted.json["counts"] == run_id
    assert adopted.json["sources"]["a_b"] == ["a.b"]
    assert flywheel_command(*line, "p17_old", "--suggest", root=root, uri=uri).code == 0
    assert "p17" in load_flywheel(root).contracts  # a bare name lies where contracts are looked for
    again = flywheel_command(*line, folder, "--suggest", root=root, uri=uri)
    assert (again.code, "there is a contract already" in again.err) == (2, True)
    assert flywheel_command(*line, "p16", root=root, uri=uri).code == 2  # no iteration


def test_nothing_to_suggest_is_told(
    repository: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> None:
    """A run without metrics, and one that still runs, suggest no contract and leave no file."""
    root = copy_flywheel(repository, tmp_path / "home", fresh_name())
    bench = bench_on(load_flywheel(root), embedded_store().uri)
    folder = root / "projects" / "p16_legacy"
    experiment, _ = _history(bench, {"x": 1.0}, status="RUNNING")
    with pytest.raises(InputError, match="has finished"):
        suggest_contract(root, bench.tracking, folder, experiment=experiment, filter_string="")
    experiment, _ = _history(bench, {"system/cpu": 1.0})
    with pytest.raises(InputError, match="no metric that could be a KPI"):
        suggest_contract(root, bench.tracking, folder, experiment=experiment, filter_string="")
    assert not folder.exists()
