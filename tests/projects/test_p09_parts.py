"""The parts of P09: detection, redaction, zones and the rehearsal of an incident."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

HOME = PROJECTS / "p09_privacy"
detection = load_module(HOME / "p09_detection.py")
redaction = load_module(HOME / "p09_redaction.py")
zones = load_module(HOME / "p09_zones.py")
drill = load_module(HOME / "p09_drill.py")

KEY = bytes(range(32))


def kinds(record: Any) -> list[str]:
    return [finding.rule.kind for finding in detection.find(record)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("write to ada@example.org", ["email"]),
        ("ｕｓｅｒ１２＠example.net", ["email"]),
        ("call (212) 555-0142 or +1 212 555 0142", ["phone", "phone"]),
        ("请致电19900001234", ["phone"]),
        ("number 912-34-5678", ["ssn"]),
        ("card 4000 0000 0000 0002", ["credit_card"]),
        ("card 4000 0000 0000 0003", []),
        ("IBAN DE89370400440532013000", ["bank_account"]),
        ("账号9000012345678901", ["bank_account"]),
        ("patient PT-004711", ["patient_id"]),
        ("batch-519215667114 of build 10.2.0.1 at 1740988800000", []),
    ],
)
def test_identifiers_are_found_by_form_and_check_digit(text: str, found: list[str]) -> None:
    """Each kind is found in text, and numbers that only look like one are not."""
    assert sorted(kinds({"text": text})) == sorted(found)


def test_identifiers_are_found_in_keys_nested_values_and_numbers() -> None:
    """Nothing is out of reach: keys, lists within objects, and numbers stored as numbers."""
    record = {"a": [{"ada@example.org": 1}], "b": {"c": 19900001234}, "name": "Ada Byron"}
    assert sorted(kinds(record)) == ["email", "person_name", "phone"]


def test_a_name_is_removed_wherever_its_record_says_it() -> None:
    """The name in a name field goes from the free text, too."""
    redacted = redaction.Redactor(KEY).redacted({"text": "I am Ada Byron.", "customer_name": "Ada Byron"})
    assert "Ada" not in str(redacted)


def test_tokens_join_equal_values_and_change_with_the_key() -> None:
    """Equal values have equal tokens under one key, and others under another."""
    one, other = redaction.Redactor(KEY), redaction.Redactor(bytes(32))
    assert one.token("email", "a@example.org") == one.token("email", "a@example.org")
    assert one.token("email", "a@example.org") != other.token("email", "a@example.org")


def test_plain_hashes_can_be_guessed_and_keyed_tokens_cannot() -> None:
    """The attack on tokens succeeds against hashes without a key, so that its failure means something."""
    records = [{"mail": "a@example.org"}]
    for keyed, guessed in ((False, 1), (True, 0)):
        redactor = redaction.Redactor(KEY, keyed=keyed)
        redacted = [redactor.redacted(record) for record in records]
        assert redaction.guessable_tokens(redactor, redacted, [("email", "a@example.org")]) == guessed


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.text(max_size=8), inner, max_size=3) | st.lists(inner, max_size=3)


@given(st.recursive(st.text(max_size=20) | st.integers() | st.none(), nested, max_leaves=8))
def test_redaction_keeps_the_shape_and_finds_nothing_afterwards(value: Any) -> None:
    """Whatever the payload, what is redacted holds no identifier any more, and redacting twice changes nothing."""
    redactor = redaction.Redactor(KEY)
    once = redactor.redacted({"payload": value})
    assert detection.find(once) == []
    assert redactor.redacted(once) == once


@pytest.mark.parametrize("text", ["212-555-0142", "(212) 555 0142", "２１２５５５０１４２", "x 212.555.0142 y"])
def test_survival_looks_through_punctuation_and_width(text: str) -> None:
    """A number counts as leaked however it is written."""
    assert redaction.survives("(212) 555-0142", {"a": [{"b": text}]})
    assert not redaction.survives("(212) 555-0143", {"a": [{"b": text}]})


def test_a_level_is_raised_by_what_is_found_and_never_lowered() -> None:
    """The level of a record is the highest of its source and its findings."""
    findings = detection.find({"text": "PT-004711"})
    assert detection.level_of("internal", findings) == "restricted"
    assert detection.level_of("restricted", []) == "restricted"


def test_alerts_need_a_later_answer_of_somebody_entitled() -> None:
    """An alert is closed by an entitled person's answer after the event, by nothing else."""
    event: dict[str, Any] = {
        "event_id": "e",
        "at": "2025-03-03T09:00:00Z",
        "actor": "x",
        "role": "analyst",
        "action": "read",
    }
    event |= {"zone": "raw_zone", "records": 1}
    answer: dict[str, Any] = {"event_id": "r", "at": "2025-03-03T09:10:00Z", "role": "incident_responder"}
    answer |= {"action": "resolve_alert", "about": "e"}
    assert zones.alerts_of([event, answer])[0].resolved_after_minutes == 10
    for bad in ({"role": "analyst"}, {"at": "2025-03-03T08:00:00Z"}, {"about": "other"}):
        assert zones.alerts_of([event, answer | bad])[0].resolved_after_minutes is None
    assert zones.alerts_of([event | {"zone": "redacted_zone"}]) == ()


def test_a_rehearsal_without_a_key_is_not_contained() -> None:
    """Rotation of the key helps only where tokens are keyed."""
    leak = {"record_id": "leak", "payload": {"mail": "a@example.org"}}
    clean = {"record_id": "clean", "payload": {"text": "fine"}}
    assert drill.rehearse([clean], leak, redaction.Redactor(KEY)).open_points == ()
    assert drill.rehearse([clean], leak, redaction.Redactor(KEY, keyed=False)).open_points
    assert drill.rehearse([clean], {"record_id": "leak", "payload": {}}, redaction.Redactor(KEY)).open_points


def test_the_record_of_an_exercise_must_be_whole_and_in_order() -> None:
    """Missing steps, times that go backwards and follow-ups without an owner are named."""
    record = {
        "timeline": [
            {"step": step, "at": f"2025-03-03T09:{minute:02d}:00Z"} for minute, step in enumerate(drill.STEPS)
        ],
        "follow_ups": [{"what": "x", "owner": "team", "due_in_iterations": 1}],
    }
    assert drill.timeline_faults(record) == ()
    assert drill.minutes_between(record, "detected", "contained") == 4
    assert drill.minutes_between(record, "detected", "never") is None
    assert drill.timeline_faults(record | {"timeline": record["timeline"][::-1]})
    assert drill.timeline_faults(record | {"follow_ups": [{"what": "x"}]})
