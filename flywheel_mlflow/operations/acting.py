"""Every act on the ledger by name, as plain input and output: command line, server and notebooks share it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from flywheel_mlflow import errors
from flywheel_mlflow.canonical import canonical_json, plain
from flywheel_mlflow.contract import Strict
from flywheel_mlflow.errors import DocumentError, FlywheelError, InputError, Refused, ServerError, UnknownName
from flywheel_mlflow.feedback.tasks import TaskKind
from flywheel_mlflow.operations.deciding import Desk
from flywheel_mlflow.operations.decisions import approve, explain_drift, override, reject, retire
from flywheel_mlflow.operations.gating import run_gate
from flywheel_mlflow.operations.moving import promote, reconcile, rollback
from flywheel_mlflow.operations.releasing import create_release
from flywheel_mlflow.operations.reviewing import record_review
from flywheel_mlflow.operations.risking import close_risk, open_risk, update_risk
from flywheel_mlflow.operations.routing import reroute_event
from flywheel_mlflow.operations.tasking import absorb_task, accept_task, decide_theme
from flywheel_mlflow.operations.watching import watch_risks
from flywheel_mlflow.reports.gate import criterion_rows
from flywheel_mlflow.signing import Signature
from flywheel_mlflow.tracking import Tracking

Version = Annotated[int, Field(ge=1, le=999_999_999)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
OneToFive = Annotated[int, Field(ge=1, le=5)]


class _Act(Strict):
    """What every act takes."""

    dry_run: bool = False


class SignatureInput(Strict):
    """A signature as it travels."""

    public_key: Name
    value: Name


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


class WatchRisks(_Act):
    """Open the risks an iteration shows."""

    iteration: Annotated[int, Field(ge=1, le=999_999)]


class RecordReview(_Act):
    """Write down that a quarter was reviewed."""

    quarter: Name
    run_id: Name
    digest: Name


def _approve(desk: Desk, act: Approve) -> Any:
    signed = Signature(act.signature.public_key, act.signature.value) if act.signature else None
    return approve(desk, act.version, act.role, act.reason, until=act.until, signature=signed, dry_run=act.dry_run)


def _gate(desk: Desk, act: RunGate) -> dict[str, Any]:
    ran = run_gate(desk, act.version, act.to, dry_run=act.dry_run)
    return {**plain(ran), "rows": plain(criterion_rows(ran.result))}


def _create(desk: Desk, act: CreateRelease) -> dict[str, Any]:
    made = create_release(desk, act.iteration, dry_run=act.dry_run)
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


def _update_risk(desk: Desk, act: UpdateRisk) -> Any:
    changes = {
        name: getattr(act, name)
        for name in ("owner", "due", "likelihood", "impact", "mitigation")
        if getattr(act, name) is not None
    }
    return update_risk(desk, act.risk, changes, dry_run=act.dry_run)


def _theme(kind: TaskKind, desk: Desk, act: DecideTheme) -> Any:
    return decide_theme(desk, act.theme, kind, act.reason, found_in=act.iteration, dry_run=act.dry_run)


@dataclass(frozen=True, slots=True)
class ActKind:
    """One kind of act: what it takes, and what does it."""

    takes: type[_Act]
    does: Callable[[Desk, Any], Any]


#: Every act by the name under which the server's plugin offers it.
ACTS: Mapping[str, ActKind] = {
    "create": ActKind(CreateRelease, _create),
    "gate": ActKind(RunGate, _gate),
    "approve": ActKind(Approve, _approve),
    "explain-drift": ActKind(
        ExplainDrift,
        lambda desk, act: explain_drift(desk, act.version, act.findings, act.reason, dry_run=act.dry_run),
    ),
    "reject": ActKind(Reject, lambda desk, act: reject(desk, act.version, act.role, act.reason, dry_run=act.dry_run)),
    "retire": ActKind(Retire, lambda desk, act: retire(desk, act.version, act.reason, dry_run=act.dry_run)),
    "override": ActKind(
        Override,
        lambda desk, act: override(
            desk, act.version, act.to, act.reason, until=act.until, second=act.second, dry_run=act.dry_run
        ),
    ),
    "promote": ActKind(Promote, lambda desk, act: promote(desk, act.version, act.to, dry_run=act.dry_run)),
    "rollback": ActKind(Rollback, lambda desk, act: rollback(desk, act.reason, to=act.to, dry_run=act.dry_run)),
    "reconcile": ActKind(Reconcile, lambda desk, act: reconcile(desk, force=act.force, dry_run=act.dry_run)),
    "risk-open": ActKind(
        OpenRisk,
        lambda desk, act: open_risk(
            desk,
            act.title,
            owner=act.owner,
            due=act.due,
            likelihood=act.likelihood,
            impact=act.impact,
            mitigation=act.mitigation,
            projects=act.projects,
            dry_run=act.dry_run,
        ),
    ),
    "risk-update": ActKind(UpdateRisk, _update_risk),
    "risk-close": ActKind(
        CloseRisk,
        lambda desk, act: close_risk(desk, act.risk, evidence=act.evidence, reason=act.reason, dry_run=act.dry_run),
    ),
    "risk-watch": ActKind(WatchRisks, lambda desk, act: watch_risks(desk, act.iteration, dry_run=act.dry_run)),
    "review": ActKind(
        RecordReview,
        lambda desk, act: record_review(desk, act.quarter, run_id=act.run_id, digest=act.digest, dry_run=act.dry_run),
    ),
    "reroute": ActKind(
        Reroute, lambda desk, act: reroute_event(desk, act.event, to=act.to, reason=act.reason, dry_run=act.dry_run)
    ),
    "task-accept": ActKind(
        AcceptTask, lambda desk, act: accept_task(desk, act.run_id, act.digest, dry_run=act.dry_run)
    ),
    "theme-queue": ActKind(DecideTheme, partial(_theme, TaskKind.QUEUED)),
    "theme-decline": ActKind(DecideTheme, partial(_theme, TaskKind.DECLINED)),
    "task-absorb": ActKind(
        AbsorbTask,
        lambda desk, act: absorb_task(
            desk, act.task, iteration=act.iteration, evidence=act.evidence, dry_run=act.dry_run
        ),
    ),
}


def perform(desk: Desk, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act here; its result as plain values.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read. And whatever the act raises.
    """
    kind = _kind(name)
    result = plain(kind.does(desk, read_act(name, arguments)))
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
        told = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:5])
        raise InputError(f"cannot {name}: {told}", hint="see the command's --help") from error
    except (TypeError, ValueError, RecursionError) as error:
        # NaN, half a character, a value that JSON has no form for.
        raise InputError(
            f"cannot {name}: its arguments are no plain values", hint="see the command's --help"
        ) from error


def _kind(name: str) -> ActKind:
    if name not in ACTS:
        raise UnknownName("act", name, ACTS)
    return ACTS[name]


def act_somewhere(desk: Desk, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act: by the server when its plugin serves this flywheel, which then vouches for who acts; else here."""
    if serves(desk.tracking, desk.flywheel.name):
        return _remote(desk.tracking, name, arguments)
    return perform(desk, name, arguments)


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


def error_document(error: FlywheelError) -> dict[str, Any]:
    """An error as plain values, to be raised again on the other side."""
    faults = [str(fault) for fault in error.faults[:20]] if isinstance(error, DocumentError) else []
    told: dict[str, object] = {
        "kind": type(error).__name__,
        "what": "\n  ".join([error.what, *faults]),
        "where": error.where,
        "hint": error.hint,
    }
    if isinstance(error, Refused):
        told |= {"rule": error.rule, "value": plain_or_text(error.value), "limit": plain_or_text(error.limit)}
    return {"error": told}


def plain_or_text(value: object) -> object:
    """A value of a refusal as JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, str | int) else str(value)


def error_from(document: Mapping[str, Any], status: int) -> FlywheelError:
    """The error a server's answer describes."""
    told = document.get("error")
    if not isinstance(told, dict) or not isinstance(told.get("what"), str):
        code = str(document.get("error_code", f"HTTP_{status}"))
        return errors.ServerRefused(
            f"the server answers {status}: {str(document.get('message', document))[:300]}",
            code=code,
            hint="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if status in (401, 403) else None,
        )
    what, where, hint = told["what"], told.get("where"), told.get("hint")
    if told.get("kind") == Refused.__name__:
        rule = str(told.get("rule", ""))
        return Refused(what, rule=rule, value=told.get("value"), limit=told.get("limit"), where=where, hint=hint)
    if status == 400:
        return InputError(what, where=where, hint=hint)
    return ServerError(what, where=where, hint=hint)
