"""Judges approvals: whose yes counts for a release, in which role, and why another one does not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.signing import is_signed
from flywheel_mlflow.decisions.event_values import moment
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, CLOCK_SKEW, Event, Identity, unwitnessed
from flywheel_mlflow.decisions.releases import Approval, Basis, Move, Release
from flywheel_mlflow.promises.blueprint import Blueprint


@dataclass(frozen=True, slots=True)
class JudgedApproval:
    """An approval with what speaks against it; ``verified`` when its author's name is proven.

    ``until`` is when it stops to count: the end it names, or the one flywheel.yaml allows, whichever comes first.
    ``forged`` marks one that its alleged author cannot have given: that is a matter for the audit, not for a reminder.
    ``served`` names the promotion that it allowed, where it counts for that one and no longer for another.
    """

    approval: Approval
    against: tuple[str, ...]
    verified: bool
    forged: bool
    until: datetime
    served: str = ""

    @property
    def counts(self) -> bool:
        """Whether it counts where no verified name is demanded."""
        return not self.against


def statement(flywheel: str, version: int, basis: Basis, *, role: str, reason: str, until: datetime) -> str:
    """What a person who approves says, and signs: one line of canonical JSON.

    The whole basis is in it: otherwise an approval that a new comparison voided could be written again by anybody,
    with the old signature and the new basis.
    """
    words: dict[str, Any] = {
        **plain(basis),
        "decision": "approve",
        "flywheel": flywheel,
        "version": version,
        "role": role,
        "reason": reason,
        "until": until.isoformat(),
    }
    return canonical_json(words)


def holds_role(blueprint: Blueprint, person: str, role: str) -> bool:
    """Whether flywheel.yaml names the person for the role."""
    return any(item.id == role and person in item.people for item in blueprint.roles)


def key_of(blueprint: Blueprint, person: str) -> str | None:
    """The person's public key, if flywheel.yaml holds one."""
    return next((item.public_key for item in blueprint.people if item.id == person), None)


def is_verified(blueprint: Blueprint, event: Event) -> bool:
    """Whether a server whose key flywheel.yaml names vouches for the event's author."""
    return event.actor.level == AUTHENTICATED and not unwitnessed([event], blueprint.releases.server_keys)


def judge(
    approval: Approval,
    event: Event,
    release: Release,
    *,
    blueprint: Blueprint,
    basis: Basis,
    now: datetime,
    current: bool = True,
) -> JudgedApproval:
    """What speaks for and against one approval at the moment ``now``.

    Not ``current`` leaves out what roles and people's keys of flywheel.yaml say: they were others when it was given.
    """
    forgery = tuple(_forgery(approval, event, release, blueprint, current=current))
    plain = tuple(_objections(approval, release, blueprint, basis, now, current=current))
    signed = key_of(blueprint, approval.actor.name) is not None and not forgery
    return JudgedApproval(
        approval=approval,
        against=forgery + plain,
        verified=signed or (not forgery and is_verified(blueprint, event)),
        forged=bool(forgery),
        until=_ends(approval, blueprint),
    )


def was_given_under(approval: Approval, blueprint: Blueprint) -> bool:
    """Whether gates, roles, people and keys in flywheel.yaml are those under which the approval was given."""
    return approval.basis.gates == blueprint.gates_digest


def _forgery(
    approval: Approval, event: Event, release: Release, blueprint: Blueprint, *, current: bool
) -> Iterable[str]:
    key = key_of(blueprint, approval.actor.name) if current else None
    if key is not None and not is_signed(approval.statement, approval.signature, [key]):
        yield f"{approval.actor.name} signs approvals, and this one does not carry the signature"
    if unwitnessed([event], blueprint.releases.server_keys):
        yield "it claims that a server vouches for the name, and no known server sealed it"
    if not _says_what_it_claims(approval, release):
        yield "what was signed speaks of another release, basis, role or time"


def _says_what_it_claims(approval: Approval, release: Release) -> bool:
    claims = plain(approval.basis) | {
        "version": release.version,
        "bundle": release.bundle,
        "role": approval.role,
        "reason": approval.reason,
        "decision": "approve",
    }
    try:
        words = parse_json(approval.statement, name="the statement")
        return all(words[name] == value for name, value in claims.items()) and moment(words["until"]) == approval.until
    except (DocumentError, KeyError, TypeError, ValueError, OverflowError):
        return False


def _ends(approval: Approval, blueprint: Blueprint) -> datetime:
    return min(approval.until, approval.at + timedelta(days=blueprint.releases.approval_days))


def _objections(
    approval: Approval, release: Release, blueprint: Blueprint, basis: Basis, now: datetime, *, current: bool
) -> Iterable[str]:
    name = approval.actor.name
    if current and not holds_role(blueprint, name, approval.role):
        yield f"{name} does not hold the role {approval.role}"
    if name == release.author.name:
        yield f"{name} made the release, and nobody approves what they made"
    if approval.at > now + CLOCK_SKEW:
        yield f"it is dated {approval.at:%Y-%m-%d %H:%M} UTC, which has not come yet"
    if _ends(approval, blueprint) <= now:
        yield f"it expired on {_ends(approval, blueprint):%Y-%m-%d %H:%M} UTC"
    for what in approval.basis.changes(basis):
        yield f"void: {what} changed since"


def judge_all(
    release: Release, events: Iterable[Event], *, blueprint: Blueprint, basis: Basis, now: datetime
) -> tuple[JudgedApproval, ...]:
    """Every approval of a release, judged, oldest first."""
    numbered = {event.number: event for event in events}
    return tuple(
        judge(item, numbered[item.number], release, blueprint=blueprint, basis=basis, now=now)
        for item in release.approvals
    )


def judge_served(
    judged: JudgedApproval, event: Event, release: Release, moves: Iterable[Move], *, blueprint: Blueprint
) -> JudgedApproval:
    """The approval as it counted for the first promotion of its release after it, where it no longer counts now.

    A promotion changes what the release is compared with, which voids an approval for whatever comes next; it does not
    make the promotion one that nobody approved.
    """
    if judged.counts or judged.forged:
        return judged
    gates = {gate.number: gate for gate in release.gates}
    for move in moves:
        gate = gates.get(move.by) if move.by is not None and move.done and move.version == release.version else None
        if gate is None or gate.number < judged.approval.number:
            continue
        then = judge(
            judged.approval,
            event,
            release,
            blueprint=blueprint,
            basis=gate.basis,
            now=gate.at,
            current=was_given_under(judged.approval, blueprint),
        )
        if then.counts:
            return replace(then, served=f"{move.to} (event {move.ended_by})")
    return judged


def may_move(blueprint: Blueprint, actor: Identity) -> bool:
    """Whether flywheel.yaml lets a person promote, roll back and override."""
    roles = blueprint.releases.may_move
    return not roles or any(holds_role(blueprint, actor.name, role) for role in roles)


def ask_instead(people: Sequence[str], actor: Identity) -> str:
    """What to do for somebody who may not act: ask the people who may.

    Whose name nobody proved may be somebody else than they meant to be, so that they learn where it comes from.
    """
    told = f"ask {'one of ' if len(people) > 1 else ''}{', '.join(people)}" if people else "name somebody for the role"
    if actor.level == AUTHENTICATED:
        return told
    return f"{told}; who acts is named by MLFLOW_TRACKING_USERNAME, else by the login"
