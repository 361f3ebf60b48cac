"""The shipped blueprint, contracts and published figures against the published facts."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from flywheel_mlflow.base.documents import value_at
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.evidence.flywheel import Flywheel, load_flywheel
from flywheel_mlflow.evidence.registry import attainment
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.promises.routes import KNOWN_FROM_EVENT

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ROOT / "projects"
WRITER = PROJECTS / "write_published.py"

ALL = [f"p{number:02d}" for number in range(1, 16)]
WITH_FIGURES = ALL[:9]
WITHOUT_FIGURES = ALL[9:]

#: The seven fields every sample record has.
RECORD_FIELDS = {"id", "source", "content", "metadata", "quality_signals", "split", "audit_trace"}

#: Never published for any project, so each contract must own up to having decided them.
ALWAYS_DECIDED = {
    "owner",
    "stages",
    "interfaces_out",
    "kpis.target",
    "kpis.name",
    "checks.required",
    "checks.min_pass_rate",
    "review",
    "carry",
    "results",
    "interfaces_in",
}

#: Published as conditions, gates or a file path; the contracts give them check names.
NAMED_BY_US = {
    "p12": {"eval_disjoint_from_training"},
    "p13": {"gate_source", "gate_quality", "gate_safety"},
    "p14": {
        "shots_traceable_to_source_and_licence",
        "paths_times_and_frames_match_files",
        "shot_fields_readable_downstream",
        "low_quality_and_unclear_licence_excluded",
    },
    "p15": {
        "test_nl2sql_flex_subagent",
        "gate_semantic",
        "gate_query",
        "gate_faithfulness",
        "gate_security",
        "gate_replay",
    },
}


@pytest.fixture(scope="module")
def flywheel() -> Flywheel:
    return load_flywheel(ROOT)


@pytest.fixture(scope="module")
def facts() -> dict[str, dict[str, Any]]:
    document = json.loads((PROJECTS / "published_projects.json").read_text(encoding="utf-8"))
    return {project["project_id"]: project for project in document["projects"]}


def published(flywheel: Flywheel, project_id: str, kind: str) -> Any:
    """A published result file of a project, found where its contract says it is."""
    results = flywheel.contracts[project_id].results
    assert results.published is not None
    name = {"metrics": results.metrics, "checks": results.checks}[kind]
    return json.loads((flywheel.folders[project_id] / results.published / name).read_text(encoding="utf-8"))


def published_kpis(flywheel: Flywheel) -> dict[str, float]:
    """Every KPI with a published value, as ``p01.records``."""
    values = {}
    for project_id in WITH_FIGURES:
        metrics = published(flywheel, project_id, "metrics")
        for kpi in flywheel.contracts[project_id].kpis:
            value = value_at(metrics, kpi.path)
            if value is not None:
                values[f"{project_id}.{kpi.name}"] = float(value)
    return values


def decided(contract: Contract) -> set[str]:
    return {decision.field for decision in contract.decisions}


# --- contracts -------------------------------------------------------------------------------


def test_all_fifteen_contracts_and_the_blueprint_load_as_one(flywheel: Flywheel) -> None:
    """Blueprint and fifteen contracts hold no fault, alone or against each other."""
    assert sorted(flywheel.contracts) == ALL
    assert all(folder.name.startswith(f"{project_id}_") for project_id, folder in flywheel.folders.items())


@pytest.mark.parametrize("project_id", ALL)
def test_published_facts_stand_unchanged(flywheel: Flywheel, facts: dict[str, dict[str, Any]], project_id: str) -> None:
    """Title, phase, deliverables, interfaces and KPI paths are those published."""
    contract, fact = flywheel.contracts[project_id], facts[project_id]
    assert contract.title == fact["title"]
    assert list(contract.deliverables) == fact["deliverables"]
    if fact["phase"] is not None:
        assert contract.phase == fact["phase"]
    if fact.get("interfaces_out"):
        assert [item.name for item in contract.interfaces_out] == fact["interfaces_out"]
    paths = {kpi.name: kpi.path for kpi in contract.kpis}
    for name, path in fact.get("kpi_paths", {}).items():
        assert paths[name] == path


@pytest.mark.parametrize("project_id", ALL)
def test_layers_and_phases_that_differ_from_the_published_ones_are_decisions(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]], project_id: str
) -> None:
    """A published layer is never dropped, and what was added or never published is declared as decided."""
    contract, fact = flywheel.contracts[project_id], facts[project_id]
    layers = fact.get("layers", [])
    assert set(layers) <= set(contract.layers)
    assert ("layers" in decided(contract)) == (list(contract.layers) != layers)
    assert ("phase" in decided(contract)) == (fact["phase"] is None)
    if fact["phase"] is None:
        assert contract.phase == fact["phase_suggested"]


@pytest.mark.parametrize("project_id", ALL)
def test_required_checks_are_published_or_declared_names(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]], project_id: str
) -> None:
    """No contract demands a check that nobody published, save those named from published gates and conditions."""
    required = set(flywheel.contracts[project_id].checks.required)
    own = NAMED_BY_US.get(project_id, set())
    assert own <= required
    assert required - own <= set(facts[project_id].get("checks", []))


@pytest.mark.parametrize("project_id", ALL)
def test_every_unpublished_choice_is_listed_as_decided(flywheel: Flywheel, project_id: str) -> None:
    """Each contract owns up to its owner, stages, targets and the other values nobody published."""
    contract = flywheel.contracts[project_id]
    assert decided(contract) >= ALWAYS_DECIDED


def test_the_assembly_is_a_project_with_all_its_published_checks(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]]
) -> None:
    """P10 is the one assembly layer and requires every one of its published checks."""
    assembly = flywheel.assembly_project
    assert assembly is not None
    assert assembly.id == "p10"
    assert list(assembly.checks.required) == facts["p10"]["checks"]
    assert len(assembly.checks.required) == facts["p10"]["total_checks"]


def test_every_project_has_a_layer_and_a_stage_and_p09_has_two_stages(flywheel: Flywheel) -> None:
    """Every project sits in existing layers and stages; P09 works in two stages."""
    layers = {layer.id for layer in flywheel.blueprint.layers}
    stages = {stage.id for stage in flywheel.blueprint.stages}
    for contract in flywheel.contracts.values():
        assert set(contract.layers) <= layers
        assert set(contract.stages) <= stages
        assert len(contract.layers) > 0 < len(contract.stages)
    assert len(flywheel.contracts["p09"].stages) == 2


# --- interfaces ------------------------------------------------------------------------------


def test_interface_counts_are_the_published_ones(flywheel: Flywheel, facts: dict[str, dict[str, Any]]) -> None:
    """P01..P09 promise the published number of interfaces, P10 and P11 three each."""
    count = {project_id: len(contract.interfaces_out) for project_id, contract in flywheel.contracts.items()}
    assert sum(count[project_id] for project_id in WITH_FIGURES) == facts["p10"]["metrics"]["interface_count"] == 17
    assert (count["p10"], count["p11"]) == (3, 3)


def test_the_assembly_reads_every_interface_of_the_others(flywheel: Flywheel) -> None:
    """P10 declares an edge to every interface any other project makes."""
    made = {item.name for other in flywheel.contracts.values() if other.id != "p10" for item in other.interfaces_out}
    assert {item.name for item in flywheel.contracts["p10"].interfaces_in} == made


def same_turn_graph(flywheel: Flywheel, *, feedback_too: bool = False) -> dict[str, set[str]]:
    makers = {item.name: contract.id for contract in flywheel.contracts.values() for item in contract.interfaces_out}
    return {
        contract.id: {
            makers[item.name] for item in contract.interfaces_in if feedback_too or item.from_iteration == "same"
        }
        for contract in flywheel.contracts.values()
    }


def test_no_project_waits_on_itself_within_one_iteration(flywheel: Flywheel) -> None:
    """The edges of one iteration have an order in which every producer comes before its consumers."""
    order = list(TopologicalSorter(same_turn_graph(flywheel)).static_order())
    assert sorted(order) == ALL
    assert order[-1] == "p10"


def test_feedback_edges_are_what_breaks_the_circle(flywheel: Flywheel) -> None:
    """Read within the same iteration, the feedback edges would make projects wait on each other."""
    with pytest.raises(CycleError):
        TopologicalSorter(same_turn_graph(flywheel, feedback_too=True)).prepare()


def promised_fields(interface: InterfaceOut) -> set[str]:
    return set(field_types(interface.fields)) | (RECORD_FIELDS if interface.record_schema == "record" else set())


def test_consumers_need_only_fields_that_producers_promise(flywheel: Flywheel) -> None:
    """Every field a contract needs is promised by the contract that makes the interface."""
    made = {item.name: item for contract in flywheel.contracts.values() for item in contract.interfaces_out}
    for contract in flywheel.contracts.values():
        for wanted in contract.interfaces_in:
            lacking = set(wanted.fields) - promised_fields(made[wanted.name])
            assert not lacking, f"{contract.id} needs {lacking} of {wanted.name}"


def test_group_keys_and_files_of_interfaces_are_declared(flywheel: Flywheel) -> None:
    """A group key is a promised field, and every interface has a place among the results."""
    for contract in flywheel.contracts.values():
        assert set(contract.results.interfaces) == {item.name for item in contract.interfaces_out}
        for item in contract.interfaces_out:
            assert item.group_key is None or item.group_key in item.fields


# --- published figures -----------------------------------------------------------------------


def test_published_folders_are_exactly_what_the_script_writes(tmp_path: Path) -> None:
    """Running the script writes, byte for byte, the published files that are shipped, and no others."""
    subprocess.run([sys.executable, str(WRITER), "--out", str(tmp_path)], check=True, capture_output=True)
    fresh = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    shipped = {path.relative_to(PROJECTS): path.read_bytes() for path in PROJECTS.glob("*/published/*")}
    assert fresh == shipped
    assert len(fresh) == 28


def test_projects_without_published_results_have_no_figures(flywheel: Flywheel) -> None:
    """P10..P15 have neither a published folder nor a contract that points to one."""
    for project_id in WITHOUT_FIGURES:
        assert flywheel.contracts[project_id].results.published is None
        assert not (flywheel.folders[project_id] / "published").exists()


@pytest.mark.parametrize("project_id", WITH_FIGURES)
def test_metrics_files_hold_the_facts_and_nothing_else(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]], project_id: str
) -> None:
    """A published metrics file equals the facts, and its folder names their status and source."""
    assert published(flywheel, project_id, "metrics") == facts[project_id]["metrics"]
    note = (flywheel.folders[project_id] / "published" / "SOURCE.md").read_text(encoding="utf-8")
    assert facts[project_id]["value_status"] in note
    assert facts[project_id]["value_source"] in note


@pytest.mark.parametrize("project_id", WITH_FIGURES)
def test_check_files_claim_only_what_was_published(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]], project_id: str
) -> None:
    """Check files hold names and outcomes only: no command, return code, output or duration is invented."""
    document = published(flywheel, project_id, "checks")
    rows = document["command_checks"] + document["dataset_checks"]
    assert sorted(row["name"] for row in rows) == sorted(facts[project_id]["checks"])
    assert all(set(row) == {"name", "passed"} for row in rows)
    assert sum(row["passed"] for row in rows) == document["passed_checks"] == facts[project_id]["passed_checks"]
    assert {row["name"] for row in document["command_checks"]} >= {"py_compile"}


def test_upstream_checks_are_103_of_103(flywheel: Flywheel) -> None:
    """The nine published check files add up to 103 passed of 103."""
    documents = [published(flywheel, project_id, "checks") for project_id in WITH_FIGURES]
    assert sum(document["passed_checks"] for document in documents) == 103
    assert sum(document["total_checks"] for document in documents) == 103


@pytest.mark.parametrize("change", [{"passed_checks": 13}, {"total_checks": 15}, {"checks": ["py_compile"]}])
def test_the_script_refuses_facts_that_leave_an_outcome_open(
    facts: dict[str, dict[str, Any]], change: dict[str, Any]
) -> None:
    """When not every named check is known to have passed, no outcome is made up for any of them."""
    check_results = runpy.run_path(str(WRITER))["check_results"]
    with pytest.raises(ValueError, match="p01"):
        check_results(facts["p01"] | change)


def test_a_value_never_published_is_unknown(flywheel: Flywheel) -> None:
    """P4's record count stays a declared KPI without a value, and is not required."""
    values = published_kpis(flywheel)
    records = next(kpi for kpi in flywheel.contracts["p04"].kpis if kpi.name == "records")
    assert "p04.records" not in values
    assert not records.required


@pytest.mark.parametrize("project_id", WITH_FIGURES)
def test_required_kpis_and_sample_sizes_have_published_values(flywheel: Flywheel, project_id: str) -> None:
    """No published project lacks a required KPI, and the sample size of each published figure is a count."""
    metrics = published(flywheel, project_id, "metrics")
    for kpi in flywheel.contracts[project_id].kpis:
        if kpi.required:
            assert value_at(metrics, kpi.path) is not None, kpi.name
        if kpi.n_path is not None and value_at(metrics, kpi.path) is not None:
            size = value_at(metrics, kpi.n_path)
            assert isinstance(size, int), kpi.name
            assert size > 0, kpi.name


@pytest.mark.parametrize("project_id", WITH_FIGURES)
def test_no_project_attains_all_its_targets(flywheel: Flywheel, project_id: str) -> None:
    """Targets were not chosen to be met: every published project falls short of at least one."""
    metrics = published(flywheel, project_id, "metrics")
    reached = [attainment(kpi, value_at(metrics, kpi.path)) for kpi in flywheel.contracts[project_id].kpis]
    assert any(value is not None and value < 1 for value in reached)


def stated_costs(flywheel: Flywheel) -> dict[str, tuple[float, float]]:
    stated = {}
    for project_id in WITH_FIGURES:
        costs, metrics = flywheel.contracts[project_id].costs, published(flywheel, project_id, "metrics")
        if costs.review_hours and costs.review_cost:
            stated[project_id] = (value_at(metrics, costs.review_hours), value_at(metrics, costs.review_cost))
    return stated


def test_review_effort_is_the_sum_over_the_projects_that_state_it(flywheel: Flywheel) -> None:
    """Five projects state 201.34 hours and 24043.93 RMB together; P01, P05, P08 and P09 state nothing."""
    stated = stated_costs(flywheel)
    assert set(WITH_FIGURES) - set(stated) == {"p01", "p05", "p08", "p09"}
    assert sum(hours for hours, _ in stated.values()) == pytest.approx(201.34)
    assert sum(cost for _, cost in stated.values()) == pytest.approx(24043.93)


def test_the_published_total_leaves_p02_out(flywheel: Flywheel, facts: dict[str, dict[str, Any]]) -> None:
    """The published total effort is what the stating projects add up to without P02, whose figures lie deeper."""
    others = [value for project_id, value in stated_costs(flywheel).items() if project_id != "p02"]
    total = facts["p10"]["metrics"]
    assert sum(hours for hours, _ in others) == pytest.approx(total["estimated_manual_review_hours"])
    assert sum(cost for _, cost in others) == pytest.approx(total["estimated_manual_review_cost_rmb"])


def test_no_published_effort_is_missed(flywheel: Flywheel, facts: dict[str, dict[str, Any]]) -> None:
    """A project whose metrics mention review hours anywhere says so in its contract."""
    for project_id in WITH_FIGURES:
        mentioned = "review_hours" in json.dumps(facts[project_id]["metrics"])
        assert mentioned == (flywheel.contracts[project_id].costs.review_hours is not None), project_id


# --- blueprint -------------------------------------------------------------------------------


def test_the_blueprint_has_the_published_size(flywheel: Flywheel, facts: dict[str, dict[str, Any]]) -> None:
    """Layers, stages, control points, boundaries, milestones, teams and mechanisms number as published."""
    plan, counts = flywheel.blueprint, facts["p10"]["metrics"]
    assert len(plan.layers) == counts["architecture_layer_count"] == 5
    assert len(plan.stages) == counts["stage_count"] == 5
    assert len({stage.milestone.id for stage in plan.stages}) == counts["milestone_count"]
    assert len(plan.control_points) == counts["control_point_count"] == 4
    assert len(plan.boundaries) == counts["boundary_rule_count"] == 4
    assert sorted(boundary.kind for boundary in plan.boundaries) == ["ownership", "ownership", "risk", "risk"]
    assert len(plan.teams) == counts["org_model"]["teams (count)"]
    assert len(plan.mechanisms) == counts["org_model"]["governance_mechanisms (count)"]
    assert len(plan.risks) == 5


def test_control_points_stand_before_the_stages_that_name_them(flywheel: Flywheel) -> None:
    """A stage enters through a control point exactly when that point says it stands before the stage."""
    entered = {(stage.enters_through, stage.id) for stage in flywheel.blueprint.stages}
    guarded = {(point.id, stage) for point in flywheel.blueprint.control_points for stage in point.before}
    assert entered == guarded


def test_every_boundary_is_held_by_more_than_the_boundary_criterion(flywheel: Flywheel) -> None:
    """Each boundary leans on a criterion that can be measured or signed."""
    kinds = {criterion.id: criterion.kind for criterion in flywheel.blueprint.criteria}
    for boundary in flywheel.blueprint.boundaries:
        assert {kinds[name] for name in boundary.enforced_by} - {"boundary"}, boundary.id


def test_gate_metrics_of_projects_are_declared_kpis(flywheel: Flywheel) -> None:
    """A gate never reads a project's number that no contract declares."""
    declared = {f"{contract.id}.{kpi.name}" for contract in flywheel.contracts.values() for kpi in contract.kpis}
    read = {criterion.metric for criterion in flywheel.blueprint.criteria if criterion.metric}
    assert {name for name in read if not name.startswith("flywheel.")} <= declared


def test_the_five_published_routes_and_one_for_everybody(flywheel: Flywheel) -> None:
    """Published routes lead where the chapter says; every project can receive feedback; nothing is taken by default."""
    routes = flywheel.blueprint.routing
    to = {route.id: route.to for route in routes}
    assert {route.to for route in routes} == set(ALL) | KNOWN_FROM_EVENT
    assert all(route.when or route.to in KNOWN_FROM_EVENT for route in routes)
    assert (to["legal_refusal_gap"], to["retrieval_error"], to["tool_call_trace"]) == ("p02", "p05", "p07")
    assert (to["platform_regression"], to["privacy_boundary"]) == ("p08", "p09")


def test_exactly_the_published_bottlenecks_fire_on_the_published_figures(
    flywheel: Flywheel, facts: dict[str, dict[str, Any]]
) -> None:
    """Of all rules, just the three published ones hold on the published figures, with their severities."""
    values = published_kpis(flywheel)
    held = {rule.id: parse_rule(rule.when).holds(values) for rule in flywheel.blueprint.bottlenecks}
    fired = [f"{rule.id}({rule.severity})" for rule in flywheel.blueprint.bottlenecks if held[rule.id]]
    assert fired == facts["p10"]["metrics"]["bottlenecks"]
    assert len(fired) == 3
    unknown = {name for name, outcome in held.items() if outcome is None}
    assert unknown == {
        "prm_outcome_gap",
        "recipe_contamination",
        "reasoning_without_gain",
        "enterprise_accuracy_gap",
    }


@pytest.mark.parametrize(
    ("metric", "better", "rule_id"),
    [
        ("p01.quality_retention", 0.3, "foundation_corpus_scale"),
        ("p06.validation_pass_rate", 0.95, "prm_validation_gap"),
    ],
)
def test_a_bottleneck_goes_when_its_number_improves(
    flywheel: Flywheel, metric: str, better: float, rule_id: str
) -> None:
    """A published bottleneck is a rule over a number: with a better number it is gone."""
    rule = next(rule for rule in flywheel.blueprint.bottlenecks if rule.id == rule_id)
    assert parse_rule(rule.when).holds(published_kpis(flywheel) | {metric: better}) is False


def test_every_other_rule_can_fire(flywheel: Flywheel) -> None:
    """Each rule holds for some value of its metric: none is there for show."""
    for rule in flywheel.blueprint.bottlenecks:
        parsed = parse_rule(rule.when)
        worse = {item.metric: item.limit + (1 if item.op.startswith(">") else -1) for item in parsed.conditions}
        assert parsed.holds(worse) is True, rule.id


def test_the_blueprint_owns_up_to_its_decisions(flywheel: Flywheel) -> None:
    """Every part of the blueprint that was published only as a count, or not at all, is declared as decided."""
    named = {decision.field for decision in flywheel.blueprint.decisions}
    assert named >= {"stages", "control_points", "boundaries", "teams", "mechanisms", "gates", "routing"}
    assert named >= {"bottlenecks", "scoring", "risks"}
    assert "layers" not in named
