"""The ledger's events: numbered, dated, authored, each with the digest of the one before.

An event is written once as text and never changed::

    {"actor":"ana","at":"2026-11-22T15:00:00+00:00","body":{...},"digest":"...","kind":"approved","prev":"...",...}

``digest`` is the sha256 over all the rest, so an edited event shows; ``prev`` is the digest of the event before,
so an edit that mends its own digest breaks the chain behind it. A server's seal (``witness``) signs the digest.

Whose word counts is settled here, once for every reader: after the first event that a known server sealed, an event
without such a seal counts for nothing, and no event counts as older than the one before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json, digest_of, parsed_json, plain, sha256_text
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.base.signing import Signature, SigningKey, is_signed

#: MLflow cuts params at this many characters without a word (tried on 3.17.2).
MAX_EVENT_LENGTH = 6_000
#: Years an event can be from: whatever is reckoned from its time (a lease, the end of an approval) still has a date.
YEARS = range(2000, 9000)
#: How much the clocks of two machines may differ before a time counts as false.
CLOCK_SKEW = timedelta(minutes=5)
#: The kind of an event that says of earlier ones (``events``, their numbers) that they are dated ahead of their time.
CLOCK_CORRECTED = "clock_corrected"
#: What the first event names as its predecessor.
NO_EVENT = "0" * 64
#: A person as the operating system or the client calls them: nobody vouches for it.
CLAIMED = "claimed"
#: A person the tracking server authenticated, and the server itself wrote the event.
AUTHENTICATED = "authenticated"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who acts, and whether a server vouches for it: ``level`` is ``claimed`` or ``authenticated``."""

    name: str
    level: str = CLAIMED


@dataclass(frozen=True, slots=True)
class Event:
    """One decision: when, who, what kind, its plain values, and its place in the chain.

    ``at`` is UTC; ``digest`` and ``prev`` are sha256 in hex as the event states them, ``content_digest`` is what its
    content gives now: it differs when somebody edited the event. ``text`` is exactly what is stored.
    """

    number: int
    at: datetime
    actor: Identity
    kind: str
    body: Mapping[str, Any]
    prev: str
    digest: str
    content_digest: str
    witness: Signature | None
    text: str


@dataclass(frozen=True, slots=True)
class LedgerFault:
    """Something wrong with the ledger itself; ``number`` is the event's, -1 for the ledger as a whole."""

    number: int
    what: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """All events in order, up to the first one that cannot be read, with everything found wrong.

    ``server_keys`` are the keys of the servers whose seals are known, ``sealed`` the numbers of the events that bear
    one of them.
    """

    events: tuple[Event, ...] = ()
    faults: tuple[LedgerFault, ...] = field(default=())
    server_keys: frozenset[str] = frozenset()
    sealed: frozenset[int] = frozenset()

    @property
    def head(self) -> str:
        """The digest of the newest event."""
        return self.events[-1].digest if self.events else NO_EVENT

    @property
    def unsealed(self) -> tuple[Event, ...]:
        """The events after the first sealed one that bear no known seal: they went past the server."""
        first = min(self.sealed, default=len(self.events))
        return tuple(event for event in self.events[first:] if event.number not in self.sealed)

    @property
    def counted(self) -> tuple[Event, ...]:
        """The events that count, in order, each dated no earlier than the one before it."""
        return tuple(_in_time(self._heard()))

    @property
    def latest(self) -> Event | None:
        """The newest event that counts, dated as :attr:`counted` has it, unless it is known to be dated ahead."""
        ahead = _corrected(self._heard())
        return next((event for event in reversed(self.counted) if event.number not in ahead), None)

    def ahead_of(self, now: datetime) -> tuple[Event, ...]:
        """The events that count, are dated ahead of ``now`` by more than clocks differ, and were not corrected yet."""
        heard = self._heard()
        known = _corrected(heard)
        return tuple(event for event in heard if event.number not in known and event.at > now + CLOCK_SKEW)

    def _heard(self) -> tuple[Event, ...]:
        """The events that count, with the times they state."""
        loose = {event.number for event in self.unsealed}
        return tuple(event for event in self.events if event.number not in loose)

    def since(self, number: int) -> tuple[Event, ...]:
        """The events after event ``number``."""
        return self.events[number + 1 :]

    def followed_by(self, event: Event) -> Ledger:
        """The ledger with one more event at its end."""
        known = is_signed(event.content_digest, event.witness, self.server_keys)
        sealed = self.sealed | {event.number} if known else self.sealed
        return replace(self, events=(*self.events, event), sealed=sealed)

    def time_faults(self, now: datetime) -> Iterator[LedgerFault]:
        """Where time runs backwards in the ledger, or ahead of ``now``, by more than clocks differ."""
        heard = self._heard()
        known = _corrected(heard)
        latest: Event | None = None
        for event in (item for item in heard if item.number not in known):
            said = f"event {event.number} ({event.kind} by {event.actor.name}) is dated {event.at:%Y-%m-%d %H:%M} UTC"
            if event.at > now + CLOCK_SKEW:
                yield LedgerFault(event.number, f"{said}, which has not come yet")
            if latest is not None and event.at < latest.at - CLOCK_SKEW:
                yield LedgerFault(
                    event.number,
                    f"{said}, before event {latest.number} ({latest.at:%Y-%m-%d %H:%M} UTC), which it follows",
                )
            latest = event if latest is None or event.at > latest.at else latest


def _in_time(events: Sequence[Event]) -> Iterator[Event]:
    """The events, none dated before an earlier one; one that is known to be dated ahead is as old as the one before."""
    ahead = _corrected(events)
    latest: datetime | None = None
    for event in events:
        is_ahead = event.number in ahead
        at = latest if latest is not None and (is_ahead or event.at < latest) else event.at
        latest = latest if is_ahead else at
        yield event if at == event.at else replace(event, at=at)


def _corrected(events: Iterable[Event]) -> frozenset[int]:
    """The numbers of events that a later one corrects, and that are dated after it indeed."""
    dated: dict[int, datetime] = {}
    found: set[int] = set()
    for event in events:
        numbers = event.body.get("events") if event.kind == CLOCK_CORRECTED else ()
        for number in numbers if isinstance(numbers, list) else ():
            if type(number) is int and number in dated and dated[number] > event.at:
                found.add(number)
        dated[event.number] = event.at
    return frozenset(found)


def write_event(
    previous: Ledger, *, at: datetime, actor: Identity, kind: str, body: Mapping[str, Any], seal: SigningKey | None
) -> Event:
    """The next event of a ledger.

    Raises:
        InputError: it would be longer than MLflow keeps, or holds what no event can (half a character, NaN, a time
            outside :data:`YEARS`).
    """
    try:
        text = _text(previous, at=at, actor=actor, kind=kind, body=body, seal=seal)
        if len(text) <= MAX_EVENT_LENGTH:
            return read_event(len(previous.events), text)
    except (DocumentError, ValueError, OverflowError) as error:
        raise InputError(f"the decision cannot be kept: it {_reason(error)}") from error
    raise InputError(
        f"the decision has {len(text)} characters, at most {MAX_EVENT_LENGTH} can be kept",
        hint="shorten the reason; long evidence belongs into an artifact that the reason names",
    )


def _text(
    previous: Ledger, *, at: datetime, actor: Identity, kind: str, body: Mapping[str, Any], seal: SigningKey | None
) -> str:
    rest = {
        "at": at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": actor.name,
        "level": actor.level,
        "kind": kind,
        "body": plain(body),
        "prev": previous.head,
    }
    digest = digest_of(rest)
    sealed: dict[str, Any] = {"witness": plain(seal.sign(digest))} if seal else {}
    return canonical_json(rest | {"digest": digest} | sealed)


def read_event(number: int, text: str) -> Event:
    """The event a text holds.

    Raises:
        DocumentError, ValueError: it is no event; the message says what is wrong.
    """
    document = parse_json(text, name=f"event {number}")
    if not isinstance(document, dict):
        raise ValueError("is not an object")
    rest = {key: value for key, value in document.items() if key not in ("digest", "witness")}
    if set(rest) != {"at", "actor", "level", "kind", "body", "prev"} or not isinstance(rest["body"], dict):
        raise ValueError("has other fields than an event")
    words = {key: rest[key] for key in ("at", "actor", "level", "kind", "prev")} | {"digest": document.get("digest")}
    if not all(isinstance(word, str) for word in words.values()):
        raise ValueError("has fields that are no text")
    if text != parsed_json(document):
        # The digest is over the values: a blank between two of them would go unseen.
        raise ValueError("is not spelled as events are: somebody edited it")
    at = datetime.fromisoformat(words["at"])
    if at.tzinfo is None or at.year not in YEARS:
        raise ValueError("has a time without a time zone, or far from now")
    return Event(
        number=number,
        at=at.astimezone(UTC),
        actor=Identity(words["actor"], words["level"]),
        kind=words["kind"],
        body=rest["body"],
        prev=words["prev"],
        digest=words["digest"],
        content_digest=sha256_text(parsed_json(rest)),
        witness=_witness(document.get("witness")),
        text=text,
    )


def _witness(value: object) -> Signature | None:
    if not isinstance(value, dict):
        return None
    key, signed = value.get("public_key"), value.get("value")
    return Signature(key, signed) if isinstance(key, str) and isinstance(signed, str) else None


def read_ledger(texts: Mapping[int, str], *, known: Ledger | None = None, server_keys: Iterable[str] = ()) -> Ledger:
    """The ledger that numbered texts hold; nothing is raised, everything wrong is in ``faults``.

    ``known`` is one that was read before: of an event whose text is letter for letter the same nothing is parsed and
    reckoned again. Whether each event follows the one before is looked at every time.
    """
    before = known.events if known else ()
    events: list[Event] = []
    faults: list[LedgerFault] = []
    for number in range(len(texts)):
        if number not in texts:
            later = sum(key > number for key in texts)
            faults.append(LedgerFault(number, f"event {number} is missing, {later} later ones exist"))
            break
        try:
            event = _read_again(number, texts[number], before)
        except (DocumentError, ValueError, TypeError) as error:
            faults.append(LedgerFault(number, f"event {number} cannot be read: it {_reason(error)}"))
            break
        faults += _chain_faults(event, events[-1].digest if events else NO_EVENT)
        events.append(event)
    keys = frozenset(server_keys)
    return Ledger(tuple(events), tuple(faults), keys, _sealed(events, keys, known))


def _sealed(events: Sequence[Event], keys: frozenset[str], known: Ledger | None) -> frozenset[int]:
    """The numbers of the events that bear a seal of one of the keys; of events read before it is known already."""
    before = known if known is not None and known.server_keys == keys else Ledger()
    same = {event.number for event, old in zip(events, before.events, strict=False) if event is old}
    return frozenset(
        event.number
        for event in events
        if (
            event.number in before.sealed
            if event.number in same
            else is_signed(event.content_digest, event.witness, keys)
        )
    )


def _read_again(number: int, text: str, known: Sequence[Event]) -> Event:
    same = number < len(known) and known[number].text == text
    return known[number] if same else read_event(number, text)


def _reason(error: Exception) -> str:
    return f"has faults: {error.faults[0].message}" if isinstance(error, DocumentError) else str(error)


def _chain_faults(event: Event, before: str) -> Iterable[LedgerFault]:
    if event.content_digest != event.digest:
        yield LedgerFault(event.number, f"event {event.number} was edited: its content no longer has its digest")
    if event.prev != before:
        yield LedgerFault(
            event.number, f"event {event.number} does not follow the event before it: one of the two was replaced"
        )


def unwitnessed(events: Iterable[Event], server_keys: Iterable[str]) -> tuple[Event, ...]:
    """Events that claim a server's word about their author without the seal of one of the servers.

    Without any server key nobody can check such a claim, so all of them are returned.
    """
    keys = frozenset(server_keys)
    claims = (event for event in events if event.actor.level == AUTHENTICATED)
    return tuple(event for event in claims if not is_signed(event.content_digest, event.witness, keys))
