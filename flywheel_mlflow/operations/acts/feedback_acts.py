"""The acts about feedback, themes, tasks and notices."""

from __future__ import annotations

from typing import Any

from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.feedback.theme_corrections import CorrectionKind
from flywheel_mlflow.operations.acts.arguments import (
    AbsorbTask,
    AcceptTask,
    DecideTask,
    DecideTheme,
    EstimateCost,
    MergeThemes,
    MoveEvents,
    RenameTheme,
    Reroute,
    SendNotices,
    SpendTask,
    TryChannel,
)
from flywheel_mlflow.operations.acts.kinds import Form, act
from flywheel_mlflow.operations.deciding import Session


@act(Reroute, "reroute", form=Form("feedback"))
def _reroute(session: Session, asked: Reroute) -> Any:
    from flywheel_mlflow.operations.feedback.routing import reroute_event

    return reroute_event(session, asked.event, to=asked.to, reason=asked.reason, dry_run=asked.dry_run)


@act(AcceptTask, "task-accept")
def _accept_task(session: Session, asked: AcceptTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import accept_task

    return accept_task(session, asked.run_id, asked.digest, dry_run=asked.dry_run)


@act(AbsorbTask, "task-absorb")
def _absorb_task(session: Session, asked: AbsorbTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import absorb_task

    return absorb_task(session, asked.task, iteration=asked.iteration, evidence=asked.evidence, dry_run=asked.dry_run)


@act(DecideTask, "task-withdraw")
def _withdraw_task(session: Session, asked: DecideTask) -> Any:
    return _decide_task(TaskKind.WITHDRAWN, session, asked)


@act(DecideTask, "task-restore")
def _restore_task(session: Session, asked: DecideTask) -> Any:
    return _decide_task(TaskKind.RESTORED, session, asked)


def _decide_task(kind: TaskKind, session: Session, asked: DecideTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import decide_task

    return decide_task(session, asked.task, kind, asked.reason, dry_run=asked.dry_run)


@act(DecideTheme, "theme-queue", form=Form("feedback"))
def _queue_theme(session: Session, asked: DecideTheme) -> Any:
    return _decide_theme(TaskKind.QUEUED, session, asked)


@act(DecideTheme, "theme-decline", form=Form("feedback"))
def _decline_theme(session: Session, asked: DecideTheme) -> Any:
    return _decide_theme(TaskKind.DECLINED, session, asked)


def _decide_theme(kind: TaskKind, session: Session, asked: DecideTheme) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import decide_theme

    return decide_theme(session, asked.theme, kind, asked.reason, found_in=asked.iteration, dry_run=asked.dry_run)


@act(EstimateCost, "task-estimate", form=Form("priorities"))
def _estimate_cost(session: Session, asked: EstimateCost) -> Any:
    from flywheel_mlflow.operations.feedback.costing import estimate_cost

    return estimate_cost(session, asked.about, asked.reason, cost=asked.cost, reuse=asked.reuse, dry_run=asked.dry_run)


@act(SpendTask, "task-spend", form=Form("priorities"))
def _spend_task(session: Session, asked: SpendTask) -> Any:
    from flywheel_mlflow.operations.feedback.costing import spend

    return spend(session, asked.task, asked.total, dry_run=asked.dry_run)


@act(RenameTheme, "theme-rename")
def _rename_theme(session: Session, asked: RenameTheme) -> Any:
    return _correct_theme(session, CorrectionKind.RENAMED, asked, title=asked.title)


@act(MergeThemes, "theme-merge")
def _merge_themes(session: Session, asked: MergeThemes) -> Any:
    return _correct_theme(session, CorrectionKind.MERGED, asked, into=asked.into)


@act(MoveEvents, "theme-move")
def _move_events(session: Session, asked: MoveEvents) -> Any:
    into, title = asked.into or "", asked.title or ""
    return _correct_theme(session, CorrectionKind.MOVED, asked, into=into, title=title, events=asked.events)


def _correct_theme(
    session: Session, kind: CorrectionKind, asked: RenameTheme | MergeThemes | MoveEvents, **change: Any
) -> Any:
    from flywheel_mlflow.operations.feedback.correcting import correct_theme

    return correct_theme(session, kind, asked.theme, asked.reason, dry_run=asked.dry_run, **change)


@act(SendNotices, "notify-send", working="looking for what is to be told")
def _send_notices(session: Session, asked: SendNotices) -> Any:
    from flywheel_mlflow.operations.notifying import send_notices

    return send_notices(
        session,
        audit=asked.audit,
        full=asked.full,
        at_once=asked.at_once,
        patient=asked.patient,
        dry_run=asked.dry_run,
    )


@act(TryChannel, "notify-test", working="sending a test message")
def _try_channel(session: Session, asked: TryChannel) -> Any:
    from flywheel_mlflow.operations.notifying import send_test

    return send_test(session, asked.channel, to=asked.to, dry_run=asked.dry_run)
