"""Every act on the ledger by name, as plain input and output: command line, server and notebooks share it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.base.signing import Signature
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.feedback.theme_corrections import CorrectionKind
from flywheel_mlflow.operations.acts.act_errors import error_from
from flywheel_mlflow.operations.acts.arguments import (
    AbsorbTask,
    AcceptTask,
    Act,
    Approve,
    CloseRisk,
    ConfirmChanges,
    ConfirmOverride,
    CreateRelease,
    DecideTask,
    DecideTheme,
    ExplainDrift,
    MergeThemes,
    MoveEvents,
    OpenRisk,
    Override,
    Promote,
    Reconcile,
    RecordReview,
    Reject,
    RenameTheme,
    Reroute,
    Retire,
    Rollback,
    RunGate,
    SendNotices,
    SignHead,
    SubmitReview,
    TryChannel,
    UpdateRisk,
    WatchRisks,
)
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.tracking import Tracking

Taken = TypeVar("Taken", bound=Act)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Form:
    """How people do an act in a browser.

    ``shows`` is the page on which they then see what was decided; ``needs`` are arguments that the command may leave
    out, and the form may not.
    """

    shows: Literal["release", "target", "releases", "risk", "feedback"]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActKind:
    """One kind of act: what it takes, what does it, its form if it has one, what is said while it works.

    ``notifies``: people are told what it brings about.
    """

    takes: type[Act]
    does: Callable[[Session, Any], Any]
    form: Form | None
    working: str
    notifies: bool


#: In the answer of an act: what people could not be told, one line each; nothing where they were.
UNSENT = "unsent"

#: Every act by the name under which the server's plugin offers it.
ACTS: dict[str, ActKind] = {}


def act(
    takes: type[Taken],
    name: str,
    *,
    form: Form | None = None,
    working: str = "writing the decision",
    notifies: bool = False,
) -> Callable[[Callable[[Session, Taken], Any]], Callable[[Session, Taken], Any]]:
    """Declare the function that does an act; command, form, endpoint and Python find it by its name.

    Making a release and overriding a gate have no form: they are rare, and need more thought than a button asks for.
    """

    def declare(does: Callable[[Session, Taken], Any]) -> Callable[[Session, Taken], Any]:
        ACTS[name] = ActKind(takes, does, form, working, notifies)
        return does

    return declare


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


@act(SubmitReview, "human-review-submit")
def _submit_review(session: Session, asked: SubmitReview) -> Any:
    from flywheel_mlflow.operations.releases.human_review import submit_answers

    signed = Signature(asked.signature.public_key, asked.signature.value) if asked.signature else None
    return submit_answers(session, asked.run_id, asked.digest, signature=signed, dry_run=asked.dry_run)


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


def perform(session: Session, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act here; its result as plain values.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read. And whatever the act raises.
    """
    kind, asked = _kind(name), read_act(name, arguments)
    result = plain(kind.does(session, asked))
    answer = result if isinstance(result, dict) else {"result": result}
    if kind.notifies and not asked.dry_run and session.flywheel.blueprint.notify.channels:
        from flywheel_mlflow.operations.notifying import notify_after

        unsent = _guarded(partial(notify_after, session))
        answer |= {UNSENT: list(unsent)} if unsent else {}
    return answer


def read_act(name: str, arguments: Mapping[str, Any]) -> Act:
    """What an act is asked to do.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read, each with what is wrong with it.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    try:
        return _kind(name).takes.model_validate_json(canonical_json(given).encode("utf-8"), strict=True)
    except ValidationError as error:
        told = "; ".join(_fault(item["loc"], item["msg"], item["input"]) for item in error.errors()[:5])
        raise InputError(f"cannot {name}: {told}", hint="see the command's --help") from error
    except (TypeError, ValueError, RecursionError) as error:
        # NaN, half a character, a value that JSON has no form for.
        raise InputError(
            f"cannot {name}: its arguments are no plain values", hint="see the command's --help"
        ) from error


def _fault(place: Sequence[int | str], message: str, given: object) -> str:
    # A text that is too long is not shown, its length is.
    value = f", not {len(given)}" if isinstance(given, str) and message.startswith("String should have at") else ""
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}{value}"


def _kind(name: str) -> ActKind:
    if name not in ACTS:
        raise UnknownName("act", name, ACTS)
    return ACTS[name]


def act_somewhere(session: Session, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act: by the server when its plugin serves this flywheel, which then vouches for who acts; else here."""
    if serves(session.tracking, session.flywheel.name):
        if name == "rollback":
            arguments = {**arguments, "looked_at": _looked_at(session, arguments)}
        return _remote(session.tracking, name, arguments)
    return perform(session, name, arguments)


def _looked_at(session: Session, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The data by reference that are compared here, on the machine of whoever asks: the server opens no addresses."""
    from flywheel_mlflow.operations.releases.pinned_data import references_of

    return references_of(session, arguments.get("to"), full=bool(arguments.get("full")))


def serves(tracking: Tracking, flywheel: str) -> bool:
    """Whether the server's plugin does the acts of this flywheel."""
    about = tracking.server.about
    return about is not None and about.get("flywheel") == flywheel


def _remote(tracking: Tracking, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    sent = {key: value for key, value in plain(dict(arguments)).items() if value is not None}
    status, answer = tracking.server.act(name, sent)
    if status == 200:
        return answer
    raise error_from(answer, status)


def tell_people(
    session: Session, step: Callable[[str], None], *, audit: bool = False, full: bool = False
) -> tuple[str, ...]:
    """Tell people what they should know by now; what they could not be told, one line each. Nothing here raises.

    ``audit`` tells what an audit finds too, a ``full`` one also what it finds in the data of every release. It takes as
    long as an act may wait.
    """
    if not session.flywheel.blueprint.notify.channels:
        return ()
    step("telling people")
    arguments = {"audit": audit, "full": full, "patient": False}
    return _guarded(lambda: unsent_of(act_somewhere(session, "notify-send", arguments)))


def unsent_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What people could not be told, from the answer of an act, also of one that a server did."""
    return tuple(str(line) for line in answer.get(UNSENT) or ())


def _guarded(tell: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """What could not be told; whatever goes wrong, what was done before stands, and has not failed."""
    try:
        return tell()
    except FlywheelError as error:
        return (f"nobody was told: {error.what}",)
    except Exception:  # noqa: BLE001 - see above
        _LOG.exception("nobody was told")
        return ("nobody was told: the tool failed, and its log says where",)
