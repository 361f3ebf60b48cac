"""Checks of who takes part: the registry against the contracts, phases, layers, stages and the other deliverables."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    dropped,
    edited,
    emptied,
    members,
    replaced,
    unequal,
    with_stranger,
    without_one,
)
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.promises.contract import Contract


def _registered(view: AssemblyView) -> Iterator[str]:
    contracts = view.now.flywheel.contracts
    yield from members(names.REGISTRY, (entry.project_id for entry in view.registry_lines), contracts)
    for project_id, entry in view.registry.items():
        if project_id in contracts:
            yield from _as_promised(entry, contracts[project_id])


def _as_promised(entry: Entry, contract: Contract) -> Iterator[str]:
    where = f"{names.REGISTRY}: {entry.project_id}"
    for field, found, promised in (
        ("title", entry.title, contract.title),
        ("registry_role", entry.registry_role, contract.registry_role),
        ("owner", entry.owner, contract.owner),
        ("phase", entry.phase, contract.phase),
        ("layers", entry.layers, contract.layers),
        ("stages", entry.stages, contract.stages),
        ("deliverables", entry.deliverables, contract.deliverables),
        ("contract_digest", entry.contract_digest, contract.digest),
        ("human_review_needed", entry.human_review_needed, contract.review.human),
        ("governance_controls", entry.governance_controls, contract.review.controls),
    ):
        yield from unequal(f"{where}.{field}", found, promised)
    yield from members(f"{where}.required_checks", entry.required_checks, contract.checks.required)
    yield from members(
        f"{where}.interfaces_in", (edge.interface for edge in entry.interfaces_in), _names(contract.interfaces_in)
    )
    yield from unequal(
        f"{where}.interfaces_out",
        [[item.name, item.title, item.format, item.role, item.required] for item in entry.interfaces_out],
        [[item.name, item.title, item.format, item.role, item.required] for item in contract.interfaces_out],
    )
    yield from members(f"{where}.kpis", entry.kpis, _names(contract.kpis))
    for kpi in contract.kpis:
        if stated := entry.kpis.get(kpi.name):
            yield from unequal(
                f"{where}.kpis.{kpi.name}",
                [stated.unit, stated.direction, stated.target, stated.tolerance],
                [kpi.unit, kpi.direction, kpi.target, kpi.tolerance],
            )


def _names(items: Any) -> list[str]:
    return [item.name for item in items]


def _twice(document: Any, rng: random.Random) -> str | None:
    if not document:
        return None
    document.append(rng.choice(document))
    return f"{document[-1]['project_id']} registered twice"


def _phases(view: AssemblyView) -> Iterator[str]:
    phases, entries = view.phases, view.registry_lines
    contracts = view.now.flywheel.contracts
    upstream = [entry for entry in entries if entry.upstream and entry.evidence]
    passed = sum(entry.passed_checks or 0 for entry in upstream)
    total = sum(entry.total_checks or 0 for entry in upstream)
    distribution = dict(Counter(entry.phase for entry in entries))
    promised = dict(Counter(contract.phase for contract in contracts.values()))
    where = names.PHASES
    yield from unequal(f"{where}: phase_distribution", phases.phase_distribution, distribution)
    yield from unequal(f"{where}: phase_distribution against the contracts", phases.phase_distribution, promised)
    yield from unequal(
        f"{names.METRICS}: phase_distribution", view.metrics.phase_distribution, phases.phase_distribution
    )
    for field, found, expected in (
        ("project_count", phases.project_count, len(entries)),
        ("total_passed_checks", phases.total_passed_checks, passed),
        ("total_checks", phases.total_checks, total),
        ("all_evidenced_projects_passed", phases.all_evidenced_projects_passed, passed == total if total else None),
        ("interface_count", phases.interface_count, sum(len(entry.interfaces_out) for entry in entries)),
        ("upstream_interface_count", phases.upstream_interface_count, sum(len(e.interfaces_out) for e in upstream)),
    ):
        yield from unequal(f"{where}: {field}", found, expected)


def _wrong_count(document: Any, rng: random.Random) -> str:
    phase = rng.choice(sorted(document["phase_distribution"]))
    document["phase_distribution"][phase] = another_number(document["phase_distribution"][phase], rng)
    return f"phase_distribution.{phase} is {document['phase_distribution'][phase]}"


def _wrong_total(document: Any, rng: random.Random) -> str:
    field = rng.choice(["project_count", "total_passed_checks", "total_checks", "interface_count"])
    document[field] = another_number(document[field], rng)
    return f"{field} is {document[field]}"


def _placed(view: AssemblyView) -> Iterator[str]:
    blueprint = view.now.flywheel.blueprint
    for kind, declared, groups in (
        ("layer", [item.id for item in blueprint.layers], _layer_groups(view)),
        ("stage", [item.id for item in blueprint.stages], _stage_groups(view)),
    ):
        for entry in view.registry_lines:
            own = entry.layers if kind == "layer" else entry.stages
            if not own:
                yield f"{entry.project_id} belongs to no {kind}"
            for name in own:
                if name not in declared:
                    yield f"{entry.project_id} belongs to the {kind} {name}, which the blueprint does not have"
            mapped = [name for name, projects in groups.items() if entry.project_id in projects]
            yield from members(f"{entry.project_id} as placed by {kind}", mapped, own)


def _layer_groups(view: AssemblyView) -> dict[str, tuple[str, ...]]:
    return {layer.id: layer.mapped_projects for layer in view.architecture.layers}


def _stage_groups(view: AssemblyView) -> dict[str, tuple[str, ...]]:
    return {stage.stage_id: stage.projects for stage in view.stage_plan}


def _projects_agree(view: AssemblyView) -> Iterator[str]:
    known = set(view.registry)
    for where, listed, complete in (
        (f"{names.ARCHITECTURE}: mapped_projects", _flat(_layer_groups(view)), True),
        (f"{names.STAGE_PLAN}: projects", _flat(_stage_groups(view)), True),
        (f"{names.COSTS}: by_project", set(view.costs.by_project), True),
        (f"{names.ORGANISATION}: projects", {name for team in view.organisation.teams for name in team.projects}, True),
        (f"{names.RUNS}: impact", {name for run in view.runs for name in run.impact}, False),
        (f"{names.DASHBOARD}: not_consumable", set(view.dashboard.not_consumable), False),
        (f"{names.COSTS}: unknown", {*view.costs.unknown.review_hours, *view.costs.unknown.review_cost}, False),
    ):
        yield from members(where, listed, known if complete else known & listed)
    stages = [stage.stage_id for stage in view.stage_plan]
    for where, found in (
        (names.RUNS, [run.stage_id for run in view.runs]),
        (names.MILESTONES, [line.stage for line in view.milestones]),
        (names.DASHBOARD, [line.stage for line in view.dashboard.stages]),
    ):
        yield from unequal(f"{where}: stages in order", found, stages)
    planned = [stage.milestone for stage in view.stage_plan]
    yield from unequal(f"{names.MILESTONES}: milestones", [line.milestone for line in view.milestones], planned)
    owned = {name for team in view.organisation.teams for name in team.milestones}
    yield from members(f"{names.ORGANISATION}: milestones", owned, planned)
    for name, document in ((names.DASHBOARD, view.dashboard), (names.METRICS, view.metrics)):
        yield from unequal(f"{name}: flywheel", document.flywheel, view.now.flywheel.name)
        yield from unequal(f"{name}: iteration", document.iteration, view.now.iteration)


def _flat(groups: dict[str, tuple[str, ...]]) -> set[str]:
    return {name for group in groups.values() for name in group}


def _stranger_in_costs(document: Any, rng: random.Random) -> str:
    old = rng.choice(sorted(document["by_project"]))
    new = another_name(old, rng)
    document["by_project"][new] = document["by_project"].pop(old)
    return f"by_project.{old} is called {new}"


ALL_UPSTREAM_PROJECTS_REGISTERED = ConsistencyCheck(
    "all_upstream_projects_registered",
    "every project with a contract is registered once, as its contract says, and nothing else is",
    _registered,
    (
        dropped(names.REGISTRY, key="project_id"),
        edited(names.REGISTRY, _twice),
        replaced(names.REGISTRY, key="title", field="project_id", value=another_name),
        replaced(names.REGISTRY, key="project_id", field="owner", value=another_name),
    ),
)
PHASE_INVENTORY_CONSISTENT = ConsistencyCheck(
    "phase_inventory_consistent",
    "the phase inventory counts what the registry and the contracts hold",
    _phases,
    (
        replaced(names.REGISTRY, key="project_id", field="phase", value=another_name),
        edited(names.PHASES, _wrong_count),
        edited(names.PHASES, _wrong_total),
        dropped(names.REGISTRY, key="project_id"),
    ),
)
EVERY_PROJECT_HAS_LAYER_AND_STAGE = ConsistencyCheck(
    "every_project_has_layer_and_stage",
    "every project belongs to at least one layer and one stage, and is mapped where it belongs",
    _placed,
    (
        replaced(names.REGISTRY, key="project_id", field="layers", value=emptied),
        replaced(names.REGISTRY, key="project_id", field="stages", value=emptied),
        replaced(names.STAGE_PLAN, key="stage_id", field="projects", value=without_one),
        replaced(names.ARCHITECTURE, "layers", key="id", field="mapped_projects", value=without_one),
    ),
)
DELIVERABLES_AGREE_WITH_REGISTRY = ConsistencyCheck(
    "deliverables_agree_with_registry",
    "all deliverables speak of the same projects, stages and milestones",
    _projects_agree,
    (
        replaced(names.ARCHITECTURE, "layers", key="id", field="mapped_projects", value=with_stranger),
        replaced(names.STAGE_PLAN, key="stage_id", field="projects", value=with_stranger),
        replaced(names.MILESTONES, key="milestone", field="stage", value=another_name),
        replaced(names.RUNS, key="stage_id", field="impact", value=with_stranger),
        edited(names.COSTS, _stranger_in_costs),
        dropped(names.REGISTRY, key="project_id"),
    ),
)
