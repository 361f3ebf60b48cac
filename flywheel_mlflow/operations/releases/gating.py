"""Collects a gate's evidence, evaluates it, and keeps the verdict on the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from flywheel_mlflow import consistency
from flywheel_mlflow.assembly.bundle import CHECKS, REGISTRY, Bundle, measured
from flywheel_mlflow.assembly.culprits import culprits, named_in_drift, named_in_registry
from flywheel_mlflow.base.canonical import document_json, plain, sha256_text
from flywheel_mlflow.base.documents import parse_json, value_at
from flywheel_mlflow.base.errors import FlywheelError, Refused
from flywheel_mlflow.decisions.approvals import JudgedApproval, judge_all, judge_served
from flywheel_mlflow.decisions.explanations import answer, counting
from flywheel_mlflow.decisions.gates import Answer, DriftAnswer, GateFacts, GateResult, Measured, Verdict, evaluate
from flywheel_mlflow.decisions.moves import check_stage, refuse_unfit
from flywheel_mlflow.decisions.releases import Basis, Explained, Kind, Release
from flywheel_mlflow.drift import DriftReport, KpiFound, KpiVerdict
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.operations.assembly.assembling import assembly_digest, gather, settle
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.assembly.read_copy import copy_faults
from flywheel_mlflow.operations.bundles import DriftDocument, Reference, drift_of, fetch_bundle, reference_of
from flywheel_mlflow.operations.deciding import Desk, Draft, World, decide, persistently, sound_world
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.blueprint import Gate
from flywheel_mlflow.reports.gate import gate_report
from flywheel_mlflow.reports.links import Place, gate_links, with_links
from flywheel_mlflow.reports.numbers import format_value
from flywheel_mlflow.tracking.gate_runs import GATE_REPORT


@dataclass(frozen=True, slots=True)
class GateRan:
    """A verdict with where it is kept; ``event`` and ``run_id`` are None for a dry run."""

    result: GateResult
    event: int | None
    run_id: str | None
    report: str


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a decision about a release rests on, as it is now, and which explanations of its drift count."""

    release: Release
    reference: Reference
    drift: DriftDocument
    basis: Basis
    explanations: tuple[Explained, ...]


def weigh(desk: Desk, world: World, version: int) -> Weighed:
    """The basis of any decision about a release: its bundle, the gates, what it is compared with, the drift."""
    release = world.state.release(version)
    reference = reference_of(desk.tracking, world.state, release.iteration, version)
    drift = drift_of(desk.tracking, release.run_id, reference)
    basis = Basis(release.bundle, desk.flywheel.blueprint.gates_digest, reference.name, drift.digest)
    explained = counting(release, drift.digest, world.ledger.events, desk.flywheel.blueprint)
    return Weighed(release, reference, drift, basis, explained)


def run_gate(desk: Desk, version: int, to: str, *, dry_run: bool = False) -> GateRan:
    """Evaluate the gate before a stage, log the verdict as a run, tag the version, and write it to the ledger.

    Raises:
        Refused: there is no such gate, the release cannot go there whatever the gate says, or the world changed while
            the evidence was being read.
    """
    gate = _gate_to(desk, to)
    world = persistently(desk, lambda: sound_world(desk.tracking))
    release = refuse_ungated(desk, world, version, to)
    weighed = weigh(desk, world, version)
    facts = collect_facts(desk, world, weighed)
    result = evaluate(gate, facts, desk.flywheel.blueprint)
    report = gate_report(result, desk.flywheel.blueprint, release)
    if dry_run:
        return GateRan(result, None, None, report)
    return _keep(desk, world, weighed, facts, result, report)


def refuse_ungated(desk: Desk, world: World, version: int, to: str) -> Release:
    """The release, unless there is no gate for it to be judged by.

    Raises:
        UnknownName: no such release.
        Refused: flywheel.yaml has no such gate, or the release cannot go there whatever the gate says.
    """
    _gate_to(desk, to)
    release = world.state.release(version)
    refuse_unfit(world.state, release, to)
    return release


def _gate_to(desk: Desk, to: str) -> Gate:
    gate = desk.flywheel.blueprint.gate_to(check_stage(to))
    if gate is None:
        raise Refused(
            f"flywheel.yaml has no gate to {to}",
            rule="no gate, no decision",
            hint="add one under `gates`, with at least one criterion",
        )
    return gate


def _keep(desk: Desk, world: World, weighed: Weighed, facts: GateFacts, result: GateResult, report: str) -> GateRan:
    document = document_json(result)

    def note(run_id: str, experiment_id: str) -> str:
        place = Place(run_id, experiment_id, pages=desk.tracking.server.about is not None)
        links = gate_links(place, result.version, desk.flywheel.name, GATE_REPORT)
        return with_links(links, report, GATE_REPORT)

    run_id = desk.tracking.gates.write(
        parent=weighed.release.run_id,
        version=result.version,
        to=result.to,
        verdict=result.verdict.value,
        actor=desk.actor.name,
        bundle=weighed.release.bundle,
        counts=Counter(item.verdict.value.lower() for item in result.criteria),
        result=document,
        report=report,
        note=note,
    )
    until = min(
        [facts.now + timedelta(days=desk.flywheel.blueprint.releases.verdict_days)]
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
        "projects": list(culprits(result, facts, desk.flywheel.blueprint, desk.flywheel.contracts)),
    }

    def choose(current: World) -> Draft:
        release = current.state.release(result.version)
        refuse_unfit(current.state, release, result.to)
        if current.state.current != world.state.current:
            raise Refused(
                "another release was moved while the evidence was being read",
                rule="evidence counts for the world it was collected in",
                hint=f"flywheel gate {result.version} --to {result.to}",
            )
        return Draft(Kind.GATE, body)

    event, _ = decide(desk, choose)
    label = {f"flywheel.gate.{result.to}": f"{result.verdict.value} (event {event.number}, run {run_id})"}
    persistently(desk, lambda: desk.tracking.releases.tag(result.version, label))
    return GateRan(result, event.number, run_id, report)


def collect_facts(desk: Desk, world: World, weighed: Weighed) -> GateFacts:
    """The evidence of a release as it is now: what cannot be had is an answer without a verdict."""
    bundle = fetch_bundle(desk.tracking, weighed.release)
    consistent, reproducible = _assembled_again(desk, weighed.release, bundle)
    now = desk.now()
    return GateFacts(
        release=weighed.release,
        basis=weighed.basis,
        metrics=measured(bundle),
        reference=weighed.reference.name,
        reference_metrics=_reference_metrics(desk, weighed.reference),
        checks=_checks(bundle),
        consistency=consistent,
        reproducible=reproducible,
        drift=_drift(weighed),
        approvals=approvals(desk, world, weighed),
        risks=tuple(world.risks.values()),
        now=now,
        named=_named(desk, weighed, bundle),
        explainers=tuple(item.actor.name for item in weighed.explanations),
    )


def _named(desk: Desk, weighed: Weighed, bundle: Bundle) -> Mapping[str, tuple[str, ...]]:
    """The projects the evidence names; what cannot be read names nobody, and is an answer without a verdict anyway."""
    own = desk.flywheel.assembly_project
    found = named_in_registry(parse_json(bundle.files[REGISTRY], name=REGISTRY), own.id if own else None)
    if weighed.drift.text is None:
        return found
    from flywheel_mlflow.drift import drift_report_from_json

    with suppress(FlywheelError):
        report = drift_report_from_json(weighed.drift.text)
        found["drift"] = named_in_drift(report, weighed.explanations, desk.flywheel.contracts)
    return found


def approvals(desk: Desk, world: World, weighed: Weighed) -> tuple[JudgedApproval, ...]:
    """Every approval of the release, judged on what it rests on now."""
    return judge_all(
        weighed.release,
        world.ledger.events,
        blueprint=desk.flywheel.blueprint,
        basis=weighed.basis,
        now=desk.now(),
    )


def shown_approvals(desk: Desk, world: World, weighed: Weighed) -> tuple[JudgedApproval, ...]:
    """Every approval of the release as a reader meets it: as it counts now, else as it counted for its promotion."""
    return tuple(
        judge_served(
            item,
            world.ledger.events[item.approval.number],
            weighed.release,
            world.state.moves,
            blueprint=desk.flywheel.blueprint,
        )
        for item in approvals(desk, world, weighed)
    )


def _reference_metrics(desk: Desk, reference: Reference) -> Mapping[str, Measured]:
    """The numbers to compare with: of the release in production from its bundle, else those of the earlier assembly."""
    if reference.release is not None:
        try:
            return measured(fetch_bundle(desk.tracking, reference.release))
        except FlywheelError:
            return {}  # a bundle that is gone or edited says nothing: the numbers are unknown
    if reference.recorded is None:
        return {}
    run_id = reference.recorded.run_id
    return {name: Measured(value, run_id=run_id) for name, value in reference.recorded.metrics.items()}


def _checks(bundle: Bundle) -> Answer:
    """The assembly's own checks as the bundle has them."""
    document = parse_json(bundle.files[CHECKS], name=CHECKS)
    passed, total = value_at(document, "passed"), value_at(document, "total")
    if not isinstance(passed, int) or not isinstance(total, int) or not total:
        return Answer(None, "the bundle holds no result of the checks")
    verdict = Verdict.PASS if passed == total else Verdict.BLOCK
    return Answer(verdict, f"{passed} of {total} of the assembly's own checks passed", value=passed / total, n=total)


def _assembled_again(desk: Desk, release: Release, bundle: Bundle) -> tuple[Answer, Answer]:
    """Whether the assembly's own checks hold on the server now, and whether assembling again gives the same bytes."""
    manifest = parse_json(bundle.files["manifest.json"], name="manifest.json")
    known = value_at(manifest, "assembly.digest")
    try:
        sources = read_sources(desk.flywheel)
        settled = settle(desk.flywheel, gather(desk.flywheel, desk.tracking, release.iteration), sources)
        with scratch_folder() as folder:
            files = desk.tracking.assemblies.files(release.run_id, folder)
        shown = copy_faults(desk.tracking, release.run_id, files, None)
    except FlywheelError as error:
        why = Answer(None, f"the iteration could not be assembled again: {error.what}", release.run_id)
        return why, why
    view = consistency.AssemblyView(
        files=files, now=settled.assembly, rendered=settled.files, sources=sources, format_value=format_value
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


def _drift(weighed: Weighed) -> DriftAnswer:
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


def _drift_as_a_whole(report: DriftReport, weighed: Weighed, changes: int) -> Answer:
    """The answer where so many changes that nobody can judge are allowed; the next command is what it waits for."""
    found = answer(report, weighed.explanations)
    verdict, version = found.for_release(changes), weighed.release.version
    first = "; ".join(f"{item.subject} {item.text}" for item in found.left[:3])
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
        command = f"flywheel explain-drift {version} --finding {found.left[0].subject!r} --reason '...'"
    return Answer(verdict, text, weighed.release.run_id, n=len(report.findings), next=command)


def _drift_of_kpi(item: KpiFound, report: DriftReport, run_id: str) -> Answer:
    """The verdict on one KPI or suite: worse blocks, what cannot be told is open."""
    verdicts = {KpiVerdict.IMPROVED: Verdict.PASS, KpiVerdict.WITHIN: Verdict.PASS}
    bad = item.verdict in (KpiVerdict.REGRESSED, KpiVerdict.VANISHED)
    verdict = Verdict.BLOCK if bad else verdicts.get(item.verdict, Verdict.INCONCLUSIVE)
    command = f"flywheel explain {item.subject} --between {report.reference.iteration} {report.iteration}"
    return Answer(verdict, f"{item.subject}: {item.text}", run_id, item.value, item.n, command)
