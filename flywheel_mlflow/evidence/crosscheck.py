"""Finds the faults that only show when a flywheel's files lie side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from flywheel_mlflow.base.documents import Document, Location
from flywheel_mlflow.base.errors import Fault
from flywheel_mlflow.base.names import likely
from flywheel_mlflow.base.rules import parse_rule
from flywheel_mlflow.evidence.lineage import circle_of, producers
from flywheel_mlflow.evidence.provenance import own_direction
from flywheel_mlflow.evidence.schema_paths import need_path
from flywheel_mlflow.evidence.schemas import serves
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, Blueprint, needs_human_review
from flywheel_mlflow.promises.contract import COMPUTED_NAMES, RESERVED_IDS, Contract
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.routes import KNOWN_FROM_EVENT
from flywheel_mlflow.promises.units import share_scale

ReadContract = tuple[Contract, Document]
ReadBlueprint = tuple[Blueprint, Document]
#: Where something is named, the name, the names that exist, and of what kind they are.
Reference = tuple[Location, str, set[str], str]


def contract_faults(contracts: Sequence[ReadContract], *, complete: bool) -> Iterator[Fault]:
    """Faults among the contracts: names taken twice, makers and consumers nobody is, circles.

    That nobody is or makes something is said only when every contract could be read
    (``complete``): the one that could not may be the maker.
    """
    yield from _taken_twice(contracts)
    by_id = {contract.id: contract for contract, _ in contracts}
    makers = producers(contract for contract, _ in contracts)
    for contract, document in contracts:
        if complete:
            yield from _unknown_consumers(contract, document, by_id.keys())
            yield from _unmade_inputs(contract, document, makers)
            yield from _unmade_sharers(contract, document, makers)
        yield from _bad_inputs(contract, document, by_id, makers)
    circle = circle_of(contract for contract, _ in contracts)
    if circle:
        document = next(document for contract, document in contracts if contract.id == circle[0])
        way = " -> ".join(circle)
        yield document.fault(("interfaces_in",), f"waits on itself: {way}; make one of them from_iteration: previous")


def contract_warnings(contracts: Iterable[ReadContract]) -> Iterator[Fault]:
    """What a contract says without effect: the sample size of a KPI that is no share."""
    for contract, document in contracts:
        for index, kpi in enumerate(contract.kpis):
            stated = kpi.stderr_path is not None or kpi.noise is not None
            if kpi.n_path is not None and share_scale(kpi.unit) is None and not stated:
                yield document.fault(
                    ("kpis", index, "n_path"),
                    f"a sample size says how exact a share is, and {kpi.unit!r} is no share: no verdict rests on it; "
                    "give stderr_path or noise, or a unit of shares (ratio, accuracy, percent ...)",
                )


def _taken_twice(contracts: Iterable[ReadContract]) -> Iterator[Fault]:
    ids: dict[str, str] = {}
    makers: dict[str, str] = {}
    for contract, document in contracts:
        if contract.id in ids:
            yield document.fault(("id",), f"{contract.id} is also the id of {ids[contract.id]}")
        ids.setdefault(contract.id, document.name)
        for index, out in enumerate(contract.interfaces_out):
            if out.name in makers:
                yield document.fault(
                    ("interfaces_out", index, "name"), f"{out.name} is also made by {makers[out.name]}"
                )
            makers.setdefault(out.name, contract.id)


def _unknown_consumers(contract: Contract, document: Document, ids: Iterable[str]) -> Iterator[Fault]:
    known = set(ids)
    for index, out in enumerate(contract.interfaces_out):
        for consumer in out.consumers if out.consumers != "any" else ():
            if consumer not in known:
                yield document.fault(("interfaces_out", index, "consumers"), f"no project is called {consumer!r}")


def _unmade_inputs(contract: Contract, document: Document, makers: dict[str, str]) -> Iterator[Fault]:
    for index, wanted in enumerate(contract.interfaces_in):
        if wanted.name not in makers:
            message = f"no project makes an interface {wanted.name!r}{likely(wanted.name, makers)}"
            yield document.fault(("interfaces_in", index, "name"), message)


def _unmade_sharers(contract: Contract, document: Document, makers: dict[str, str]) -> Iterator[Fault]:
    for index, out in enumerate(contract.interfaces_out):
        for name in out.shares_ids_with:
            if name not in makers:
                message = f"no project makes an interface {name!r}{likely(name, makers)}"
                yield document.fault(("interfaces_out", index, "shares_ids_with"), message)


def _bad_inputs(
    contract: Contract, document: Document, by_id: dict[str, Contract], makers: dict[str, str]
) -> Iterator[Fault]:
    for index, wanted in enumerate(contract.interfaces_in):
        place = ("interfaces_in", index, "name")
        producer = by_id.get(makers.get(wanted.name, ""))
        promise = producer.interface(wanted.name) if producer else None
        if producer is None or promise is None:
            continue
        if producer.id == contract.id:
            yield document.fault(place, "a project cannot consume its own interface")
        elif promise.consumers != "any" and contract.id not in promise.consumers:
            yield document.fault(place, f"{producer.id} does not list {contract.id} among its consumers")
        promised = {need_path(path): kind for path, kind in field_types(promise.fields).items()}
        for path, kind in field_types(wanted.fields).items():
            given = promised.get(need_path(path))
            if kind is not None and given is not None and not serves(given, kind):
                fields = ("interfaces_in", index, "fields")
                yield document.fault(fields, f"{path} must be {kind} here, {producer.id} promises {given}")


def blueprint_faults(blueprint: ReadBlueprint, contracts: Sequence[ReadContract], *, complete: bool) -> Iterator[Fault]:
    """Faults between the blueprint and the contracts.

    What the blueprint says of projects is judged only when every contract could be read
    (``complete``), or one broken contract would be reported in a dozen places.
    """
    for contract, document in contracts:
        yield from _unknown_parts(blueprint[0], contract, document)
    if complete:
        yield from _unknown_numbers(*blueprint, contracts)


def blueprint_notes(plan: Blueprint, document: Document, contracts: Sequence[ReadContract]) -> Iterator[Fault]:
    """What the blueprint names and nobody has written yet: it may be there before its projects.

    Projects, interfaces, stages and layers to which no project belongs, and questions to the people a gate asks.
    """
    ids = {contract.id for contract, _ in contracts}
    made = set(producers(contract for contract, _ in contracts))
    for place, name, known, kind in _named_by_blueprint(plan, ids, made):
        if name not in known:
            verb = "makes the interface" if kind == "interface" else "is called"
            yield document.fault(place, f"no project {verb} {name!r} yet")
    stages = {name for contract, _ in contracts for name in contract.stages}
    layers = {name for contract, _ in contracts for name in contract.layers}
    declared = [("stages", index, item.id, stages) for index, item in enumerate(plan.stages)]
    declared += [("layers", index, item.id, layers) for index, item in enumerate(plan.layers)]
    for key, index, name, used in declared:
        if name not in used:
            yield document.fault((key, index, "id"), f"no project belongs to {name} yet")
    if any(item.kind == "human_review" for item in plan.criteria):
        for contract, source in contracts:
            if needs_human_review(plan, contract) and not contract.review.questions:
                yield source.fault(("review",), "a gate asks people about it, and it asks them no questions yet")


def _named_by_blueprint(plan: Blueprint, ids: set[str], made: set[str]) -> Iterator[Reference]:
    """Every project and interface the blueprint names."""
    for index, rule in enumerate(plan.bottlenecks):
        for metric in parse_rule(rule.when).metrics:
            yield ("bottlenecks", index, "when"), _owner(metric), ids, "project"
    for index, gate in enumerate(plan.gates):
        for position, criterion in enumerate(gate.criteria):
            if criterion.metric and _owner(criterion.metric) not in RESERVED_IDS:
                yield ("gates", index, "criteria", position, "metric"), _owner(criterion.metric), ids, "project"
    for index, exception in enumerate(plan.drift.kpis):
        yield ("drift", "kpis", index, "kpi"), _owner(exception.kpi), ids, "project"
    for index, signal in enumerate(plan.drift.signals):
        yield ("drift", "signals", index, "signal"), signal.signal.partition("/")[0], made, "interface"
    for index, reading in enumerate(plan.traces.assessments):
        for field, name, known in (("project", reading.project, ids), ("interface", reading.interface, made)):
            yield from [(("traces", "assessments", index, field), name, known, field)] if name else ()
    yield from _named_by_plans(plan, ids)
    yield from _named_by_routes(plan, ids, made)


def _named_by_plans(plan: Blueprint, ids: set[str]) -> Iterator[Reference]:
    """The projects that experiments, budgets and conditions of rollbacks are about."""
    for index, experiment in enumerate(plan.experiments):
        yield ("experiments", index, "project"), experiment.project, ids, "project"
    for index, budget in enumerate(plan.budgets.runs):
        if budget.project is not None:
            yield ("budgets", "runs", index, "project"), budget.project, ids, "project"
    for index, condition in enumerate(plan.rollback_when):
        for metric in parse_rule(condition.when).metrics if condition.when else ():
            yield ("rollback_when", index, "when"), _owner(metric), ids, "project"
        for position, name in enumerate(condition.drift or ()):
            yield ("rollback_when", index, "drift", position), name, ids, "project"


def _named_by_routes(plan: Blueprint, ids: set[str], made: set[str]) -> Iterator[Reference]:
    for index, route in enumerate(plan.routing):
        yield ("routing", index, "to"), route.to, ids | KNOWN_FROM_EVENT, "project"
        for position, sign in enumerate(route.when):
            place: Location = ("routing", index, "when", position)
            for field, names in (("project", sign.project), ("made_by", sign.made_by)):
                yield from (((*place, field), name, ids, "project") for name in names)
            for field, names in (("interface", sign.interface), ("built_on", sign.built_on)):
                yield from (((*place, field), name, made, "interface") for name in names)


def _unknown_parts(plan: Blueprint, contract: Contract, document: Document) -> Iterator[Fault]:
    """References from a contract to what the blueprint does not declare."""
    teams = {item.id for item in plan.teams}
    layers = {item.id for item in plan.layers}
    stages = {item.id for item in plan.stages}
    controls = {item.id for item in plan.control_points} | {item.id for item in plan.boundaries}
    if contract.costs.review_cost is not None and plan.currency is None:
        yield document.fault(
            ("costs", "review_cost"), f"{BLUEPRINT_FILE} does not say in which currency: add `currency: EUR` there"
        )
    references: list[Reference] = [(("owner",), contract.owner, teams, "team")]
    references += [(("layers", index), name, layers, "layer") for index, name in enumerate(contract.layers)]
    references += [(("stages", index), name, stages, "stage") for index, name in enumerate(contract.stages)]
    for index, name in enumerate(contract.review.controls):
        references.append((("review", "controls", index), name, controls, "control point or boundary"))
    for place, name, known, kind in references:
        if name not in known:
            yield document.fault(place, f"no {kind} is called {name!r}{likely(name, known)}")


def _unknown_numbers(plan: Blueprint, document: Document, contracts: Sequence[ReadContract]) -> Iterator[Fault]:
    """References from the blueprint to what the projects that are there do not have."""
    ids = {contract.id for contract, _ in contracts}
    kpis = {f"{contract.id}.{kpi.name}" for contract, _ in contracts for kpi in contract.kpis}
    judged = kpis | {f"{contract.id}.{suite.name}" for contract, _ in contracts for suite in contract.suites}
    asked: list[tuple[Location, str, set[str]]] = [
        (("bottlenecks", index, "when"), metric, kpis)
        for index, rule in enumerate(plan.bottlenecks)
        for metric in parse_rule(rule.when).metrics
    ]
    asked += [
        (("rollback_when", index, "when"), metric, kpis)
        for index, condition in enumerate(plan.rollback_when)
        for metric in (parse_rule(condition.when).metrics if condition.when else ())
    ]
    asked += [(("drift", "kpis", index, "kpi"), rule.kpi, judged) for index, rule in enumerate(plan.drift.kpis)]
    for place, metric, known in asked:
        if _owner(metric) in ids and metric not in known:
            yield document.fault(place, f"no contract declares the KPI {metric}")
    for index, gate in enumerate(plan.gates):
        for position, criterion in enumerate(gate.criteria):
            message = _criterion_fault(criterion, ids, judged)
            if message:
                yield document.fault(("gates", index, "criteria", position, "metric"), message)
    yield from _bad_routes(plan, document, ids)
    assemblies = sorted(contract.id for contract, _ in contracts if contract.is_assembly)
    if len(assemblies) > 1:
        yield document.fault((), f"more than one assembly layer: {', '.join(assemblies)}")


def _owner(metric: str) -> str:
    """The project of a number, or what stands before numbers of the whole."""
    return metric.partition(".")[0]


def _criterion_fault(criterion: Criterion, ids: set[str], judged: set[str]) -> str | None:
    """Why a criterion can never be decided; None where it can, or where its project is not there yet."""
    metric = criterion.metric or ""
    owner, _, name = metric.partition(".")
    if owner not in ids | RESERVED_IDS:
        return None
    if owner in ids and metric not in judged and name not in COMPUTED_NAMES:
        return f"no contract declares the KPI {metric}"
    if criterion.kind == "drift" and metric not in judged:
        return f"drift judges KPIs and suites, and {metric} is neither"
    if criterion.kind == "max_drop" and metric not in judged and own_direction(metric) is None:
        return f"nobody says whether {metric} is better higher or lower: demand a floor or a ceiling of it"
    return None


def _bad_routes(plan: Blueprint, document: Document, ids: set[str]) -> Iterator[Fault]:
    """Routes whose target has two meanings, or that ask for a stage that does not exist."""
    stages = {item.id for item in plan.stages}
    for index, route in enumerate(plan.routing):
        place: Location = ("routing", index)
        if route.to in ids & KNOWN_FROM_EVENT:
            yield document.fault((*place, "to"), f"a project is called {route.to!r}, which routes understand otherwise")
        for position, sign in enumerate(route.when):
            for name in sign.stage:
                if name not in stages:
                    yield document.fault((*place, "when", position, "stage"), f"no stage is called {name!r}")
