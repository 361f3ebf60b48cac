"""Reads what is remembered about notifications: which attempts were made, which succeeded, which wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from flywheel_mlflow.base.canonical import SHORT_DIGEST_LENGTH, canonical_json, digest_of
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.quarters import NOTIFICATIONS_OPENED
from flywheel_mlflow.decisions.event_values import moment
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.notifications.notices import Notice

#: How long an attempt that never said how it ended keeps others from trying: its process is dead by then.
LEASE = timedelta(minutes=2)
#: After a failure nobody tries for so long, twice as long after each further one, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=6)
_OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on one channel, to one person where the channel has a contact."""

    notice: Notice
    channel: str
    person: str | None = None

    @property
    def id(self) -> str:
        """32 hex digits, the same on every attempt: by it receivers know what they have already."""
        return digest_of([self.notice.id, self.channel, self.person])[:SHORT_DIGEST_LENGTH]


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of a delivery so far; ``last`` is the time of the newest attempt or outcome."""

    attempts: int = 0
    sent: bool = False
    open: bool = False
    last: datetime | None = None
    why: str = ""

    def may_try(self, now: datetime, *, at_once: bool) -> bool:
        """Whether another attempt may be made; ``at_once`` does not wait after a failure."""
        if self.sent:
            return False
        if self.last is None:
            return True
        since = now - self.last
        if since < -LEASE:
            return True  # a clock that was that wrong keeps nobody waiting
        if self.open:
            return since >= LEASE
        return at_once or since >= min(FIRST_PAUSE * 2 ** min(self.attempts - 1, 20), LONGEST_PAUSE)


def claim(delivery: Delivery, attempt: int, *, now: datetime, token: str) -> tuple[str, str]:
    """The param that claims an attempt, which only one process can write: ``token`` is this one's own.

    What it is about is there for people who read the run.
    """
    notice = delivery.notice
    value = {"at": now, "by": token, "event": notice.event, "title": notice.title, "channel": delivery.channel}
    return f"{delivery.id}.{attempt}", canonical_json(value)


def outcome(delivery: Delivery, attempt: int, *, now: datetime, why: str) -> tuple[str, str]:
    """The param that says how an attempt ended; ``why`` it failed, empty when it was sent."""
    return f"{delivery.id}.{attempt}.{_OUTCOME}", canonical_json({"at": now, "why": why[:500]})


def progress_of(params: Mapping[str, str]) -> dict[str, Progress]:
    """Every delivery by id as a run's params have it; what cannot be read counts as never written."""
    claims: dict[str, dict[int, Mapping[str, Any]]] = {}
    outcomes: dict[str, dict[int, Mapping[str, Any]]] = {}
    for key, text in params.items():
        delivery, _, rest = key.partition(".")
        number, _, tail = rest.partition(".")
        if number.isdecimal() and tail in ("", _OUTCOME):
            (outcomes if tail else claims).setdefault(delivery, {})[int(number)] = _read(text)
    return {name: _progress(attempts, outcomes.get(name, {})) for name, attempts in claims.items()}


def _progress(claims: Mapping[int, Mapping[str, Any]], outcomes: Mapping[int, Mapping[str, Any]]) -> Progress:
    newest = max(claims)
    claimed, ended = claims[newest], outcomes.get(newest)
    return Progress(
        attempts=newest,
        sent=any(item.get("why") == "" for item in outcomes.values()),
        open=ended is None,
        last=_last((ended or claimed).get("at")),
        why=str((ended or {}).get("why", "it was begun, and nobody said how it ended")),
    )


def _read(text: str) -> Mapping[str, Any]:
    try:
        found = parse_json(text, name="a notification's attempt")
    except DocumentError:
        return {}
    return found if isinstance(found, dict) else {}


def _last(value: object) -> datetime:
    """A time that was written; one that cannot be read was long ago."""
    try:
        return moment(value)
    except (TypeError, ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)


def runs_of(events: Iterable[Event]) -> dict[str, str]:
    """The run that remembers a quarter's notifications, by quarter: the first one that the ledger names."""
    found: dict[str, str] = {}
    for event in events:
        quarter, run_id = event.body.get("quarter"), event.body.get("run_id")
        if event.kind == NOTIFICATIONS_OPENED and isinstance(quarter, str) and isinstance(run_id, str):
            found.setdefault(quarter, run_id)
    return found
