"""Collects a gate's evidence, evaluates it, and keeps the verdict on the server."""

from __future__ import annotations

import logging
import shlex
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from flywheel_mlflow import consistency
from flywheel_mlflow.assembly.bundle import CHECKS, REGISTRY, Bundle, measured
from flywheel_mlflow.assembly.confinement import of_interfaces
from flywheel_mlflow.assembly.culprits import culprits, named_in_drift, named_in_registry
from flywheel_mlflow.assembly.deliverables import by_name
from flywheel_mlflow.base.canonical import document_json, plain, sha256_text
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import FlywheelError, Refused
from flywheel_mlflow.decisions.approvals import JudgedApproval, judge_all, judge_served
from flywheel_mlflow.decisions.explanations import answer, counting
from flywheel_mlflow.decisions.gate_facts import Answer, DriftAnswer, GateFacts, Measured, Verdict
from flywheel_mlflow.decisions.gates import GateResult, evaluate
from flywheel_mlflow.decisions.moves import check_stage, refuse_unfit
from flywheel_mlflow.decisions.releases import Basis, Explained, Kind, Release
from flywheel_mlflow.drift import DriftReport, KpiFound, KpiVerdict, whole_of
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.operations.assembly.assembling import assembly_digest, gather, settle
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.assembly.read_copy import copy_faults
from flywheel_mlflow.operations.bundles import DriftDocument, Reference, drift_of, fetch_bundle, reference_of
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    persistently,
    read_consistent_snapshot,
)
from flywheel_mlflow.operations.experiments.answering import experiment_answers
from flywheel_mlflow.operations.releases.review_evidence import reviews_of_release
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.blueprint import Gate
from flywheel_mlflow.reports.gate import gate_report
from flywheel_mlflow.reports.links import Place, gate_links, with_links
from flywheel_mlflow.tables.texts import format_value
from flywheel_mlflow.tracking.gate_runs import GATE_REPORT

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GateRan:
    """A verdict with where it is kept; ``event`` and ``run_id`` are None for a dry run."""

    result: GateResult
    event: int | None
    run_id: str | None
    report: str


@dataclass(frozen=True, slots=True)
class DecisionBasis:
    """What a decision about a release rests on, as it is now, and which explanations of its drift count."""

    release: Release
    reference: Reference
    drift: DriftDocument
    basis: Basis
    explanations: tuple[Explained, ...]


def read_decision_basis(session: Session, snapshot: LedgerSnapshot, version: int) -> DecisionBasis:
    """The basis of any decision about a release: its bundle, the gates, what it is compared with, the drift."""
    release = snapshot.state.release(version)
    reference = reference_of(session.tracking, snapshot.state, release.iteration, version)
    drift = drift_of(session.tracking, release.run_id, reference)
    basis = Basis(release.bundle, session.flywheel.blueprint.gates_digest, reference.name, drift.digest)
    explained = counting(release, drift.digest, snapshot.ledger.events, session.flywheel.blueprint)
    return DecisionBasis(release, reference, drift, basis, explained)


def run_gate(session: Session, version: int, to: str, *, dry_run: bool = False) -> GateRan:
    """Evaluate the gate before a stage, log the verdict as a run, tag the version, and write it to the ledger.

    Raises:
        Refused: there is no such gate, the release cannot go there whatever the gate says, or the state changed while
            the evidence was being read.
    """
    gate = _gate_to(session, to)
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    release = refuse_ungated(session, snapshot, version, to)
    weighed = read_decision_basis(session, snapshot, version)
    facts = collect_facts(session, snapshot, weighed)
    result = evaluate(gate, facts, session.flywheel.blueprint)
    for item in result.criteria:
        _LOG.debug("%s: %s: %s", item.id, item.verdict.value, item.reason)
    report = gate_report(result, session.flywheel.blueprint, release)
    if dry_run:
        return GateRan(result, None, None, report)
    return _keep(session, snapshot, weighed, facts, result, report)


def refuse_ungated(session: Session, snapshot: LedgerSnapshot, version: int, to: str) -> Release:
    """The release, unless there is no gate for it to be judged by.

    Raises:
        UnknownName: no such release.
        Refused: flywheel.yaml has no such gate, or the release cannot go there whatever the gate says.
    """
    _gate_to(session, to)
    release = snapshot.state.release(version)
    refuse_unfit(snapshot.state, release, to)
    return release


def _gate_to(session: Session, to: str) -> Gate:
    gate = session.flywheel.blueprint.gate_to(check_stage(to))
    if gate is None:
        raise Refused(
            f"flywheel.yaml has no gate to {to}",
            rule="no gate, no decision",
            hint="add one under `gates`, with at least one criterion",
        )
    return gate


def _keep(
    session: Session,
    snapshot: LedgerSnapshot,
    weighed: DecisionBasis,
    facts: GateFacts,
    result: GateResult,
    report: str,
) -> GateRan:
    document = document_json(result)

    def note(run_id: str, experiment_id: str) -> str:
        place = Place(run_id, experiment_id, pages=session.tracking.server.about is not None)
        links = gate_links(place, result.version, session.flywheel.name, GATE_REPORT)
        return with_links(links, report, GATE_REPORT)

    run_id = session.tracking.gates.write(
        parent=weighed.release.run_id,
        version=result.version,
        to=result.to,
        verdict=result.verdict.value,
        actor=session.actor.name,
        bundle=weighed.release.bundle,
        counts=Counter(item.verdict.value.lower() for item in result.criteria),
        result=document,
        report=report,
        note=note,
    )
    until = min(
        [facts.now + timedelta(days=session.flywheel.blueprint.releases.verdict_days)]
        + [item.until for item in facts.approvals if item.counts]
    )
    body = {
        "version": result.version,
        "to": result.to,
        "verdict": result.verdict.value,
        "basis": plain(weighed.basis),
        "until": until.isoformat(),
        "run_id": run_id,
        "report": sha256_text(document),
        "criteria": {item.id: item.verdict.value for item in result.criteria},
        "people": list(result.people),
        "projects": list(culprits(result, facts, session.flywheel.blueprint, session.flywheel.contracts)),
    }

    def choose(current: LedgerSnapshot) -> NewEvent:
        release = current.state.release(result.version)
        refuse_unfit(current.state, release, result.to)
        if current.state.current != snapshot.state.current:
            raise Refused(
                "another release was moved while the evidence was being read",
                rule="evidence counts for the state it was collected in",
                hint=f"flywheel gate {result.version} --to {result.to}",
            )
        return NewEvent(Kind.GATE, body)

    event, _ = append_decision(session, choose)
    label = {f"flywheel.gate.{result.to}": f"{result.verdict.value} (event {event.number}, run {run_id})"}
    persistently(session, lambda: session.tracking.releases.tag(result.version, label))
    return GateRan(result, event.number, run_id, report)


def collect_facts(session: Session, snapshot: LedgerSnapshot, weighed: DecisionBasis) -> GateFacts:
    """The evidence of a release as it is now: what cannot be had is an answer without a verdict."""
    bundle = fetch_bundle(session.tracking, weighed.release)
    consistent, reproducible = _assembled_again(session, weighed.release, bundle)
    reviews = reviews_of_release(session, snapshot, weighed.release, bundle)
    now = session.now()
    facts = GateFacts(
        release=weighed.release,
        basis=weighed.basis,
        metrics=measured(bundle),
        reference=weighed.reference.name,
        reference_metrics=_reference_metrics(session, weighed.reference),
        checks=_checks(bundle),
        consistency=consistent,
        reproducible=reproducible,
        drift=_drift(weighed),
        approvals=approvals(session, snapshot, weighed),
        risks=tuple(snapshot.risks.values()),
        now=now,
        named=_named(session, weighed, bundle),
        explainers=tuple(item.actor.name for item in weighed.explanations),
        personal_data=of_interfaces(bundle, session.flywheel.contracts),
        experiments=experiment_answers(session, snapshot),
    )
    if reviews is None:
        return facts
    named = {**facts.named, "human_review": reviews.unsettled}
    return replace(facts, human_review=reviews.answer, named=named)


def _named(session: Session, weighed: DecisionBasis, bundle: Bundle) -> Mapping[str, tuple[str, ...]]:
    """The projects the evidence names; what cannot be read names nobody, and is an answer without a verdict anyway."""
    own = session.flywheel.assembly_project
    found = named_in_registry(parse_json(bundle.files[REGISTRY], name=REGISTRY), own.id if own else None)
    if weighed.drift.text is None:
        return found
    from flywheel_mlflow.drift import drift_report_from_json

    with suppress(FlywheelError):
        report = drift_report_from_json(weighed.drift.text)
        found["drift"] = named_in_drift(report, weighed.explanations, session.flywheel.contracts)
    return found


def approvals(session: Session, snapshot: LedgerSnapshot, weighed: DecisionBasis) -> tuple[JudgedApproval, ...]:
    """Every approval of the release, judged on what it rests on now."""
    return judge_all(
        weighed.release,
        snapshot.ledger.events,
        blueprint=session.flywheel.blueprint,
        basis=weighed.basis,
        now=session.now(),
    )


def shown_approvals(session: Session, snapshot: LedgerSnapshot, weighed: DecisionBasis) -> tuple[JudgedApproval, ...]:
    """Every approval of the release as a reader meets it: as it counts now, else as it counted for its promotion."""
    return tuple(
        judge_served(
            item,
            snapshot.ledger.events[item.approval.number],
            weighed.release,
            snapshot.state.moves,
            blueprint=session.flywheel.blueprint,
        )
        for item in approvals(session, snapshot, weighed)
    )


def _reference_metrics(session: Session, reference: Reference) -> Mapping[str, Measured]:
    """The numbers to compare with: of the release in production from its bundle, else those of the earlier assembly."""
    if reference.release is not None:
        try:
            return measured(fetch_bundle(session.tracking, reference.release))
        except FlywheelError:
            return {}  # a bundle that is gone or edited says nothing: the numbers are unknown
    if reference.recorded is None:
        return {}
    run_id = reference.recorded.run_id
    return {name: Measured(value, run_id=run_id) for name, value in reference.recorded.metrics.items()}


def _checks(bundle: Bundle) -> Answer:
    """The assembly's own checks as the bundle has them."""
    document = parse_json(bundle.files[CHECKS], name=CHECKS)
    passed, total = value_at(document, "passed_checks"), value_at(document, "total_checks")
    if not isinstance(passed, int) or not isinstance(total, int) or not total:
        return Answer(None, "the bundle holds no result of the checks")
    verdict = Verdict.PASS if passed == total else Verdict.BLOCK
    return Answer(verdict, f"{passed} of {total} of the assembly's own checks passed", value=passed / total, n=total)


def _assembled_again(session: Session, release: Release, bundle: Bundle) -> tuple[Answer, Answer]:
    """Whether the assembly's own checks hold on the server now, and whether assembling again gives the same bytes."""
    manifest = parse_json(bundle.files["manifest.json"], name="manifest.json")
    known = value_at(manifest, "assembly.digest")
    try:
        sources = read_sources(session.flywheel)
        settled = settle(session.flywheel, gather(session.flywheel, session.tracking, release.iteration), sources)
        with scratch_folder() as folder:
            files = session.tracking.assemblies.files(release.run_id, folder)
        shown = copy_faults(session.tracking, release.run_id, files, None)
    except FlywheelError as error:
        why = Answer(None, f"the iteration could not be assembled again: {error.what}", release.run_id)
        return why, why
    view = consistency.AssemblyView(
        files=by_name(files),
        now=settled.assembly,
        rendered=by_name(settled.files),
        sources=sources,
        format_value=format_value,
    )
    checks = consistency.run_checks(view)
    failed = [check.name for check in checks if check.outcome is not Outcome.PASSED]
    good = len(checks) - len(failed)
    failed += [f"in MLflow {fault}" for fault in shown[:3]]
    told = f"{good} of {len(checks)} checks of the assembly hold" + (f"; not: {', '.join(failed)}" if failed else "")
    consistent = Answer(
        (Verdict.BLOCK if failed else Verdict.PASS) if checks else None,
        told,
        release.run_id,
        value=good / len(checks) if checks else None,
        n=len(checks),
    )
    found = assembly_digest(settled.files)
    same = found == known
    told = (
        f"assembling again gives the same bytes (digest {found[:16]})"
        if same
        else f"assembling again gives {found[:16]}, released was {str(known)[:16]}: evidence, contracts or tool changed"
    )
    return consistent, Answer(Verdict.PASS if same else Verdict.BLOCK, told, release.run_id)


def _drift(weighed: DecisionBasis) -> DriftAnswer:
    """What the drift comparison with the reference says; no comparison is no verdict."""
    name, run_id = weighed.reference.name, weighed.release.run_id
    if not name:
        why = "there is nothing to compare with: no release is in production, no iteration came before"
        return DriftAnswer.always(Answer(None, why))
    if weighed.drift.text is None:
        return DriftAnswer.always(Answer(None, f"nobody has compared it with {name} yet", run_id))
    from flywheel_mlflow.drift import drift_report_from_json

    try:
        report = drift_report_from_json(weighed.drift.text)
    except FlywheelError as error:
        return DriftAnswer.always(Answer(None, f"the comparison with {name} cannot be read: {error.what}", run_id))
    return DriftAnswer(
        partial(_drift_as_a_whole, report, weighed),
        {item.subject: _drift_of_kpi(item, report, run_id) for item in report.kpis},
    )


def _drift_as_a_whole(report: DriftReport, weighed: DecisionBasis, changes: int) -> Answer:
    """The answer where so many changes that nobody can judge are allowed; the next command is what it waits for."""
    found = answer(report, weighed.explanations)
    verdict, version = found.for_release(changes), weighed.release.version
    first = "; ".join(f"{item.subject} {item.brief}" for item in found.left[:3])
    more = f" and {len(found.left) - 3} more" if len(found.left) > 3 else ""
    text = f"against {weighed.reference.name}: {report.headline}" + (f": {first}{more}" if first else "")
    if found.explained:
        people = ", ".join(sorted({item.actor.name for _, item in found.explained}))
        text += f"; {len(found.explained)} findings explained or confirmed by {people}"
    command = ""
    if found.allowing(changes) is Verdict.PASS and found.unconfirmed:
        text += f"; {len(found.unconfirmed)} changes that tasks intended wait for a confirmation"
        command = f"flywheel explain-drift {version} --intended"
    elif verdict is not Verdict.PASS and found.left:
        text += "; if a change is intended, explain it"
        wholes = dict.fromkeys(whole_of(item.subject) for item in found.left)
        named = list(wholes) if len(found.left) > 1 else [found.left[0].subject]
        findings = " ".join(f"--finding {shlex.quote(name)}" for name in named)
        command = f"flywheel explain-drift {version} {findings} --reason '...'"
    return Answer(verdict, text, weighed.release.run_id, n=len(report.findings), next=command)


def _drift_of_kpi(item: KpiFound, report: DriftReport, run_id: str) -> Answer:
    """The verdict on one KPI or suite: worse blocks, what cannot be told is open."""
    verdicts = {KpiVerdict.IMPROVED: Verdict.PASS, KpiVerdict.WITHIN: Verdict.PASS}
    bad = item.verdict in (KpiVerdict.REGRESSED, KpiVerdict.VANISHED)
    verdict = Verdict.BLOCK if bad else verdicts.get(item.verdict, Verdict.INCONCLUSIVE)
    command = f"flywheel explain {item.subject} --between {report.reference.iteration} {report.iteration}"
    return Answer(verdict, f"{item.subject}: {item.text}", run_id, item.value, item.n, command)
