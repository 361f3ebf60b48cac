"""The state of releases, folded from the ledger's events.

A release is *candidate*, *staging*, *production*, *archived*, *rejected* or *retired*; nothing but events makes it so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from flywheel_mlflow.base.errors import UnknownName
from flywheel_mlflow.base.signing import Signature
from flywheel_mlflow.decisions.event_values import moment, optional_word, whole, word, words
from flywheel_mlflow.decisions.ledger import Event, Identity

STAGES = ("staging", "production")
#: No lease is longer than a day (flywheel.yaml allows no more): a move cannot block the others for ever.
LONGEST_LEASE_S = 86_400


class Kind(StrEnum):
    """What an event decided; the ledger may hold other kinds, which releases do not read."""

    REGISTERED = "registered"
    GATE = "gate"
    APPROVED = "approved"
    REJECTED = "rejected"
    OVERRIDE = "override"
    OVERRIDE_CONFIRMED = "override_confirmed"
    PROMOTION_STARTED = "promotion_started"
    PROMOTED = "promoted"
    ROLLBACK_STARTED = "rollback_started"
    ROLLED_BACK = "rolled_back"
    MOVE_UNDONE = "move_undone"
    RETIRED = "retired"
    RECONCILED = "reconciled"
    RESTORED = "restored"
    DRIFT_EXPLAINED = "drift_explained"


STARTS = frozenset({Kind.PROMOTION_STARTED, Kind.ROLLBACK_STARTED})
ENDS = frozenset({Kind.PROMOTED, Kind.ROLLED_BACK})
_DECISIONS = frozenset({Kind.GATE, Kind.APPROVED, Kind.DRIFT_EXPLAINED, Kind.REJECTED, Kind.RETIRED})


class ReleaseStage(StrEnum):
    """Where a release stands."""

    CANDIDATE = "candidate"
    STAGING = "staging"
    PRODUCTION = "production"
    ARCHIVED = "archived"
    REJECTED = "rejected"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision about a release rests on; another basis voids the decision.

    ``bundle`` and ``gates`` are digests (sha256, hex); ``reference`` names what the release was compared with: the
    version in production as ``release 3``, or an earlier iteration; ``drift`` is the digest of that comparison,
    empty when there was none.
    """

    bundle: str
    gates: str
    reference: str
    drift: str

    def changes(self, now: Basis) -> tuple[str, ...]:
        """What is different now, in words."""
        words = {
            "bundle": "the bundle",
            "gates": "the gates or roles in flywheel.yaml",
            "reference": f"what it is compared with ({self.reference or 'nothing'}, now {now.reference or 'nothing'})",
            "drift": "the drift comparison",
        }
        return tuple(text for name, text in words.items() if getattr(self, name) != getattr(now, name))


@dataclass(frozen=True, slots=True)
class GateRecord:
    """A gate's verdict as the ledger has it; ``run_id`` holds the whole report, ``people`` explained or approved."""

    number: int
    at: datetime
    actor: Identity
    to: str
    verdict: str
    basis: Basis
    until: datetime
    run_id: str
    report: str
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's yes in one role; ``statement`` is what a signature signs."""

    number: int
    at: datetime
    actor: Identity
    role: str
    reason: str
    basis: Basis
    until: datetime
    statement: str
    signature: Signature | None


@dataclass(frozen=True, slots=True)
class Explained:
    """Somebody answers for drift: ``subjects`` are findings, projects or interfaces of the comparison ``drift``."""

    number: int
    at: datetime
    actor: Identity
    drift: str
    subjects: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Override:
    """A short-lived yes without a passing gate; ``confirmed`` is the event by which its second person agreed."""

    number: int
    at: datetime
    actor: Identity
    version: int
    to: str
    reason: str
    second: str
    until: datetime
    bundle: str
    confirmed: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One promotion or rollback; ``ended`` is None while it is open, ``done`` says whether it happened.

    ``came_from`` is the version the stage pointed to before, None for none; ``by`` is the number of the event that
    allowed it: a gate's verdict or an override, None for a rollback.
    """

    number: int
    at: datetime
    actor: Identity
    rollback: bool
    version: int
    to: str
    came_from: int | None
    by: int | None
    reason: str
    lease_s: int
    ended: datetime | None = None
    done: bool = False
    ended_by: int | None = None

    def lease_ends(self) -> datetime:
        """Until when only its own process may carry the move on."""
        return self.at + timedelta(seconds=self.lease_s)


@dataclass(frozen=True, slots=True)
class Release:
    """One version as the ledger knows it; ``tasks``: those it pins and none before it, None where nobody said.

    ``stands_for``: the release whose lost model version it replaces; ``description``: the sha256 of its version's text.
    """

    version: int
    iteration: int
    run_id: str
    bundle: str
    place: str
    author: Identity
    at: datetime
    number: int
    tasks: tuple[str, ...] | None = None
    gates: tuple[GateRecord, ...] = ()
    approvals: tuple[Approval, ...] = ()
    explanations: tuple[Explained, ...] = ()
    rejected: Event | None = None
    retired: Event | None = None
    reached: frozenset[str] = frozenset()
    stands_for: int | None = None
    description: str | None = None

    def last_gate(self, to: str) -> GateRecord | None:
        """The newest verdict for a stage."""
        return next((gate for gate in reversed(self.gates) if gate.to == to), None)


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """All releases, where each stage points, and every move ever made.

    ``disputed`` are events that contradict the ones before them; they change nothing, and the audit tells them.
    """

    releases: Mapping[int, Release] = field(default_factory=dict)
    current: Mapping[str, int | None] = field(default_factory=lambda: dict.fromkeys(STAGES))
    moves: tuple[Move, ...] = ()
    overrides: tuple[Override, ...] = ()
    disputed: tuple[tuple[int, str], ...] = ()
    events: int = 0

    @property
    def open_move(self) -> Move | None:
        """The move that was started and not ended, if any."""
        return next((move for move in self.moves if move.ended is None), None)

    def release(self, version: int) -> Release:
        """The release of that version.

        Raises:
            UnknownName: the ledger registered no such version.
        """
        if version not in self.releases:
            raise UnknownName("release", str(version), [str(item) for item in self.releases])
        return self.releases[version]

    def release_at(self, at: str) -> Release:
        """The release of a number, or the one that stands in a stage now.

        Raises:
            UnknownName: the ledger registered no such version, or nothing stands there.
        """
        version = self.current.get(at)
        if version is None and not at.isdecimal():
            standing = [name for name, number in self.current.items() if number is not None]
            raise UnknownName("release", at, [*map(str, self.releases), *standing])
        return self.release(version if version is not None else int(at))

    def stage_of(self, version: int) -> ReleaseStage:
        """Where a release stands now; production goes before staging when both point to it."""
        release = self.release(version)
        if self.current["production"] == version:
            return ReleaseStage.PRODUCTION
        if self.current["staging"] == version:
            return ReleaseStage.STAGING
        if release.retired:
            return ReleaseStage.RETIRED
        if release.rejected:
            return ReleaseStage.REJECTED
        return ReleaseStage.ARCHIVED if "production" in release.reached else ReleaseStage.CANDIDATE

    def heir(self, version: int) -> int:
        """The release that stands for one whose model version was lost; else the release itself."""
        heirs = {item.stands_for: item.version for item in self.releases.values() if item.stands_for is not None}
        while version in heirs:
            version = heirs[version]
        return version

    def was_in_production(self) -> tuple[int, ...]:
        """The versions that were in production, the newest tenure first, the present one left out."""
        tenures = [self.heir(move.version) for move in self.moves if move.done and move.to == "production"]
        ordered = dict.fromkeys(reversed(tenures))
        return tuple(version for version in ordered if version != self.current["production"])


class _Fold:
    """Applies events one by one, to the state after those before."""

    def __init__(self, before: ReleaseState) -> None:
        self.releases = dict(before.releases)
        self.current = dict(before.current)
        self.moves = {move.number: move for move in before.moves}
        self.overrides = list(before.overrides)
        self.disputed = list(before.disputed)
        self.is_moving = before.open_move is not None
        self.events = before.events

    def take(self, event: Event) -> None:
        self.events = event.number + 1
        try:
            self._apply(event)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            # The ledger is input too: an event that lacks what its kind needs decides nothing.
            self.disputed.append((event.number, f"a {event.kind} event without what it needs: {error}"))

    def _apply(self, event: Event) -> None:
        if event.kind == Kind.REGISTERED:
            self._register(event)
        elif event.kind == Kind.RESTORED:
            self._restore(event)
        elif event.kind in _DECISIONS:
            self._decide(event)
        elif event.kind == Kind.OVERRIDE:
            self._override(event)
        elif event.kind == Kind.OVERRIDE_CONFIRMED:
            self._confirm(event)
        elif event.kind in STARTS:
            self._start(event)
        elif event.kind in ENDS or event.kind == Kind.MOVE_UNDONE:
            self._end(event)

    def _register(self, event: Event) -> None:
        body, version = event.body, whole(event.body["version"])
        if version in self.releases:
            self.disputed.append((event.number, f"registers version {version}, which is registered already"))
            return
        self.releases[version] = Release(
            version=version,
            iteration=whole(body["iteration"]),
            run_id=word(body["run_id"]),
            bundle=word(body["bundle"]),
            place=word(body["place"]),
            author=event.actor,
            at=event.at,
            number=event.number,
            tasks=words(body["tasks"]) if "tasks" in body else None,
            description=optional_word(body.get("description")),
        )

    def _restore(self, event: Event) -> None:
        version, lost = whole(event.body["version"]), whole(event.body["lost"])
        word(event.body["reason"])
        release = self.releases.get(lost)
        if release is None or release.rejected or release.retired or word(event.body["bundle"]) != release.bundle:
            self.disputed.append((event.number, f"restores version {lost}, which is none that can be"))
        elif version in self.releases or self.is_moving:
            self.disputed.append((event.number, f"restores version {lost} over another release or move"))
        else:
            said = optional_word(event.body.get("description"))
            heir = replace(
                release, version=version, number=event.number, at=event.at, stands_for=lost, description=said
            )
            # What was decided names the version that was lost, and stays with it.
            self.releases[version] = replace(heir, gates=(), approvals=(), explanations=())
            self.releases[lost] = replace(release, retired=event)
            self.current |= {to: version for to, at in self.current.items() if at == lost}

    def _decide(self, event: Event) -> None:
        version = whole(event.body["version"])
        release = self.releases.get(version)
        if event.kind in (Kind.REJECTED, Kind.RETIRED):
            word(event.body["reason"])
        if release is None:
            self.disputed.append((event.number, f"decides about version {version}, which nobody registered"))
        elif event.kind == Kind.GATE:
            self.releases[version] = replace(release, gates=(*release.gates, _gate(event)))
        elif event.kind == Kind.APPROVED:
            self.releases[version] = replace(release, approvals=(*release.approvals, _approval(event)))
        elif event.kind == Kind.DRIFT_EXPLAINED:
            self.releases[version] = replace(release, explanations=(*release.explanations, _explained(event)))
        elif event.kind == Kind.REJECTED:
            self.releases[version] = replace(release, rejected=release.rejected or event)
        else:
            self.releases[version] = replace(release, retired=release.retired or event)

    def _override(self, event: Event) -> None:
        override = _override(event)
        if override.version not in self.releases:
            self.disputed.append((event.number, f"permits version {override.version}, which nobody registered"))
        elif override.second == override.actor.name:
            self.disputed.append((event.number, f"is an override by {override.second} alone, where two must agree"))
        else:
            self.overrides.append(override)

    def _confirm(self, event: Event) -> None:
        number = whole(event.body["override"], least=0)
        word(event.body["reason"])
        at = next((at for at, item in enumerate(self.overrides) if item.number == number), None)
        if at is None or self.overrides[at].confirmed is not None:
            self.disputed.append((event.number, f"confirms override {number}, which does not wait for it"))
        elif self.overrides[at].second != event.actor.name:
            who = self.overrides[at].second
            self.disputed.append((event.number, f"confirms override {number} as {event.actor.name}, asked was {who}"))
        else:
            self.overrides[at] = replace(self.overrides[at], confirmed=event.number)

    def _start(self, event: Event) -> None:
        move = _move(event)
        release = self.releases.get(move.version)
        if release is None:
            self.disputed.append((event.number, f"moves version {move.version}, which nobody registered"))
        elif release.rejected or release.retired:
            self.disputed.append((event.number, f"moves version {move.version}, which was rejected or retired"))
        elif self.is_moving:
            self.disputed.append((event.number, "starts a move while another one is open"))
        elif self.current[move.to] != move.came_from:
            self.disputed.append((event.number, f"moves {move.to} from {move.came_from}, which is not where it was"))
        else:
            self.moves[event.number] = move
            self.is_moving = True

    def _end(self, event: Event) -> None:
        started = whole(event.body["move"], least=0)
        move = self.moves.get(started)
        if move is None or move.ended is not None:
            self.disputed.append((event.number, f"ends move {started}, which is not open"))
            return
        done = event.kind in ENDS
        self.moves[started] = replace(move, ended=event.at, done=done, ended_by=event.number)
        self.is_moving = False
        if done:
            self.current[move.to] = move.version
            release = self.releases[move.version]
            self.releases[move.version] = replace(release, reached=release.reached | {move.to})

    def state(self) -> ReleaseState:
        return ReleaseState(
            releases=dict(self.releases),
            current=dict(self.current),
            moves=tuple(self.moves.values()),
            overrides=tuple(self.overrides),
            disputed=tuple(self.disputed),
            events=self.events,
        )


def fold(events: Iterable[Event], *, before: ReleaseState | None = None) -> ReleaseState:
    """The state after the events; any sequence of events has one. ``before`` is the state after those before them."""
    folding = _Fold(before or ReleaseState())
    for event in events:
        folding.take(event)
    return folding.state()


def _basis(value: Any) -> Basis:
    return Basis(**{name: word(value[name]) for name in ("bundle", "gates", "reference", "drift")})


def _gate(event: Event) -> GateRecord:
    body = event.body
    return GateRecord(
        number=event.number,
        at=event.at,
        actor=event.actor,
        to=word(body["to"]),
        verdict=word(body["verdict"]),
        basis=_basis(body["basis"]),
        until=moment(body["until"]),
        run_id=word(body["run_id"]),
        report=word(body["report"]),
        people=words(body.get("people", [])),
    )


def _approval(event: Event) -> Approval:
    body = event.body
    signed = body.get("signature")
    return Approval(
        number=event.number,
        at=event.at,
        actor=event.actor,
        role=word(body["role"]),
        reason=word(body["reason"]),
        basis=_basis(body["basis"]),
        until=moment(body["until"]),
        statement=word(body["statement"]),
        signature=None if signed is None else Signature(word(signed["public_key"]), word(signed["value"])),
    )


def _explained(event: Event) -> Explained:
    body = event.body
    return Explained(
        number=event.number,
        at=event.at,
        actor=event.actor,
        drift=word(body["drift"]),
        subjects=words(body["subjects"]),
        reason=word(body["reason"]),
    )


def _override(event: Event) -> Override:
    body = event.body
    return Override(
        number=event.number,
        at=event.at,
        actor=event.actor,
        version=whole(body["version"]),
        to=word(body["to"]),
        reason=word(body["reason"]),
        second=word(body["second"]),
        until=moment(body["until"]),
        bundle=word(body["bundle"]),
    )


def _move(event: Event) -> Move:
    body = event.body
    to, lease_s = word(body["to"]), whole(body["lease_s"])
    if to not in STAGES:
        raise ValueError(f"no stage is called {to[:40]!r}")
    if lease_s > LONGEST_LEASE_S:
        raise ValueError(f"a lease longer than {LONGEST_LEASE_S} seconds")
    came_from, by = body["from"], body["by"]
    return Move(
        number=event.number,
        at=event.at,
        actor=event.actor,
        rollback=event.kind == Kind.ROLLBACK_STARTED,
        version=whole(body["version"]),
        to=to,
        came_from=None if came_from is None else whole(came_from),
        by=None if by is None else whole(by, least=0),
        reason=word(body.get("reason", "")),
        lease_s=lease_s,
    )
