"""Gathers the page of one release."""

from __future__ import annotations

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, InputError, UnknownName
from flywheel_mlflow.decisions.gates import GateResult, gate_result_from_json
from flywheel_mlflow.decisions.moves import not_current, plan_promotion, refuse_final
from flywheel_mlflow.decisions.releases import STAGES, GateRecord, Release
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.operations.bundles import fetch_bundle
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.reading.drift import judged_explanations
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import refusal, refusals, unsound
from flywheel_mlflow.operations.reading.release_path import drift_facts, read_path
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.decisions import (
    refuse_approver,
    refuse_outsider,
    refuse_rejecter,
    refuse_retirer,
    refuse_roleless,
    refuse_unsigned,
)
from flywheel_mlflow.operations.releases.gating import (
    DecisionBasis,
    read_decision_basis,
    refuse_ungated,
    shown_approvals,
)
from flywheel_mlflow.operations.releases.overriding import pending_override, waiting_overrides
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.gate_verdict import GateFacts
from flywheel_mlflow.reports.pages.release import Asking, ComparedFacts, PinnedFacts, ReleaseFacts, release_page


def release(reader: Reader, asked: PageQuery) -> Page:
    """One release by its ``version``; ``event`` is the decision that was just written.

    Raises:
        UnknownName: there is no such release.
    """
    version = asked.whole("version")
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    if snapshot is None or version is None:
        if ledger.unknown:
            raise InputError(f"the ledger is unknown: {ledger.unknown}", hint="flywheel audit")
        raise UnknownName("release", str(version), ())
    found = snapshot.state.release(version)
    weighed = read_decision_basis(reader.session, snapshot, version)
    assembly = reader.session.tracking.assemblies.recorded_run(found.run_id, found.iteration)
    compared = _compared(reader, snapshot, weighed)
    return release_page(
        ReleaseFacts(
            flywheel=reader.session.flywheel.name,
            release=found,
            stands=snapshot.state.stage_of(version),
            ledger=ledger,
            gates=tuple(_gate(reader, snapshot, weighed, to) for to in STAGES),
            approvals=shown_approvals(reader.session, snapshot, weighed),
            compared=compared,
            pinned=_pinned(reader, found),
            asking=_asking(reader, snapshot, found),
            now=reader.session.now(),
            addresses=reader.addresses,
            experiment=assembly.experiment_id if assembly else "",
            event=asked.whole("event", least=0),
            path=read_path(reader, snapshot, weighed, compared.drift),
            reader="" if reader.acts_off else reader.session.actor.name,
        )
    )


def _gate(reader: Reader, snapshot: LedgerSnapshot, weighed: DecisionBasis, to: str) -> GateFacts:
    session, found = reader.session, weighed.release
    record = found.last_gate(to)
    result, unread = _result(reader, record) if record else (None, "")
    reached = to in found.reached
    closed = unsound(snapshot)
    stopped = not_current(
        record,
        found,
        snapshot.state,
        to,
        blueprint=session.flywheel.blueprint,
        risks=_risks(snapshot),
        now=session.now(),
    )
    return GateFacts(
        to=to,
        record=record,
        result=result,
        unread=unread,
        reached=reached,
        stopped="" if reached else stopped or "",
        changed=() if reached or record is None else record.basis.changes(weighed.basis),
        gate_refused=closed or refusal(lambda: refuse_ungated(session, snapshot, found.version, to)),
        promote_refused=closed or refusal(lambda: _plan(reader, snapshot, found.version, to)),
    )


def _plan(reader: Reader, snapshot: LedgerSnapshot, version: int, to: str) -> object:
    """The act's own plan, made and thrown away."""
    return plan_promotion(
        snapshot.state,
        version,
        to,
        blueprint=reader.session.flywheel.blueprint,
        aliases=snapshot.aliases,
        risks=_risks(snapshot),
        actor=reader.session.actor,
        now=reader.session.now(),
    )


def _risks(snapshot: LedgerSnapshot) -> tuple[Risk, ...]:
    return tuple(snapshot.risks.values())


def _result(reader: Reader, record: GateRecord) -> tuple[GateResult | None, str]:
    """The whole verdict as its run keeps it, when it still has the digest in the ledger; or why it is not shown."""

    def read() -> GateResult:
        with scratch_folder() as folder:
            text = reader.session.tracking.gates.read(record.run_id, folder)
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


def _compared(reader: Reader, snapshot: LedgerSnapshot, weighed: DecisionBasis) -> ComparedFacts:
    reference = weighed.reference
    iteration = reference.recorded.iteration if reference.recorded else None
    return ComparedFacts(
        reference.name,
        iteration,
        drift_facts(reader, weighed),
        judged_explanations(reader, snapshot, weighed.release, weighed.drift.digest),
    )


def _pinned(reader: Reader, found: Release) -> PinnedFacts:
    """What the release pins; a bundle that once had its digest is not read again for that."""

    def read() -> PinnedFacts:
        bundle = fetch_bundle(reader.session.tracking, found)
        return PinnedFacts(bundle.pins, dict(bundle.left_out))

    try:
        return reader.memory.recall(("pins", found.run_id, found.bundle), read)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return PinnedFacts(unread=error.what)


def _asking(reader: Reader, snapshot: LedgerSnapshot, found: Release) -> Asking:
    """Why the reader's acts about the release would be refused now, by the acts' own rules."""
    session, closed = reader.session, unsound(snapshot)
    roles = [role.id for role in session.flywheel.blueprint.roles]
    held = [role.id for role in session.flywheel.blueprint.roles if session.actor.name in role.people]
    # Gates ask for some roles alone: a reader who holds one of these means it.
    asked = list(dict.fromkeys(item.role for item in session.flywheel.blueprint.criteria if item.role))
    # What holds in a role that the reader has is told before what holds for everybody.
    ordered = list(dict.fromkeys([*(role for role in asked if role in held), *held, *roles]))

    def approve(role: str) -> None:
        if not held:
            refuse_final(found)
            refuse_outsider(session, "approve", asked or roles)
        refuse_approver(session, found, role)
        refuse_unsigned(session, "", None)

    def reject(role: str) -> None:
        if not held:
            refuse_final(found)
            refuse_outsider(session, "reject", roles)
        refuse_rejecter(session, snapshot, found.version, role)

    def confirm() -> None:
        pending_override(session, snapshot, found.version)
        refuse_unsigned(session, "", None)

    if closed:
        return Asking(dict.fromkeys(ordered, closed), dict.fromkeys(ordered, closed), closed, explain=closed)
    return Asking(
        approve=refusals(ordered, approve),
        reject=refusals(ordered, reject),
        retire=refusal(lambda: refuse_retirer(session, snapshot, found.version)),
        confirm=refusal(confirm) if waiting_overrides(session, snapshot, found.version) else None,
        explain=refusal(lambda: refuse_final(found)) or refusal(lambda: refuse_roleless(session)),
    )
