"""Adds decisions to the ledger: read a snapshot, decide, write into the next slot; again if somebody was faster."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from flywheel_mlflow.base.errors import FlywheelError, Refused, ServerError, ServerRefused, ServerUnreachable
from flywheel_mlflow.base.signing import SigningKey
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.ledger import CLOCK_CORRECTED, CLOCK_SKEW, Event, Identity, Ledger, write_event
from flywheel_mlflow.decisions.releases import ReleaseState
from flywheel_mlflow.decisions.risks import Risk, fold_risks
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.reports.escaping import markdown_text
from flywheel_mlflow.tracking.ledger import SEGMENT_EVENTS, LedgerPlace

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import ModelView, Tracking

Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)

#: Lost races before a writer gives up; a hundred writers at once are more than any flywheel has.
MAX_RACES = 100
#: Pauses in seconds before the same request is tried again while the server is away: about half a minute together,
#: which a restart of an MLflow server takes.
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
#: How often aliases and ledger are read before it is believed that they disagree.
LOOKS = 3
SEALED = "sealed"
#: Answers that mean that the server is in trouble, not that it refuses.
_TROUBLE = frozenset(
    {"TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR", "DEADLINE_EXCEEDED", "HTTP_502", "HTTP_503", "HTTP_504"}
)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """What a decision is made on: live aliases, the ledger, and the state folded from it."""

    place: LedgerPlace
    aliases: Mapping[str, int]
    ledger: Ledger
    state: ReleaseState

    @property
    def risks(self) -> dict[str, Risk]:
        """The risk ledger."""
        return fold_risks(self.ledger.counted)

    def after(self, event: Event) -> LedgerSnapshot:
        """The snapshot as it is when nothing came after ``event``, which was just written into its next slot.

        Deciding on it is safe: whatever did come after has the slot that the decision needs.
        """
        ledger = self.ledger.followed_by(event)
        return LedgerSnapshot(self.place, self.aliases, ledger, _folded(ledger, self))


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A decision that is about to be written."""

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Session:
    """What every act needs: the flywheel, the server, who acts, the server's seal, and a clock.

    ``now`` returns the present in UTC; ``sleep`` lets seconds pass.
    """

    flywheel: Flywheel
    tracking: Tracking
    actor: Identity
    seal: SigningKey | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], None] = time.sleep


def read_snapshot(
    tracking: Tracking, *, deleted: bool = False, known: LedgerSnapshot | None = None
) -> LedgerSnapshot | None:
    """The ledger and the aliases as the server has them, in two requests; None before the first release.

    ``known`` is the snapshot before; what changed since is seen all the same.

    Aliases and ledger are read one after the other. When they disagree, a move may have come in between, so they are
    read again, at most :data:`LOOKS` times: what disagrees still was moved by hand.

    Raises:
        Refused: the registered model of our name does not say where its ledger is.
    """
    snapshot: LedgerSnapshot | None = None
    for _ in range(LOOKS):
        model = tracking.releases.look()
        if model is None:
            return None
        snapshot = snapshot_of(tracking, model, deleted=deleted, known=snapshot or known)
        if snapshot.state.open_move is not None or _agree(snapshot):
            break
    return snapshot


def _agree(snapshot: LedgerSnapshot) -> bool:
    return all(snapshot.aliases.get(name) == version for name, version in snapshot.state.current.items())


def snapshot_of(
    tracking: Tracking, model: ModelView, *, deleted: bool = False, known: LedgerSnapshot | None = None
) -> LedgerSnapshot:
    """The snapshot around a registered model that was just read, in one request.

    ``known`` is as :func:`read_snapshot` takes it.

    Raises:
        Refused: the registered model of our name does not say where its ledger is.
    """
    place = model.pointed_ledger()
    ledger = tracking.ledger.read(place, deleted=deleted, known=known.ledger if known else None)
    return LedgerSnapshot(place, model.aliases, ledger, _folded(ledger, known))


def _folded(ledger: Ledger, known: LedgerSnapshot | None) -> ReleaseState:
    """The state after the events; a ledger that begins as the known one goes on from the state of that one.

    A correction of the clock changes the times of what came before it.
    """
    corrected = any(event.kind == CLOCK_CORRECTED for event in ledger.events)
    if (
        known is None
        or corrected
        or known.ledger.server_keys != ledger.server_keys
        or ledger.events[: len(known.ledger.events)] != known.ledger.events
    ):
        return fold(ledger.counted)
    seen = len(known.ledger.events)
    return fold((event for event in ledger.counted if event.number >= seen), before=known.state)


def read_consistent_snapshot(tracking: Tracking) -> LedgerSnapshot:
    """The snapshot, for acting on it.

    Raises:
        Refused: there is no release yet, or the ledger does not hold together.
    """
    snapshot = read_snapshot(tracking)
    if snapshot is None:
        raise Refused(
            "there is no release yet",
            rule="decisions are about releases",
            hint="run `flywheel release create --iteration N`",
        )
    return refuse_unsound(snapshot)


def refuse_unsound(snapshot: LedgerSnapshot) -> LedgerSnapshot:
    """The snapshot, unless its ledger does not hold together.

    Raises:
        Refused: nothing is decided on it.
    """
    if snapshot.ledger.faults:
        fault = snapshot.ledger.faults[0]
        raise Refused(
            f"the ledger does not hold together: {fault.what}",
            rule="nothing is decided on a ledger that was tampered with or lost",
            value=f"{len(snapshot.ledger.faults)} faults",
            limit=0,
            hint="run `flywheel audit`, and restore the store from a backup",
        )
    return snapshot


def append_decision(
    session: Session, choose: Callable[[LedgerSnapshot], NewEvent], *, seen: LedgerSnapshot | None = None
) -> tuple[Event, LedgerSnapshot]:
    """Write one decision; the event, and the snapshot it was made on.

    ``seen`` is a snapshot that was just read: when it is out of date its next slot is taken, and nothing is lost.

    ``choose`` is called again on the new snapshot whenever somebody else wrote first, and raises ``Refused`` when the
    decision no longer stands.

    Raises:
        Refused: by ``choose``, or the ledger does not hold.
        ServerError: the server is away for longer than the bounded retries.
    """
    for attempt in range(MAX_RACES):
        snapshot = (
            refuse_unsound(seen)
            if seen and not attempt
            else persistently(session, lambda: read_consistent_snapshot(session.tracking))
        )
        draft = choose(snapshot)
        event = _write(session, snapshot, draft)
        if event is not None:
            _LOG.debug("wrote event %d: %s", event.number, event.kind)
            return event, snapshot
        _LOG.debug("event %d is somebody else's; reading the ledger again", len(snapshot.ledger.events))
        # The same pause for all would make the same writers meet again.
        session.sleep(random.uniform(0, min(0.02 * (attempt + 1), 0.5)))  # noqa: S311 - not for secrets
    raise ServerError(
        f"others wrote to the ledger {MAX_RACES} times in between", hint="try again when fewer people decide at once"
    )


def _write(session: Session, snapshot: LedgerSnapshot, draft: NewEvent) -> Event | None:
    """Write the draft into the next slot; None when somebody else has it."""
    number = len(snapshot.ledger.events)
    if number % SEGMENT_EVENTS == SEGMENT_EVENTS - 1:
        # The last slot of a run names the next run; whoever comes here first makes it.
        run_id = session.tracking.ledger.next_segment(snapshot.place, number // SEGMENT_EVENTS + 1)
        if not _append(session, snapshot, NewEvent(SEALED, {"next": run_id})):
            session.tracking.ledger.discard(run_id)
        return None
    return _append(session, snapshot, draft)


def _append(session: Session, snapshot: LedgerSnapshot, draft: NewEvent) -> Event | None:
    _refuse_unsealed(session, snapshot.ledger)
    at = _time_of(session, snapshot.ledger, correcting=draft.kind == CLOCK_CORRECTED)
    event = write_event(
        snapshot.ledger, at=at, actor=session.actor, kind=draft.kind, body=draft.body, seal=session.seal
    )
    # The text is fixed before the first try: however often it is sent, it is one event.
    return event if persistently(session, lambda: session.tracking.ledger.append(snapshot.place, event)) else None


def _refuse_unsealed(session: Session, ledger: Ledger) -> None:
    """Refuse to write what would count for nothing: a decision without the seal that the ledger's decisions bear."""
    if ledger.sealed and (session.seal is None or session.seal.public_key not in ledger.server_keys):
        raise Refused(
            "a server seals the decisions of this ledger, and this one would go past it",
            rule="after the first sealed decision an unsealed one counts for nothing",
            value="no seal of a server in flywheel.yaml",
            limit=f"sealed since event {min(ledger.sealed)}",
            hint="decide on that server: set MLFLOW_TRACKING_URI to its address; `flywheel doctor` tells what is there",
        )


def _time_of(session: Session, ledger: Ledger, *, correcting: bool) -> datetime:
    """The time to write: now, and not before the newest decision.

    Raises:
        Refused: this machine's clock contradicts the server's, or lies before the newest decision, by more than
            clocks differ.
    """
    now, rule = session.now(), "time in the ledger never runs backwards, nor ahead of now"
    told = session.tracking.server.last_clock
    if told is not None and abs(told - now) > CLOCK_SKEW:
        raise Refused(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, the server's {told:%Y-%m-%d %H:%M} UTC",
            rule=rule,
            value=now.isoformat(timespec="minutes"),
            limit=told.isoformat(timespec="minutes"),
            hint="set this machine's clock; `flywheel doctor` compares the two",
        )
    latest = ledger.latest
    if latest is None or correcting:
        return now
    if latest.at > now + CLOCK_SKEW:
        raise Refused(
            f"this machine's clock says {now:%Y-%m-%d %H:%M} UTC, and event {latest.number} is of "
            f"{latest.at:%Y-%m-%d %H:%M} UTC",
            rule=rule,
            value=now.isoformat(timespec="minutes"),
            limit=latest.at.isoformat(timespec="minutes"),
            hint="set this machine's clock; if it is right, the event was dated ahead of its time, which "
            "`flywheel reconcile --force` writes down",
        )
    return max(now, latest.at)


def persistently(session: Session, step: Callable[[], Result], *, until: float | None = None) -> Result:
    """The result of a step that can be repeated without harm, tried again while the server is away.

    ``until``, by ``time.monotonic``, is when no other try begins any more.

    Raises:
        ServerError: the server stayed away, or refused.
    """
    for pause in PAUSES_S:
        try:
            return step()
        except (ServerUnreachable, ServerRefused) as error:
            if not is_trouble(error) or (until is not None and time.monotonic() + pause >= until):
                raise
            _LOG.debug("the server is away, trying again in %g s: %s", pause, error.what)
            session.sleep(pause)
    return step()


def is_trouble(error: FlywheelError) -> bool:
    """Whether an error says that the server is away or in trouble, rather than that it refuses."""
    return isinstance(error, ServerUnreachable) or (isinstance(error, ServerRefused) and error.code in _TROUBLE)


def begin(session: Session) -> LedgerSnapshot:
    """The snapshot, with registered model and ledger made when they are missing."""
    snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    if snapshot is None:
        place = session.tracking.ledger.prepare()
        if not session.tracking.releases.start(place, markdown_text(session.flywheel.blueprint.title)):
            session.tracking.ledger.discard(place.first_run)
        snapshot = persistently(session, lambda: read_snapshot(session.tracking))
    if snapshot is None:
        raise ServerError("the registered model was made and is not there", hint="run the command again")
    return refuse_unsound(snapshot)
