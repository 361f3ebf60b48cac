"""Checks of the blueprint's parts as the deliverables show them: layers, control points, stages, boundaries."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import BoundaryLine, EdgeLine, PlannedStage
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    dropped,
    edited,
    members,
    replaced,
    unequal,
    with_stranger,
    without_one,
)
from flywheel_mlflow.consistency.view import AssemblyView


def _architecture(view: AssemblyView) -> Iterator[str]:
    blueprint, found = view.now.flywheel.blueprint, view.architecture
    yield from unequal(
        f"{names.ARCHITECTURE}: layers",
        [[item.id, item.title, item.responsibilities] for item in found.layers],
        [[item.id, item.title, item.responsibilities] for item in blueprint.layers],
    )
    for layer in found.layers:
        mapped = [entry.project_id for entry in view.registry_lines if layer.id in entry.layers]
        yield from members(f"layer {layer.id}", layer.mapped_projects, mapped)
    yield from unequal(
        f"{names.ARCHITECTURE}: control_points",
        [[item.id, item.title, item.before_stages, item.question, item.criteria] for item in found.control_points],
        [[item.id, item.title, item.before, item.question, item.criteria] for item in blueprint.control_points],
    )
    planned = {stage.stage_id for stage in view.stage_plan}
    for point in found.control_points:
        for stage in point.before_stages:
            if stage not in planned:
                yield f"the control point {point.id} guards {stage}, which is not in the stage plan"
    yield from members(f"{names.ARCHITECTURE}: interfaces", map(_edge, found.interfaces), map(_edge, _edges(view)))


def _edges(view: AssemblyView) -> list[EdgeLine]:
    return [edge for entry in view.registry_lines for edge in entry.interfaces_in]


def _edge(edge: EdgeLine) -> str:
    """All an edge says, so that equal text means equal edges."""
    lacks = "unknown" if edge.missing_fields is None else f"[{', '.join(edge.missing_fields)}]"
    return (
        f"{edge.producer} -> {edge.interface} -> {edge.consumer} ({edge.from_iteration}, required {edge.required}, "
        f"{edge.state}, made {edge.made}, read {edge.read}, lacks {lacks})"
    )


def _stages(view: AssemblyView) -> Iterator[str]:
    plan, registry, blueprint = view.stage_plan, view.registry, view.now.flywheel.blueprint
    yield from unequal(
        f"{names.STAGE_PLAN}: stages",
        [[item.stage_id, item.title, item.goal, item.enters_through, item.milestone] for item in plan],
        [[item.id, item.title, item.goal, item.enters_through, item.milestone.id] for item in blueprint.stages],
    )
    for stage in plan:
        yield from _stage(stage, view)
    planned = {project for stage in plan for project in stage.projects}
    for project in sorted(set(registry) - planned):
        yield f"{project} is in no stage of the plan"


def _stage(stage: PlannedStage, view: AssemblyView) -> Iterator[str]:
    registry = view.registry
    if not stage.milestone.strip():
        yield f"the stage {stage.stage_id} has no milestone"
    for project in stage.projects:
        if project not in registry:
            yield f"the stage {stage.stage_id} names {project}, which is not registered"
    own = [entry.project_id for entry in registry.values() if stage.stage_id in entry.stages]
    yield from members(f"stage {stage.stage_id}", stage.projects, own)
    delivered = [name for project in stage.projects if project in registry for name in registry[project].deliverables]
    yield from unequal(f"stage {stage.stage_id}: deliverables", stage.deliverables, delivered)


def _boundaries(view: AssemblyView) -> Iterator[str]:
    blueprint, found = view.now.flywheel.blueprint, view.boundaries
    for kind, lines in (("ownership", found.ownership_boundaries), ("risk", found.risk_boundaries)):
        yield from unequal(
            f"{names.BOUNDARIES}: {kind}_boundaries",
            [[item.id, item.rule] for item in lines],
            [[item.id, item.rule] for item in blueprint.boundaries if item.kind == kind],
        )
    registry = view.registry
    for line in found.interfaces:
        made = {item.name for item in registry[line.producer].interfaces_out} if line.producer in registry else set()
        if line.artifact not in made:
            yield f"{line.artifact} is said to come from {line.producer}, which promises no such interface"
    yield from members(
        f"{names.BOUNDARIES}: interfaces",
        (f"{line.producer} -> {line.artifact} -> {line.consumer}" for line in found.interfaces),
        (f"{edge.producer} -> {edge.interface} -> {edge.consumer}" for edge in _edges(view)),
    )
    yield from _consumers(view)


def _consumers(view: AssemblyView) -> Iterator[str]:
    """Producers and consumers must tell the same story."""
    edges = _edges(view)
    for entry in view.registry_lines:
        for item in entry.interfaces_out:
            readers = [edge.consumer for edge in edges if edge.interface == item.name]
            yield from members(f"consumers of {item.name} as {entry.project_id} lists them", item.consumers, readers)


def _enforced(view: AssemblyView) -> Iterator[str]:
    gates = {gate.id: {item.id for item in gate.criteria} for gate in view.now.flywheel.blueprint.gates}
    promised = {item.id: set(item.enforced_by) for item in view.now.flywheel.blueprint.boundaries}
    lines = _lines(view)
    yield from members("boundaries", (line.id for line in lines), promised)
    for line in lines:
        if not line.enforced_by:
            yield f"nothing enforces the boundary {line.id}"
        for item in line.enforced_by:
            if item.criterion not in gates.get(item.gate, set()):
                yield f"the gate {item.gate} has no criterion {item.criterion}, which is to enforce {line.id}"
        named = [item.criterion for item in line.enforced_by]
        yield from members(f"criteria that enforce {line.id}", named, promised.get(line.id, set()))


def _lines(view: AssemblyView) -> list[BoundaryLine]:
    return [*view.boundaries.ownership_boundaries, *view.boundaries.risk_boundaries]


def _toothless(document: Any, rng: random.Random) -> str | None:
    lines: list[Any] = [*document["ownership_boundaries"], *document["risk_boundaries"]]
    if not lines:
        return None
    line = rng.choice(lines)
    line["enforced_by"] = []
    return f"{line['id']} enforced by nothing"


def _other_criterion(document: Any, rng: random.Random) -> str | None:
    lines = [*document["ownership_boundaries"], *document["risk_boundaries"]]
    items = [item for line in lines for item in line["enforced_by"]]
    if not items:
        return None
    item = rng.choice(items)
    item["criterion"] = another_name(item["criterion"], rng)
    return f"enforced by {item['criterion']}"


def _gate_without_criterion(view: AssemblyView, rng: random.Random) -> tuple[str, AssemblyView] | None:
    """Take a criterion out of the blueprint's gate behind the deliverable's back."""
    wanted = sorted({(item.gate, item.criterion) for line in _lines(view) for item in line.enforced_by})
    if not wanted:
        return None
    gate_id, criterion = rng.choice(wanted)
    blueprint = view.now.flywheel.blueprint
    gates = tuple(
        gate.model_copy(update={"criteria": tuple(item for item in gate.criteria if item.id != criterion)})
        for gate in blueprint.gates
    )
    flywheel = replace(view.now.flywheel, blueprint=blueprint.model_copy(update={"gates": gates}))
    return f"the gate {gate_id} lost {criterion}", replace(view, now=replace(view.now, flywheel=flywheel))


ARCHITECTURE_PRESENT = ConsistencyCheck(
    "architecture_layers_and_control_points_present",
    "every layer and control point of the blueprint is there, every layer holds its projects, and edges are those "
    "of the registry",
    _architecture,
    (
        dropped(names.ARCHITECTURE, "layers", key="id"),
        dropped(names.ARCHITECTURE, "control_points", key="id"),
        dropped(names.ARCHITECTURE, "interfaces", key="interface"),
        replaced(names.ARCHITECTURE, "layers", key="id", field="mapped_projects", value=without_one),
    ),
)
STAGE_PLAN_COVERS = ConsistencyCheck(
    "stage_plan_covers_end_to_end",
    "every stage of the blueprint is planned with its projects and a milestone, and every project is in a stage",
    _stages,
    (
        dropped(names.STAGE_PLAN, key="stage_id"),
        replaced(names.STAGE_PLAN, key="stage_id", field="projects", value=without_one),
        replaced(names.STAGE_PLAN, key="stage_id", field="projects", value=with_stranger),
        replaced(names.STAGE_PLAN, key="stage_id", field="milestone", value=lambda _old, _rng: ""),
    ),
)
BOUNDARIES_PRESENT = ConsistencyCheck(
    "boundaries_and_interfaces_present",
    "every boundary of the blueprint is there, and producers and consumers agree on what passes between them",
    _boundaries,
    (
        dropped(names.BOUNDARIES, "ownership_boundaries", key="id"),
        dropped(names.BOUNDARIES, "risk_boundaries", key="id"),
        dropped(names.BOUNDARIES, "interfaces", key="artifact"),
        replaced(names.BOUNDARIES, "interfaces", key="artifact", field="from", value=another_name),
    ),
)
EVERY_BOUNDARY_ENFORCED = ConsistencyCheck(
    "every_boundary_enforced",
    "every boundary is enforced by criteria that the named gates really have",
    _enforced,
    (edited(names.BOUNDARIES, _toothless), edited(names.BOUNDARIES, _other_criterion), _gate_without_criterion),
)
