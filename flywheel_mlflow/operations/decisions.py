"""Writes the decisions people take about a release: approve, explain drift, reject, retire, override."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from flywheel_mlflow.approvals import holds_role, key_of, statement
from flywheel_mlflow.canonical import plain
from flywheel_mlflow.errors import InputError, Refused, UnknownName
from flywheel_mlflow.explanations import covers, explainable
from flywheel_mlflow.moves import check_stage, refuse_final, refuse_stranger, refuse_unfit
from flywheel_mlflow.names import check_label
from flywheel_mlflow.operations.deciding import Desk, Draft, World, decide, persistently, sound_world
from flywheel_mlflow.operations.gating import Weighed, weigh
from flywheel_mlflow.releases import Kind, Release, ReleaseStage
from flywheel_mlflow.signing import Signature, SigningKey, is_signed

Choice = Callable[[World], Draft]

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


def approval_statement(desk: Desk, world: World, version: int, *, role: str, reason: str, until: datetime) -> str:
    """What a person who approves says, and signs."""
    basis = weigh(desk, world, version).basis
    return statement(desk.flywheel.name, version, basis, role=role, reason=reason, until=until)


def sign_approval(
    desk: Desk, version: int, role: str, reason: str, *, until: datetime | None, key: SigningKey
) -> tuple[datetime, str, Signature]:
    """The end, the reason as it will be kept, and the signature of an approval that is about to be given."""
    told = _reason(reason)
    ends = until or (desk.now() + timedelta(days=desk.flywheel.blueprint.releases.approval_days)).replace(microsecond=0)
    world = persistently(desk, lambda: sound_world(desk.tracking))
    return ends, told, key.sign(approval_statement(desk, world, version, role=role, reason=told, until=ends))


def approve(
    desk: Desk,
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
        desk: who acts, where.
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
    told = _reason(reason)
    now = desk.now()
    longest = now + timedelta(days=desk.flywheel.blueprint.releases.approval_days)
    ends = min(until, longest) if until is not None and signature is None else until or longest
    world = persistently(desk, lambda: sound_world(desk.tracking))
    _refuse_approver(desk, world.state.release(version), role)
    weighed = weigh(desk, world, version)
    words = statement(desk.flywheel.name, version, weighed.basis, role=role, reason=told, until=ends)
    _refuse_signature(desk, words, signature)
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
        return Decided(Kind.APPROVED, version, None, body)

    def choose(current: World) -> Draft:
        _refuse_approver(desk, current.state.release(version), role)
        if current.state.current != world.state.current:
            raise Refused(
                "another release was moved meanwhile",
                rule="an approval is for the world its author saw",
                hint=f"look again, then: flywheel approve {version} --role {role} --reason '...'",
            )
        return Draft(Kind.APPROVED, body)

    event, _ = decide(desk, choose)
    missing = weighed.drift.text is None and bool(weighed.reference.name)
    note = f"nobody has compared it with {weighed.reference.name} yet; a comparison will void this approval"
    return Decided(Kind.APPROVED, version, event.number, body, (note,) if missing else ())


def _refuse_approver(desk: Desk, release: Release, role: str) -> None:
    blueprint, name = desk.flywheel.blueprint, desk.actor.name
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
            rule="who decides stands in flywheel.yaml, under roles",
            value=name,
            limit=", ".join(people),
            hint="ask one of them; on a server without accounts the name is MLFLOW_TRACKING_USERNAME, else the login",
        )
    if name == release.author.name:
        raise Refused(
            f"{name} made release {release.version}",
            rule="nobody approves the release of what they made themselves",
            value=name,
            limit=", ".join(item for item in people if item != name) or "somebody else",
            hint="ask one of the others",
        )


def _refuse_signature(desk: Desk, words: str, signature: Signature | None) -> None:
    name = desk.actor.name
    key = key_of(desk.flywheel.blueprint, name)
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


def explain_drift(desk: Desk, version: int, findings: Sequence[str], reason: str, *, dry_run: bool = False) -> Decided:
    """Answer for drift that was wanted or is harmless: the drift criterion then leaves these findings out.

    Args:
        desk: who acts, where.
        version: the release.
        findings: subjects of the comparison with the release in production, or projects or interfaces that stand
            for all their findings.
        reason: why they are as they should be; kept for good.
        dry_run: only say what would be written.

    Raises:
        UnknownName: no such release, or a name under which nothing was found.
        Refused: nobody compared yet, or a person without any role of flywheel.yaml.
    """
    told = _reason(reason)
    _refuse_roleless(desk)
    world = persistently(desk, lambda: sound_world(desk.tracking))
    weighed = weigh(desk, world, version)
    known = _explainable(weighed)
    if not findings:
        raise InputError("nothing to explain", hint=f"name findings with --finding: {', '.join(known[:10])}")
    for subject in findings:
        if not any(covers(subject, item) for item in known):
            raise UnknownName("finding", subject, known, where=f"the comparison with {weighed.reference.name}")
    body: dict[str, object] = {
        "version": version,
        "drift": weighed.drift.digest,
        "subjects": sorted(set(findings)),
        "reason": told,
    }

    def choose(current: World) -> Draft:
        refuse_final(current.state.release(version))
        return Draft(Kind.DRIFT_EXPLAINED, body)

    return _written(desk, Kind.DRIFT_EXPLAINED, version, body, choose, dry_run=dry_run)


def _explainable(weighed: Weighed) -> list[str]:
    from flywheel_mlflow.drift import drift_report_from_json

    if weighed.drift.text is None:
        raise Refused(
            f"nobody has compared release {weighed.release.version} with {weighed.reference.name or 'anything'} yet",
            rule="what nobody found cannot be explained",
            hint=f"flywheel drift --iteration {weighed.release.iteration} --against production",
        )
    return [item.subject for item in explainable(drift_report_from_json(weighed.drift.text))]


def _refuse_roleless(desk: Desk) -> None:
    name = desk.actor.name
    if not any(name in item.people for item in desk.flywheel.blueprint.roles):
        raise Refused(
            f"{name} holds no role",
            rule="drift is answered for by somebody with a role of flywheel.yaml",
            value=name,
            hint="ask one of the people there",
        )


def reject(desk: Desk, version: int, role: str, reason: str, *, dry_run: bool = False) -> Decided:
    """Say no to a release for good, in a role. The author may reject too.

    Raises:
        UnknownName: no such release or role.
        Refused: somebody without the role, or the release is in staging or production.
    """
    told = _reason(reason)
    body: dict[str, object] = {"version": version, "role": role, "reason": told}

    def choose(world: World) -> Draft:
        blueprint, name = desk.flywheel.blueprint, desk.actor.name
        if role not in {item.id for item in blueprint.roles}:
            raise UnknownName("role", role, [item.id for item in blueprint.roles], where="roles in flywheel.yaml")
        if not holds_role(blueprint, name, role):
            raise Refused(
                f"{name} does not hold the role {role}",
                rule="who decides stands in flywheel.yaml, under roles",
                value=name,
                hint="ask somebody who does",
            )
        _refuse_final(world, version, "rejected")
        return Draft(Kind.REJECTED, body)

    return _written(desk, Kind.REJECTED, version, body, choose, dry_run=dry_run)


def retire(desk: Desk, version: int, reason: str, *, dry_run: bool = False) -> Decided:
    """Take a release out for good, so that its model version may be deleted; the ledger keeps its story.

    Raises:
        UnknownName: no such release.
        Refused: it is in staging or production, or is retired already.
    """
    told = _reason(reason)
    body: dict[str, object] = {"version": version, "reason": told}

    def choose(world: World) -> Draft:
        refuse_stranger(desk.flywheel.blueprint, desk.actor, "retire")
        _refuse_final(world, version, "retired")
        return Draft(Kind.RETIRED, body)

    return _written(desk, Kind.RETIRED, version, body, choose, dry_run=dry_run)


def _refuse_final(world: World, version: int, word: str) -> None:
    release = world.state.release(version)
    move = world.state.open_move
    if move is not None and move.version == version:
        raise Refused(
            f"release {version} is on its way to {move.to}",
            rule=f"what consumers may be reading is not {word}",
            value=f"event {move.number}",
            limit="no open move",
            hint="wait until the move ends; if its process died: flywheel reconcile",
        )
    stage = world.state.stage_of(version)
    if stage in (ReleaseStage.PRODUCTION, ReleaseStage.STAGING):
        raise Refused(
            f"release {version} is in {stage.value}",
            rule=f"what consumers may be reading is not {word}",
            value=stage.value,
            hint="flywheel rollback --reason '...' first"
            if stage is ReleaseStage.PRODUCTION
            else "promote another one",
        )
    if release.retired or (release.rejected and word == "rejected"):
        raise Refused(f"release {version} was {word} before", rule=f"{word} once is enough", value=stage.value)


def override(
    desk: Desk, version: int, to: str, reason: str, *, until: datetime, second: str, dry_run: bool = False
) -> Decided:
    """Permit a promotion without a passing gate, for a while, with a second person; it opens a risk.

    Raises:
        UnknownName: no such release; the second person stands nowhere in flywheel.yaml.
        Refused: no right to move releases, the second person is the first, or the time has passed or is too far.
    """
    told = _reason(reason)
    check_stage(to)
    now, blueprint = desk.now(), desk.flywheel.blueprint
    people = [item.id for item in blueprint.people]
    if second not in people:
        raise UnknownName("person", second, people, where="people in flywheel.yaml")
    refuse_stranger(blueprint, desk.actor, "override")
    if second == desk.actor.name:
        raise Refused(
            "the second person is the first one", rule="an override needs two people", value=second, hint="--second"
        )
    longest = now + timedelta(days=blueprint.releases.approval_days)
    if not now < until <= longest:
        raise Refused(
            f"an override until {until:%Y-%m-%d %H:%M} UTC is none",
            rule="an override lies in the future and ends with the approvals' time at the latest",
            value=until.isoformat(),
            limit=longest.isoformat(timespec="minutes"),
            hint="--until YYYY-MM-DD",
        )
    world = persistently(desk, lambda: sound_world(desk.tracking))
    body: dict[str, object] = {
        "version": version,
        "to": to,
        "reason": told,
        "second": second,
        "until": until.isoformat(),
        "bundle": world.state.release(version).bundle,
    }

    def choose(current: World) -> Draft:
        refuse_unfit(current.state, current.state.release(version), to)
        return Draft(Kind.OVERRIDE, body)

    return _written(desk, Kind.OVERRIDE, version, body, choose, dry_run=dry_run)


def _written(desk: Desk, kind: str, version: int, body: dict[str, object], choose: Choice, *, dry_run: bool) -> Decided:
    if dry_run:
        choose(persistently(desk, lambda: sound_world(desk.tracking)))
        return Decided(kind, version, None, body)
    event, _ = decide(desk, choose)
    return Decided(kind, version, event.number, body)


def _reason(reason: str) -> str:
    told = " ".join(reason.split())
    if not told:
        raise InputError("a decision needs a reason", hint="say it with --reason")
    if len(told) > MAX_REASON:
        raise InputError(f"the reason has {len(told)} characters", hint=f"at most {MAX_REASON}; link the rest")
    check_label("the reason's first words", told[:200])
    return told
