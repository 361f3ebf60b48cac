"""Tests of the ledger's events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import ANA, NOON, LedgerBuilder

from flywheel_mlflow.assembly.history import describe_events, describe_ledger
from flywheel_mlflow.base.canonical import canonical_json, digest_of
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.signing import SigningKey, new_key
from flywheel_mlflow.decisions.folding import fold
from flywheel_mlflow.decisions.ledger import (
    AUTHENTICATED,
    CLOCK_CORRECTED,
    CLOCK_SKEW,
    MAX_EVENT_LENGTH,
    NO_EVENT,
    Identity,
    Ledger,
    read_event,
    read_ledger,
    unwitnessed,
    write_event,
)
from flywheel_mlflow.decisions.risks import fold_risks

SERVER_ANA = Identity("ana", AUTHENTICATED)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def seal(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("server") / "seal.pem")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("server") / "foreign.pem")


def some_texts(seal: SigningKey | None = None) -> dict[int, str]:
    """Five events of five kinds; the third has numbers of every sort, all are sealed when there is a seal."""
    story = LedgerBuilder()
    actor = SERVER_ANA if seal else ANA
    for kind, body in (
        ("registered", {"version": 1}),
        ("approved", {"reason": 'gut \u2028 \U0001f600 "quoted" \\ back'}),
        ("other", {"a": 1.0, "b": 1e22, "c": -0.0, "d": 10**30, "e": [None, True, {}]}),
        ("rejected", {}),
        ("retired", {"reason": ""}),
    ):
        story.write(kind, body, actor=actor, seal=seal)
    return story.texts()


TEXTS = some_texts()


@given(
    st.text(max_size=20),
    st.dictionaries(st.text(max_size=8), PLAIN, max_size=4),
    st.integers(0, 6_900 * 365),
)
def test_what_is_written_is_read_back(kind: str, body: dict[str, Any], days: int) -> None:
    """Any plain values come back as they are, with the time in UTC, and no fault."""
    moment = datetime(2000, 1, 2, 3, 4, 5, 6, timezone(timedelta(hours=5, minutes=30))) + timedelta(days=days)
    event = write_event(Ledger(), at=moment, actor=ANA, kind=kind, body=body, seal=None)
    ledger = read_ledger({0: event.text})
    assert (ledger.events, ledger.faults) == ((event,), ())
    assert (event.kind, event.body, event.at) == (kind, body, moment)
    assert event.at.tzinfo is UTC
    assert ledger.head == event.digest == event.content_digest


def test_each_event_names_the_one_before() -> None:
    """The first follows nothing, each later one the digest of its predecessor."""
    ledger = read_ledger(TEXTS)
    assert ledger.faults == ()
    assert [event.prev for event in ledger.events] == [NO_EVENT, *(event.digest for event in ledger.events[:-1])]
    assert Ledger().head == NO_EVENT
    assert [event.number for event in ledger.since(2)] == [3, 4]
    assert ledger.since(-1) == ledger.events


@given(st.sampled_from(sorted(TEXTS)), st.data())
def test_any_edited_character_is_found(number: int, data: st.DataObject) -> None:
    """Replace, remove or add one character anywhere in any event, also the newest: the ledger has a fault."""
    text = TEXTS[number]
    place, char = (
        data.draw(st.integers(0, len(text) - 1)),
        data.draw(st.sampled_from(' \n\t0a"}:,eE.') | st.characters()),
    )
    edited = data.draw(
        st.sampled_from(
            [
                text[:place] + char + text[place + 1 :],
                text[:place] + text[place + 1 :],
                text[:place] + char + text[place:],
            ]
        )
    )
    found = read_ledger(TEXTS | {number: edited})
    assert bool(found.faults) is (edited != text)
    assert all(fault.number in (number, number + 1) for fault in found.faults)


def test_every_single_replaced_character_is_found() -> None:
    """Not only those that a search happens upon: each character of each event, replaced by its neighbours in ASCII."""
    for number, text in TEXTS.items():
        for place, char in enumerate(text):
            edited = text[:place] + chr(ord(char) ^ 1) + text[place + 1 :]
            assert read_ledger(TEXTS | {number: edited}).faults, (number, place)


@given(st.permutations(range(5)))
def test_events_in_another_order_are_found(order: list[int]) -> None:
    """Only the order in which they were written holds."""
    found = read_ledger({number: TEXTS[old] for number, old in enumerate(order)})
    assert bool(found.faults) is (order != sorted(order))


@given(st.sampled_from(range(5)), st.sampled_from(range(6)))
def test_an_event_written_twice_is_found(which: int, place: int) -> None:
    """A copy of any event, put anywhere, also at the end."""
    texts = [TEXTS[number] for number in sorted(TEXTS)]
    texts.insert(place, TEXTS[which])
    assert read_ledger(dict(enumerate(texts))).faults


@pytest.mark.parametrize("gone", range(4))
def test_a_dropped_event_is_found(gone: int) -> None:
    """A gap is named with what lies behind it, and a gap closed up breaks the chain."""
    left = {number: text for number, text in TEXTS.items() if number != gone}
    (fault,) = read_ledger(left).faults
    assert fault.what == f"event {gone} is missing, {4 - gone} later ones exist"
    closed = dict(enumerate(left.values()))
    assert [fault.number for fault in read_ledger(closed).faults] == [gone]


def test_the_newest_event_dropped_shows_against_the_head() -> None:
    """Nothing in the rest points to the newest event, so only who knew the head can tell that it is gone."""
    left = {number: text for number, text in TEXTS.items() if number != 4}
    assert read_ledger(left).faults == ()
    assert read_ledger(left).head != read_ledger(TEXTS).head


def test_numbers_below_zero_are_no_places() -> None:
    """A text that lies outside the numbering makes the numbering wrong."""
    assert read_ledger({-1: TEXTS[0], 0: TEXTS[0]}).faults


def resigned(text: str, seal: SigningKey | None = None, **changes: Any) -> str:
    """The event with other content, and a digest that fits it."""
    document = json.loads(text) | changes
    rest = {key: value for key, value in document.items() if key not in ("digest", "witness")}
    sealed = {"witness": {"public_key": seal.public_key, "value": seal.sign(digest_of(rest)).value}} if seal else {}
    return canonical_json(rest | {"digest": digest_of(rest)} | sealed)


@pytest.mark.parametrize("number", range(4))
def test_a_mended_digest_breaks_the_chain_behind_it(number: int) -> None:
    """An edit that computes its own digest anew is found at the next event."""
    found = read_ledger(TEXTS | {number: resigned(TEXTS[number], actor="mallory")})
    assert [fault.number for fault in found.faults] == [number + 1]
    assert "does not follow" in found.faults[0].what


def test_a_mended_newest_event_lacks_its_seal(seal: SigningKey, foreign: SigningKey) -> None:
    """Behind the newest event is no chain: there the server's seal tells, which nobody else can make."""
    texts = some_texts(seal)
    assert unwitnessed(read_ledger(texts).events, [seal.public_key]) == ()
    for forger in (None, foreign):
        ledger = read_ledger(texts | {4: resigned(texts[4], forger, actor="mallory")})
        assert ledger.faults == ()
        assert [event.number for event in unwitnessed(ledger.events, [seal.public_key])] == [4]


def test_a_seal_kept_through_an_edit_is_none(seal: SigningKey) -> None:
    """The seal is over what the event says now, not over the digest that it still shows."""
    event = read_ledger(some_texts(seal)).events[2]
    edited = read_event(2, event.text.replace('"kind":"other"', '"kind":"gate"'))
    assert edited.digest == event.digest
    assert unwitnessed([edited], [seal.public_key]) == (edited,)


@given(st.data())
def test_any_edited_character_of_a_sealed_event_is_found(seal: SigningKey, data: st.DataObject) -> None:
    """What digest and chain do not cover is the seal, and an edited seal is no seal."""
    texts = some_texts(seal)
    place = data.draw(st.integers(texts[4].index('"witness"') - 1, len(texts[4]) - 1))
    char = data.draw(st.sampled_from("ABCDwxyz0189+/=") | st.characters())
    edited = texts[4][:place] + char + texts[4][place + 1 :]
    ledger = read_ledger(texts | {4: edited})
    assert bool(ledger.faults or unwitnessed(ledger.events, [seal.public_key])) is (edited != texts[4])


def test_the_witness_of_another_key_is_no_witness(seal: SigningKey, foreign: SigningKey) -> None:
    """A claim to a server's word is believed for the servers named, and without any for none."""
    story = LedgerBuilder()
    ours = story.write("gate", {}, actor=SERVER_ANA, seal=seal)
    theirs = story.write("gate", {}, actor=SERVER_ANA, seal=foreign)
    bare = story.write("gate", {}, actor=SERVER_ANA)
    modest = story.write("gate", {}, actor=ANA)
    everything = (ours, theirs, bare, modest)
    assert unwitnessed(everything, [seal.public_key]) == (theirs, bare)
    assert unwitnessed(everything, [seal.public_key, foreign.public_key]) == (bare,)
    assert unwitnessed(everything, []) == (ours, theirs, bare)
    assert unwitnessed([replace(theirs, witness=ours.witness)], [seal.public_key])


def _event(**changes: Any) -> str:
    rest = {"at": NOON.isoformat(), "actor": "a", "level": "claimed", "kind": "k", "body": {}, "prev": NO_EVENT}
    rest |= changes
    return canonical_json(rest | {"digest": digest_of(rest)})


HOSTILE = {
    "empty": "",
    "a number": "7",
    "a list": "[]",
    "null": "null",
    "no JSON": "{",
    "an endless number": '{"a":' + "9" * 5_000 + "}",
    "an infinite number": '{"a":1e999}',
    "NaN": '{"a":NaN}',
    "deep lists": "[" * 100_000,
    "deep body": _event(body={"a": 1}).replace('{"a":1}', '{"a":' * 200 + "1" + "}" * 200),
    "half a character": _event(kind="x").replace('"x"', '"\\ud800"'),
    "half a character, written out": _event(kind="x").replace('"x"', '"\ud800"'),
    "a key twice": _event().replace('"kind":"k"', '"kind":"k","kind":"k"'),
    "a key more": _event(more=1),
    "a key less": canonical_json({"kind": "k"}),
    "no digest": canonical_json({key: value for key, value in json.loads(_event()).items() if key != "digest"}),
    "digest no text": _event().replace('"digest":"', '"digest":["').replace('","kind"', '"],"kind"'),
    "body a list": _event(body=[]),
    "body nothing": _event(body=None),
    "actor a number": _event(actor=1),
    "actor nothing": _event(actor=None),
    "kind an object": _event(kind={}),
    "no time": _event(at="soon"),
    "a time without zone": _event(at="2026-01-01T00:00:00"),
    "before the calendar": _event(at="0001-01-01T00:00:00+23:59"),
    "after the calendar": _event(at="9999-12-31T23:59:59-23:59"),
    "the last moment": _event(at="9999-12-31T23:59:59+00:00"),
    "blanks": json.dumps(json.loads(_event())),
    "a number spelled otherwise": _event(body={"a": 1.0}).replace("1.0", "1.00"),
    "nul": "\x00",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_a_fault(name: str) -> None:
    """It is no event, nothing is raised, and whatever came before it is still read."""
    ledger = read_ledger({0: TEXTS[0], 1: HOSTILE[name], 2: TEXTS[2]})
    assert [event.number for event in ledger.events] == [0]
    (fault,) = ledger.faults
    assert fault.number == 1
    assert "cannot be read" in fault.what
    assert len(fault.what) < 1_000


@given(
    st.dictionaries(st.integers(-3, 6), st.text() | st.sampled_from([*HOSTILE.values(), *TEXTS.values()]), max_size=6)
)
def test_nothing_is_raised_whatever_the_texts(texts: dict[int, str]) -> None:
    """Any texts under any numbers are a ledger, and its events fold."""
    ledger = read_ledger(texts)
    assert len(ledger.events) + len(ledger.faults) > 0 or not texts
    assert fold(ledger.events).events == len(ledger.events)
    assert isinstance(fold_risks(ledger.events), dict)


@given(PLAIN, PLAIN, PLAIN)
def test_a_strange_seal_is_no_seal(witness: Any, key: Any, value: Any) -> None:
    """Whatever stands where the seal belongs, the event is read and nobody vouches for it."""
    for strange in (witness, {"public_key": key, "value": value}):
        document = json.loads(_event(level=AUTHENTICATED))
        ledger = read_ledger({0: canonical_json(document | {"witness": strange})})
        assert len(unwitnessed(ledger.events, [key] if isinstance(key, str) else [])) == len(ledger.events)


def _length(size: int) -> int:
    return len(write_event(Ledger(), at=NOON, actor=ANA, kind="k", body={"r": "x" * size}, seal=None).text)


def test_what_the_store_would_cut_is_refused_before_it_is_written(seal: SigningKey) -> None:
    """The longest event is kept whole, one character more is refused, and the seal counts."""
    room = MAX_EVENT_LENGTH - _length(0)
    assert _length(room) == MAX_EVENT_LENGTH
    with pytest.raises(InputError, match=f"has {MAX_EVENT_LENGTH + 1} characters"):
        _length(room + 1)
    with pytest.raises(InputError, match="at most"):
        write_event(Ledger(), at=NOON, actor=ANA, kind="k", body={"r": "x" * room}, seal=seal)


@pytest.mark.parametrize(
    ("at", "body"),
    [
        (NOON, {"reason": "half \ud83d"}),
        (NOON, {"value": float("nan")}),
        (NOON, {"value": float("inf")}),
        (datetime(1970, 1, 1, tzinfo=UTC), {}),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), {}),
    ],
)
def test_what_no_event_can_hold_is_refused_in_words(at: datetime, body: dict[str, Any]) -> None:
    """Half a character (a broken command line), NaN and a clock far from now are bad input, not a crash."""
    with pytest.raises(InputError, match="cannot be kept"):
        write_event(Ledger(), at=at, actor=ANA, kind="k", body=body, seal=None)


def test_a_sealed_event_is_smaller_than_the_limit_by_far(seal: SigningKey, tmp_path: Path) -> None:
    """A decision with an ordinary reason has room for seal and signature."""
    story = LedgerBuilder()
    story.register()
    event = story.approve(key=new_key(tmp_path / "k"), seal=seal, reason="x" * 500)
    assert len(event.text) < MAX_EVENT_LENGTH / 2


def variants() -> st.SearchStrategy[dict[int, str]]:
    """The ledger as it may stand at two moments: whole, shorter, in another order, with an event edited or resigned."""
    edits = st.sampled_from(
        [
            TEXTS,
            TEXTS | {1: TEXTS[1].replace("gut", "schlecht")},
            TEXTS | {4: TEXTS[4].replace('"reason":""', '"reason":"x"')},
            TEXTS | {2: resigned(TEXTS[2], actor="mallory")},
            TEXTS | {3: "[]"},
            TEXTS | {0: TEXTS[0] + " "},
        ]
    )
    orders = st.permutations(range(5)) | st.just(list(range(5)))
    drawn = st.tuples(edits, orders, st.sets(st.sampled_from(range(5)), max_size=1), st.integers(0, 5))
    return drawn.map(
        lambda given: {
            number: given[0][old] for number, old in enumerate(given[1]) if number not in given[2] and number < given[3]
        }
    )


@given(variants(), variants())
def test_knowing_another_ledger_changes_nothing(now: dict[int, str], before: dict[int, str]) -> None:
    """Whatever was read before, with faults or without, the same events and the same faults are found."""
    assert read_ledger(now, known=read_ledger(before)) == read_ledger(now)


def test_a_known_event_is_not_parsed_again() -> None:
    """Of a ledger that grew the events known before are the very same objects."""
    known = read_ledger({number: TEXTS[number] for number in range(3)})
    found = read_ledger(TEXTS, known=known)
    assert all(new is old for new, old in zip(found.events, known.events, strict=False))
    assert found == read_ledger(TEXTS)


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2026-12-05T23:59:59+00:00", "2026-12-05 23:59 UTC"),
        ("2026-12-05T23:59:59+08:00", "2026-12-05 15:59 UTC"),
        ("2026-12-05T23:59:59", "2026-12-05T23:59:59"),
        ("next week", "next week"),
        ("0001-01-01T00:00:00+08:00", "0001-01-01T00:00:00+08:00"),
        (None, "None"),
    ],
)
def test_the_end_of_an_override_is_told_as_people_write_it(until: str | None, told: str) -> None:
    """A moment in UTC without seconds; an event written by hand that states none is told as it is."""
    story = LedgerBuilder()
    story.write("override", {"version": 1, "to": "staging", "until": until, "second": "ben", "reason": "a trial"})
    (override,) = describe_events(story.ledger.events)
    assert f"without a passing gate until {told}, with ben: a trial" in override.text


def sealed_story(*seals: SigningKey | None) -> dict[int, str]:
    """A release, and then an event with each of the seals: version N is registered by event N - 1."""
    story = LedgerBuilder()
    for version, key in enumerate(seals, 1):
        body = {"iteration": version, "run_id": "r", "bundle": "b", "place": "p", "version": version}
        story.write("registered", body, seal=key)
    return story.texts()


def test_an_unsealed_event_after_the_first_seal_counts_for_nothing(seal: SigningKey, foreign: SigningKey) -> None:
    """What came before the server sealed counts; afterwards only what it sealed does, and the chain still holds."""
    texts = sealed_story(None, seal, None, foreign, seal)
    ledger = read_ledger(texts, server_keys=[seal.public_key])
    assert ledger.faults == ()
    assert [event.number for event in ledger.unsealed] == [2, 3]
    assert list(fold(ledger.counted).releases) == [1, 2, 5]
    assert [told.text.startswith("counts for nothing") for told in describe_ledger(ledger)] == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("keys", [0, 1])
def test_without_a_known_seal_all_events_count(keys: int, seal: SigningKey, foreign: SigningKey) -> None:
    """Nobody voids what others decided by a seal of a key that flywheel.yaml does not name."""
    ledger = read_ledger(sealed_story(foreign, None, None), server_keys=[seal.public_key][:keys])
    assert (ledger.unsealed, len(ledger.counted)) == ((), 3)


@given(st.lists(st.booleans(), max_size=8), st.integers(0, 8))
def test_seals_are_known_again_however_a_ledger_is_read(seal: SigningKey, which: list[bool], cut: int) -> None:
    """Read at once, after a part of it, or event by event: the same events count."""
    texts = sealed_story(*(seal if one else None for one in which))
    part = read_ledger({number: text for number, text in texts.items() if number < cut}, server_keys=[seal.public_key])
    whole = read_ledger(texts, server_keys=[seal.public_key])
    grown = read_ledger({}, server_keys=[seal.public_key])
    for event in whole.events:
        grown = grown.followed_by(event)
    assert read_ledger(texts, known=part, server_keys=[seal.public_key]) == whole == grown
    assert read_ledger(texts, known=read_ledger(texts), server_keys=[seal.public_key]) == whole


def dated(*days: int, correcting: list[int] | None = None) -> Ledger:
    """A ledger whose events are dated so many days after noon; the last one corrects others."""
    story = LedgerBuilder()
    for day in days[: -1 if correcting else None]:
        story.write("other", {}, at=NOON + timedelta(days=day))
    if correcting:
        story.write(CLOCK_CORRECTED, {"events": correcting}, at=NOON + timedelta(days=days[-1]))
    return read_ledger(story.texts())


def days_of(ledger: Ledger) -> list[int]:
    return [(event.at - NOON).days for event in ledger.counted]


@given(st.lists(st.integers(-3_000, 3_000), max_size=8))
def test_time_never_runs_backwards(days: list[int]) -> None:
    """Whatever the events say, each counts as no older than the one before; where one says otherwise is a fault."""
    ledger = dated(*days)
    assert days_of(ledger) == sorted(days_of(ledger))
    wrong = {fault.number for fault in ledger.time_faults(NOON + timedelta(days=4_000))}
    assert wrong == {number for number, day in enumerate(days) if number and day < max(days[:number])}


def test_time_never_runs_ahead() -> None:
    """An event dated after now is a fault until a later one corrects it; it then is as old as the one before it."""
    now = NOON + timedelta(days=3)
    assert [fault.number for fault in dated(0, 1, 3_000, 2).time_faults(now)] == [2, 3]
    assert [event.number for event in dated(0, 1, 3_000).ahead_of(now)] == [2]
    mended = dated(0, 1, 3_000, 3, correcting=[2])
    assert days_of(mended) == [0, 1, 1, 3]
    assert (list(mended.time_faults(now)), mended.ahead_of(now)) == ([], ())
    assert mended.latest == mended.counted[3]


def test_a_correction_makes_no_past_event_older() -> None:
    """Only what is dated after the correction itself can have been dated ahead."""
    assert days_of(dated(0, 1, 2, 3, correcting=[1, 2, 99])) == [0, 1, 2, 3]
    assert days_of(dated(0, 1, 2, -9, correcting=[0])) == [0, 1, 2, 2]


def test_clocks_that_differ_a_little_are_no_fault() -> None:
    """Two machines disagree by seconds: the order of the ledger tells which event came first."""
    story = LedgerBuilder()
    story.write("other", {}, at=NOON)
    story.write("other", {}, at=NOON - CLOCK_SKEW)
    ledger = read_ledger(story.texts())
    assert list(ledger.time_faults(NOON - CLOCK_SKEW)) == []
    assert [event.at for event in ledger.counted] == [NOON, NOON]
