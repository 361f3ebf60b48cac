"""The check of bottlenecks, costs and teams: that they are there, and that they are true."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import BottleneckLine, Number
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.consistency.checking import (
    ConsistencyCheck,
    another_name,
    another_number,
    dropped,
    edited,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.recompute import sum_of_known
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.promises.scoring import BottleneckRule


def _outputs(view: AssemblyView) -> Iterator[str]:
    yield from _bottlenecks(view)
    yield from _costs(view)
    yield from _reused(view)
    yield from _organisation(view)


def _bottlenecks(view: AssemblyView) -> Iterator[str]:
    found, blueprint = view.bottlenecks, view.now.flywheel.blueprint
    rules = {rule.id: rule for rule in blueprint.bottlenecks}
    holds = {name: parse_rule(rule.when).holds(_values(rule, view)) for name, rule in rules.items()}
    where = names.BOTTLENECKS
    fired = [name for name, outcome in holds.items() if outcome]
    yield from members(f"{where}: bottlenecks", (line.name for line in found.bottlenecks), fired)
    undecided = [name for name, outcome in holds.items() if outcome is None]
    yield from members(f"{where}: rules_not_decidable", (line.name for line in found.rules_not_decidable), undecided)
    for item in found.rules_not_decidable:
        if item.name in rules:
            yield from unequal(f"rule {item.name}", item.rule, rules[item.name].when)
    yield from unequal(f"{where}: rules_evaluated", found.rules_evaluated, len(rules))
    order = [line.position for line in found.bottlenecks]
    yield from unequal(f"{where}: positions", order, list(range(1, len(order) + 1)))
    ranks = [line.rank for line in found.bottlenecks]
    if ranks != sorted(ranks, reverse=True):
        yield f"{where}: the ranks {ranks} are not in order"
    for line in found.bottlenecks:
        if line.name in rules:
            yield from _bottleneck(line, rules[line.name], view)


def _values(rule: BottleneckRule, view: AssemblyView) -> dict[str, Number]:
    return {name: view.metrics.value(name) for name in parse_rule(rule.when).metrics}


def _bottleneck(line: BottleneckLine, rule: BottleneckRule, view: AssemblyView) -> Iterator[str]:
    where, parsed = f"bottleneck {line.name}", parse_rule(rule.when)
    yield from unequal(
        where, [line.title, line.severity, line.rule, line.advice], [rule.title, rule.severity, rule.when, rule.advice]
    )
    if parsed.holds(line.values) is not True:
        yield f"{where}: {rule.when} does not hold for the values it lists"
    for name, value in _values(rule, view).items():
        yield from unequal(f"{where}: {name}", line.values.get(name), value)
    yield from members(f"{where}: values", line.values, parsed.metrics)
    true = [item for item in parsed.conditions if item.holds(line.values.get(item.metric))]
    distance = max((item.distance(line.values.get(item.metric)) or 0.0 for item in true), default=0.0)
    yield from unequal(f"{where}: distance_from_limit", line.distance_from_limit, distance)
    reached = _downstream(view, {item.metric.split(".")[0] for item in true})
    yield from unequal(f"{where}: downstream_projects", line.downstream_projects, len(reached))
    weight = view.now.flywheel.blueprint.scoring.severity_weights[rule.severity]
    rank = weight * (1 + line.downstream_projects) * (1 + line.distance_from_limit)
    yield from unequal(f"{where}: rank", line.rank, rank)


def _downstream(view: AssemblyView, origins: set[str]) -> set[str]:
    """Every project that builds on ``origins`` in this iteration, however far down; feedback arrives a turn later."""
    edges = [edge for edge in view.architecture.interfaces if edge.from_iteration != "previous"]
    reached = set(origins)
    while True:
        more = {edge.consumer for edge in edges if edge.producer in reached} - reached
        if not more:
            return reached - origins
        reached |= more


def _costs(view: AssemblyView) -> Iterator[str]:
    costs, registry, where = view.costs, view.registry, names.COSTS
    hours = {name: item.review_hours for name, item in costs.by_project.items()}
    money = {name: item.review_cost for name, item in costs.by_project.items()}
    yield from members(f"{where}: by_project", costs.by_project, registry)
    for name, entry in registry.items():
        if name in costs.by_project:
            yield from unequal(f"{where}: {name} hours", hours[name], entry.estimated_manual_review_hours)
            yield from unequal(f"{where}: {name} cost", money[name], entry.estimated_manual_review_cost)
    for field, total, stated, silent in (
        ("review_hours", costs.estimated_manual_review_hours, hours, costs.unknown.review_hours),
        ("review_cost", costs.estimated_manual_review_cost, money, costs.unknown.review_cost),
    ):
        yield from unequal(f"{where}: sum of {field}", total, sum_of_known(stated.values()))
        unknown = [name for name, value in stated.items() if value is None]
        yield from members(f"{where}: unknown {field}", silent, unknown)


def _reused(view: AssemblyView) -> Iterator[str]:
    upstream = {name for name, entry in view.registry.items() if entry.upstream}
    edges = [edge for edge in view.architecture.interfaces if edge.consumer in upstream]
    readers: dict[str, set[str]] = {}
    for edge in edges:
        readers.setdefault(edge.interface, set()).add(edge.consumer)
    shared = [name for name, consumers in readers.items() if len(consumers) > 1]
    found = view.costs.reused_interfaces
    yield from members(f"{names.COSTS}: reused_interfaces", (item.interface for item in found), shared)
    for item in found:
        where = f"reused interface {item.interface}"
        yield from members(f"{where}: consumers", item.consumers, readers.get(item.interface, set()))
        mine = [edge for edge in edges if edge.interface == item.interface]
        matched = {edge.consumer for edge in mine if edge.state == "matched"}
        yield from members(f"{where}: read_this_version", item.read_this_version, matched)
        yield from members(f"{where}: from", [item.producer], {edge.producer for edge in mine})


def _organisation(view: AssemblyView) -> Iterator[str]:
    found, blueprint, where = view.organisation, view.now.flywheel.blueprint, names.ORGANISATION
    for field, shown, planned in (
        (
            "teams",
            [[item.id, item.title, item.responsibilities] for item in found.teams],
            [[item.id, item.title, item.responsibilities] for item in blueprint.teams],
        ),
        (
            "governance_mechanisms",
            [[item.id, item.title, item.owner, item.cadence] for item in found.governance_mechanisms],
            [[item.id, item.title, item.owner, item.cadence] for item in blueprint.mechanisms],
        ),
        (
            "cross_project_risks",
            [[item.id, item.title, item.owner, item.layers] for item in found.cross_project_risks],
            [[item.id, item.title, item.owner, item.layers] for item in blueprint.risks],
        ),
    ):
        yield from unequal(f"{where}: {field}", shown, planned)
    owned = [name for team in found.teams for name in team.projects]
    yield from members(f"{where}: projects with an owner", owned, view.registry)
    for team in found.teams:
        own = [entry.project_id for entry in view.registry.values() if entry.owner == team.id]
        yield from members(f"projects of {team.id}", team.projects, own)
        closes = [stage.milestone.id for stage in blueprint.stages if stage.milestone.owner == team.id]
        yield from members(f"milestones of {team.id}", team.milestones, closes)


def _invented(document: Any, rng: random.Random) -> str:
    name = another_name("invented", rng)
    document["bottlenecks"].append(
        {
            "position": len(document["bottlenecks"]) + 1,
            "name": name,
            "title": name,
            "severity": "low",
            "rule": "p01.nothing < 0",
            "values": {"p01.nothing": -1},
            "distance_from_limit": 1,
            "downstream_projects": 0,
            "rank": 0,
            "advice": name,
        }
    )
    return f"the bottleneck {name} added"


def _other_value(document: Any, rng: random.Random) -> str | None:
    lines = document["bottlenecks"]
    if not lines:
        return None
    values = rng.choice(lines)["values"]
    name = rng.choice(sorted(values))
    values[name] = another_number(values[name], rng)
    return f"{name} is {values[name]}"


def _other_sum(document: Any, rng: random.Random) -> str:
    field = rng.choice(sorted(name for name in document if name.startswith("estimated_")))
    document[field] = another_number(document[field], rng)
    return f"{field} is {document[field]}"


def _zero_for_unknown(document: Any, rng: random.Random) -> str | None:
    silent = document["unknown"]["review_hours"]
    if not silent:
        return None
    name = rng.choice(silent)
    document["by_project"][name]["review_hours"] = 0
    silent.remove(name)
    return f"the unknown hours of {name} written as 0"


BOTTLENECK_COST_ORG = ConsistencyCheck(
    "bottleneck_cost_org_outputs_present",
    "bottlenecks are exactly the rules that hold for the metrics, costs add up with the unknown named, and every "
    "project has one owning team",
    _outputs,
    (
        edited(names.BOTTLENECKS, _invented),
        edited(names.BOTTLENECKS, _other_value),
        dropped(names.BOTTLENECKS, "bottlenecks", key="name"),
        replaced(names.BOTTLENECKS, "bottlenecks", key="name", field="rank", value=another_number),
        edited(names.COSTS, _other_sum),
        edited(names.COSTS, _zero_for_unknown),
        dropped(names.ORGANISATION, "teams", key="id"),
        replaced(names.REGISTRY, key="project_id", field="owner", value=another_name),
    ),
)
