"""Folds the events of a ledger into the state of its releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from flywheel_mlflow.base.signing import Signature
from flywheel_mlflow.decisions.event_values import moment, optional_word, whole, word, words
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import (
    ENDS,
    LONGEST_LEASE_S,
    STAGES,
    STARTS,
    Approval,
    Basis,
    Explained,
    GateRecord,
    Kind,
    Move,
    Override,
    Release,
    ReleaseState,
)

_DECISIONS = frozenset({Kind.GATE, Kind.APPROVED, Kind.DRIFT_EXPLAINED, Kind.REJECTED, Kind.RETIRED})


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
        criteria=_told_criteria(body.get("criteria")),
        projects=_told_projects(body.get("projects")),
    )


def _told_criteria(value: Any) -> dict[str, str]:
    """Verdicts by criterion, as far as the event has them: no decision rests on them."""
    pairs = value.items() if isinstance(value, Mapping) else ()
    return {name: verdict for name, verdict in pairs if isinstance(verdict, str)}


def _told_projects(value: Any) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


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
