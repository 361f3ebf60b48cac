"""Every act on the ledger by name, as plain input and output: command line, server and notebooks share it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, ValidationError

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.base.names import unshowable
from flywheel_mlflow.base.signing import Signature
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.operations.acts.act_errors import error_from
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.promises.contract import Strict
from flywheel_mlflow.tracking import Tracking

Version = Annotated[int, Field(ge=1, le=999_999_999)]


def _shown(text: str) -> str:
    hidden = next(unshowable(" ".join(text.split())), None)
    if hidden is not None:
        raise ValueError(f"U+{ord(hidden):04X} hides or reverses text; say it in plain words")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=2_000), AfterValidator(_shown)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
OneToFive = Annotated[int, Field(ge=1, le=5)]


class _Act(Strict):
    """What every act takes."""

    dry_run: bool = False


class SignatureInput(Strict):
    """A signature as it travels."""

    public_key: Name
    value: Name


class SignHead(_Act):
    """State where the ledger ends now and what a release is, signed by the server that does it."""

    version: Version


class CreateRelease(_Act):
    """Make a release of an assembled iteration."""

    iteration: Annotated[int, Field(ge=1, le=999_999)]


class RunGate(_Act):
    """Evaluate the gate before a stage."""

    version: Version
    to: Name


class Approve(_Act):
    """Say yes in a role."""

    version: Version
    role: Name
    reason: Words
    until: AwareDatetime | None = None
    signature: SignatureInput | None = None


class ExplainDrift(_Act):
    """Answer for drift."""

    version: Version
    findings: tuple[Name, ...]
    reason: Words


class ConfirmChanges(_Act):
    """Confirm what tasks intended."""

    version: Version
    reason: Words = "as the tasks intended"


class Reject(_Act):
    """Say no for good, in a role."""

    version: Version
    role: Name
    reason: Words


class Retire(_Act):
    """Take a release out for good."""

    version: Version
    reason: Words


class Override(_Act):
    """Permit a promotion without a passing gate."""

    version: Version
    to: Name
    reason: Words
    until: AwareDatetime
    second: Name


class ConfirmOverride(_Act):
    """Confirm an override as its second person."""

    version: Version
    reason: Words
    signature: SignatureInput | None = None


class Promote(_Act):
    """Move a release whose gate passed."""

    version: Version
    to: Name


class Rollback(_Act):
    """Take production back."""

    reason: Words
    to: Version | None = None


class Reconcile(_Act):
    """Make the server agree with the ledger."""

    force: bool = False


class OpenRisk(_Act):
    """Open a risk."""

    title: Name
    owner: Name
    due: AwareDatetime
    likelihood: OneToFive
    impact: OneToFive
    mitigation: Annotated[str, StringConstraints(max_length=2_000)] = ""
    projects: tuple[Name, ...] = ()


class UpdateRisk(_Act):
    """Change a risk."""

    risk: Name
    owner: Name | None = None
    due: AwareDatetime | None = None
    likelihood: OneToFive | None = None
    impact: OneToFive | None = None
    mitigation: Annotated[str, StringConstraints(max_length=2_000)] | None = None


class CloseRisk(_Act):
    """Close a risk."""

    risk: Name
    evidence: Name
    reason: Words


class Reroute(_Act):
    """Send an event of feedback to another project."""

    event: Name
    to: Name
    reason: Words


class AcceptTask(_Act):
    """Accept a task whose document is kept."""

    run_id: Name
    digest: Name


class DecideTheme(_Act):
    """Queue or decline a theme."""

    theme: Name
    reason: Words
    iteration: Annotated[int, Field(ge=1, le=999_999)] | None = None


class AbsorbTask(_Act):
    """Write down that a task was absorbed."""

    task: Name
    iteration: Annotated[int, Field(ge=1, le=999_999)]
    evidence: Name


class DecideTask(_Act):
    """Withdraw or restore a task."""

    task: Name
    reason: Words


class WatchRisks(_Act):
    """Open the risks an iteration shows."""

    iteration: Annotated[int, Field(ge=1, le=999_999)]


class RecordReview(_Act):
    """Write down that a quarter was reviewed."""

    quarter: Name
    run_id: Name
    digest: Name


# Each act imports what does it when it is done: promoting needs nothing of themes, drift or reports, whose import takes
# longer than the promotion.


def _approve(session: Session, act: Approve) -> Any:
    from flywheel_mlflow.operations.releases.decisions import approve

    signed = Signature(act.signature.public_key, act.signature.value) if act.signature else None
    return approve(session, act.version, act.role, act.reason, until=act.until, signature=signed, dry_run=act.dry_run)


def _explain_drift(session: Session, act: ExplainDrift) -> Any:
    from flywheel_mlflow.operations.releases.decisions import explain_drift

    return explain_drift(session, act.version, act.findings, act.reason, dry_run=act.dry_run)


def _confirm_changes(session: Session, act: ConfirmChanges) -> Any:
    from flywheel_mlflow.operations.releases.decisions import confirm_changes

    return confirm_changes(session, act.version, act.reason, dry_run=act.dry_run)


def _reject(session: Session, act: Reject) -> Any:
    from flywheel_mlflow.operations.releases.decisions import reject

    return reject(session, act.version, act.role, act.reason, dry_run=act.dry_run)


def _retire(session: Session, act: Retire) -> Any:
    from flywheel_mlflow.operations.releases.decisions import retire

    return retire(session, act.version, act.reason, dry_run=act.dry_run)


def _override(session: Session, act: Override) -> Any:
    from flywheel_mlflow.operations.releases.overriding import override

    return override(session, act.version, act.to, act.reason, until=act.until, second=act.second, dry_run=act.dry_run)


def _confirm_override(session: Session, act: ConfirmOverride) -> Any:
    from flywheel_mlflow.operations.releases.overriding import confirm_override

    signed = Signature(act.signature.public_key, act.signature.value) if act.signature else None
    return confirm_override(session, act.version, act.reason, signature=signed, dry_run=act.dry_run)


def _gate(session: Session, act: RunGate) -> dict[str, Any]:
    from flywheel_mlflow.operations.releases.gating import run_gate
    from flywheel_mlflow.reports.gate import criterion_rows

    ran = run_gate(session, act.version, act.to, dry_run=act.dry_run)
    return {**plain(ran), "rows": plain(criterion_rows(ran.result))}


def _promote(session: Session, act: Promote) -> Any:
    from flywheel_mlflow.operations.releases.moving import promote

    return promote(session, act.version, act.to, dry_run=act.dry_run)


def _rollback(session: Session, act: Rollback) -> Any:
    from flywheel_mlflow.operations.releases.moving import rollback

    return rollback(session, act.reason, to=act.to, dry_run=act.dry_run)


def _reconcile(session: Session, act: Reconcile) -> Any:
    from flywheel_mlflow.operations.releases.moving import reconcile

    return reconcile(session, force=act.force, dry_run=act.dry_run)


def _sign_head(session: Session, act: SignHead) -> Any:
    from flywheel_mlflow.operations.releases.exporting import sign_head

    return sign_head(session, act.version)


def _create(session: Session, act: CreateRelease) -> dict[str, Any]:
    from flywheel_mlflow.operations.releases.releasing import create_release

    made = create_release(session, act.iteration, dry_run=act.dry_run)
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


def _open_risk(session: Session, act: OpenRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import open_risk

    return open_risk(
        session,
        act.title,
        owner=act.owner,
        due=act.due,
        likelihood=act.likelihood,
        impact=act.impact,
        mitigation=act.mitigation,
        projects=act.projects,
        dry_run=act.dry_run,
    )


def _update_risk(session: Session, act: UpdateRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import update_risk

    changes = {
        name: getattr(act, name)
        for name in ("owner", "due", "likelihood", "impact", "mitigation")
        if getattr(act, name) is not None
    }
    return update_risk(session, act.risk, changes, dry_run=act.dry_run)


def _close_risk(session: Session, act: CloseRisk) -> Any:
    from flywheel_mlflow.operations.releases.risking import close_risk

    return close_risk(session, act.risk, evidence=act.evidence, reason=act.reason, dry_run=act.dry_run)


def _watch_risks(session: Session, act: WatchRisks) -> Any:
    from flywheel_mlflow.operations.releases.watching import watch_risks

    return watch_risks(session, act.iteration, dry_run=act.dry_run)


def _review(session: Session, act: RecordReview) -> Any:
    from flywheel_mlflow.operations.assembly.reviewing import record_review

    return record_review(session, act.quarter, run_id=act.run_id, digest=act.digest, dry_run=act.dry_run)


def _reroute(session: Session, act: Reroute) -> Any:
    from flywheel_mlflow.operations.feedback.routing import reroute_event

    return reroute_event(session, act.event, to=act.to, reason=act.reason, dry_run=act.dry_run)


def _accept_task(session: Session, act: AcceptTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import accept_task

    return accept_task(session, act.run_id, act.digest, dry_run=act.dry_run)


def _absorb_task(session: Session, act: AbsorbTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import absorb_task

    return absorb_task(session, act.task, iteration=act.iteration, evidence=act.evidence, dry_run=act.dry_run)


def _task(kind: TaskKind, session: Session, act: DecideTask) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import decide_task

    return decide_task(session, act.task, kind, act.reason, dry_run=act.dry_run)


def _theme(kind: TaskKind, session: Session, act: DecideTheme) -> Any:
    from flywheel_mlflow.operations.feedback.tasking import decide_theme

    return decide_theme(session, act.theme, kind, act.reason, found_in=act.iteration, dry_run=act.dry_run)


@dataclass(frozen=True, slots=True)
class ActKind:
    """One kind of act: what it takes, and what does it."""

    takes: type[_Act]
    does: Callable[[Session, Any], Any]


#: Every act by the name under which the server's plugin offers it.
ACTS: Mapping[str, ActKind] = {
    "sign-head": ActKind(SignHead, _sign_head),
    "create": ActKind(CreateRelease, _create),
    "gate": ActKind(RunGate, _gate),
    "approve": ActKind(Approve, _approve),
    "explain-drift": ActKind(ExplainDrift, _explain_drift),
    "confirm-changes": ActKind(ConfirmChanges, _confirm_changes),
    "reject": ActKind(Reject, _reject),
    "retire": ActKind(Retire, _retire),
    "override": ActKind(Override, _override),
    "override-confirm": ActKind(ConfirmOverride, _confirm_override),
    "promote": ActKind(Promote, _promote),
    "rollback": ActKind(Rollback, _rollback),
    "reconcile": ActKind(Reconcile, _reconcile),
    "risk-open": ActKind(OpenRisk, _open_risk),
    "risk-update": ActKind(UpdateRisk, _update_risk),
    "risk-close": ActKind(CloseRisk, _close_risk),
    "risk-watch": ActKind(WatchRisks, _watch_risks),
    "review": ActKind(RecordReview, _review),
    "reroute": ActKind(Reroute, _reroute),
    "task-accept": ActKind(AcceptTask, _accept_task),
    "theme-queue": ActKind(DecideTheme, partial(_theme, TaskKind.QUEUED)),
    "theme-decline": ActKind(DecideTheme, partial(_theme, TaskKind.DECLINED)),
    "task-absorb": ActKind(AbsorbTask, _absorb_task),
    "task-withdraw": ActKind(DecideTask, partial(_task, TaskKind.WITHDRAWN)),
    "task-restore": ActKind(DecideTask, partial(_task, TaskKind.RESTORED)),
}


def perform(session: Session, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act here; its result as plain values.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read. And whatever the act raises.
    """
    kind = _kind(name)
    result = plain(kind.does(session, read_act(name, arguments)))
    return result if isinstance(result, dict) else {"result": result}


def read_act(name: str, arguments: Mapping[str, Any]) -> _Act:
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
        return _remote(session.tracking, name, arguments)
    return perform(session, name, arguments)


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
