"""The flywheel's own findings as feedback events: failed checks and samples, drift, and what the ledger records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.names import MAX_LABEL_LENGTH
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import STARTS
from flywheel_mlflow.decisions.releases import Kind as Decision
from flywheel_mlflow.drift.findings import ChangeOutcome, Finding, Kind, Verdict
from flywheel_mlflow.drift.report import DriftReport
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.evidence.runs import Outcome, ProjectEvidence
from flywheel_mlflow.feedback.events import FeedbackEvent
from flywheel_mlflow.feedback.failures import KpiFailures
from flywheel_mlflow.promises.contract import Contract, GapType
from flywheel_mlflow.promises.personal_data import PERSONAL_DATA_CHECK
from flywheel_mlflow.promises.routes import SUBJECT, Condition, Route, Severity, Source

#: Who reports what the flywheel finds by itself; rules of ``routing`` know these events by it, so nobody else may use
#: it (:mod:`flywheel_mlflow.feedback.intake`).
REPORTER = "flywheel"
#: What ids of such events begin with.
OWN_ID = f"{REPORTER}-"
MAX_FINDING_TEXT = 4000

#: The record check that finds raw personal data, as it is named behind its interface; and the phase of projects whose
#: work is that boundary: all of their failed checks are about it.
PRIVACY_CHECK, PRIVACY_PHASE = f".{PERSONAL_DATA_CHECK}", "privacy"
PRIVACY_WORDS = "privacy boundary trigger: "

_BAD = (Outcome.FAILED, Outcome.ERROR)

#: Decisions that are observations, with what they mean: source, type, severity. A privacy hit is (governance,
#: data_gap): by these two fields the rules of ``routing`` tell apart what one reporter reports.
_DECISIONS: Mapping[str, tuple[Source, GapType, Severity]] = {
    Decision.ROLLED_BACK: ("platform", "process_gap", "high"),
    Decision.MOVE_UNDONE: ("platform", "process_gap", "medium"),
    Decision.OVERRIDE: ("governance", "process_gap", "high"),
    Decision.REJECTED: ("governance", "process_gap", "medium"),
}


def built_in_routes(contracts: Iterable[Contract]) -> tuple[Route, ...]:
    """The rules behind all that are declared: an own finding goes to its project, else to the assembly layer's."""
    own = Condition(reporter=(REPORTER,))
    routes = [
        Route(
            id="built_in_own_finding",
            match="what the flywheel found about a project, where no declared rule takes it",
            when=(own,),
            to=SUBJECT,
            why="The project whose evidence shows the fault mends it.",
        )
    ]
    for contract in contracts:
        if contract.is_assembly:
            match = "what the flywheel found about no project, where no declared rule takes it"
            why = "What belongs to no project is the assembly owner's to find out."
            routes.append(Route(id="built_in_own_unplaced", match=match, when=(own,), to=contract.id, why=why))
    return tuple(routes)


def events_of_checks(evidence: ProjectEvidence, contract: Contract) -> tuple[FeedbackEvent, ...]:
    """One event for each check of a run that failed or could not be carried out; none without a run that has ended.

    The same run gives the same events, so telling them twice adds nothing.
    """
    if evidence.run_id is None or evidence.ended is None:
        return ()
    return tuple(
        _of_check(evidence, contract, name, outcome, evidence.run_id, evidence.ended)
        for name, outcome in sorted(evidence.checks.not_passed.items())
        if outcome in _BAD
    )


def _of_check(
    evidence: ProjectEvidence, contract: Contract, name: str, outcome: Outcome, run_id: str, ended: datetime
) -> FeedbackEvent:
    turn = evidence.carried_from or evidence.iteration
    told = f"check {name} of {contract.id} {outcome.value} in iteration {turn}"
    private = name.endswith(PRIVACY_CHECK) or contract.phase == PRIVACY_PHASE
    interface = name.partition(".")[0]
    return _finding(
        key=f"check/{contract.id}/{run_id}/{name}",
        at=ended,
        source="governance" if private else "evaluation",
        text=f"{PRIVACY_WORDS}{told}" if private else told,
        project=contract.id,
        type="process_gap" if outcome is Outcome.ERROR and not private else "data_gap",
        scope="project",
        severity="high" if private else _severity(evidence, contract, name),
        run_id=run_id,
        interface=interface if contract.interface(interface) is not None else None,
        recommended_action=f"flywheel collect --iteration {turn}",
    )


def _severity(evidence: ProjectEvidence, contract: Contract, name: str) -> Severity | None:
    """How bad a failed check is; None where the run's summary does not say whether this one only warns."""
    checks = evidence.checks
    if name in contract.checks.required or not checks.warned:
        return "high"
    return None if checks.failed + checks.error else "low"


def events_of_failures(
    evidence: ProjectEvidence, contract: Contract, failures: Iterable[KpiFailures]
) -> tuple[FeedbackEvent, ...]:
    """One event for each failed sample a run kept; none of a carried run, whose failures were told in its iteration."""
    if evidence.run_id is None or evidence.ended is None or evidence.carried_from is not None:
        return ()
    gaps = {kpi.name: kpi.gap for kpi in contract.kpis}
    return tuple(
        _finding(
            key=f"failure/{contract.id}/{evidence.run_id}/{item.kpi}/{sample}",
            at=evidence.ended,
            source="evaluation",
            text=text,
            project=contract.id,
            type=gaps.get(item.kpi),
            scope="single_sample",
            severity="low",
            run_id=evidence.run_id,
            interface=item.interface,
            record_ids=_record(item.interface, sample),
            recommended_action=f"flywheel explain {contract.id}.{item.kpi} --iteration {evidence.iteration}",
        )
        for item in failures
        for sample, text in sorted(item.failures.items())
    )


def _record(interface: str | None, sample: str) -> tuple[str, ...]:
    """The record that a sample is; none where it is no record, or has a name too long for one."""
    name = f"{interface}/{sample}"
    return (name,) if interface and len(name) <= MAX_LABEL_LENGTH else ()


def events_of_drift(
    report: DriftReport, evidence: Mapping[str, ProjectEvidence], contracts: Mapping[str, Contract]
) -> tuple[FeedbackEvent, ...]:
    """One event for each finding that is worse, changed or vanished, and for what could not be compared.

    What cannot be told from chance is no event: among many KPIs there is always some, and nobody can act on it. Neither
    is what a task intended.

    ``evidence`` is that of the iteration compared: the event rests on the run of the finding's project, and is the same
    however often that run is compared with the same iteration. What nobody has a run for is told by the newest run.
    """
    makers = producers(contracts.values())
    ends = [item.ended for item in evidence.values() if item.ended is not None]
    if not ends:
        return ()
    found = []
    for item in report.findings:
        if not is_event(item):
            continue
        project = project_of(item, contracts, makers)
        run = evidence.get(project) if project else None
        run_id = run.run_id if run else None
        found.append(
            _finding(
                key=f"drift/{item.kind.value}/{item.subject}/{run_id or report.iteration}/{report.reference.iteration}",
                at=(run.ended if run else None) or max(ends),
                source="evaluation",
                text=_drift_text(item, report),
                project=project,
                type="process_gap" if item.kind is Kind.ERROR else "data_gap",
                scope="project",
                severity="high" if item.verdict is Verdict.BLOCK else "medium",
                recommended_action=item.next or None,
                run_id=run_id,
                interface=_interface(item, makers),
            )
        )
    return tuple(found)


def is_event(item: Finding) -> bool:
    """Whether a finding of a comparison becomes an event: beyond the report's own bound, or an error."""
    beyond = item.verdict is Verdict.BLOCK and item.outcome is not ChangeOutcome.INTENDED
    return item.decides and (beyond or item.kind is Kind.ERROR)


def _drift_text(item: Finding, report: DriftReport) -> str:
    return f"{item.subject}: {item.text} (iteration {report.iteration} against {report.reference.iteration})"


def project_of(item: Finding, contracts: Mapping[str, Contract], makers: Mapping[str, str]) -> str | None:
    """The project a finding of a comparison is about: it measures the KPI, or makes the interface; None for neither.

    ``makers`` says who makes each interface.
    """
    name = _first(item)
    found = makers.get(name, name)
    return found if found in contracts else None


def _interface(item: Finding, makers: Mapping[str, str]) -> str | None:
    name = _first(item)
    return name if name in makers and item.kind is not Kind.KPI else None


def _first(item: Finding) -> str:
    """What a subject begins with: ``p05`` of ``p05.hit_rate``, ``corpus`` of ``corpus/quality_signals.length``."""
    return item.subject.partition("/")[0].partition(".")[0]


def events_of_ledger(events: Iterable[Event], *, until: int) -> tuple[FeedbackEvent, ...]:
    """One event for each rollback, override, rejection and undone move of a release.

    ``until`` is an iteration: what concerns a release of a later one is left to that. Other decisions are no
    observations, and neither is an event of the ledger that lacks what it needs.
    """
    starts: dict[int, Event] = {}
    turns: dict[int, int] = {}
    found = []
    for event in events:
        if event.kind in STARTS:
            starts[event.number] = event
        about = _about(event, starts)
        if event.kind == Decision.REGISTERED:
            version, turn = _number(about, "version"), _number(about, "iteration")
            turns |= {} if version is None or turn is None else {version: turn}
        if event.kind in _DECISIONS and about:
            release = _number(about, "from" if event.kind == Decision.ROLLED_BACK else "version")
            if release is None or turns.get(release, until) <= until:
                found.append(_of_decision(event, about))
    return tuple(found)


def _of_decision(event: Event, about: Mapping[str, Any]) -> FeedbackEvent:
    source, gap, severity = _DECISIONS[event.kind]
    return _finding(
        key=f"ledger/{event.digest}",
        at=event.at,
        source=source,
        text=f"{_SENTENCES[event.kind](_Said(about))} (by {event.actor.name}, event {event.number})",
        type=gap,
        scope="chain",
        severity=severity,
        recommended_action="flywheel history",
    )


def _about(event: Event, starts: Mapping[int, Event]) -> Mapping[str, Any]:
    """What a decision is about: the end of a move says so by the number of its start; nothing where there is none."""
    if "move" not in event.body:
        return event.body
    move = _number(event.body, "move")
    start = starts.get(move) if move is not None else None
    return {} if start is None else {**start.body, **event.body}


def _number(body: Mapping[str, Any], name: str) -> int | None:
    """A whole number of an event, which whoever can write the store may have written."""
    value = body.get(name)
    return value if isinstance(value, int) else None


class _Said(dict[str, Any]):
    """What an event says; what it lacks is shown as lacking."""

    def __missing__(self, key: str) -> str:
        return "?"


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    Decision.ROLLED_BACK: lambda get: (
        f"rollback: {get['to']} went back from release {get['from']} to release {get['version']}: {get['reason']}"
    ),
    Decision.MOVE_UNDONE: lambda get: f"the move of release {get['version']} to {get['to']} was undone: {get['why']}",
    Decision.OVERRIDE: lambda get: (
        f"override: release {get['version']} may go to {get['to']} without a passing gate: {get['reason']}"
    ),
    Decision.REJECTED: lambda get: f"release {get['version']} was rejected as {get['role']}: {get['reason']}",
}


def own_events(
    evidence: Mapping[str, ProjectEvidence],
    contracts: Mapping[str, Contract],
    drift: DriftReport | None,
    decisions: Iterable[Event],
    failures: Mapping[str, Iterable[KpiFailures]],
    *,
    iteration: int,
) -> tuple[FeedbackEvent, ...]:
    """Everything the flywheel found about an iteration, each finding once; ``failures`` are those of its runs."""

    def told() -> Iterator[FeedbackEvent]:
        for name, item in sorted(evidence.items()):
            yield from events_of_checks(item, contracts[name])
            yield from events_of_failures(item, contracts[name], failures.get(name, ()))
        if drift is not None:
            yield from events_of_drift(drift, evidence, contracts)
        yield from events_of_ledger(decisions, until=iteration)

    return tuple({event.id: event for event in told()}.values())


def _finding(*, key: str, at: datetime, text: str, **said: Any) -> FeedbackEvent:
    """An event named by what it is about, whatever characters that holds."""
    return FeedbackEvent(
        id=f"{OWN_ID}{sha256_text(_whole(key))[:32]}",
        time=at,
        text=_whole(text)[:MAX_FINDING_TEXT],
        reporter=REPORTER,
        **said,
    )


def _whole(text: str) -> str:
    """The text without halves of characters, which UTF-8 cannot write."""
    return text.encode("utf-8", "replace").decode("utf-8")
