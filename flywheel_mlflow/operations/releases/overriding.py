"""Permits promotions without a passing gate: one person overrides, a second one confirms."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import Refused, UnknownName
from flywheel_mlflow.base.signing import Signature, SigningKey
from flywheel_mlflow.decisions.moves import check_stage, is_used_up, refuse_skipped_stage, refuse_stranger, refuse_unfit
from flywheel_mlflow.decisions.releases import Kind, Override
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    persistently,
    read_consistent_snapshot,
)
from flywheel_mlflow.operations.releases.decisions import Decided, kept_reason, refuse_unsigned, write_decision


def override(
    session: Session, version: int, to: str, reason: str, *, until: datetime, second: str, dry_run: bool = False
) -> Decided:
    """Permit a promotion without a passing gate, for a while, once a second person confirmed it; it opens a risk.

    Raises:
        UnknownName: no such release; the second person stands nowhere in flywheel.yaml.
        Refused: no right to move releases, the second person is the first, the time has passed or is too far, or the
            release cannot go there with any permission.
    """
    told = kept_reason(reason)
    check_stage(to)
    now, blueprint = session.now(), session.flywheel.blueprint
    people = [item.id for item in blueprint.people]
    if second not in people:
        raise UnknownName("person", second, people, where="people in flywheel.yaml")
    refuse_stranger(blueprint, session.actor, "override")
    if second == session.actor.name:
        raise Refused(
            "the second person is the first one",
            rule="an override needs two people",
            value=second,
            limit=", ".join(name for name in people if name != second) or "somebody else",
            hint="name one of them with --second",
        )
    longest = now + timedelta(days=blueprint.releases.approval_days)
    if not now < until <= longest:
        raise Refused(
            f"an override until {until:%Y-%m-%d %H:%M} UTC is none",
            rule="an override lies in the future and ends with the approvals' time at the latest",
            value=until.isoformat(),
            limit=longest.isoformat(timespec="minutes"),
            hint=f"name a day before {longest:%Y-%m-%d} with --until",
        )
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    body: dict[str, object] = {
        "version": version,
        "to": to,
        "reason": told,
        "second": second,
        "until": until.isoformat(),
        "bundle": snapshot.state.release(version).bundle,
    }

    def choose(current: LedgerSnapshot) -> NewEvent:
        release = current.state.release(version)
        refuse_unfit(current.state, release, to)
        refuse_skipped_stage(current.state, release, to, blueprint=blueprint)
        return NewEvent(Kind.OVERRIDE, body)

    written = write_decision(session, Kind.OVERRIDE, version, body, choose, dry_run=dry_run)
    opened = "it would open" if dry_run else "it opened"
    notes = (
        f"{opened} a high risk: flywheel risk list",
        f"it waits for {second}: flywheel override-confirm {version} --reason '...'",
        f"then it permits one: flywheel promote {version} --to {to}",
    )
    return replace(written, notes=notes)


def confirm_override(
    session: Session, version: int, reason: str, *, signature: Signature | None = None, dry_run: bool = False
) -> Decided:
    """Confirm an override in which the person is named as the second one; only then does it count.

    Args:
        session: who acts, where.
        version: the release.
        reason: why; kept for good.
        signature: over :func:`confirmation_statement`; people with a key must sign.
        dry_run: only say what would be written.

    Raises:
        UnknownName: no such release.
        Refused: no override waits, it names somebody else, or the signature is missing or wrong.
    """
    told = kept_reason(reason)
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    pending = pending_override(session, snapshot, version)
    refuse_unsigned(session, confirmation_statement(snapshot, pending, told), signature)
    body: dict[str, object] = {"version": version, "to": pending.to, "override": pending.number, "reason": told}
    body |= {"signature": plain(signature)} if signature else {}

    def choose(current: LedgerSnapshot) -> NewEvent:
        if pending_override(session, current, version).number != pending.number:
            raise Refused(
                "another override came meanwhile",
                rule="a confirmation is for the override its author saw",
                hint=f"look again: flywheel release show {version}",
            )
        return NewEvent(Kind.OVERRIDE_CONFIRMED, body)

    written = write_decision(session, Kind.OVERRIDE_CONFIRMED, version, body, choose, dry_run=dry_run)
    return replace(written, notes=(f"it permits one: flywheel promote {version} --to {pending.to}",))


def sign_confirmation(session: Session, version: int, reason: str, key: SigningKey) -> Signature:
    """The signature of a confirmation that is about to be given."""
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    return key.sign(confirmation_statement(snapshot, pending_override(session, snapshot, version), kept_reason(reason)))


def confirmation_statement(snapshot: LedgerSnapshot, override: Override, reason: str) -> str:
    """What a person who confirms says, and signs: the override by its digest, which holds all of it."""
    digest = snapshot.ledger.events[override.number].digest
    return canonical_json({"decision": "confirm_override", "override": digest, "reason": reason})


def waiting_overrides(session: Session, snapshot: LedgerSnapshot, version: int) -> tuple[Override, ...]:
    """The overrides of a release that nobody confirmed yet, the newest last."""
    return tuple(
        item
        for item in snapshot.state.overrides
        if item.version == version
        and item.confirmed is None
        and (item.until > session.now() or is_used_up(snapshot.state, item))
    )


def pending_override(session: Session, snapshot: LedgerSnapshot, version: int) -> Override:
    """The newest override of a release that waits for the person who acts.

    One that was used before confirmations were asked for waits too: its second person may still stand by it.

    Raises:
        UnknownName: no such release. Refused: none waits, or the one that does names somebody else.
    """
    snapshot.state.release(version)
    waiting = waiting_overrides(session, snapshot, version)
    if not waiting:
        raise Refused(
            f"no override of release {version} waits for a confirmation",
            rule="what is confirmed is an override that runs",
            hint=f"flywheel release show {version}",
        )
    mine = [item for item in waiting if item.second == session.actor.name]
    if not mine:
        raise Refused(
            f"the override of release {version} names {waiting[-1].second} as the second person, "
            f"not {session.actor.name}",
            rule="an override is confirmed by the second person it names",
            value=session.actor.name,
            limit=waiting[-1].second,
            hint=f"{waiting[-1].second}: flywheel override-confirm {version} --reason '...'",
        )
    return mine[-1]
