"""Which projects the evidence names behind a gate that blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flywheel_mlflow.decisions.explanations import answer
from flywheel_mlflow.decisions.gate_facts import GateFacts, Verdict
from flywheel_mlflow.decisions.gates import GateResult, evaluate
from flywheel_mlflow.decisions.releases import Explained
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.feedback.findings import project_of
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.criteria import Criterion

_BAD = (Outcome.FAILED.value, Outcome.ERROR.value)

#: What the evidence names by itself, by the kind of criterion or the assembly's metric it speaks about.
Named = Mapping[str, tuple[str, ...]]


def named_in_registry(registry: Any, assembly: str | None) -> dict[str, tuple[str, ...]]:
    """What a release's registry names: projects with failed checks, without evidence, or that cannot be consumed.

    ``assembly`` is the project whose own checks and bytes are judged by the kinds consistency and reproducible. What is
    not shaped as a registry names nobody.
    """
    entries = [item for item in registry if isinstance(item, dict)] if isinstance(registry, list) else []
    upstream = {str(item.get("project_id")): item for item in entries if item.get("project_id") != assembly}
    failing = tuple(name for name, item in upstream.items() if _fails(item))
    own = (assembly,) if assembly else ()
    return {
        "checks": failing,
        "flywheel.upstream_check_pass_rate": failing,
        "flywheel.asset_coverage": tuple(name for name, item in upstream.items() if item.get("evidence") is None),
        "flywheel.consumable_share": tuple(name for name, item in upstream.items() if item.get("consumable") is False),
        "personal_data": tuple(name for name, item in upstream.items() if _holds_personal_data(item)),
        "consistency": own,
        "reproducible": own,
    }


def _holds_personal_data(entry: Mapping[str, Any]) -> bool:
    made = entry.get("interfaces_out")
    lines = [item for item in made if isinstance(item, dict)] if isinstance(made, list) else []
    return any(item.get("personal_data") in _BAD for item in lines)


def _fails(entry: Mapping[str, Any]) -> bool:
    found = entry.get("checks_not_passed")
    return isinstance(found, dict) and any(outcome in _BAD for outcome in found.values())


def named_in_drift(
    report: DriftReport, explanations: tuple[Explained, ...], contracts: Mapping[str, Contract]
) -> tuple[str, ...]:
    """The projects whose drift nobody has answered for."""
    makers = producers(contracts.values())
    found = (project_of(item, contracts, makers) for item in answer(report, explanations).left)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def culprits(
    result: GateResult, facts: GateFacts, blueprint: Blueprint, contracts: Mapping[str, Contract]
) -> tuple[str, ...]:
    """The projects behind the criteria that block, by id; none where the evidence names none, such as an approval."""
    declared = {item.id: item for item in blueprint.criteria}
    found = {
        name
        for item in _blocking(result, facts, blueprint)
        for name in _behind(declared[item], facts.named, contracts)
        if name in contracts
    }
    return tuple(sorted(found))


def _blocking(result: GateResult, facts: GateFacts, blueprint: Blueprint) -> Iterator[str]:
    """The criteria that block; for a boundary that is crossed those that enforce it, whichever gate they stand in."""
    declared = {item.id: item for item in blueprint.criteria}
    for item in result.criteria:
        if item.verdict is not Verdict.BLOCK or item.id not in declared:
            continue
        if item.kind != "boundary":
            yield item.id
            continue
        names = {name for boundary in blueprint.boundaries for name in boundary.enforced_by}
        enforcing = tuple(one for name in sorted(names) if (one := declared[name]).kind != "boundary")
        gate = next(gate for gate in blueprint.gates if gate.id == result.gate)
        again = evaluate(gate.model_copy(update={"criteria": enforcing}), facts, blueprint)
        yield from (one.id for one in again.criteria if one.verdict is Verdict.BLOCK)


def _behind(criterion: Criterion, named: Named, contracts: Mapping[str, Contract]) -> tuple[str, ...]:
    """Who is behind one criterion: whose KPI it measures, else what the evidence names."""
    owner = (criterion.metric or "").partition(".")[0]
    if owner in contracts:
        return (owner,)
    return named.get(criterion.metric or "", ()) or named.get(criterion.kind, ())
