"""Reads what was seen of the release in production, and judges the declared conditions for a rollback on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.experiments import fold_experiments
from flywheel_mlflow.decisions.moves import production_at
from flywheel_mlflow.decisions.rollback_conditions import JudgedCondition, ProductionFacts, judge_conditions
from flywheel_mlflow.drift import ChangeOutcome, drift_report_from_json
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.experiments.analysis import Word
from flywheel_mlflow.feedback.findings import project_of
from flywheel_mlflow.operations.assembly.collecting import collect_iteration
from flywheel_mlflow.operations.assembly.drifting import default_reference
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session, is_trouble
from flywheel_mlflow.operations.experiments.experimenting import status_of
from flywheel_mlflow.operations.scratch import scratch_folder


def judge_rollbacks(session: Session, snapshot: LedgerSnapshot | None) -> tuple[JudgedCondition, ...]:
    """Every condition of flywheel.yaml, judged on the release in production; none where nothing is in production.

    Raises:
        ServerError: the server is away.
    """
    conditions = session.flywheel.blueprint.rollback_when
    version = snapshot.state.current["production"] if snapshot else None
    if not conditions or snapshot is None or version is None:
        return ()
    move = production_at(snapshot.state, session.now())
    if move is None or move.ended is None:
        return ()
    facts = ProductionFacts(version, move.ended, risks=tuple(snapshot.risks.values()))
    try:
        facts = _measured(session, facts)
        facts = replace(facts, guardrails=_guardrails(session, snapshot, move.ended))
    except FlywheelError as error:
        if is_trouble(error):
            raise
        facts = replace(facts, unknown=error.what)
    return judge_conditions(conditions, facts)


def _measured(session: Session, facts: ProductionFacts) -> ProductionFacts:
    """The facts with the KPIs and the drift of runs that ended since, from the newest assembled iteration."""
    tracking, contracts = session.tracking, session.flywheel.contracts
    newest = tracking.assemblies.latest_iteration()
    recorded = tracking.assemblies.recorded(newest) if newest is not None else None
    if recorded is None:
        return facts
    collected = collect_iteration(session.flywheel, tracking, recorded.iteration)
    fresh = {name: item for name, item in collected.evidence.items() if item.ended and item.ended > facts.since}
    kpis = {
        f"{name}.{kpi}": value.value
        for name, item in fresh.items()
        for kpi, value in item.kpis.items()
        if value.value is not None
    }
    facts = replace(facts, kpis=kpis)
    reference = default_reference(tracking, recorded.iteration, recorded.run_id)
    if reference is None:
        return facts
    with scratch_folder() as folder:
        text = tracking.comparisons.text(recorded.run_id, reference.run_id, folder)
    if text is None:
        return facts
    makers = producers(contracts.values())
    worse: dict[str, tuple[str, ...]] = dict.fromkeys(fresh, ())
    for finding in drift_report_from_json(text).findings:
        project = project_of(finding, contracts, makers)
        if project in worse and finding.decides and finding.outcome is ChangeOutcome.WORSE:
            worse[project] = (*worse[project], f"{finding.subject} {finding.text}")
    return replace(facts, worse=worse)


def _guardrails(session: Session, snapshot: LedgerSnapshot, since: datetime) -> dict[str, tuple[str, ...]]:
    """The guardrails that got worse, by experiment that was started on the release in production."""
    named = {item.guardrail for item in session.flywheel.blueprint.rollback_when if item.guardrail}
    found: dict[str, tuple[str, ...]] = {}
    for started in fold_experiments(snapshot.ledger.counted).values():
        if started.id in named and started.at > since and started.decided is None:
            judged = status_of(session, started).analysis.judged
            found[started.id] = tuple(
                f"{item.metric} of {item.treatment} is worse than of the control"
                for item in judged
                if not item.is_primary and item.word is Word.WORSE
            )
    return found
