"""Tests of what could be done that nobody complained about: contracts to unify, gates to strengthen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flywheels import contract, small_flywheel
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.feedback.candidates import Candidate, SeenIteration, contract_candidates, gate_candidates
from flywheel_mlflow.feedback.priority import prioritise
from flywheel_mlflow.promises.budgets import CostRules
from flywheel_mlflow.promises.contract import Contract


@dataclass(frozen=True)
class Line:
    """An edge as an assembly recorded it."""

    interface: str
    consumer: str
    state: str = "matched"
    missing_fields: tuple[str, ...] | None = ()


def readers(*inputs: list[dict[str, Any]]) -> dict[str, Contract]:
    """p01 and p02 make data, each of the others reads what it is given."""
    makers = [contract("p01"), contract("p02")]
    others = [contract(f"p{number:02}", interfaces_in=item) for number, item in enumerate(inputs, start=3)]
    return {item.id: item for item in (*makers, *others)}


def contracts_found(
    contracts: dict[str, Contract], seen: Sequence[SeenIteration] = (), iteration: int = 3
) -> dict[str, Candidate]:
    found = contract_candidates(contracts, edges(contracts, {}, {}), seen, iteration)
    return {item.id: item for item in found}


def seen(iteration: int, *lines: Line, **types: str) -> SeenIteration:
    """An iteration; ``types`` are those of the field ``content`` by interface."""
    return SeenIteration(iteration, lines, {name: (FieldType("content", kind, True),) for name, kind in types.items()})


def test_a_contract_nobody_says_anything_about_is_silent() -> None:
    """Two readers that name no field make one; a single one, or one that names a field, does not."""
    silent = readers([{"name": "p01_data"}], [{"name": "p01_data"}], [{"name": "p02_data", "fields": ["id"]}])
    found = contracts_found(silent)
    assert list(found) == ["contract/p01_data"]
    item = found["contract/p01_data"]
    assert (item.project, item.category, item.scope, item.severity, item.count, item.reach) == (
        "p01", "efficiency", "chain", "low", 2, 2,
    )  # fmt: skip
    assert "p03, p04 say of no field" in item.title
    assert item.lasting
    assert not contracts_found(readers([{"name": "p01_data"}], [{"name": "p01_data", "fields": ["id"]}]))


def test_an_edge_that_breaks_again_asks_for_a_contract() -> None:
    """Missing fields or another version, now and before; what broke once, or is mended, does not."""
    contracts = readers([{"name": "p01_data", "fields": ["id"]}])
    lost, fine = Line("p01_data", "p03", missing_fields=("id",)), Line("p01_data", "p03")
    stale = Line("p01_data", "p03", "stale")
    found = contracts_found(contracts, [seen(2, lost), seen(3, lost)])["contract/p01_data"]
    assert (found.severity, found.count, found.scope) == ("high", 2, "project")
    assert "p03 misses id, in iterations 2, 3" in found.title
    assert contracts_found(contracts, [seen(1, stale), seen(3, stale)])["contract/p01_data"].severity == "medium"
    assert not contracts_found(contracts, [seen(2, fine), seen(3, lost)])
    assert not contracts_found(contracts, [seen(1, lost), seen(2, lost), seen(3, fine)])
    assert not contracts_found(contracts, [seen(2, Line("p01_data", "p03", "no version")), seen(3, fine)])


def test_a_field_of_two_types_asks_for_one() -> None:
    """Only fields that one reader needs of both; a whole number serves who reads numbers."""
    both = [{"name": "p01_data", "fields": ["content"]}, {"name": "p02_data", "fields": ["content"]}]
    contracts = readers(both, [{"name": "p01_data", "fields": ["content"]}])
    found = contracts_found(contracts, [seen(3, p01_data="string", p02_data="object")])
    assert list(found) == ["contract/p02_data"]  # fewer projects read it
    assert "content is string in p01_data, object in p02_data" in found["contract/p02_data"].title
    assert not contracts_found(contracts, [seen(3, p01_data="number", p02_data="integer")])
    assert not contracts_found(contracts, [seen(3, p01_data="string")])
    apart = readers([both[0], {"name": "p02_data", "fields": ["id"]}])
    assert not contracts_found(apart, [seen(3, p01_data="string", p02_data="object")])


WHEEL = small_flywheel()


def gates_found(story: LedgerBuilder, iteration: int = 3, **answered: datetime) -> dict[str, Candidate]:
    declared = edges(WHEEL.contracts, {}, {})
    told = {name.replace("_", "/"): at for name, at in answered.items()}
    found = gate_candidates(story.risks.values(), WHEEL.contracts, declared, iteration, answered=told)
    return {item.id: item for item in found}


def override(story: LedgerBuilder) -> None:
    until = (NOON + timedelta(days=2)).isoformat()
    story.write(Kind.OVERRIDE, {"version": 1, "to": "production", "reason": "fire", "until": until, "second": "bo"})


def drift(story: LedgerBuilder, iteration: int, project: str = "p01") -> None:
    story.write(
        RiskKind.SEEN,
        {
            "cause": "drift", "topic": f"drift/{project}", "title": f"Drift of {project}", "iteration": iteration,
            "likelihood": 3, "impact": 3, "due": (NOON + timedelta(days=9)).isoformat(), "projects": [project],
            "owner": "builders",
        },
    )  # fmt: skip


def test_a_gate_that_is_gone_around_twice_asks_to_be_strengthened() -> None:
    """Overrides and rollbacks of one stage count together, each time; once is no habit."""
    story = LedgerBuilder()
    story.register(1)
    override(story)
    assert not gates_found(story)
    override(story)
    found = gates_found(story)["gate/production"]
    assert (found.project, found.scope, found.severity, found.count) == ("p10", "chain", "high", 2)
    assert found.title == "Strengthen the gate to production: overridden twice"
    assert (found.category, found.risks) == ("defence", ("R1", "R2"))


def test_a_gate_that_is_tried_often_blocks_once() -> None:
    """Ten attempts in one iteration are one; the next iteration is another."""
    story = LedgerBuilder()
    blocks = {"to": "staging", "verdict": "BLOCK", "criteria": {"green": "BLOCK"}, "projects": ["p01"]}
    for version in (1, 2):
        story.register(version)
        for _ in range(3):
            story.write(Kind.GATE, blocks | {"version": version})
        assert list(gates_found(story)) == ([] if version == 1 else ["gate/staging"])
    assert gates_found(story)["gate/staging"].title.endswith("blocked twice")


def test_other_risks_come_back_too() -> None:
    """Drift in several iterations, or a risk that was closed and opened again; themes stand for themselves."""
    story = LedgerBuilder()
    drift(story, 2)
    drift(story, 2)
    assert not gates_found(story)
    drift(story, 3)
    found = gates_found(story)["gate/drift/p01"]
    assert (found.project, found.scope, found.count, found.projects) == ("p01", "project", 2, ("p01",))
    assert found.reach == 3
    first = story.open_risk(title="Brain drain")
    owner = story.risks[f"R{first.number}"].owner
    story.write(RiskKind.CLOSED, {"risk": f"R{first.number}", "evidence": "r", "reason": "gone"}, actor=Identity(owner))
    assert len(gates_found(story)) == 1
    story.open_risk(title="brain  DRAIN")
    again = gates_found(story)[f"gate/R{first.number}"]
    assert "brain  DRAIN" in again.title
    assert (again.count, again.scope) == (2, None)  # it names no project


@pytest.mark.parametrize(("iteration", "still"), [(3, True), (6, True), (7, False)])
def test_what_is_closed_and_long_ago_no_longer_hurts(iteration: int, *, still: bool) -> None:
    """An open risk stays; a closed one that was last seen four iterations ago is let go."""
    story = LedgerBuilder()
    drift(story, 2)
    drift(story, 3)
    assert gates_found(story, 99)
    (risk,) = story.risks.values()
    story.write(RiskKind.CLOSED, {"risk": risk.id, "evidence": "r", "reason": "gone"}, actor=Identity(risk.owner))
    assert bool(gates_found(story, iteration)) is still


def test_a_candidate_that_was_answered_waits_for_the_next_sighting() -> None:
    """A task that was absorbed after the last sighting answers it; another sighting asks again."""
    story = LedgerBuilder()
    drift(story, 2, "p02")
    drift(story, 3, "p02")
    at = story.clock
    assert not gates_found(story, gate_drift_p02=at)
    story.clock += timedelta(days=1)
    drift(story, 4, "p02")
    assert gates_found(story, gate_drift_p02=at)


def test_candidates_are_ranked_with_themes() -> None:
    """Each part is told with its origin, the assets are assets, and a gate's own overdue high risk stops work."""
    story = LedgerBuilder()
    story.register(1)
    override(story)
    override(story)
    candidates = tuple(gates_found(story).values())
    (found,) = prioritise(
        candidates, risks=story.risks.values(), estimates={}, earlier=(), rules=CostRules(8.0, None, None),
        now=NOON + timedelta(days=3),
    )  # fmt: skip
    assert (found.reach.value, found.reuse.value) == (4.0, 2.0)
    assert found.reuse.origin == "a long-term asset: a gate or check judges every later iteration"
    assert "of the open risk R" in found.exposure.origin
    assert found.urgency == "block now"
