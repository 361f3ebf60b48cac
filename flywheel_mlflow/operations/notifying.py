"""Tells people what they should know: each fact once on each channel, whoever finds it and however often."""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from flywheel_mlflow.base.canonical import SHORT_DIGEST_LENGTH, digest_of
from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.base.quarters import NOTIFICATIONS_OPENED, quarter_of
from flywheel_mlflow.drift import drift_report_from_json
from flywheel_mlflow.feedback.decisions import in_force, routing_decisions
from flywheel_mlflow.notifications.memory import Delivery, Progress, claim, outcome, progress_of, runs_of
from flywheel_mlflow.notifications.notices import AuditFact, Notice, NoticeFacts, RoutedFact, notices_of
from flywheel_mlflow.notifications.sending import OpenChannel, contact_of, open_channel, send_all
from flywheel_mlflow.operations.assembly.drifting import default_reference
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    read_snapshot,
)
from flywheel_mlflow.operations.scratch import scratch_folder

#: How long a command whose purpose is to send waits for one notice, in seconds: services that are slow are not dead.
PATIENT_S = 20.0
#: Notices told at a time; what is left waits for the next time, so that a thousand findings do not flood a room.
MOST_NOTICES = 50
TEST = "test"


@dataclass(frozen=True, slots=True)
class NoticeOutcome:
    """One notice on one channel: ``outcome`` is ``sent``, ``not sent`` with ``why``, ``waits`` or ``would be sent``."""

    event: str
    title: str
    channel: str
    person: str | None
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Notified:
    """What was told now; ``already`` counts what had been told before; ``notes`` say what could not be looked at.

    ``unsent`` is what people should know that could not be told: a line for each channel, and the notes.
    """

    notices: tuple[NoticeOutcome, ...] = ()
    already: int = 0
    notes: tuple[str, ...] = ()
    unsent: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unsent", (*_failed_lines(self.notices), *self.notes))


def _failed_lines(notices: Iterable[NoticeOutcome]) -> Iterator[str]:
    failed: dict[str, list[NoticeOutcome]] = {}
    for item in notices:
        if item.outcome == NOT_SENT:
            failed.setdefault(item.channel, []).append(item)
    for name, items in failed.items():
        more = f"; and {len(items) - 1} more" if len(items) > 1 else ""
        yield f"channel {name}: {items[0].title!r} was not sent: {items[0].why}{more}"


SENT, NOT_SENT, WAITS, WOULD_SEND = "sent", "not sent", "waits", "would be sent"


def send_notices(
    session: Session,
    *,
    audit: bool = True,
    full: bool = False,
    at_once: bool = False,
    patient: bool = True,
    dry_run: bool = False,
) -> Notified:
    """Tell all there is to tell now: decisions, the newest comparison, what is due, what an audit finds.

    Args:
        session: whose flywheel, which server, which clock.
        audit: look for findings of the audit too, where a channel wants them; it takes some seconds.
        full: let the audit look at the data of every release.
        at_once: try again what failed a moment ago.
        patient: wait for slow services; else for all together as long as an act may.
        dry_run: say what would be sent, and send nothing.

    Raises:
        ServerError: the ledger cannot be read or written.
    """
    wanted = {event for channel in session.flywheel.blueprint.notify.channels for event in channel.events}
    snapshot, notes = read_snapshot(session.tracking), list[str]()
    facts = _ledger_facts(session, snapshot)
    looks: dict[str, Callable[[Session, NoticeFacts], NoticeFacts]] = {
        "regression": _with_comparison,
        "feedback_routed": _with_feedback,
    }
    if audit:
        looks["audit_finding"] = partial(_with_audit, full=full)
    for event, look in looks.items():
        if event in wanted:
            try:
                facts = look(session, facts)
            except FlywheelError as error:
                notes.append(f"{event}: {error.what}")
    patience = _Patience(PATIENT_S) if patient else _Patience.of_acts(session)
    current = _Round(session, _Memory(session, snapshot), patience, at_once=at_once, dry_run=dry_run)
    return replace(current.run(notices_of(facts)), notes=tuple(notes))


def notify_after(session: Session) -> tuple[str, ...]:
    """Tell what an act may have brought about; what could not be told.

    Raises:
        ServerError: the ledger cannot be read or written.
    """
    snapshot = read_snapshot(session.tracking)
    memory, patience = _Memory(session, snapshot), _Patience.of_acts(session)
    current = _Round(session, memory, patience, at_once=False, dry_run=False)
    return current.run(notices_of(_ledger_facts(session, snapshot))).unsent


def send_test(session: Session, channel: str, *, to: str | None = None, dry_run: bool = False) -> NoticeOutcome:
    """Send a message on one channel that says that it works; on a channel with a contact to ``to``, else to oneself.

    Raises:
        UnknownName: no such channel or person. InputError: the environment lacks what the channel needs, or the person
            has no such contact.
    """
    blueprint = session.flywheel.blueprint
    found = blueprint.notify.channel(channel)
    if found is None:
        raise UnknownName("channel", channel, [item.id for item in blueprint.notify.channels])
    person = (to or session.actor.name) if found.contact else None
    if to is not None and not found.contact:
        raise InputError(f"the channel {channel} has no contact", hint="leave --to out: everybody in the room reads it")
    if person is not None and all(item.id != person for item in blueprint.people):
        raise UnknownName("person", person, [item.id for item in blueprint.people])
    opened = open_channel(found, os.environ)
    contact = contact_of(blueprint, found, person, os.environ) if person else None
    if person and contact is None:
        raise InputError(
            f"{person} has no contact called {found.contact!r}, or its variable is not set",
            where=f"notify.channels.{channel}",
            hint="name somebody who has one with --to",
        )
    now = session.now()
    notice = Notice(
        id=digest_of([blueprint.name, TEST, channel, person, now.isoformat()])[:SHORT_DIGEST_LENGTH],
        event=TEST,
        title=f"Test message of {blueprint.name}",
        since=now,
        lines=(f"{session.actor.name} tries the channel {channel}. It works when you read this.",),
        people=(person,) if person else (),
    )
    delivery = Delivery(notice, channel, person)
    planned = NoticeOutcome(TEST, notice.title, channel, person, WOULD_SEND)
    if dry_run:
        return planned
    step = partial(_send, session, opened, delivery, contact)
    why = send_all([step], wait_s=PATIENT_S, late=lambda _, __: None)[0]
    if why is None:
        why = f"no answer within {PATIENT_S:g} s"
    return replace(planned, outcome=NOT_SENT if why else SENT, why=why)


def _send(session: Session, opened: OpenChannel, delivery: Delivery, contact: str | None, until: float) -> str:
    name = session.flywheel.blueprint.name
    return opened.send(delivery, contact=contact, flywheel=name, now=session.now(), until=until)


def _ledger_facts(session: Session, snapshot: LedgerSnapshot | None) -> NoticeFacts:
    facts = NoticeFacts(session.flywheel.blueprint, session.flywheel.contracts, session.now())
    if snapshot is None:
        return facts
    rerouted = tuple(in_force(routing_decisions(snapshot.ledger.counted)).values())
    return replace(facts, state=snapshot.state, risks=tuple(snapshot.risks.values()), rerouted=rerouted)


def _with_comparison(session: Session, facts: NoticeFacts) -> NoticeFacts:
    """The facts with the kept comparison of the newest iteration, where there is one."""
    tracking = session.tracking
    newest = tracking.assemblies.latest_iteration()
    recorded = tracking.assemblies.recorded(newest) if newest is not None else None
    reference = default_reference(tracking, recorded.iteration, recorded.run_id) if recorded else None
    if recorded is None or reference is None or recorded.ended is None:
        return facts
    with scratch_folder() as folder:
        text = tracking.comparisons.text(recorded.run_id, reference.run_id, folder)
    report = drift_report_from_json(text) if text is not None else None
    return replace(facts, comparison=report, compared_at=recorded.ended)


def _with_feedback(session: Session, facts: NoticeFacts) -> NoticeFacts:
    """The facts with where the events of each ingestion went."""
    routed = [
        RoutedFact(project, batch.iteration, batch.at, batch.counts[key], batch.file)
        for batch in session.tracking.feedback.batches()
        for key in batch.counts
        if (project := None if key == "unroutable" else key.removeprefix("to.")) != key and batch.counts[key]
    ]
    return replace(facts, routed=tuple(routed))


def _with_audit(session: Session, facts: NoticeFacts, *, full: bool) -> NoticeFacts:
    """The facts with what an audit finds now."""
    from flywheel_mlflow.operations.releases.auditing import audit

    findings = audit(session, full=full).findings
    return replace(facts, audited=tuple(AuditFact(item.code, item.what, item.hint) for item in findings))


def _deliveries(session: Session, notice: Notice) -> tuple[Delivery, ...]:
    """Where a notice goes: every channel that wants it; one with a contact to each person concerned who has it."""
    blueprint = session.flywheel.blueprint
    found: list[Delivery] = []
    for channel in blueprint.notify.channels:
        if notice.event not in channel.events:
            continue
        if channel.contact is None:
            found.append(Delivery(notice, channel.id))
            continue
        reached = {person.id for person in blueprint.people if channel.contact in person.contacts}
        found += [Delivery(notice, channel.id, person) for person in notice.people if person in reached]
    return tuple(found)


class _Opened(Exception):
    """Somebody else named the run of a quarter first."""

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.run_id = run_id


class _Memory:
    """What was told before, read from the runs that the ledger names; they are made when something is to be told."""

    def __init__(self, session: Session, snapshot: LedgerSnapshot | None) -> None:
        self._session = session
        self._snapshot = snapshot
        self._runs = runs_of(snapshot.ledger.counted) if snapshot else {}
        self._progress: dict[str, dict[str, Progress]] = {}

    def progress(self, delivery: Delivery) -> Progress:
        """What became of a delivery so far."""
        quarter = str(quarter_of(delivery.notice.since))
        if quarter not in self._progress:
            run_id = self._known(quarter)
            params = self._session.tracking.notifications.read(run_id) if run_id else {}
            self._progress[quarter] = progress_of(params)
        return self._progress[quarter].get(delivery.id, Progress())

    def claim(self, delivery: Delivery, attempt: int) -> bool:
        """Write down that this process makes an attempt; False when another one does."""
        key, text = claim(delivery, attempt, now=self._session.now(), token=uuid.uuid4().hex)
        return self._session.tracking.notifications.write(self._run(delivery), key, text)

    def record(self, delivery: Delivery, attempt: int, why: str) -> None:
        """Write down how an attempt ended."""
        key, text = outcome(delivery, attempt, now=self._session.now(), why=why)
        self._session.tracking.notifications.write(self._run(delivery), key, text)

    def _run(self, delivery: Delivery) -> str:
        quarter = str(quarter_of(delivery.notice.since))
        run_id = self._known(quarter) or self._open(quarter)
        self._runs[quarter] = run_id
        return run_id

    def _known(self, quarter: str) -> str | None:
        """The run of a quarter; the newest of all where the ledger does not hold together and none can be named."""
        # That it does not is what people must hear of.
        is_broken = self._snapshot is not None and self._snapshot.ledger.faults
        newest = self._runs[max(self._runs)] if self._runs and is_broken else None
        return self._runs.get(quarter, newest)

    def _open(self, quarter: str) -> str:
        if self._snapshot is None:
            self._snapshot = begin(self._session)
        store = self._session.tracking.notifications
        run_id = store.prepare(quarter)

        def choose(current: LedgerSnapshot) -> NewEvent:
            known = runs_of(current.ledger.counted)
            if quarter in known:
                raise _Opened(known[quarter])
            return NewEvent(NOTIFICATIONS_OPENED, {"quarter": quarter, "run_id": run_id})

        try:
            append_decision(self._session, choose)
        except _Opened as first:
            store.discard(run_id)
            return first.run_id
        return run_id


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long a round may take: ``notice_s`` for one notice, ``until`` (by ``time.monotonic``) for all of them."""

    notice_s: float
    until: float = math.inf

    @classmethod
    def of_acts(cls, session: Session) -> _Patience:
        """As long as an act may wait, for all notices together."""
        wait_s = session.flywheel.blueprint.notify.wait_s
        return cls(wait_s, time.monotonic() + wait_s)

    def left_s(self) -> float:
        return min(self.notice_s, self.until - time.monotonic())


class _Round:
    """One go through all notices; a channel that fails is left alone for the rest of it."""

    def __init__(self, session: Session, memory: _Memory, patience: _Patience, *, at_once: bool, dry_run: bool) -> None:
        self._session = session
        self._memory = memory
        self._patience = patience
        self._at_once = at_once
        self._dry_run = dry_run
        self._opened: dict[str, OpenChannel] = {}
        self._failed: dict[str, str] = {}
        self._outcomes: list[NoticeOutcome] = []
        self._already = 0

    def run(self, notices: Iterable[Notice]) -> Notified:
        tried = 0
        for notice in notices:
            ready = [item for item in _deliveries(self._session, notice) if self._is_ready(item)]
            if not ready:
                continue
            tried += 1
            if self._dry_run:
                self._outcomes += [_outcome(item, WOULD_SEND, self._memory.progress(item).why) for item in ready]
            elif tried > MOST_NOTICES:
                self._outcomes += [_outcome(item, NOT_SENT, f"{MOST_NOTICES} others came first") for item in ready]
            elif self._patience.left_s() <= 0:
                self._outcomes += [_outcome(item, NOT_SENT, "there was no time left") for item in ready]
            else:
                self._send(ready)
        return Notified(tuple(self._outcomes), self._already)

    def _is_ready(self, delivery: Delivery) -> bool:
        progress = self._memory.progress(delivery)
        if progress.sent:
            self._already += 1
            return False
        if progress.may_try(self._session.now(), at_once=self._at_once):
            return True
        self._outcomes.append(_outcome(delivery, WAITS, progress.why))
        return False

    def _send(self, ready: Iterable[Delivery]) -> None:
        """Send one notice on all of its channels together."""
        claimed: list[tuple[Delivery, int, Callable[[float], str]]] = []
        for delivery in ready:
            step = self._step(delivery)
            attempt = self._memory.progress(delivery).attempts + 1
            if isinstance(step, str):
                self._outcomes.append(_outcome(delivery, NOT_SENT, step))
            elif self._memory.claim(delivery, attempt):
                claimed.append((delivery, attempt, step))
            else:
                self._outcomes.append(_outcome(delivery, WAITS, "another process sends it"))

        def late(place: int, why: str) -> None:
            delivery, attempt, _ = claimed[place]
            with suppress(FlywheelError):
                self._memory.record(delivery, attempt, why)

        wait_s = max(self._patience.left_s(), 0.0)
        results = send_all([step for *_, step in claimed], wait_s=wait_s, late=late)
        for (delivery, attempt, _), why in zip(claimed, results, strict=True):
            if why is not None:
                self._memory.record(delivery, attempt, why)
            reason = f"no answer within {wait_s:.0f} s" if why is None else why
            if reason:
                self._failed.setdefault(delivery.channel, reason)
            self._outcomes.append(_outcome(delivery, NOT_SENT if reason else SENT, reason))

    def _step(self, delivery: Delivery) -> Callable[[float], str] | str:
        """What sends a notice, until a moment; or why its channel cannot be used."""
        if delivery.channel in self._failed:
            return self._failed[delivery.channel]
        blueprint = self._session.flywheel.blueprint
        channel = next(item for item in blueprint.notify.channels if item.id == delivery.channel)
        try:
            if channel.id not in self._opened:
                self._opened[channel.id] = open_channel(channel, os.environ)
        except InputError as error:
            self._failed[channel.id] = error.what
            return error.what
        contact = None
        if delivery.person is not None:
            contact = contact_of(blueprint, channel, delivery.person, os.environ)
            if contact is None:
                return f"the environment lacks the variable of {delivery.person}'s contact"
        return partial(_send, self._session, self._opened[channel.id], delivery, contact)


def _outcome(delivery: Delivery, outcome: str, why: str = "") -> NoticeOutcome:
    return NoticeOutcome(delivery.notice.event, delivery.notice.title, delivery.channel, delivery.person, outcome, why)
