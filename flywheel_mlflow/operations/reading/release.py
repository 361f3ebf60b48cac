"""Gathers the page of one release."""

from __future__ import annotations

from functools import partial

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, InputError, UnknownName
from flywheel_mlflow.decisions.explanations import answer
from flywheel_mlflow.decisions.gates import GateResult, gate_result_from_json
from flywheel_mlflow.decisions.moves import not_current, plan_promotion, refuse_final
from flywheel_mlflow.decisions.releases import STAGES, GateRecord, Release
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.operations.bundles import fetch_bundle
from flywheel_mlflow.operations.deciding import World, is_trouble
from flywheel_mlflow.operations.reading.drift import judged_explanations
from flywheel_mlflow.operations.reading.reader import Asked, Reader
from flywheel_mlflow.operations.reading.refusals import refusal, refusals, unsound
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.decisions import (
    refuse_approver,
    refuse_outsider,
    refuse_rejecter,
    refuse_retirer,
    refuse_unsigned,
)
from flywheel_mlflow.operations.releases.gating import Weighed, refuse_ungated, shown_approvals, weigh
from flywheel_mlflow.operations.releases.overriding import pending_override, waiting_overrides
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.dashboard_facts import DriftFacts
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.gate_verdict import GateFacts
from flywheel_mlflow.reports.pages.release import Asking, ComparedFacts, PinnedFacts, ReleaseFacts, release_page


def release(reader: Reader, asked: Asked) -> Page:
    """One release by its ``version``; ``event`` is the decision that was just written.

    Raises:
        UnknownName: there is no such release.
    """
    version = asked.whole("version")
    ledger, world = read_ledger(reader.desk, reader.memory)
    if world is None or version is None:
        if ledger.unknown:
            raise InputError(f"the ledger is unknown: {ledger.unknown}", hint="flywheel audit")
        raise UnknownName("release", str(version), ())
    found = world.state.release(version)
    weighed = weigh(reader.desk, world, version)
    assembly = reader.desk.tracking.assemblies.recorded_run(found.run_id, found.iteration)
    return release_page(
        ReleaseFacts(
            flywheel=reader.desk.flywheel.name,
            release=found,
            stands=world.state.stage_of(version),
            ledger=ledger,
            gates=tuple(_gate(reader, world, weighed, to) for to in STAGES),
            approvals=shown_approvals(reader.desk, world, weighed),
            compared=_compared(reader, world, weighed),
            pinned=_pinned(reader, found),
            asking=_asking(reader, world, found),
            now=reader.desk.now(),
            addresses=reader.addresses,
            experiment=assembly.experiment_id if assembly else "",
            event=asked.whole("event", least=0),
        )
    )


def _gate(reader: Reader, world: World, weighed: Weighed, to: str) -> GateFacts:
    desk, found = reader.desk, weighed.release
    record = found.last_gate(to)
    result, unread = _result(reader, record) if record else (None, "")
    reached = to in found.reached
    closed = unsound(world)
    stopped = not_current(
        record, found, world.state, to, blueprint=desk.flywheel.blueprint, risks=_risks(world), now=desk.now()
    )
    return GateFacts(
        to=to,
        record=record,
        result=result,
        unread=unread,
        reached=reached,
        stopped="" if reached else stopped or "",
        changed=() if reached or record is None else record.basis.changes(weighed.basis),
        gate_refused=closed or refusal(lambda: refuse_ungated(desk, world, found.version, to)),
        promote_refused=closed or refusal(lambda: _plan(reader, world, found.version, to)),
    )


def _plan(reader: Reader, world: World, version: int, to: str) -> object:
    """The act's own plan, made and thrown away."""
    return plan_promotion(
        world.state,
        version,
        to,
        blueprint=reader.desk.flywheel.blueprint,
        aliases=world.aliases,
        risks=_risks(world),
        actor=reader.desk.actor,
        now=reader.desk.now(),
    )


def _risks(world: World) -> tuple[Risk, ...]:
    return tuple(world.risks.values())


def _result(reader: Reader, record: GateRecord) -> tuple[GateResult | None, str]:
    """The whole verdict as its run keeps it, when it still has the digest in the ledger; or why it is not shown."""

    def read() -> GateResult:
        with scratch_folder() as folder:
            text = reader.desk.tracking.gates.read(record.run_id, folder)
        if text is None:
            raise InputError(f"the report of run {record.run_id} is gone")
        if sha256_text(text) != record.report:
            raise InputError(f"the report of run {record.run_id} is not the one the ledger names")
        return gate_result_from_json(text, name=f"gate.json of run {record.run_id}")

    try:
        return reader.memory.recall(("gate", record.run_id, record.report), read), ""
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, str(error.faults[0]) if isinstance(error, DocumentError) else error.what


def _compared(reader: Reader, world: World, weighed: Weighed) -> ComparedFacts:
    reference = weighed.reference
    iteration = reference.recorded.iteration if reference.recorded else None
    return ComparedFacts(
        reference.name,
        iteration,
        _drift(reader, weighed),
        judged_explanations(reader, world, weighed.release, weighed.drift.digest),
    )


def _drift(reader: Reader, weighed: Weighed) -> DriftFacts:
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


def _pinned(reader: Reader, found: Release) -> PinnedFacts:
    """What the release pins; a bundle that once had its digest is not read again for that."""

    def read() -> PinnedFacts:
        bundle = fetch_bundle(reader.desk.tracking, found)
        return PinnedFacts(bundle.pins, dict(bundle.left_out))

    try:
        return reader.memory.recall(("pins", found.run_id, found.bundle), read)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return PinnedFacts(unread=error.what)


def _asking(reader: Reader, world: World, found: Release) -> Asking:
    """Why the reader's acts about the release would be refused now, by the acts' own rules."""
    desk, closed = reader.desk, unsound(world)
    roles = [role.id for role in desk.flywheel.blueprint.roles]
    held = [role.id for role in desk.flywheel.blueprint.roles if desk.actor.name in role.people]
    # Gates ask for some roles alone: a reader who holds one of these means it.
    asked = list(dict.fromkeys(item.role for item in desk.flywheel.blueprint.criteria if item.role))
    # What holds in a role that the reader has is told before what holds for everybody.
    ordered = list(dict.fromkeys([*(role for role in asked if role in held), *held, *roles]))

    def approve(role: str) -> None:
        if not held:
            refuse_final(found)
            refuse_outsider(desk, "approve", asked or roles)
        refuse_approver(desk, found, role)
        refuse_unsigned(desk, "", None)

    def reject(role: str) -> None:
        if not held:
            refuse_final(found)
            refuse_outsider(desk, "reject", roles)
        refuse_rejecter(desk, world, found.version, role)

    def confirm() -> None:
        pending_override(desk, world, found.version)
        refuse_unsigned(desk, "", None)

    if closed:
        return Asking(dict.fromkeys(ordered, closed), dict.fromkeys(ordered, closed), closed)
    return Asking(
        approve=refusals(ordered, approve),
        reject=refusals(ordered, reject),
        retire=refusal(lambda: refuse_retirer(desk, world, found.version)),
        confirm=refusal(confirm) if waiting_overrides(desk, world, found.version) else None,
    )
