"""The acts about releases, risks and experiments."""

from __future__ import annotations

from typing import Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.signing import Signature
from flywheel_mlflow.operations.acts.arguments import (
    Approve,
    ChooseVariant,
    CloseRisk,
    ConfirmChanges,
    ConfirmOverride,
    CreateRelease,
    DecideExperiment,
    ExplainDrift,
    OpenRisk,
    Override,
    Promote,
    Reconcile,
    RecordReview,
    Reject,
    Retire,
    Rollback,
    RunGate,
    SignHead,
    StartExperiment,
    SubmitReview,
    UpdateRisk,
    WatchRisks,
)
from flywheel_mlflow.operations.acts.kinds import Form, act
from flywheel_mlflow.operations.deciding import Session


@act(Approve, "approve", form=Form("release"))
def _approve(session: Session, asked: Approve) -> Any:
    from flywheel_mlflow.operations.releases.decisions import approve

    signed = Signature(asked.signature.public_key, asked.signature.value) if asked.signature else None
    return approve(
        session, asked.version, asked.role, asked.reason, until=asked.until, signature=signed, dry_run=asked.dry_run
    )


@act(ExplainDrift, "explain-drift", form=Form("release"))
def _explain_drift(session: Session, asked: ExplainDrift) -> Any:
    from flywheel_mlflow.operations.releases.decisions import explain_drift

    return explain_drift(session, asked.version, asked.findings, asked.reason, dry_run=asked.dry_run)


@act(ConfirmChanges, "confirm-changes", form=Form("release"))
def _confirm_changes(session: Session, asked: ConfirmChanges) -> Any:
    from flywheel_mlflow.operations.releases.decisions import confirm_changes

    return confirm_changes(session, asked.version, asked.reason, dry_run=asked.dry_run)


@act(Reject, "reject", form=Form("release"))
def _reject(session: Session, asked: Reject) -> Any:
    from flywheel_mlflow.operations.releases.decisions import reject

    return reject(session, asked.version, asked.role, asked.reason, dry_run=asked.dry_run)


@act(Retire, "retire", form=Form("release"))
def _retire(session: Session, asked: Retire) -> Any:
    from flywheel_mlflow.operations.releases.decisions import retire

    return retire(session, asked.version, asked.reason, dry_run=asked.dry_run)


@act(Override, "override", notifies=True)
def _override(session: Session, asked: Override) -> Any:
    from flywheel_mlflow.operations.releases.overriding import override

    return override(
        session, asked.version, asked.to, asked.reason, until=asked.until, second=asked.second, dry_run=asked.dry_run
    )


@act(ConfirmOverride, "override-confirm", form=Form("release"))
def _confirm_override(session: Session, asked: ConfirmOverride) -> Any:
    from flywheel_mlflow.operations.releases.overriding import confirm_override

    signed = Signature(asked.signature.public_key, asked.signature.value) if asked.signature else None
    return confirm_override(session, asked.version, asked.reason, signature=signed, dry_run=asked.dry_run)


@act(RunGate, "gate", form=Form("release"), working="collecting the gate's evidence", notifies=True)
def _gate(session: Session, asked: RunGate) -> dict[str, Any]:
    from flywheel_mlflow.operations.releases.gating import run_gate
    from flywheel_mlflow.reports.gate import criterion_rows

    ran = run_gate(session, asked.version, asked.to, dry_run=asked.dry_run)
    return {**plain(ran), "rows": plain(criterion_rows(ran.result))}


@act(SubmitReview, "human-review-submit")
def _submit_review(session: Session, asked: SubmitReview) -> Any:
    from flywheel_mlflow.operations.releases.human_review import submit_answers

    signed = Signature(asked.signature.public_key, asked.signature.value) if asked.signature else None
    return submit_answers(session, asked.run_id, asked.digest, signature=signed, dry_run=asked.dry_run)


@act(Promote, "promote", form=Form("release"), working="checking and moving the release")
def _promote(session: Session, asked: Promote) -> Any:
    from flywheel_mlflow.operations.releases.moving import promote

    return promote(session, asked.version, asked.to, dry_run=asked.dry_run)


@act(Rollback, "rollback", form=Form("target", needs=("to",)), working="checking the data of the release before")
def _rollback(session: Session, asked: Rollback) -> Any:
    from flywheel_mlflow.operations.releases.moving import rollback

    return rollback(
        session, asked.reason, to=asked.to, full=asked.full, looked_at=asked.looked_at, dry_run=asked.dry_run
    )


@act(Reconcile, "reconcile", form=Form("releases"), working="comparing the server with the ledger")
def _reconcile(session: Session, asked: Reconcile) -> Any:
    from flywheel_mlflow.operations.releases.moving import reconcile

    return reconcile(session, force=asked.force, dry_run=asked.dry_run)


@act(SignHead, "sign-head")
def _sign_head(session: Session, asked: SignHead) -> Any:
    from flywheel_mlflow.operations.releases.exporting import sign_head

    return sign_head(session, asked.version)


@act(CreateRelease, "create", working="making the release")
def _create(session: Session, asked: CreateRelease) -> dict[str, Any]:
    from flywheel_mlflow.operations.releases.releasing import create_release

    made = create_release(session, asked.iteration, dry_run=asked.dry_run)
    # The bundle's files can be large, and lie on the server.
    return {
        **plain(made),
        "bundle": {
            "digest": made.bundle.digest,
            "place": made.bundle.place,
            "pins": plain(made.bundle.pins),
            "left_out": plain(made.bundle.left_out),
        },
    }


@act(OpenRisk, "risk-open")
def _open_risk(session: Session, asked: OpenRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import open_risk

    return open_risk(
        session,
        asked.title,
        owner=asked.owner,
        due=asked.due,
        likelihood=asked.likelihood,
        impact=asked.impact,
        mitigation=asked.mitigation,
        projects=asked.projects,
        dry_run=asked.dry_run,
    )


@act(UpdateRisk, "risk-update", form=Form("risk"))
def _update_risk(session: Session, asked: UpdateRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import update_risk

    changes = {
        name: getattr(asked, name)
        for name in ("owner", "due", "likelihood", "impact", "mitigation")
        if getattr(asked, name) is not None
    }
    return update_risk(session, asked.risk, changes, dry_run=asked.dry_run)


@act(CloseRisk, "risk-close", form=Form("risk"))
def _close_risk(session: Session, asked: CloseRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import close_risk

    return close_risk(session, asked.risk, evidence=asked.evidence, reason=asked.reason, dry_run=asked.dry_run)


@act(WatchRisks, "risk-watch", working="looking for risks")
def _watch_risks(session: Session, asked: WatchRisks) -> Any:
    from flywheel_mlflow.operations.releases.watching import watch_risks

    return watch_risks(session, asked.iteration, dry_run=asked.dry_run)


@act(RecordReview, "review")
def _review(session: Session, asked: RecordReview) -> Any:
    from flywheel_mlflow.operations.assembly.reviewing import record_review

    return record_review(session, asked.quarter, run_id=asked.run_id, digest=asked.digest, dry_run=asked.dry_run)


@act(StartExperiment, "experiment-start")
def _start_experiment(session: Session, asked: StartExperiment) -> Any:
    from flywheel_mlflow.operations.experiments.experimenting import start_experiment

    return start_experiment(session, asked.experiment, dry_run=asked.dry_run)


@act(DecideExperiment, "experiment-decide", working="reading the outcomes")
def _decide_experiment(session: Session, asked: DecideExperiment) -> Any:
    from flywheel_mlflow.operations.experiments.experimenting import decide_experiment

    return decide_experiment(
        session, asked.experiment, asked.decision, asked.reason, variant=asked.variant or "", dry_run=asked.dry_run
    )


@act(ChooseVariant, "variant-choose")
def _choose_variant(session: Session, asked: ChooseVariant) -> Any:
    from flywheel_mlflow.operations.experiments.variants import choose_variant

    return choose_variant(session, asked.project, asked.variant, asked.iteration, asked.reason, dry_run=asked.dry_run)
