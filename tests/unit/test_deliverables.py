"""Tests of the deliverables that are data."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flywheels import evidence_of, small_flywheel

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly import filling
from flywheel_mlflow.assembly.assembly import Assembly, assemble
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.evidence.runs import Check, Collected, Costs, KpiValue, Outcome, summarize_checks
from flywheel_mlflow.operations.assembly.sides import sides_of_registry
from flywheel_mlflow.tracking.project_runs import summary_metrics

WHEEL = small_flywheel()


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return filling.json_files(mixed())


def mixed(wheel: Flywheel = WHEEL) -> Assembly:
    """p01 in order, p02 with a failed check and unknown KPI, p03 silent, p10 with its own evidence."""
    evidence = {
        "p01": evidence_of(wheel.contracts["p01"], costs=Costs(1.5, None)),
        "p02": evidence_of(
            wheel.contracts["p02"],
            Check("ready", Outcome.PASSED),
            Check("line\nbreak\u2028", Outcome.FAILED),
            kpis={"size": KpiValue(0, 3), "accuracy": KpiValue(None)},
        ),
    }
    earlier = RecordedAssembly(1, "run-1", "d" * 64, {})
    own = evidence_of(wheel.contracts["p10"], run_id=None)
    return assemble(wheel, Collected(2, evidence), previous=earlier, self_evidence=own)


def test_twelve_of_the_fifteen_are_data(files: dict[str, str]) -> None:
    """The names are fixed, in the fixed order; report and check results come from elsewhere."""
    assert len(names.DELIVERABLES) == len(set(names.DELIVERABLES)) == 15
    rest = {names.REPORT, names.TEST_RESULTS, names.TEST_REPORT}
    assert list(files) == [name for name in names.DELIVERABLES if name not in rest]
    assert all(not name.startswith("/") and ".." not in name for name in names.DELIVERABLES)


def test_every_file_is_sorted_json_with_a_final_line_break(files: dict[str, str]) -> None:
    """Each reads back, in the one spelling it has."""
    for name, text in files.items():
        assert text.endswith("\n")
        if not name.endswith(".jsonl"):
            assert json.dumps(json.loads(text), sort_keys=True, indent=2, ensure_ascii=False) + "\n" == text


def test_runs_are_json_lines(files: dict[str, str]) -> None:
    """One canonical object per stage and line, in the blueprint's order."""
    lines = files[names.RUNS].removesuffix("\n").split("\n")
    runs = [json.loads(line) for line in lines]
    assert [canonical_json(run) for run in runs] == lines
    assert [run["stage_id"] for run in runs] == ["first", "last"]
    assert runs[0]["run_id"] == "tiny-flywheel/iteration-002/first"
    assert runs[0]["impact"] == ["p03", "p10"]


def test_nothing_of_the_machine_or_the_hour_is_inside(tmp_path: Path) -> None:
    """A flywheel in another folder gives the same bytes, and no file holds a path or a time of its making."""
    moved = Flywheel(tmp_path, WHEEL.blueprint, WHEEL.contracts, {name: tmp_path / name for name in WHEEL.contracts})
    found = filling.json_files(mixed(moved))
    assert found == filling.json_files(mixed())
    everything = "".join(found.values())
    assert str(tmp_path) not in everything
    times = set(re.findall(r"\d{4}-\d\d-\d\dT[^\"]*", everything))
    assert times == {"2026-03-01T12:00:00+00:00"}, "only the ends of runs, which come from the runs"


def test_unknown_stays_unknown_in_every_file(files: dict[str, str]) -> None:
    """A project without evidence has null where a value would be, never 0, and a stated 0 stays 0."""
    registry = {item["project_id"]: item for item in json.loads(files[names.REGISTRY])}
    silent, troubled = registry["p03"], registry["p02"]
    for field in ("score", "evidence", "overall_passed", "passed_checks", "total_checks"):
        assert silent[field] is None
    assert silent["kpis"]["latency"]["value"] is None
    assert silent["required_checks"] == {"ready": None}
    assert silent["consumable"] is False
    assert troubled["kpis"]["size"] | {"value": 0, "n": 3} == troubled["kpis"]["size"]
    assert troubled["overall_passed"] is False
    costs = json.loads(files[names.COSTS])
    assert costs["estimated_manual_review_hours"] == 1.5
    assert costs["estimated_manual_review_cost_eur"] is None
    assert costs["unknown"] == {"review_hours": ["p02", "p03", "p10"], "review_cost_eur": ["p01", "p02", "p03", "p10"]}


def test_no_check_at_all_is_not_overall_passed() -> None:
    """All of nothing is not a pass, and neither is what was skipped."""
    for checks in ((), (Check("ready", Outcome.SKIPPED),)):
        evidence = evidence_of(WHEEL.contracts["p01"], *checks)
        if not checks:
            evidence = replace(evidence, checks=summarize_checks([], ["ready"]))
        (entry, *_) = filling.registry(assemble(WHEEL, Collected(2, {"p01": evidence})))
        assert entry.overall_passed is False


def test_files_agree_with_each_other(files: dict[str, str]) -> None:
    """Dashboard, metrics, milestones, bottlenecks and plan state the same numbers and names."""
    dashboard, metrics = json.loads(files[names.DASHBOARD]), json.loads(files[names.METRICS])
    assert {name: dashboard[name] for name in names.DASHBOARD_METRICS} == {
        name: metrics[name] for name in names.DASHBOARD_METRICS
    }
    assert set(metrics["acceptance"]) == set(names.ACCEPTANCE_METRICS)
    assert metrics["previous"] == {"iteration": 1, "run_id": "run-1", "digest": "d" * 64}
    runs = [json.loads(line) for line in files[names.RUNS].removesuffix("\n").split("\n")]
    board: list[dict[str, Any]] = json.loads(files[names.MILESTONES])
    assert [(item["stage_status"], item["open_points"]) for item in board] == [
        (run["status"], run["reasons"]) for run in runs
    ]
    analysis = json.loads(files[names.BOTTLENECKS])
    assert analysis["rules_evaluated"] == 2
    assert [item["name"] for item in analysis["rules_not_decidable"]] == ["weak"]
    assert dashboard["first_bottlenecks"] == [item["name"] for item in analysis["bottlenecks"]]
    plan = json.loads(files[names.STAGE_PLAN])
    assert [item["projects"] for item in plan] == [["p01", "p02"], ["p03", "p10"]]


def test_the_plan_is_told_whole(files: dict[str, str]) -> None:
    """Layers, valves, boundaries with their gates, teams with their projects, and every edge are there."""
    architecture, bounds = json.loads(files[names.ARCHITECTURE]), json.loads(files[names.BOUNDARIES])
    assert [item["mapped_projects"] for item in architecture["layers"]] == [["p01", "p02", "p03"], ["p02", "p10"]]
    assert len(architecture["interfaces"]) == len(bounds["interfaces"]) == 6
    assert bounds["ownership_boundaries"] == []
    assert bounds["risk_boundaries"][0]["enforced_by"] == [{"criterion": "green", "gate": "to_staging"}]
    organisation = json.loads(files[names.ORGANISATION])
    assert organisation["teams"][0]["projects"] == ["p01", "p02", "p03", "p10"]
    assert organisation["teams"][0]["milestones"] == ["first_done", "last_done"]
    phases = json.loads(files[names.PHASES])
    assert (phases["project_count"], phases["all_evidenced_projects_passed"]) == (4, False)


def test_sample_size_and_standard_error_reach_the_comparison() -> None:
    """What the run logged beside a KPI comes back from the registry; an older registry has no error."""
    evidence = evidence_of(WHEEL.contracts["p02"], kpis={"accuracy": KpiValue(0.9, 40, 0.02)})
    assert summary_metrics(WHEEL.contracts["p02"], evidence)["accuracy.stderr"] == 0.02
    text = filling.json_files(assemble(WHEEL, Collected(2, {"p02": evidence})))[names.REGISTRY]
    assert sides_of_registry(text, name="registry")["p02"].kpis["accuracy"] == KpiValue(0.9, 40, 0.02)
    document = json.loads(text)
    for entry in document:
        for kpi in entry["kpis"].values():
            del kpi["stderr"]
    assert sides_of_registry(json.dumps(document), name="old")["p02"].kpis["accuracy"] == KpiValue(0.9, 40)


def test_metrics_hold_every_number_with_its_origin(files: dict[str, str]) -> None:
    """Value, unit, rule, inputs and source of each number are in the document."""
    lines = json.loads(files[names.METRICS])["metrics"]
    assert lines["p01.score"]["inputs"]
    assert lines["p01.score"]["rule"]
    assert lines["p01.score"]["source"] is None
    kinds = {line["source"]["kind"] for line in lines.values() if line["source"]}
    assert kinds
    assert all(line["source"]["ref"] for line in lines.values() if line["source"])


@pytest.mark.parametrize("text", ["{}", "[{}]", '[{"project_id": 1}]', "[" * 100_000])
def test_a_document_of_another_shape_is_refused(text: str) -> None:
    """The place it came from is named."""
    with pytest.raises(DocumentError, match="run abc"):
        names.read_document(names.REGISTRY, text, where="registry of run abc")
