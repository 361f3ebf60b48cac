"""Writes the decisions people take about a release: approve, explain drift, reject, retire."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.base.errors import InputError, Refused, UnknownName
from flywheel_mlflow.base.names import unshowable
from flywheel_mlflow.base.signing import Signature, SigningKey, is_signed
from flywheel_mlflow.decisions.approvals import ask_instead, holds_role, key_of, statement
from flywheel_mlflow.decisions.explanations import explainable
from flywheel_mlflow.decisions.gates import compare_command
from flywheel_mlflow.decisions.moves import refuse_final, refuse_stranger
from flywheel_mlflow.decisions.releases import Kind, Release, ReleaseStage
from flywheel_mlflow.drift import DriftReport, covers, whole_of
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    persistently,
    read_consistent_snapshot,
)
from flywheel_mlflow.operations.releases.gating import DecisionBasis, read_decision_basis

Choice = Callable[[LedgerSnapshot], NewEvent]

#: Characters of a reason; the event it stands in has room for this and everything else.
MAX_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it was written; ``event`` is None for a dry run, ``body`` what stands in it."""

    kind: str
    version: int
    event: int | None
    body: dict[str, object]
    notes: tuple[str, ...] = ()


def approval_statement(
    session: Session, snapshot: LedgerSnapshot, version: int, *, role: str, reason: str, until: datetime
) -> str:
    """What a person who approves says, and signs."""
    basis = read_decision_basis(session, snapshot, version).basis
    return statement(session.flywheel.name, version, basis, role=role, reason=reason, until=until)


def sign_approval(
    session: Session, version: int, role: str, reason: str, *, until: datetime | None, key: SigningKey
) -> tuple[datetime, str, Signature]:
    """The end, the reason as it will be kept, and the signature of an approval that is about to be given."""
    told = kept_reason(reason)
    ends = until or (session.now() + timedelta(days=session.flywheel.blueprint.releases.approval_days)).replace(
        microsecond=0
    )
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    return ends, told, key.sign(approval_statement(session, snapshot, version, role=role, reason=told, until=ends))


def approve(
    session: Session,
    version: int,
    role: str,
    reason: str,
    *,
    until: datetime | None = None,
    signature: Signature | None = None,
    dry_run: bool = False,
) -> Decided:
    """Say yes to a release in a role.

    Args:
        session: who acts, where.
        version: the release.
        role: a role of flywheel.yaml that the person holds.
        reason: why; kept for good.
        until: when the approval runs out, UTC; by the rule of flywheel.yaml if left out.
        signature: over :func:`approval_statement` with exactly these values; people with a key must sign.
        dry_run: only say what would be written.

    Raises:
        UnknownName: no such release or role.
        Refused: the author, somebody without the role, no or a wrong signature, a rejected or retired release.
    """
    told = kept_reason(reason)
    now = session.now()
    longest = now + timedelta(days=session.flywheel.blueprint.releases.approval_days)
    _refuse_past(now, until, longest)
    ends = min(until, longest) if until is not None and signature is None else until or longest
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    refuse_approver(session, snapshot.state.release(version), role)
    weighed = read_decision_basis(session, snapshot, version)
    words = statement(session.flywheel.name, version, weighed.basis, role=role, reason=told, until=ends)
    refuse_unsigned(session, words, signature)
    body: dict[str, object] = {
        "version": version,
        "role": role,
        "reason": told,
        "basis": plain(weighed.basis),
        "until": ends.isoformat(),
        "statement": words,
    }
    body |= {"signature": plain(signature)} if signature else {}
    if dry_run:
        return Decided(Kind.APPROVED, version, None, body, tuple(_notes(weighed, until, longest)))

    def choose(current: LedgerSnapshot) -> NewEvent:
        refuse_approver(session, current.state.release(version), role)
        if current.state.current != snapshot.state.current:
            raise Refused(
                "another release was moved meanwhile",
                rule="an approval is for the state its author saw",
                hint=f"look again, then: flywheel approve {version} --role {role} --reason '...'",
            )
        return NewEvent(Kind.APPROVED, body)

    event, _ = append_decision(session, choose)
    return Decided(Kind.APPROVED, version, event.number, body, tuple(_notes(weighed, until, longest)))


def _refuse_past(now: datetime, until: datetime | None, longest: datetime) -> None:
    # The ledger forgets nothing: one that is over before it begins would stand there as a fault for good.
    if until is not None and until <= now:
        raise Refused(
            f"an approval until {until:%Y-%m-%d %H:%M} UTC is over before it begins",
            rule="an approval ends in the future",
            value=until.isoformat(timespec="minutes"),
            limit=f"after {now.isoformat(timespec='minutes')}",
            hint=f"leave --until out, or name a day up to {longest:%Y-%m-%d}",
        )


def _notes(weighed: DecisionBasis, until: datetime | None, longest: datetime) -> Iterator[str]:
    if weighed.drift.text is None and weighed.reference.name:
        yield f"nobody has compared it with {weighed.reference.name} yet; a comparison will void this approval"
    if until is not None and until > longest:
        yield f"it counts until {longest:%Y-%m-%d %H:%M} UTC, the longest that releases.approval_days allows"


def refuse_approver(session: Session, release: Release, role: str) -> None:
    """Refuse whoever may not approve this release in this role.

    Raises:
        UnknownName: no such role.
        Refused: the author, somebody without the role, a rejected or retired release.
    """
    blueprint, name = session.flywheel.blueprint, session.actor.name
    if role not in {item.id for item in blueprint.roles}:
        raise UnknownName("role", role, [item.id for item in blueprint.roles], where="roles in flywheel.yaml")
    if release.rejected or release.retired:
        word = "rejected" if release.rejected else "retired"
        raise Refused(
            f"release {release.version} was {word}",
            rule=f"{word} is final",
            hint="make a new release: flywheel release create --iteration N",
        )
    people = next(item.people for item in blueprint.roles if item.id == role)
    if not holds_role(blueprint, name, role):
        raise Refused(
            f"{name} does not hold the role {role}",
            rule="`roles` in flywheel.yaml decides who may approve and reject",
            value=name,
            limit=", ".join(people),
            hint=ask_instead(people, session.actor),
        )
    if name == release.author.name:
        raise Refused(
            f"{name} made release {release.version}",
            rule="nobody approves the release of what they made themselves",
            value=name,
            limit=", ".join(item for item in people if item != name) or "somebody else",
            hint="ask one of the others",
        )


def refuse_outsider(session: Session, act: str, roles: Collection[str]) -> None:
    """Refuse whoever holds none of the roles, and say who holds which.

    Raises:
        Refused: flywheel.yaml gives the actor none of them.
    """
    name, known = session.actor.name, [item for item in session.flywheel.blueprint.roles if item.id in roles]
    if any(name in item.people for item in known):
        return
    held = [f"{item.id} ({', '.join(item.people)})" for item in known]
    raise Refused(
        f"{name} holds no role in which to {act} a release",
        rule="`roles` in flywheel.yaml decides who may approve and reject",
        value=name,
        limit=", ".join(held) or "nobody",
        hint=ask_instead(held, session.actor),
    )


def refuse_unsigned(session: Session, words: str, signature: Signature | None) -> None:
    """Refuse a missing or wrong signature of somebody who has a key; without a key there is nothing to sign with.

    Raises:
        Refused: words that are not signed as flywheel.yaml wants it.
    """
    name = session.actor.name
    key = key_of(session.flywheel.blueprint, name)
    if key is None and signature is None:
        return
    if key is None:
        raise Refused(
            f"flywheel.yaml holds no public key of {name}",
            rule="a signature counts when the key it belongs to is known",
            hint="add public_key to the person in flywheel.yaml, or approve without --sign",
        )
    if not is_signed(words, signature, [key]):
        raise Refused(
            f"{name} signs approvals, and this one is not signed with the key in flywheel.yaml",
            rule="who has a key signs with it",
            limit=key,
            hint="add --sign KEYFILE",
        )


def explain_drift(
    session: Session, version: int, findings: Sequence[str], reason: str, *, dry_run: bool = False
) -> Decided:
    """Answer for drift that was wanted or is harmless: the drift criterion then leaves these findings out.

    Args:
        session: who acts, where.
        version: the release.
        findings: subjects of the comparison with the release in production, or projects or interfaces that stand
            for all their findings.
        reason: why they are as they should be; kept for good.
        dry_run: only say what would be written.

    Raises:
        UnknownName: no such release, or a name under which nothing was found.
        Refused: nobody compared yet, or a person without any role of flywheel.yaml.
    """
    told = kept_reason(reason)
    weighed, report = _answerable(session, version)
    known = [item.subject for item in (*explainable(report), *report.intended)]
    if not findings:
        raise InputError("nothing to explain", hint=f"name findings with --finding: {', '.join(known[:10])}")
    for subject in findings:
        if not any(covers(subject, item) for item in known):
            named, where = {*known, *map(whole_of, known)}, f"the comparison with {weighed.reference.name}"
            raise UnknownName("finding", subject, named, where=where)
    return _explained(session, weighed, findings, told, dry_run=dry_run)


def confirm_changes(session: Session, version: int, reason: str, *, dry_run: bool = False) -> Decided:
    """Confirm every change of a release's comparison that a task intended.

    Raises:
        UnknownName: no such release. InputError: no task intended a change.
        Refused: nobody compared yet, or a person without any role of flywheel.yaml.
    """
    told = kept_reason(reason)
    weighed, report = _answerable(session, version)
    if not report.intended:
        raise InputError("no task intended a change", where=f"the comparison with {weighed.reference.name}")
    return _explained(session, weighed, [item.subject for item in report.intended], told, dry_run=dry_run)


def _answerable(session: Session, version: int) -> tuple[DecisionBasis, DriftReport]:
    """The comparison of a release, for somebody who may answer for it."""
    refuse_roleless(session)
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    weighed = read_decision_basis(session, snapshot, version)
    return weighed, _compared(weighed)


def _explained(
    session: Session, weighed: DecisionBasis, subjects: Sequence[str], reason: str, *, dry_run: bool
) -> Decided:
    version = weighed.release.version
    body: dict[str, object] = {
        "version": version,
        "drift": weighed.drift.digest,
        "subjects": sorted(set(subjects)),
        "reason": reason,
    }

    def choose(current: LedgerSnapshot) -> NewEvent:
        refuse_final(current.state.release(version))
        return NewEvent(Kind.DRIFT_EXPLAINED, body)

    return write_decision(session, Kind.DRIFT_EXPLAINED, version, body, choose, dry_run=dry_run)


def _compared(weighed: DecisionBasis) -> DriftReport:
    from flywheel_mlflow.drift import drift_report_from_json

    if weighed.drift.text is None:
        raise Refused(
            f"nobody has compared release {weighed.release.version} with {weighed.reference.name or 'anything'} yet",
            rule="what nobody found cannot be explained",
            hint=compare_command(weighed.release.iteration, weighed.reference.name),
        )
    return drift_report_from_json(weighed.drift.text)


def refuse_roleless(session: Session) -> None:
    """Refuse whoever holds no role at all.

    Raises:
        Refused: flywheel.yaml gives the actor none.
    """
    name, roles = session.actor.name, session.flywheel.blueprint.roles
    people = sorted({person for role in roles for person in role.people})
    if name not in people:
        raise Refused(
            f"{name} holds no role",
            rule="drift is answered for by somebody with a role of flywheel.yaml",
            value=name,
            limit=", ".join(people),
            hint=ask_instead(people, session.actor),
        )


def reject(session: Session, version: int, role: str, reason: str, *, dry_run: bool = False) -> Decided:
    """Say no to a release for good, in a role. The author may reject too.

    Raises:
        UnknownName: no such release or role.
        Refused: somebody without the role, or the release is in staging or production.
    """
    told = kept_reason(reason)
    body: dict[str, object] = {"version": version, "role": role, "reason": told}

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        refuse_rejecter(session, snapshot, version, role)
        return NewEvent(Kind.REJECTED, body)

    return write_decision(session, Kind.REJECTED, version, body, choose, dry_run=dry_run)


def refuse_rejecter(session: Session, snapshot: LedgerSnapshot, version: int, role: str) -> None:
    """Refuse whoever may not reject this release in this role now.

    Raises:
        UnknownName: no such release or role.
        Refused: somebody without the role, or the release is in staging or production.
    """
    blueprint, name = session.flywheel.blueprint, session.actor.name
    if role not in {item.id for item in blueprint.roles}:
        raise UnknownName("role", role, [item.id for item in blueprint.roles], where="roles in flywheel.yaml")
    people = next(item.people for item in blueprint.roles if item.id == role)
    if not holds_role(blueprint, name, role):
        raise Refused(
            f"{name} does not hold the role {role}",
            rule="`roles` in flywheel.yaml decides who may approve and reject",
            value=name,
            limit=", ".join(people),
            hint=ask_instead(people, session.actor),
        )
    _refuse_final(snapshot, version, "rejected")


def retire(session: Session, version: int, reason: str, *, dry_run: bool = False) -> Decided:
    """Take a release out for good, so that its model version may be deleted; the ledger keeps its story.

    Raises:
        UnknownName: no such release.
        Refused: it is in staging or production, or is retired already.
    """
    told = kept_reason(reason)
    body: dict[str, object] = {"version": version, "reason": told}

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        refuse_retirer(session, snapshot, version)
        return NewEvent(Kind.RETIRED, body)

    return write_decision(session, Kind.RETIRED, version, body, choose, dry_run=dry_run)


def refuse_retirer(session: Session, snapshot: LedgerSnapshot, version: int) -> None:
    """Refuse whoever may not retire this release now.

    Raises:
        UnknownName: no such release.
        Refused: no right to move releases, it is in staging or production, or is retired already.
    """
    refuse_stranger(session.flywheel.blueprint, session.actor, "retire")
    _refuse_final(snapshot, version, "retired")


def _refuse_final(snapshot: LedgerSnapshot, version: int, word: str) -> None:
    release = snapshot.state.release(version)
    move = snapshot.state.open_move
    if move is not None and move.version == version:
        raise Refused(
            f"release {version} is on its way to {move.to}",
            rule=f"what consumers may be reading is not {word}",
            value=f"event {move.number}",
            limit="no open move",
            hint="wait until the move ends; if its process died: flywheel reconcile",
        )
    stage = snapshot.state.stage_of(version)
    if stage in (ReleaseStage.PRODUCTION, ReleaseStage.STAGING):
        raise Refused(
            f"release {version} is in {stage.value}",
            rule=f"what consumers may be reading is not {word}",
            value=stage.value,
            limit="neither staging nor production",
            hint=_way_out(snapshot, version, stage),
        )
    if release.retired or (release.rejected and word == "rejected"):
        raise Refused(
            f"release {version} was {word} before",
            rule=f"{word} once is enough",
            value=stage.value,
            hint=f"flywheel release show {version} tells by whom and why",
        )


def _way_out(snapshot: LedgerSnapshot, version: int, stage: ReleaseStage) -> str:
    """The commands that take a release out of a stage: another one takes its place."""
    live = [item.version for item in snapshot.state.releases.values() if not (item.rejected or item.retired)]
    others = [item for item in live if item != version]
    if stage is ReleaseStage.PRODUCTION and any(item in others for item in snapshot.state.was_in_production()):
        return "first: flywheel rollback --reason '...'"
    to = stage.value
    if not others:
        return f"make another release and put it there: flywheel release create --iteration N, then promote it to {to}"
    other = snapshot.state.current["production"] if to == "staging" else None
    name = other if other in others else others[-1]
    return f"put another one there: flywheel gate {name} --to {to}, then flywheel promote {name} --to {to}"


def write_decision(
    session: Session, kind: str, version: int, body: dict[str, object], choose: Choice, *, dry_run: bool
) -> Decided:
    """Write a decision that ``choose`` still finds possible; with ``dry_run`` only say what would be written."""
    if dry_run:
        choose(persistently(session, lambda: read_consistent_snapshot(session.tracking)))
        return Decided(kind, version, None, body)
    event, _ = append_decision(session, choose)
    return Decided(kind, version, event.number, body)


def kept_reason(reason: str) -> str:
    """The reason as it is kept: on one line.

    Raises:
        InputError: there is none, it is too long, or it holds characters that hide text.
    """
    told = " ".join(reason.split())
    if not told:
        raise InputError("a decision needs a reason", hint="give one: --reason, or the field of the form")
    if len(told) > MAX_REASON:
        raise InputError(f"the reason has {len(told)} characters", hint=f"at most {MAX_REASON}; link the rest")
    hidden = next(unshowable(told), None)
    if hidden is not None:
        raise InputError(
            f"the reason holds U+{ord(hidden):04X}, a character that hides or reverses text",
            hint="say it in plain words, without control characters",
        )
    return told
