"""Tests of the search for personal data."""

from __future__ import annotations

import hashlib
import uuid

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.records.personal import (
    find_personal_data,
    kinds_in,
    may_hold_personal_data,
    withheld,
)
from flywheel_mlflow.records.personal_columns import rows_with_personal_data

PERSONAL = [
    ("jane.doe+x@mail.example.com", "email"),
    ("13812345678", "mobile_number"),
    ("+86 138-1234-5678", "mobile_number"),
    ("１３８１２３４５６７８", "mobile_number"),
    ("+44 20 7946 0958", "phone_number"),
    ("+1 (415) 555-2671", "phone_number"),
    ("+49.30.123456.78", "phone_number"),
    ("4111111111111111", "credit_card"),
    ("4111 1111 1111 1111", "credit_card"),
    ("5555-5555-5555-4444", "credit_card"),
    ("3782 822463 10005", "credit_card"),
    ("6222021234567890128", None),
    ("11010519491231002X", "resident_id"),
    ("GB82 WEST 1234 5698 7654 32", "iban"),
    ("DE89370400440532013000", "iban"),
]
HITS = [(text, kind) for text, kind in PERSONAL if kind]

HARMLESS = [
    hashlib.sha256(b"a").hexdigest(),
    "2024-05-01T12:00:00.123456789+0800",
    "1700000000", "1700000000000", "1700000000123456", "1700000000123456789",
    "550e8400-e29b-41d4-a716-446655440000",
    "doc-13812345678", "sample_4111111111111111", "p05-000000000123",
    "0.13812345678", "3.141592653589793", "+1.234567890",
    "192.168.100.200", "10.2.0.1",
    "4111111111111112",  # Luhn's digit is wrong
    "110105194912310021",  # the checksum is wrong
    "GB83 WEST 1234 5698 7654 32", "GB82WEST1234569876543",
    "icon@2x.png", "@decorator.name", "user@localhost",
    "v1.2.3-20240501120000",
    "0000000000000000",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind"), HITS)
@pytest.mark.parametrize("frame", ["{}", "call {} today", "号码：{}。", "({})", '"{}",', "a\n{}\nb", "x. {}!"])
def test_personal_data_is_found_in_any_surroundings(text: str, kind: str, frame: str) -> None:
    """Each kind is found alone and inside a sentence of either script."""
    assert kinds_in(frame.format(text)) == {kind}


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_it_is_not_reported(text: str) -> None:
    """Digests, time stamps, ids, versions and numbers with wrong check digits are no personal data."""
    assert kinds_in(text) == frozenset()
    assert kinds_in(f"see {text} there") == frozenset()


@given(st.integers(min_value=0))
def test_hex_digests_and_uuids_are_never_personal(seed: int) -> None:
    """No hex digest or UUID, whatever its digits, is taken for a number of a person."""
    digest = hashlib.sha256(str(seed).encode()).hexdigest()
    assert kinds_in(digest) == frozenset()
    assert kinds_in(str(uuid.UUID(digest[:32]))) == frozenset()


around = st.text(alphabet="ab1 -.+(/:字\n@A", max_size=8)


@given(around, st.sampled_from([text for text, _ in HITS]), around)
def test_the_quick_look_misses_nothing_the_close_look_finds(before: str, text: str, after: str) -> None:
    """A text cleared by the quick look holds nothing, whatever surrounds the data."""
    from flywheel_mlflow.records import personal

    whole = before + text + after
    if not may_hold_personal_data(whole):
        found = {kind.name for kind in personal._KINDS for match in kind.form.finditer(whole) if kind.valid(match[0])}
        assert found == set()


@given(st.lists(st.tuples(around, st.sampled_from([text for text, _ in PERSONAL]), around), max_size=3))
def test_the_search_in_columns_finds_what_the_search_in_texts_does(parts: list[tuple[str, str, str]]) -> None:
    """Texts joined by line breaks are suspects exactly if one of them holds personal data."""
    texts = ["".join(part).replace("\n", " ") for part in parts] + ["nothing"]
    expected = [0] if any(map(kinds_in, texts)) else []
    assert rows_with_personal_data([pa.array(["\n".join(texts)])]) == expected
    columns = [pa.array([None, "x", text, ""]).slice(1) for text in texts]
    assert rows_with_personal_data(columns) == [1 for _ in expected]


def test_the_whole_record_is_walked() -> None:
    """Values at any depth, whole numbers, bytes and keys are looked at; the path says where."""
    hits = dict(
        find_personal_data(
            {
                "a": {"b": [{"c": "me@mail.example"}]},
                "n": 13812345678,
                "raw": b"me@mail.example",
                "users": {"me@mail.example": 1},
                "f": 13812345678.0,
                "ok": True,
            }
        )
    )
    assert hits == {
        "a.b[0].c": "email",
        "n": "mobile_number",
        "raw": "email",
        "users.(key)": "email",
    }


def test_a_shown_value_is_withheld_when_personal() -> None:
    """What reports print about a record passes through here."""
    assert withheld("doc-1") == "doc-1"
    assert withheld("me@mail.example") == "(withheld: email)"
