"""Moves releases: promote, roll back, and mend what a dead process left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import (
    Inconclusive,
    InputError,
    Refused,
    ServerError,
    ServerRefused,
)
from flywheel_mlflow.decisions.ledger import CLOCK_CORRECTED
from flywheel_mlflow.decisions.moves import (
    MovePlan,
    after_move,
    mend,
    plan_promotion,
    plan_rollback,
    registry_stage,
    rollback_targets,
)
from flywheel_mlflow.decisions.releases import ENDS, STAGES, Kind, Move, ReleaseState
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    is_trouble,
    persistently,
    read_consistent_snapshot,
)
from flywheel_mlflow.operations.releases.pinned_data import checked_data

if TYPE_CHECKING:
    from flywheel_mlflow.decisions.ledger import Event

Choice = Callable[[LedgerSnapshot], MovePlan]

#: The part of its lease after which a mover no longer touches the alias: the rest is for a clock that runs a little
#: differently and for the request on its way.
LEASE_SHARE = 0.5
#: What the end of a move says of a server that has no model-registry stages any more.
NO_STAGES = "absent"


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did, or would do with ``dry_run``: the plan, its steps, and the event that ended it."""

    version: int
    to: str
    came_from: int | None
    rollback: bool
    steps: tuple[str, ...]
    event: int | None
    dry_run: bool
    notes: tuple[str, ...] = ()


def promote(session: Session, version: int, to: str, *, dry_run: bool = False) -> Moved:
    """Promote a release whose gate passed.

    Raises:
        Refused: by the first rule that says no, or because somebody else moved first.
    """

    def choose(snapshot: LedgerSnapshot) -> MovePlan:
        return plan_promotion(
            snapshot.state,
            version,
            to,
            blueprint=session.flywheel.blueprint,
            aliases=snapshot.aliases,
            risks=snapshot.risks.values(),
            actor=session.actor,
            now=session.now(),
        )

    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    plan = choose(snapshot)
    if persistently(session, lambda: session.tracking.releases.version(version)) is None:
        raise _deleted(version)
    if dry_run:
        return _told(plan, None, dry_run=True)
    return _move(session, choose, snapshot)


def rollback(
    session: Session,
    reason: str,
    *,
    to: int | None = None,
    full: bool = False,
    looked_at: Collection[str] = (),
    dry_run: bool = False,
) -> Moved:
    """Take production back to the last release whose data are still what it pins.

    Data by reference are compared by size and the store's tag, with ``full`` by their bytes. A server opens no
    addresses: there ``looked_at`` are those that whoever asks has compared (``pinned_data.references_of``).

    Raises:
        Inconclusive: data by reference cannot be reached, or nobody has looked at them.
        Refused: nothing was in production before, the data of the release asked for are gone or changed (the next
            older good one is then named), or somebody else moved first.
    """
    if not reason.strip():
        raise InputError("a rollback needs a reason", hint="give one: --reason, or the field of the form")
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    target = _target(session, snapshot, to, full=full, looked_at=looked_at)

    def choose(current: LedgerSnapshot) -> MovePlan:
        return plan_rollback(
            current.state,
            target,
            blueprint=session.flywheel.blueprint,
            aliases=current.aliases,
            actor=session.actor,
            reason=reason.strip(),
        )

    plan = choose(snapshot)
    if dry_run:
        return _told(plan, None, dry_run=True)
    return _move(session, choose, snapshot)


def _target(
    session: Session, snapshot: LedgerSnapshot, to: int | None, *, full: bool, looked_at: Collection[str]
) -> int:
    """The release to go back to: the one asked for if its data are good, else refused with the next good one."""
    known = rollback_targets(snapshot.state)
    if to is None and not known:
        raise Refused(
            "no release was in production before this one",
            rule="a rollback goes to a release that was in production before",
            value=snapshot.state.current["production"],
            hint="flywheel release list",
        )
    wanted = to if to is not None else known[0]
    snapshot.state.release(wanted)
    checked = checked_data(session, snapshot.state.release(wanted), full=full, looked_at=looked_at)
    faults = tuple(fault.text for fault in checked.faults)
    if not faults and checked.unknown:
        raise Inconclusive(
            f"cannot tell whether the data of release {wanted} still are what it pins: {checked.unknown[0]}",
            hint="`flywheel rollback` on a machine that reaches the data; --to names another release",
        )
    if not faults:
        return wanted
    at = known.index(wanted) if wanted in known else -1
    # The next older one first, and of two that were there again and again the one that was there since.
    others = (*known[at + 1 :], *known[: max(at, 0)])
    good = next((item for item in others if checked_data(session, snapshot.state.release(item)).whole), None)
    raise Refused(
        f"cannot roll back to release {wanted}: {'; '.join(faults[:3])}",
        rule="a rollback goes to data that still exist and still match their digests",
        value=f"{len(faults)} faults",
        limit=0,
        hint=f"flywheel rollback --to {good} --reason '...'" if good is not None else "no other release is whole",
    )


def _move(session: Session, choose: Choice, seen: LedgerSnapshot, *, notes: tuple[str, ...] = ()) -> Moved:
    """Carry out a plan: start, look again, move, look back, end. What fails in between, `reconcile` mends."""
    # The lease counts from the event that starts the move, which is written later.
    begun = time.monotonic()
    chosen: list[MovePlan] = []

    def start(snapshot: LedgerSnapshot) -> NewEvent:
        plan = choose(snapshot)
        chosen[:] = [plan]
        kind = Kind.ROLLBACK_STARTED if plan.rollback else Kind.PROMOTION_STARTED
        body = {
            "version": plan.version,
            "to": plan.to,
            "from": plan.came_from,
            "by": plan.by,
            "reason": plan.reason,
            "lease_s": plan.lease_s,
        }
        return NewEvent(kind, body)

    started, snapshot = append_decision(session, start, seen=seen)
    plan = chosen[0]
    until = begun + plan.lease_s * LEASE_SHARE
    with _told_as_open(started):
        _refuse_moved_meanwhile(session, started, plan)
        if time.monotonic() > until:
            undo(session, started.number, "its process was too slow to be sure that nobody mended it meanwhile")
            raise Refused(
                f"the move of release {plan.version} took too long and was undone",
                rule=f"a move takes at most {plan.lease_s * LEASE_SHARE:g} s (releases.move_lease_s in flywheel.yaml)",
                hint="try again; `flywheel doctor` looks at the server",
            )
        _point(session, started, plan, until=until)
        after = after_move(snapshot.state, plan.version, plan.to)
        told = mirror(session, after, (plan.version, plan.came_from), until=until)
        event = end(session, started.number, rollback=plan.rollback, mirrored=not told, seen=snapshot.after(started))
    return _told(plan, event.number, dry_run=False, notes=notes + told)


@contextmanager
def _told_as_open(started: Event) -> Iterator[None]:
    """Let an error of the server say that the move it interrupted was started, and what ends it."""
    try:
        yield
    except ServerError as error:
        told = f"the move is open (event {started.number}): then `flywheel audit` and `flywheel reconcile`"
        error.hint = f"{error.hint}; {told}" if error.hint else told
        raise


def _refuse_moved_meanwhile(session: Session, started: Event, plan: MovePlan) -> None:
    model = persistently(session, session.tracking.releases.look)
    live = model.aliases.get(plan.to) if model else None
    if live != plan.came_from:
        undo(session, started.number, f"{plan.to} was moved to {live} by hand in between")
        raise Refused(
            f"{plan.to} points to {live or 'nothing'} by now, the plan was for {plan.came_from or 'nothing'}",
            rule="evidence counts for the state it was collected in",
            value=live,
            limit=plan.came_from,
            hint="flywheel audit, then flywheel reconcile",
        )


def _point(session: Session, started: Event, plan: MovePlan, *, until: float) -> None:
    """Move the alias, and look back.

    Neither a try nor its request goes on after ``until``: by then others may have mended this move and made another
    one, whose alias a late request would move back.
    """
    try:
        persistently(session, lambda: session.tracking.releases.point(plan.to, plan.version, until=until), until=until)
        model = persistently(session, session.tracking.releases.look)
    except ServerError as error:
        # A server that was away for all the tries is not asked for as long again.
        if not is_trouble(error) and not persistently(session, lambda: session.tracking.releases.version(plan.version)):
            undo(session, started.number, f"version {plan.version} is gone")
            raise _deleted(plan.version) from error
        raise
    if model is None or model.aliases.get(plan.to) != plan.version:
        raise ServerError(f"the server took the move of {plan.to} and did not keep it")


def _deleted(version: int) -> Refused:
    return Refused(
        f"the model version {version} was deleted",
        rule="only what exists can be released",
        hint="flywheel audit; make the release again: flywheel release create --iteration N",
    )


def mirror(
    session: Session, state: ReleaseState, versions: Iterable[int | None], *, until: float | None = None
) -> tuple[str, ...]:
    """Let the model registry's stages follow, where flywheel.yaml wants it and the server has them; notes on that.

    ``until``, by ``time.monotonic``, is when to have given up.
    """
    if not session.flywheel.blueprint.releases.mirror_stages:
        return ()
    for version in versions:
        if version is None or version not in state.releases:
            continue
        if not _set_stage(session, version, registry_stage(state, version), until=until):
            return ("this server has no model-registry stages: the aliases alone say where releases stand",)
    return ()


def _set_stage(session: Session, version: int, stage: str, *, until: float | None = None) -> bool:
    """Set one stage; a version that is gone has none, which the audit tells."""
    store = session.tracking.releases
    try:
        return persistently(
            session, lambda: store.set_stage(version, stage, archive_others=False, until=until), until=until
        )
    except ServerRefused as error:
        if error.code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return True


def undo(session: Session, move: int, why: str) -> Event:
    """Write that a move did not happen, unless somebody ended it meanwhile."""

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        _refuse_ended(snapshot, move)
        return NewEvent(Kind.MOVE_UNDONE, {"move": move, "why": why})

    return append_decision(session, choose)[0]


def end(session: Session, move: int, *, rollback: bool, mirrored: bool, seen: LedgerSnapshot | None = None) -> Event:
    """Write that a move happened, unless somebody ended it meanwhile.

    ``mirrored`` is whether the model registry's stages followed, ``seen`` the snapshot read last.
    """
    body = {"move": move} | ({} if mirrored else {"stages": NO_STAGES})

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        _refuse_ended(snapshot, move)
        return NewEvent(Kind.ROLLED_BACK if rollback else Kind.PROMOTED, body)

    return append_decision(session, choose, seen=seen)[0]


def follows_stages(session: Session, snapshot: LedgerSnapshot) -> bool:
    """Whether the model registry's stages are to follow: flywheel.yaml wants it, and the last move found some."""
    ends = (event for event in reversed(snapshot.ledger.counted) if event.kind in ENDS)
    last = next(ends, None)
    return session.flywheel.blueprint.releases.mirror_stages and (last is None or last.body.get("stages") != NO_STAGES)


def _refuse_ended(snapshot: LedgerSnapshot, move: int) -> None:
    found = next((item for item in snapshot.state.moves if item.number == move), None)
    if found is not None and found.ended is not None:
        word = "finished" if found.done else "undone"
        raise Refused(
            f"the move was {word} by somebody else (event {found.ended_by})",
            rule="a move ends once",
            value=f"event {found.ended_by}",
            hint="flywheel audit shows where the alias is now",
        )


def _told(plan: MovePlan, event: int | None, *, dry_run: bool, notes: tuple[str, ...] = ()) -> Moved:
    return Moved(
        version=plan.version,
        to=plan.to,
        came_from=plan.came_from,
        rollback=plan.rollback,
        steps=plan.steps(),
        event=event,
        dry_run=dry_run,
        notes=notes,
    )


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What `reconcile` mended, or would mend with ``dry_run``; empty when ledger and server agree."""

    mended: tuple[str, ...]
    dry_run: bool


def reconcile(session: Session, *, force: bool = False, dry_run: bool = False) -> Reconciled:
    """Make the server agree with the ledger: end an open move, register lost versions again, put back what was moved.

    Args:
        session: who acts, where.
        force: do not wait until the lease of an open move has run out, because its process is known to be dead; and
            take this machine's clock for right where decisions are dated ahead of it.
        dry_run: only say what would be done.

    Raises:
        Refused: an open move may still be carried on by its process, or its alias is neither where it was nor where
            it was going.
    """
    mended: list[str] = []
    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    if force and (ahead := snapshot.ledger.ahead_of(session.now())):
        numbers = [event.number for event in ahead]
        if not dry_run:
            append_decision(session, lambda _: NewEvent(CLOCK_CORRECTED, {"events": numbers}))
            snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
        mended.append(f"wrote down that events {', '.join(map(str, numbers))} are dated ahead of their time")
    move = snapshot.state.open_move
    if move is not None:
        mended.append(_end_open(session, snapshot, move, force=force, dry_run=dry_run))
        if not dry_run:
            snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    from flywheel_mlflow.operations.releases.releasing import restore_lost

    if restored := restore_lost(session, snapshot, dry_run=dry_run):
        mended += restored
        snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    mended += _put_back_aliases(session, snapshot, dry_run=dry_run)
    mended += _put_back_stages(session, snapshot, dry_run=dry_run)
    return Reconciled(tuple(mended), dry_run)


def _end_open(session: Session, snapshot: LedgerSnapshot, move: Move, *, force: bool, dry_run: bool) -> str:
    word = "rollback" if move.rollback else "promotion"
    if not force and session.now() < move.lease_ends():
        raise Refused(
            f"the {word} of release {move.version} may still be going on: its process has until "
            f"{move.lease_ends():%H:%M:%S} UTC",
            rule=f"a move has {move.lease_s} s before others mend it",
            value=f"started {move.at:%H:%M:%S} UTC",
            hint="wait, or use --force when its process is known to be dead",
        )
    happened = mend(move, snapshot.aliases)
    if happened is None:
        live = snapshot.aliases.get(move.to)
        if not dry_run:
            undo(session, move.number, f"{move.to} points to {live}, neither from nor to")
        return f"undid the {word} of release {move.version}: {move.to} points to {live}, where no decision put it"
    if not dry_run:
        if happened:
            after = after_move(snapshot.state, move.version, move.to)
            told = mirror(session, after, (move.version, move.came_from))
            end(session, move.number, rollback=move.rollback, mirrored=not told)
        else:
            undo(session, move.number, "its process ended before the alias moved")
    return (
        f"finished the {word} of release {move.version}: {move.to} had moved already"
        if happened
        else f"undid the {word} of release {move.version}: {move.to} had not moved yet"
    )


def _put_back_aliases(session: Session, snapshot: LedgerSnapshot, *, dry_run: bool) -> list[str]:
    mended: list[str] = []
    for alias in STAGES:
        live, known = snapshot.aliases.get(alias), snapshot.state.current[alias]
        if live == known or snapshot.state.open_move is not None:
            continue
        if known is not None and persistently(session, lambda: session.tracking.releases.version(known)) is None:  # noqa: B023
            mended.append(f"left {alias} alone: release {known}, where the ledger has it, was deleted; roll back")
            continue
        if not dry_run:
            if known is None:
                session.tracking.releases.unpoint(alias)
            else:
                persistently(session, lambda: session.tracking.releases.point(alias, known))  # noqa: B023 - called at once
            _write_mended(session, alias, live, known)
        mended.append(f"put {alias} back from {live or 'nothing'} to {known or 'nothing'}")
    return mended


def _write_mended(session: Session, alias: str, found: int | None, put_back: int | None) -> None:
    append_decision(
        session, lambda _: NewEvent(Kind.RECONCILED, {"alias": alias, "found": found, "put_back": put_back})
    )


def _put_back_stages(session: Session, snapshot: LedgerSnapshot, *, dry_run: bool) -> list[str]:
    if not follows_stages(session, snapshot) or snapshot.state.open_move is not None:
        return []
    mended: list[str] = []
    for view in persistently(session, session.tracking.releases.versions):
        if view.version not in snapshot.state.releases:
            continue
        wanted = registry_stage(snapshot.state, view.version)
        if view.stage == wanted:
            continue
        if not dry_run and not _set_stage(session, view.version, wanted):
            break
        mended.append(f"set the model registry's stage of release {view.version} back from {view.stage} to {wanted}")
    return mended
