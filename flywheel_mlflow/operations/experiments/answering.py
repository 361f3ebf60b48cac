"""What gates are told about the experiments that they ask for."""

from __future__ import annotations

from collections.abc import Mapping

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.experiments import Decision, StartedExperiment, fold_experiments
from flywheel_mlflow.decisions.gate_facts import Answer, Verdict
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session
from flywheel_mlflow.operations.experiments.experimenting import status_of


def experiment_answers(session: Session, snapshot: LedgerSnapshot) -> Mapping[str, Answer]:
    """The answer about every experiment that a gate of flywheel.yaml asks for, by its id."""
    asked = {item.experiment for item in session.flywheel.blueprint.criteria if item.experiment}
    rounds = fold_experiments(snapshot.ledger.counted) if asked else {}
    return {name: _answer(session, name, rounds.get(name)) for name in sorted(asked)}


def _answer(session: Session, name: str, found: StartedExperiment | None) -> Answer:
    if found is None:
        return Answer(None, f"{name} was never started", next=f"flywheel experiment start {name}")
    made = found.decided
    if made is None:
        return Answer(None, f"{name} runs since {found.at:%Y-%m-%d} and is not decided")
    told = f"{made.by} decided on {made.at:%Y-%m-%d} (event {made.number}): {made.decision.value}"
    told += f" {made.variant}" if made.variant else ""
    if made.decision is Decision.STOP:
        return Answer(Verdict.BLOCK, f"{told}, so it has no answer: {made.reason}")
    try:
        status = status_of(session, found)
    except FlywheelError as error:
        return Answer(None, f"{told}; its outcomes cannot be read: {error.what}")
    if status.evidence != made.evidence:
        return Answer(Verdict.BLOCK, f"{told}, on other outcomes than those that are recorded now")
    return Answer(Verdict.PASS, f"{told}; {status.analysis.why}", n=sum(status.analysis.rows.values()))
