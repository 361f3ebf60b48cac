"""Checks of the numbers: computed a second time, summed up, and explained down to where they were read."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from flywheel_mlflow.assembly import deliverables as names
from flywheel_mlflow.assembly.documents import Entry, MetricLine, MetricsFile, Number
from flywheel_mlflow.consistency.checking import (
    Change,
    ConsistencyCheck,
    another_name,
    another_number,
    edited,
    members,
    replaced,
    unequal,
)
from flywheel_mlflow.consistency.recompute import attainment, recompute
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE
from flywheel_mlflow.promises.contract import CONTRACT_FILE

FLYWHEEL = "flywheel."


def _evaluated(view: AssemblyView) -> Iterator[str]:
    metrics = view.metrics
    for name, expected in recompute(view).items():
        if name not in metrics.metrics:
            yield f"{names.METRICS}: {name} is missing"
            continue
        yield from unequal(f"{names.METRICS}: {name}", metrics.value(name), expected)
    for entry in view.registry_lines:
        yield from unequal(f"{names.REGISTRY}: {entry.project_id} score", entry.score, _score(entry, metrics))
        for name, kpi in entry.kpis.items():
            where = f"{names.REGISTRY}: {entry.project_id}.{name} attainment"
            yield from unequal(where, kpi.attainment, attainment(kpi))


def _score(entry: Entry, metrics: MetricsFile) -> Number:
    return metrics.value(f"{entry.project_id}.score")


def _aggregated(view: AssemblyView) -> Iterator[str]:
    upstream = [entry for entry in view.registry_lines if entry.upstream]
    for entry in view.registry_lines:
        yield from _counts(entry)
    passed = sum(entry.passed_checks or 0 for entry in upstream)
    total = sum(entry.total_checks or 0 for entry in upstream)
    for where, found in (
        (names.PHASES, (view.phases.total_passed_checks, view.phases.total_checks)),
        (names.METRICS, _pair(view.metrics.numbers)),
        (names.DASHBOARD, _pair(view.dashboard.numbers)),
    ):
        yield from unequal(f"{where}: upstream checks passed and total", found, (passed, total))


def _pair(numbers: dict[str, Number]) -> tuple[Number, Number]:
    return numbers.get("upstream_checks_passed"), numbers.get("upstream_check_count")


def _counts(entry: Entry) -> Iterator[str]:
    where, passed, total = entry.project_id, entry.passed_checks, entry.total_checks
    if entry.evidence is None or passed is None or total is None:
        stated = [passed, total, entry.overall_passed]
        if entry.evidence is not None or stated != [None, None, None] or entry.checks_not_passed:
            yield f"{where}: check counts without evidence, or evidence without check counts"
        return
    if not 0 <= passed <= total:
        yield f"{where}: {passed} of {total} checks passed"
    # Two checks of one name share one entry here, so names may be fewer than checks, never more.
    named = len(entry.checks_not_passed)
    if named > total - passed or (total > passed and not named):
        yield f"{where}: {total - passed} checks did not pass, {named} are named"
    yield from unequal(f"{where}: overall_passed", entry.overall_passed, 0 < total == passed)
    for name, outcome in entry.required_checks.items():
        if outcome not in (None, "passed") and name not in entry.checks_not_passed:
            yield f"{where}: the required check {name} is {outcome}, yet not among those not passed"


def _explained(view: AssemblyView) -> Iterator[str]:
    document, where = view.metrics, names.METRICS
    own = {name: line for name, line in document.metrics.items() if name.startswith(FLYWHEEL)}
    yield from members(f"{where}: numbers", (FLYWHEEL + name for name in document.numbers), own)
    for name, value in document.numbers.items():
        yield from unequal(f"{where}: {name}", value, document.value(FLYWHEEL + name))
    yield from members(f"{where}: acceptance", document.acceptance, names.ACCEPTANCE_METRICS)
    for name, shown in document.acceptance.items():
        line = document.metrics.get(FLYWHEEL + name)
        expected = (line.value, line.note) if line else None
        yield from unequal(f"{where}: acceptance.{name}", (shown.value, shown.note), expected)
    yield from members(f"{where}: metrics", document.metrics, view.now.metrics)
    known = _known_sources(view)
    for name, line in document.metrics.items():
        yield from (f"{where}: {name} {problem}" for problem in _origin(line, document, known))
    yield from _circles(document)


def _known_sources(view: AssemblyView) -> dict[str, dict[str, str]]:
    """What numbers may be read from, by kind: reference -> digest."""
    evidence = [entry.evidence for entry in view.registry_lines if entry.evidence]
    own = next((item.evidence_digest for item in evidence if item.run_id is None), None)
    return {
        "run": {item.run_id: item.evidence_digest for item in evidence if item.run_id is not None},
        "self-evidence": {} if own is None else {"this assembly": own},
        "runs": {"this iteration": "", "this quarter": ""},
        "comparison": {"the iteration before": ""},
        "ledger": {"the decisions by then": ""},
        "contracts": {f"{PROJECTS_FOLDER}/*/{CONTRACT_FILE}": ""},
        "blueprint": {BLUEPRINT_FILE: view.now.flywheel.blueprint.digest},
    }


def _origin(line: MetricLine, document: MetricsFile, known: dict[str, dict[str, str]]) -> Iterator[str]:
    if not line.rule.strip():
        yield "has no rule"
    if not line.unit.strip():
        yield "has no unit"
    for absent in [name for name in line.inputs if name not in document.metrics]:
        yield f"rests on {absent}, which is not there"
    # A count of nothing rests on nothing; every other known number was computed or read somewhere.
    if line.value and not line.inputs and line.source is None:
        yield "has neither inputs nor a source"
    if line.value is None and not line.note.strip() and not line.inputs:
        yield "is unknown and does not say why"
    if (source := line.source) is not None:
        if source.ref not in known.get(source.kind, {}):
            yield f"was read from {source.kind} {source.ref!r}, which stands behind nothing here"
        elif source.digest != known[source.kind][source.ref]:
            yield f"was read from {source.kind} {source.ref!r} when that had another digest"


def _circles(document: MetricsFile) -> Iterator[str]:
    """Numbers that explain themselves with themselves: what is left when all that can be explained is taken away."""
    waiting = {
        name: {item for item in line.inputs if item in document.metrics} for name, line in document.metrics.items()
    }
    users: dict[str, list[str]] = {}
    for name, inputs in waiting.items():
        for item in inputs:
            users.setdefault(item, []).append(name)
    ready = [name for name, inputs in waiting.items() if not inputs]
    while ready:
        name = ready.pop()
        del waiting[name]
        for user in users.get(name, []):
            waiting[user].discard(name)
            if not waiting[user]:
                ready.append(user)
    if waiting:
        yield f"{names.METRICS}: {', '.join(sorted(waiting)[:3])} rest on themselves"


def _no_literals(view: AssemblyView) -> Iterator[str]:
    document, flywheel = view.metrics, view.now.flywheel
    weights = flywheel.blueprint.scoring.weights
    parts = (
        ("check_pass_rate", weights.checks),
        ("kpi_attainment", weights.kpis),
        ("contract_conformity", weights.contract),
    )
    for project in flywheel.contracts:
        weighted = {f"{project}.{part}": weight for part, weight in parts}
        yield from _mean_of_inputs(f"{project}.score", document, weighted)
    stages = flywheel.blueprint.stages
    for stage in stages:
        own = {f"{item.id}.score": item.weight for item in flywheel.contracts.values() if stage.id in item.stages}
        yield from _mean_of_inputs(f"stage.{stage.id}.score", document, own)
    yield from _mean_of_inputs(
        "flywheel.mean_stage_score", document, {f"stage.{stage.id}.score": 1.0 for stage in stages}
    )


def _mean_of_inputs(name: str, document: MetricsFile, weights: dict[str, float]) -> Iterator[str]:
    """A score must be the weighted mean of exactly those inputs that it names and that are known."""
    line = document.metrics.get(name)
    if line is None:
        yield f"{name} is missing"
        return
    for item in line.inputs:
        if item not in weights:
            yield f"{name} rests on {item}, which is no part of it"
    known = {item: value for item in weights if (value := document.value(item)) is not None}
    for item in sorted(known.keys() - set(line.inputs)):
        yield f"{name} leaves out {item}"
    total = sum(weights[item] for item in known)
    expected = sum(value * weights[item] for item, value in known.items()) / total if total else None
    yield from unequal(name, line.value, expected)
    if line.value is not None and not 0 <= line.value <= 1:
        yield f"{name} is {line.value}, outside 0..1"


def _metric(document: Any, rng: random.Random, ending: str = "") -> tuple[str, Any]:
    name = rng.choice(sorted(name for name in document["metrics"] if name.endswith(ending)))
    return name, document["metrics"][name]


def _other_number(document: Any, rng: random.Random) -> str:
    bare = sorted(name for name, value in document.items() if FLYWHEEL + name in document["metrics"])
    name = rng.choice(bare)
    document[name] = another_number(document[name], rng)
    return f"{name} is {document[name]}"


def _other_score(document: Any, rng: random.Random) -> str:
    name, line = _metric(document, rng, ".score")
    line["value"] = another_number(line["value"], rng) / 64
    return f"the value of {name} is {line['value']}"


def _other_count(document: Any, rng: random.Random) -> str:
    name, line = _metric(document, rng, "_count")
    line["value"] = another_number(line["value"], rng)
    return f"the value of {name} is {line['value']}"


def _no_rule(document: Any, rng: random.Random) -> str:
    name, line = _metric(document, rng)
    line["rule"] = ""
    return f"the rule of {name} removed"


def _absent_input(document: Any, rng: random.Random) -> str:
    name, line = _metric(document, rng)
    line["inputs"].append(another_name("absent", rng))
    return f"{name} rests on {line['inputs'][-1]}"


def _circle(document: Any, rng: random.Random) -> str:
    name, line = _metric(document, rng)
    line["inputs"].append(name)
    return f"{name} rests on itself"


def _unsourced(document: Any, rng: random.Random) -> str | None:
    leaves = sorted(name for name, line in document["metrics"].items() if line["source"] and line["value"])
    if not leaves:
        return None
    name = rng.choice(leaves)
    document["metrics"][name] |= {"source": None, "inputs": []}
    return f"the source of {name} removed"


def _other_source(document: Any, rng: random.Random) -> str | None:
    lines = [line for line in document["metrics"].values() if line["source"]]
    if not lines:
        return None
    source = rng.choice(lines)["source"]
    field = rng.choice(["ref", "digest"])
    source[field] = another_name(source[field], rng)
    return f"a number read from {source['kind']} {source['ref']} with digest {source['digest']}"


def _removed(document: Any, rng: random.Random) -> str:
    name, _ = _metric(document, rng, ".score")
    del document["metrics"][name]
    return f"{name} removed"


def _raised(field: str) -> Change:
    def change(document: Any, rng: random.Random) -> str:
        document[field] = another_number(document[field], rng)
        return f"{field} is {document[field]}"

    return change


def _other_check_count(document: Any, rng: random.Random) -> str | None:
    entries = [entry for entry in document if entry["evidence"] and entry["registry_role"] == "upstream"]
    if not entries:
        return None
    entry = rng.choice(entries)
    field = rng.choice(["passed_checks", "total_checks"])
    entry[field] = another_number(entry[field], rng)
    return f"{field} of {entry['project_id']} is {entry[field]}"


EVALUATE_FLYWHEEL = ConsistencyCheck(
    "evaluate_flywheel",
    "every number of the metrics follows, computed a second time, from the registry and the other deliverables",
    _evaluated,
    (
        edited(names.METRICS, _other_score),
        edited(names.METRICS, _other_count),
        edited(names.METRICS, _removed),
        edited(names.REGISTRY, _other_check_count),
        replaced(names.REGISTRY, key="project_id", field="consumable", value=lambda old, _rng: not old),
        replaced(names.RUNS, key="stage_id", field="score", value=another_number),
    ),
)
UPSTREAM_CHECKS_AGGREGATED = ConsistencyCheck(
    "upstream_checks_aggregated",
    "passed and total checks of the upstream projects add up to what inventory, metrics and dashboard state",
    _aggregated,
    (
        edited(names.REGISTRY, _other_check_count),
        edited(names.PHASES, _raised("total_checks")),
        edited(names.DASHBOARD, _raised("upstream_checks_passed")),
        edited(names.METRICS, _raised("upstream_check_count")),
    ),
)
METRICS_ARE_EXPLAINED = ConsistencyCheck(
    "metrics_are_explained",
    "every number has a rule and rests on numbers, runs or files that exist, never on itself",
    _explained,
    (
        edited(names.METRICS, _no_rule),
        edited(names.METRICS, _absent_input),
        edited(names.METRICS, _circle),
        edited(names.METRICS, _unsourced),
        edited(names.METRICS, _other_source),
        edited(names.METRICS, _removed),
        edited(names.METRICS, _other_number),
    ),
)
NO_LITERAL_SCORES = ConsistencyCheck(
    "no_literal_scores",
    "every score is the weighted mean of the parts it names, and of all of them",
    _no_literals,
    (edited(names.METRICS, _other_score), edited(names.METRICS, _removed)),
)
