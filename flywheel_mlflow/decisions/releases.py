"""The state of releases, folded from the ledger's events.

A release is *candidate*, *staging*, *production*, *archived*, *rejected* or *retired*; nothing but events makes it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.base.signing import Signature
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
    """A gate's verdict as the ledger has it.

    ``run_id`` holds the whole report, ``people`` explained or approved; ``criteria`` are verdicts by criterion, and
    ``projects`` those behind what blocks.
    """

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
    criteria: Mapping[str, str] = field(default_factory=dict)
    projects: tuple[str, ...] = ()


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
            UnknownName: the ledger registered no such version. InputError: nothing stands in that stage.
        """
        version = self.current.get(at)
        if version is None and at in self.current:
            raise InputError(f"no release is in {at}", hint="`flywheel release list` shows where each release stands")
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
