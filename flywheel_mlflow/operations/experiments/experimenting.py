"""Starts experiments, records what came of their units, tells what that says, and keeps what people make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from flywheel_mlflow.base.canonical import canonical_json, digest_of, plain
from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.decisions.experiments import (
    Decision,
    ExperimentKind,
    StartedExperiment,
    fold_experiments,
)
from flywheel_mlflow.decisions.ledger import MAX_EVENT_LENGTH
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.experiments.analysis import Advice, Analysis, analyse
from flywheel_mlflow.experiments.assignment import assign_variant
from flywheel_mlflow.experiments.outcome_files import outcomes_of, outcomes_text, read_units, write_units
from flywheel_mlflow.experiments.outcomes import Hashes, Outcomes, read_outcomes
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    persistently,
    read_snapshot,
)
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.experiments import Experiment
from flywheel_mlflow.records.sources import content_digest

if TYPE_CHECKING:
    from flywheel_mlflow.tracking.outcomes import StoredOutcomes

#: What of an event is left for its declaration: the rest names the experiment, the people and the chain.
MAX_DECLARATION = MAX_EVENT_LENGTH - 1_000


@dataclass(frozen=True, slots=True)
class ExperimentDecided:
    """A decision about an experiment as it was written; ``event`` is None for a dry run."""

    kind: str
    experiment: str
    event: int | None
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ListedExperiment:
    """An experiment of flywheel.yaml, and its newest round if it was ever started."""

    declared: Experiment
    round: StartedExperiment | None


@dataclass(frozen=True, slots=True)
class RecordedOutcomes:
    """What a file brought; ``known`` says that the same file was recorded before, and nothing was written."""

    experiment: str
    run_id: str | None
    outcomes: Outcomes
    known: bool


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """A round with what its outcomes say; ``evidence`` is the digest of all of them, ``redeclared`` what changed since.

    It is judged as it was declared when it was started.
    """

    round: StartedExperiment
    analysis: Analysis
    files: tuple[StoredOutcomes, ...]
    evidence: str
    redeclared: bool


def list_experiments(session: Session) -> tuple[ListedExperiment, ...]:
    """Every experiment of flywheel.yaml, in its order."""
    started = _rounds(session)
    return tuple(ListedExperiment(item, started.get(item.id)) for item in session.flywheel.blueprint.experiments)


def start_experiment(session: Session, experiment: str, *, dry_run: bool = False) -> ExperimentDecided:
    """Start an experiment as it is declared now; later changes of flywheel.yaml do not change what is judged.

    Raises:
        UnknownName: flywheel.yaml has no such experiment.
        Refused: it runs already. InputError: its declaration is too long for the ledger.
    """
    declared = _declared(session.flywheel, experiment)
    session.flywheel.contract(declared.project)
    body = {"experiment": experiment, "declared": plain(declared)}
    if len(canonical_json(body)) > MAX_DECLARATION:
        raise InputError(
            f"the declaration of {experiment} is too long to be kept in the ledger",
            hint="shorten its hypothesis, or name fewer guardrails",
        )

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        running = fold_experiments(snapshot.ledger.counted).get(experiment)
        if running is not None and running.decided is None:
            raise Refused(
                f"{experiment} runs already, since event {running.number}",
                rule="an experiment has one round at a time",
                hint=f"decide it: flywheel experiment decide {experiment} stop --reason '...'",
            )
        return NewEvent(ExperimentKind.STARTED, body)

    if dry_run:
        snapshot = persistently(session, lambda: read_snapshot(session.tracking))
        if snapshot is not None:
            choose(snapshot)
        return ExperimentDecided(ExperimentKind.STARTED, experiment, None, body)
    begin(session)
    event, _ = append_decision(session, choose)
    return ExperimentDecided(ExperimentKind.STARTED, experiment, event.number, body)


def record_outcomes(session: Session, experiment: str, path: Path, *, dry_run: bool = False) -> RecordedOutcomes:
    """Record the outcome rows of a file, each unit once and each file once.

    Raises:
        UnknownName: no such experiment. Refused: it does not run.
        InputError: the file has no row that counts.
    """
    started = _running(session, experiment)
    declared = declared_then(started)
    digest = content_digest(path)
    tracking = session.tracking
    before = tracking.outcomes.stored(declared.project, experiment, started.number)
    again = next((item for item in before if item.file_digest == digest), None)
    with scratch_folder() as folder:
        if again is not None:
            outcomes = outcomes_of(tracking.outcomes.text(again, folder), declared)
            return RecordedOutcomes(experiment, again.run_id, outcomes, True)
        known: Hashes = np.concatenate(
            [np.zeros(0, np.uint64), *(read_units(tracking.outcomes.units(item, folder)) for item in before)]
        )
        outcomes, units = read_outcomes(declared, path, known)
        if dry_run:
            return RecordedOutcomes(experiment, None, outcomes, False)
        stored = tracking.outcomes.write(
            tracking.runs.experiment(session.flywheel.contract(declared.project)),
            experiment,
            started.number,
            file=path.name,
            file_digest=digest,
            text=outcomes_text(outcomes),
            units=write_units(units, folder / "units.parquet"),
            rows=outcomes.rows,
        )
    return RecordedOutcomes(experiment, stored.run_id, outcomes, False)


def experiment_status(session: Session, experiment: str) -> ExperimentStatus:
    """The newest round of an experiment, judged on all that was recorded.

    Raises:
        UnknownName: no such experiment. Refused: it was never started.
        InputError: recorded outcomes are gone, or were changed.
    """
    started = _round(session, experiment)
    return status_of(session, started)


def status_of(session: Session, started: StartedExperiment) -> ExperimentStatus:
    """A round, judged on all that was recorded; errors are those of :func:`experiment_status`."""
    declared = declared_then(started)
    store = session.tracking.outcomes
    files = store.stored(declared.project, started.id, started.number)
    with scratch_folder() as folder:
        batches = [outcomes_of(store.text(item, folder), declared) for item in files]
    now = next((item for item in session.flywheel.blueprint.experiments if item.id == started.id), None)
    return ExperimentStatus(
        started,
        analyse(declared, batches),
        files,
        digest_of(sorted(item.digest for item in files)),
        redeclared=now is None or plain(now) != plain(declared),
    )


def decide_experiment(
    session: Session, experiment: str, decision: str, reason: str, *, variant: str = "", dry_run: bool = False
) -> ExperimentDecided:
    """Write down what people make of an experiment, with what the outcomes advise and their digest.

    Raises:
        UnknownName: no such experiment, decision or variant.
        Refused: it does not run, or a variant ships that the outcomes do not advise.
    """
    started = _running(session, experiment)
    declared = declared_then(started)
    if decision not in set(Decision):
        raise UnknownName("decision", decision, tuple(Decision))
    status = status_of(session, started)
    chosen = _shipped(declared, status.analysis, variant) if decision == Decision.SHIP else ""
    body = {
        "experiment": experiment,
        "round": started.number,
        "decision": decision,
        "variant": chosen,
        "reason": reason,
        "iteration": (session.tracking.assemblies.latest_iteration() or 0) + 1 if chosen else None,
        "advice": status.analysis.advice.value,
        "evidence": status.evidence,
        "rows": status.analysis.rows,
    }

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        running = fold_experiments(snapshot.ledger.counted).get(experiment)
        if running is None or running.number != started.number or running.decided is not None:
            raise Refused(f"{experiment} was decided meanwhile", rule="an experiment is decided once")
        return NewEvent(ExperimentKind.DECIDED, body)

    if dry_run:
        return ExperimentDecided(ExperimentKind.DECIDED, experiment, None, body)
    event, _ = append_decision(session, choose)
    return ExperimentDecided(ExperimentKind.DECIDED, experiment, event.number, body)


def _shipped(declared: Experiment, analysis: Analysis, variant: str) -> str:
    chosen = variant or analysis.variant or (declared.treatments[0] if len(declared.treatments) == 1 else "")
    if chosen not in declared.treatments:
        raise UnknownName("treatment", chosen, declared.treatments)
    if analysis.advice is not Advice.SHIP:
        raise Refused(
            f"the outcomes do not show that {chosen} is better: {analysis.why}",
            rule="a treatment ships when its primary metric is better and no guardrail is worse",
            value=analysis.advice.value,
            limit=Advice.SHIP.value,
            hint=f"record more outcomes, or end it: flywheel experiment decide {declared.id} stop --reason '...'",
        )
    return chosen


def declared_then(started: StartedExperiment) -> Experiment:
    """The declaration that a round was started with.

    Raises:
        InputError: the ledger holds none that can be read.
    """
    try:
        return Experiment.model_validate(started.declared)
    except ValidationError as error:
        raise InputError(
            f"the declaration of {started.id} in event {started.number} cannot be read: {error.errors()[0]['msg']}",
            hint="a newer version of this package wrote it",
        ) from error


def assigned_variant(flywheel: Flywheel, experiment: str, unit: str) -> str:
    """The variant of a unit, by the declaration in flywheel.yaml.

    Raises:
        UnknownName: no such experiment.
    """
    declared = _declared(flywheel, experiment)
    return assign_variant(experiment, unit, declared.shares)


def _declared(flywheel: Flywheel, experiment: str) -> Experiment:
    found = {item.id: item for item in flywheel.blueprint.experiments}
    if experiment not in found:
        raise UnknownName("experiment", experiment, tuple(found))
    return found[experiment]


def _rounds(session: Session) -> dict[str, StartedExperiment]:
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    return fold_experiments(snapshot.ledger.counted) if snapshot else {}


def _round(session: Session, experiment: str) -> StartedExperiment:
    found = _rounds(session).get(experiment)
    if found is None:
        _declared(session.flywheel, experiment)
        raise Refused(
            f"{experiment} was never started",
            rule="outcomes belong to a round that somebody started",
            hint=f"flywheel experiment start {experiment}",
        )
    return found


def _running(session: Session, experiment: str) -> StartedExperiment:
    found = _round(session, experiment)
    if found.decided is not None:
        raise Refused(
            f"{experiment} was decided by {found.decided.by} (event {found.decided.number})",
            rule="a decided experiment takes no more outcomes and no other decision",
            hint=f"begin another round: flywheel experiment start {experiment}",
        )
    return found


def plain_status(status: ExperimentStatus) -> dict[str, Any]:
    """A status as plain values."""
    return {
        "experiment": status.round.id,
        "round": status.round.number,
        "started_at": status.round.at,
        "started_by": status.round.by,
        "decided": status.round.decided,
        "files": status.files,
        "evidence": status.evidence,
        "redeclared": status.redeclared,
        "analysis": status.analysis,
    }
