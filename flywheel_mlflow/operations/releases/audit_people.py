"""Finds moves that fewer people stand behind than the gate of their time demanded."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.decisions.releases import GateRecord, Move
from flywheel_mlflow.operations.releases.audit_scene import Finding, Scene


def too_few_people(scene: Scene) -> Iterator[Finding]:
    """Promotions by a gate with ``distinct_people``; counted anew from the ledger, not believed from the verdict."""
    for move in scene.snapshot.state.moves:
        release = scene.snapshot.state.releases[move.version]
        gate = next((item for item in release.gates if item.number == move.by and item.to == move.to), None)
        if move.rollback or gate is None:
            continue
        rules = scene.past.under(gate.basis.gates)
        demanded = rules.gate_to(move.to) if rules is not None else None
        people = _people(scene, move, gate)
        if demanded is not None and len(people) < demanded.distinct_people:
            yield Finding(
                "too-few-people",
                f"release {move.version} went to {move.to} (event {move.number}) by {', '.join(sorted(people))} alone, "
                f"the gate demands {demanded.distinct_people} different people",
                "flywheel rollback --reason '...', then find out who wrote it",
            )


def _people(scene: Scene, move: Move, gate: GateRecord) -> set[str]:
    release = scene.snapshot.state.releases[move.version]
    approved = {
        item.actor.name
        for item in release.approvals
        if item.number < gate.number and item.basis == gate.basis and item.actor.name != release.author.name
    }
    explained = {
        item.actor.name for item in release.explanations if item.number < gate.number and item.drift == gate.basis.drift
    }
    return approved | explained | {move.actor.name}
