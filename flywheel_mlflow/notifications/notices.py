"""Decides what there is to tell: the state of a flywheel in, notices out, nothing sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from flywheel_mlflow.base.canonical import SHORT_DIGEST_LENGTH, digest_of, plain
from flywheel_mlflow.base.quarters import quarter_of
from flywheel_mlflow.base.text import fit, visible
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.releases import STAGES, GateRecord, Release, ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.decisions.rollback_conditions import proposals
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.drift.findings import ChangeOutcome, Finding
from flywheel_mlflow.evidence.lineage import producers
from flywheel_mlflow.feedback.decisions import RoutingDecision
from flywheel_mlflow.feedback.findings import project_of
from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.notify import EventName
from flywheel_mlflow.promises.routes import UNROUTABLE
from flywheel_mlflow.tables.addresses import Addresses

#: Lines of a notice, and columns of a line; lines that are left out are counted.
MOST_LINES, MOST_COLUMNS = 8, 400
#: Days after which feedback that came in is no news.
FRESH_DAYS = 7


@dataclass(frozen=True, slots=True)
class AuditFact:
    """A finding of the audit: its kind, what was found, what to do."""

    code: str
    what: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RoutedFact:
    """The events of one ingestion that its rules sent to a project; ``project`` is None for those that no rule takes.

    ``at`` is UTC; ``origin`` is a file's name, or whatever else the events came from.
    """

    project: str | None
    iteration: int
    at: datetime
    events: int
    origin: str


@dataclass(frozen=True, slots=True)
class NoticeFacts:
    """The state notices are decided on.

    ``state`` and ``risks`` are folded from the ledger; ``comparison`` is the one of the newest iteration, whose
    assembly ended at ``compared_at``; ``audited`` is what an audit found. ``routed`` are ingestions of feedback,
    ``rerouted`` what people sent elsewhere; of both only what is not older than :data:`FRESH_DAYS` is told.
    """

    blueprint: Blueprint
    contracts: Mapping[str, Contract]
    now: datetime
    state: ReleaseState = field(default_factory=ReleaseState)
    risks: tuple[Risk, ...] = ()
    comparison: DriftReport | None = None
    compared_at: datetime | None = None
    audited: tuple[AuditFact, ...] = ()
    routed: tuple[RoutedFact, ...] = ()
    rerouted: tuple[RoutingDecision, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """One fact to tell.

    ``id`` (32 hex digits) is the same whenever and wherever the fact is found. ``title`` is made of our own words, ids
    and numbers; ``lines`` may hold what strangers wrote, each as one line of visible characters. ``facts`` are for
    machines; ``people`` are concerned; ``since`` is when it became true.
    """

    id: str
    event: EventName | str
    title: str
    since: datetime
    lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    next: str = ""
    link: str = ""


def notices_of(facts: NoticeFacts) -> tuple[Notice, ...]:
    """Everything there is to tell now, oldest first; what was told before is not known here."""
    found = (
        *_gate_verdicts(facts),
        *_approvals(facts),
        *_overrides(facts),
        *_regressions(facts),
        *_risks(facts),
        *_rollbacks(facts),
        *_audit(facts),
        *_feedback(facts),
        *_rerouted(facts),
    )
    return tuple(sorted(found, key=lambda item: (item.since, item.id)))


def _notice(
    facts: NoticeFacts,
    event: EventName,
    key: tuple[object, ...],
    title: str,
    since: datetime,
    *,
    lines: Iterable[str] = (),
    details: Mapping[str, object],
    people: Iterable[str] = (),
    following: str = "",
    page: str = "",
) -> Notice:
    identity = digest_of([facts.blueprint.name, event, *key])[:SHORT_DIGEST_LENGTH]
    shown = [fit(line, MOST_COLUMNS) for line in lines]
    more = [f"and {len(shown) - MOST_LINES} more"] if len(shown) > MOST_LINES else []
    console = facts.blueprint.notify.console
    return Notice(
        id=identity,
        event=event,
        title=title,
        since=since,
        lines=(*shown[:MOST_LINES], *more),
        facts=plain(dict(details)),
        people=tuple(dict.fromkeys(people)),
        next=following,
        link=f"{console}{page}" if console and page else "",
    )


_PAGES = Addresses()


def _live(facts: NoticeFacts) -> Iterator[tuple[Release, str, list[GateRecord]]]:
    """Every release that may still go to a stage, with the verdicts of that gate, oldest first."""
    for release in facts.state.releases.values():
        for to in STAGES:
            records = [item for item in release.gates if item.to == to]
            over = release.rejected or release.retired or to in release.reached
            if records and not over and _counts(records[-1], facts):
                yield release, to, records


def _counts(record: GateRecord, facts: NoticeFacts) -> bool:
    is_new = facts.now - record.at <= timedelta(days=facts.blueprint.releases.verdict_days)
    return is_new and record.verdict in set(Verdict)


def _gate_verdicts(facts: NoticeFacts) -> Iterator[Notice]:
    """The newest verdict of each gate; evaluating it again with the same result is no news."""
    for release, to, records in _live(facts):
        last = first = records[-1]
        for record in reversed(records):
            if (record.verdict, record.criteria) != (last.verdict, last.criteria):
                break
            first = record
        passes = last.verdict == Verdict.PASS
        promote = f"flywheel promote {release.version} --to {to}"
        movers = facts.blueprint.releases.may_move if passes else ()
        owners = () if passes else (facts.contracts[name].owner for name in last.projects if name in facts.contracts)
        yield _notice(
            facts,
            "gate_verdict",
            (release.version, to, first.number),
            f"Gate to {to}: {last.verdict} for release {release.version}",
            first.at,
            lines=[f"{verdict}: {name}" for name, verdict in sorted(last.criteria.items()) if verdict != Verdict.PASS],
            details={
                "release": release.version,
                "iteration": release.iteration,
                "to": to,
                "verdict": last.verdict,
                "criteria": dict(last.criteria),
                "event": first.number,
                "run_id": first.run_id,
            },
            people=(release.author.name, *_people(facts, (*movers, *owners))),
            following=promote if passes else f"flywheel gate {release.version} --to {to} --dry-run",
            page=_PAGES.release(release.version),
        )


def _approvals(facts: NoticeFacts) -> Iterator[Notice]:
    """The roles whose approval a gate waits for; one that blocks for other reasons waits for nobody yet."""
    for release, to, records in _live(facts):
        last, gate = records[-1], facts.blueprint.gate_to(to)
        if gate is None or last.verdict != Verdict.INCONCLUSIVE:
            continue
        since = next(item.at for item in records if item.basis == last.basis)
        given = {item.role for item in release.approvals if item.number > last.number}
        waiting = dict.fromkeys(
            item.role
            for item in gate.criteria
            if item.kind == "approval" and last.criteria.get(item.id) == Verdict.INCONCLUSIVE
        )
        for role in waiting:
            if role is None or role in given:
                continue
            yield _notice(
                facts,
                "approval_waiting",
                (release.version, to, role, plain(last.basis)),
                f"Release {release.version} waits for an approval as {role}",
                since,
                lines=[f"The gate to {to} has no approval in this role that counts."],
                details={"release": release.version, "iteration": release.iteration, "to": to, "role": role},
                people=(name for name in _people(facts, (role,)) if name != release.author.name),
                following=f"flywheel approve {release.version} --role {role} --reason '...'",
                page=_PAGES.release(release.version),
            )


def _overrides(facts: NoticeFacts) -> Iterator[Notice]:
    """Overrides that their second person has not confirmed yet."""
    for item in facts.state.overrides:
        release = facts.state.releases[item.version]
        over = item.confirmed is not None or item.until <= facts.now or release.rejected or release.retired
        if over or item.to not in STAGES:
            continue
        yield _notice(
            facts,
            "approval_waiting",
            ("override", item.number),
            f"Release {item.version}: an override to {item.to} waits for its second person",
            item.at,
            lines=[f"{item.actor.name} asks {item.second}: {item.reason}"],
            details={"release": item.version, "to": item.to, "override": item.number, "second": item.second},
            people=(item.second,),
            following=f"flywheel override-confirm {item.version} --reason '...'",
            page=_PAGES.release(item.version),
        )


def _regressions(facts: NoticeFacts) -> Iterator[Notice]:
    """What got worse in the newest iteration, one notice a project; told again when other things got worse."""
    report = facts.comparison
    if report is None or facts.compared_at is None:
        return
    makers = producers(facts.contracts.values())
    worse: dict[str, list[Finding]] = {}
    for item in report.findings:
        if item.decides and item.outcome is ChangeOutcome.WORSE:
            worse.setdefault(project_of(item, facts.contracts, makers) or "", []).append(item)
    before = report.reference.iteration
    for project, findings in worse.items():
        subjects = sorted(item.subject for item in findings)
        contract = facts.contracts.get(project)
        counted = "1 regression" if len(findings) == 1 else f"{len(findings)} regressions"
        yield _notice(
            facts,
            "regression",
            (report.iteration, before, project, subjects),
            f"Iteration {report.iteration}: {counted}" + (f" in {project}" if project else ""),
            facts.compared_at,
            lines=[f"{item.subject} {item.text}" for item in findings],
            details={
                "iteration": report.iteration,
                "against": before,
                "project": project or None,
                "subjects": subjects,
                "run_id": report.run_id,
            },
            people=_people(facts, (contract.owner,)) if contract else (),
            following=f"flywheel drift --iteration {report.iteration} --against {before}",
            page=_PAGES.drift(report.iteration),
        )


def _risks(facts: NoticeFacts) -> Iterator[Notice]:
    """Risks that are open past their due date; a later date that passes as well is another fact."""
    for risk in facts.risks:
        if risk.is_overdue(facts.now):
            yield _notice(
                facts,
                "risk_overdue",
                (risk.id, risk.due.isoformat()),
                f"Risk {risk.id} is overdue since {risk.due:%Y-%m-%d}",
                risk.due,
                lines=[risk.title, f"{risk.severity} risk, owned by {risk.owner}"],
                details={
                    "risk": risk.id,
                    "title": visible(risk.title),
                    "owner": risk.owner,
                    "severity": risk.severity,
                    "due": risk.due,
                    "projects": risk.projects,
                },
                people=_people(facts, (risk.owner,)),
                following=f"flywheel risk show {risk.id}",
                page=_PAGES.risk(risk.id),
            )


def _rollbacks(facts: NoticeFacts) -> Iterator[Notice]:
    """Proposals to take back the release in production."""
    version = facts.state.current["production"]
    for risk in proposals(facts.risks, version):
        yield _notice(
            facts,
            "rollback_proposed",
            (risk.id,),
            f"Release {version}: a rollback is proposed",
            risk.opened_at,
            lines=[risk.title],
            details={"release": version, "risk": risk.id, "title": visible(risk.title), "owner": risk.owner},
            people=_people(facts, (*facts.blueprint.releases.may_move, risk.owner)),
            following="flywheel rollback --reason '...'",
            page=_PAGES.release(version) if version else "",
        )


def _audit(facts: NoticeFacts) -> Iterator[Notice]:
    """What an audit found; what is found still in the next quarter is told once more."""
    quarter = quarter_of(facts.now)
    for item in dict.fromkeys(facts.audited):
        yield _notice(
            facts,
            "audit_finding",
            (item.code, item.what, str(quarter)),
            f"Audit finding: {item.code}",
            quarter.start,
            lines=[item.what, *([item.hint] if item.hint else [])],
            details={"code": item.code, "what": visible(item.what)},
            people=_people(facts, facts.blueprint.releases.may_move),
            following="flywheel audit",
            page=_PAGES.releases(),
        )


def _feedback(facts: NoticeFacts) -> Iterator[Notice]:
    """What came in for a project on a day, once; what no rule takes is the assembly layer's."""
    assembly = next((item.id for item in facts.contracts.values() if item.is_assembly), None)
    days: dict[tuple[str | None, int, date], list[RoutedFact]] = {}
    for item in facts.routed:
        if item.at > facts.now - timedelta(days=FRESH_DAYS):
            days.setdefault((item.project, item.iteration, item.at.date()), []).append(item)
    for (project, iteration, day), items in days.items():
        contract = facts.contracts.get(project or assembly or "")
        if contract is None:
            continue
        count = sum(item.events for item in items)
        events = "1 event" if count == 1 else f"{count} events"
        wanted = f"--to {project}" if project else "--unroutable"
        yield _notice(
            facts,
            "feedback_routed",
            (project, iteration, day.isoformat()),
            f"Feedback for {project}: {events} of iteration {iteration} on {day}"
            if project
            else f"Feedback that no rule takes: {events} of iteration {iteration} on {day}",
            min(item.at for item in items),
            lines=[f"{item.events} from {item.origin}" for item in items],
            details={"project": project, "iteration": iteration, "day": day.isoformat(), "events": count},
            people=_people(facts, (contract.owner,)),
            following=f"flywheel feedback list --iteration {iteration} {wanted}",
            page=_PAGES.feedback(iteration, project=project or UNROUTABLE),
        )


def _rerouted(facts: NoticeFacts) -> Iterator[Notice]:
    """What people sent to a project, against the rules."""
    for item in facts.rerouted:
        contract = facts.contracts.get(item.to)
        if contract is None or item.at <= facts.now - timedelta(days=FRESH_DAYS):
            continue
        yield _notice(
            facts,
            "feedback_routed",
            ("rerouted", item.event_id, item.to, item.at.isoformat()),
            f"Feedback was sent to {item.to} by hand",
            item.at,
            lines=[f"{item.actor}: {item.reason}", f"event {item.event_id}"],
            details={"project": item.to, "event": visible(item.event_id), "by": item.actor},
            people=_people(facts, (contract.owner,)),
            following=f"flywheel feedback list --to {item.to}",
            page=_PAGES.feedback(),
        )


def _people(facts: NoticeFacts, names: Iterable[str]) -> tuple[str, ...]:
    """The people behind persons, roles and teams, each once."""
    return tuple(dict.fromkeys(person for name in names for person in facts.blueprint.people_of(name)))
