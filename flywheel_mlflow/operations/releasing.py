"""Makes releases, and the decisions people take about them: approve, reject, override, retire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flywheel_mlflow.approvals import holds_role, key_of, statement
from flywheel_mlflow.assembly import RecordedAssembly
from flywheel_mlflow.bundle import Bundle, make_bundle
from flywheel_mlflow.canonical import plain
from flywheel_mlflow.errors import InputError, Refused, UnknownName
from flywheel_mlflow.moves import check_stage, refuse_stranger, refuse_unfit
from flywheel_mlflow.names import check_label
from flywheel_mlflow.operations.bundles import drift_of, licences, reference_of
from flywheel_mlflow.operations.deciding import Desk, Draft, World, begin, decide, look, persistently, sound_world
from flywheel_mlflow.operations.gating import weigh
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.releases import STAGES, Kind, Release, ReleaseStage, ReleaseState
from flywheel_mlflow.reports.release import release_description
from flywheel_mlflow.signing import Signature, is_signed

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

Choice = Callable[[World], Draft]

#: Characters of a reason; the event it stands in has room for this and everything else.
MAX_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Created:
    """A release that was made, or that was there already; ``event`` is None for a dry run, ``version`` then too."""

    version: int | None
    bundle: Bundle
    iteration: int
    run_id: str
    event: int | None
    existed: bool
    dry_run: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it was written; ``event`` is None for a dry run, ``body`` what stands in it."""

    kind: str
    version: int
    event: int | None
    body: dict[str, object]
    notes: tuple[str, ...] = ()


def create_release(desk: Desk, iteration: int, *, dry_run: bool = False) -> Created:
    """Make a release of an assembled iteration: bundle, model version, ledger event.

    The same bundle is the same release: a second call finds the first one's.

    Raises:
        InputError: the iteration has no valid assembly.
        Refused: the same bundle was rejected or retired before.
    """
    recorded = desk.tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} has no assembly without contradictions",
            hint=f"run `flywheel assemble --iteration {iteration}`, then `flywheel check --iteration {iteration}`",
        )
    world = persistently(desk, lambda: look(desk.tracking)) if dry_run else begin(desk)
    bundle = _bundle(desk, world, recorded)
    known = _known(world.state if world else ReleaseState(), bundle)
    if dry_run or known is not None:
        return Created(known, bundle, iteration, recorded.run_id, None, known is not None, dry_run)
    with scratch_folder() as folder:
        placed = {f"{bundle.place}/{name}": text for name, text in bundle.files.items()}
        desk.tracking.artifacts.put(recorded.run_id, placed, folder)
    version = _half_made(desk, world, bundle) or desk.tracking.releases.register(
        bundle,
        recorded.run_id,
        iteration=iteration,
        author=desk.actor.name,
        description=release_description(desk.flywheel, iteration, recorded, bundle, desk.actor.name),
    )
    return _registered(desk, recorded, bundle, version)


def _registered(desk: Desk, recorded: RecordedAssembly, bundle: Bundle, version: int) -> Created:
    others: list[int] = []

    def choose(world: World) -> Draft:
        known = _known(world.state, bundle)
        others[:] = [known] if known is not None else []
        if known is not None:
            raise Refused(f"release {known} has the same bundle", rule="the same bundle is the same release")
        body = {
            "version": version,
            "iteration": recorded.iteration,
            "run_id": recorded.run_id,
            "bundle": bundle.digest,
            "place": bundle.place,
        }
        return Draft(Kind.REGISTERED, body)

    try:
        event, _ = decide(desk, choose)
    except Refused:
        if not others:
            raise
        # Somebody else made the same release meanwhile: theirs stands, ours goes.
        if others[0] != version:
            desk.tracking.releases.delete(version)
        return Created(others[0], bundle, recorded.iteration, recorded.run_id, None, True, False)
    return Created(version, bundle, recorded.iteration, recorded.run_id, event.number, False, False)


def _bundle(desk: Desk, world: World | None, recorded: RecordedAssembly) -> Bundle:
    with scratch_folder() as folder:
        files = desk.tracking.assemblies.files(recorded.run_id, folder)
    reference = reference_of(desk.tracking, world.state if world else None, recorded.iteration, None)
    named, addresses = licences(desk.tracking, files)
    addresses[recorded.run_id] = desk.tracking.artifacts.address(recorded.run_id)
    return make_bundle(
        desk.flywheel,
        recorded.iteration,
        recorded.run_id,
        recorded.digest,
        files,
        licences=named,
        addresses=addresses,
        drift=drift_of(desk.tracking, recorded.run_id, reference).document,
        risks=world.risks.values() if world else (),
    )


def _known(state: ReleaseState, bundle: Bundle) -> int | None:
    """The release that has this very bundle.

    Raises:
        Refused: it was rejected or retired, which is final.
    """
    for release in state.releases.values():
        if release.bundle != bundle.digest:
            continue
        if release.rejected or release.retired:
            refuse_unfit(state, release, STAGES[0])
        return release.version
    return None


def _half_made(desk: Desk, world: World | None, bundle: Bundle) -> int | None:
    """A model version that an earlier call registered before it died, which the ledger does not know."""
    known = world.state.releases if world else {}
    for view in persistently(desk, desk.tracking.releases.versions):
        if view.version not in known and view.bundle == bundle.digest:
            return view.version
    return None


def approval_statement(desk: Desk, world: World, version: int, *, role: str, reason: str, until: datetime) -> str:
    """What a person who approves says, and signs."""
    release = world.state.release(version)
    return statement(desk.flywheel.name, version, release.bundle, role=role, reason=reason, until=until)


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
    words = approval_statement(desk, world, version, role=role, reason=told, until=ends)
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


def production_assembly(tracking: Tracking) -> RecordedAssembly | None:
    """The assembly of the release in production; None when there is none."""
    world = look(tracking)
    current = world.state.current["production"] if world else None
    if world is None or current is None:
        return None
    release = world.state.release(current)
    return tracking.assemblies.recorded_run(release.run_id, release.iteration)
