"""Reads the way of a release to its next stage as it stands now."""

from __future__ import annotations

from functools import partial

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.decisions.explanations import answer
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import compare_command
from flywheel_mlflow.decisions.moves import not_current
from flywheel_mlflow.decisions.release_path import PathFacts, ReleasePath, next_stage, release_path
from flywheel_mlflow.operations.deciding import LedgerSnapshot
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.releases.gating import DecisionBasis, approvals
from flywheel_mlflow.reports.dashboard_facts import DriftFacts


def read_path(
    reader: Reader, snapshot: LedgerSnapshot, weighed: DecisionBasis, drift: DriftFacts
) -> ReleasePath | None:
    """The way of a release, whose comparison is ``drift``; None where it leads nowhere any more."""
    session, release = reader.session, weighed.release
    blueprint = session.flywheel.blueprint
    to = next_stage(snapshot.state, release, blueprint)
    if to is None:
        return None
    record = release.last_gate(to)
    risks = tuple(snapshot.risks.values())
    stopped = not_current(record, release, snapshot.state, to, blueprint=blueprint, risks=risks, now=session.now())
    changed = record.basis.changes(weighed.basis) if record and record.verdict != Verdict.PASS else ()
    if changed:
        stopped = f"{stopped}; since then {' and '.join(changed)} changed"
    facts = PathFacts(
        release=release,
        basis=weighed.basis,
        answered=drift.answered,
        uncompared=drift.unknown,
        compare=compare_command(release.iteration, weighed.reference.name) if weighed.reference.name else "",
        approvals=approvals(session, snapshot, weighed),
        record=record,
        stopped=stopped or "",
    )
    return release_path(to, facts, blueprint)


def drift_facts(reader: Reader, weighed: DecisionBasis) -> DriftFacts:
    """The comparison that a decision about a release rests on, with what people explained of it."""
    from flywheel_mlflow.drift import drift_report_from_json

    text, reference = weighed.drift.text, weighed.reference.name
    if text is None:
        told = f"nobody has compared it with {reference} yet" if reference else "there is nothing to compare it with"
        return DriftFacts(unknown=told)
    try:
        report = reader.memory.recall(("drift", weighed.drift.digest), partial(drift_report_from_json, text))
    except DocumentError as error:
        return DriftFacts(unknown=f"the comparison with {reference} cannot be read: {error.what}")
    return DriftFacts(report, answer(report, weighed.explanations))
