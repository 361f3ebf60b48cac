"""Tests of the search for personal data and secrets."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_personal_data import CHECK_DIGITS, MAKERS, both, personal_texts, score

from flywheel_mlflow.records.personal import (
    KINDS,
    MASK,
    find_personal_data,
    kinds_in,
    mask_personal_data,
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
    ("6222 0212 3456 7890 128", "credit_card"),
    ("11010519491231002X", "resident_id"),
    ("GB82 WEST 1234 5698 7654 32", "iban"),
    ("DE89370400440532013000", "iban"),
    ("(415) 555-2671", "phone_number"),
    ("536-90-4399", "us_ssn"),
    ("390.533.447-05", "br_cpf"),
    ("12.531.909-2", "cl_rut"),
    ("2 95 10 99 126 111 93", "fr_nir"),
    ("85.07.30-033.28", "be_nn"),
    ("756.9217.0769.85", "ch_ahv"),
    ("RCCMNL83S18D969H", "it_cf"),
    ("54362315-K", "es_dni"),
    ("X2482300W", "es_nie"),
    ("131052-308T", "fi_hetu"),
    ("BOXW310820HNERXN09", "mx_curp"),
    ("971013-9019902", "kr_rrn"),
    ("3-1006-00445-63-5", "th_pin"),
    ("BSN 111222333", "nl_bsn"),
    ("PESEL: 44051401359", "pl_pesel"),
    ("Steuer-ID 36 574 261 809", "de_idnr"),
    ("Aadhaar 2341 2341 2346", "in_aadhaar"),
    ("PPS 6433435FT", "ie_pps"),
    ("AKIA" + "Q7Z4" * 4, "aws_key"),
    ("ghp_" + "aB3d" * 9, "github_token"),
    ("xoxb-" + "2048391049-" * 2 + "aB3dE5gH7jK9", "slack_token"),
    ("sk_live_" + "aB3dE5gH" * 3, "stripe_key"),
    ("sk-proj-" + "aB3dE5gH" * 6, "openai_key"),
    ("hf_" + "aBcDe" * 6 + "fGhI", "hugging_face_token"),
    ("AIza" + "aB3dE5g" * 5, "google_api_key"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.aB3dE5gH7jK9", "jwt"),
    ("-----BEGIN RSA PRIVATE KEY-----\\n" + "MIIEow" * 8, "private_key"),
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
    "git@github.com:flywheel/records.git", "deploy@build.example:srv/site", "ssh://user:word@host.example/x",
    "getty@tty1.service", "self.weights@x.transpose()", "actions/checkout@v4.beta",
    "1288834974657456129", "622202123456789012", "9223372036854775807", "6222021234567890128",  # ids of 64 bits
    "111222333", "44051401359", "2341 2341 2346",  # some country's number, and nobody says so
    "123-456-7890",  # no such area
    "-----BEGIN PRIVATE KEY-----", "AKIA", "sk-learn", "eyJ.not.json",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709-AKIAQ7Z4Q7Z4Q7Z4Q7Z4x",
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
def test_the_search_in_columns_misses_nothing(before: str, text: str, after: str) -> None:
    """A column cleared by passes over its bytes holds nothing, whatever surrounds the data."""
    whole = before + text + after
    assert rows_with_personal_data([pa.array(["nothing", whole, "train"])]) == ([1] if kinds_in(whole) else [])


@given(st.lists(st.tuples(around, st.sampled_from([text for text, _ in PERSONAL]), around), max_size=3))
def test_the_search_in_columns_finds_what_the_search_in_texts_does(parts: list[tuple[str, str, str]]) -> None:
    """A text of several lines is a suspect exactly if it holds personal data, a record if one of its texts does.

    A word that makes a number personal may stand in the line before it.
    """
    texts = ["".join(part).replace("\n", " ") for part in parts] + ["nothing"]
    whole = "\n".join(texts)
    assert rows_with_personal_data([pa.array([whole])]) == ([0] if kinds_in(whole) else [])
    columns = [pa.array([None, "x", text, ""]).slice(1) for text in texts]
    assert rows_with_personal_data(columns) == ([1] if any(map(kinds_in, texts)) else [])


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


def test_the_name_of_a_field_says_what_a_number_is() -> None:
    """Nine digits are nobody's, but in a field called after a number of people; fields beside it do not matter."""
    client = {"bsn": 111222333, "card": "6222021234567890128"}
    record = {"id": "111222333", "client": client, "nationalId": ["44051401359"]}
    assert dict(find_personal_data(record)) == {
        "client.bsn": "nl_bsn",
        "nationalId[0]": "pl_pesel",
        "client.card": "credit_card",
    }


def test_a_resident_id_of_no_county_counts_where_it_is_called_one() -> None:
    """An id of 64 bits may have a date in its midst; of a county that never was it counts by its name alone."""
    assert kinds_in("990105194912310023") == frozenset()
    assert kinds_in("身份证号 990105194912310023") == {"resident_id"}


def test_a_shown_value_is_withheld_when_personal() -> None:
    """What reports print about a record passes through here."""
    assert withheld("doc-1") == "doc-1"
    assert withheld("me@mail.example") == "(withheld: email)"


def test_a_masked_record_holds_no_hit() -> None:
    """Every hit in values, keys and lists is masked, with its kinds told; what is no hit stays as it is."""
    record = {
        "id": "r1",
        "text": "write to me@mail.example, or me@mail.example, not to doc-13812345678",
        "me@mail.example": [4111111111111111, 7, 0.5, None, True],
        "client": {"bsn": 111222333, "raw": b"me@mail.example"},
    }
    masked: set[str] = set()
    found = mask_personal_data(record, masked)
    assert found == {
        "id": "r1",
        "text": f"write to {MASK}, or {MASK}, not to doc-13812345678",
        MASK: [MASK, 7, 0.5, None, True],
        "client": {"bsn": MASK, "raw": MASK},
    }
    assert masked == {"email", "credit_card", "nl_bsn"}
    assert list(find_personal_data(found)) == []


def test_labelled_texts_are_masked() -> None:
    """Whatever kind a text holds, none is found in it once it is masked."""
    for item in personal_texts(each=4):
        masked: set[str] = set()
        found = mask_personal_data(item.text, masked)
        assert bool(masked) == bool(kinds_in(item.text))
        assert kinds_in(found) == frozenset(), item.text


def test_every_kind_has_labelled_texts() -> None:
    """A kind that is added is measured, too."""
    assert set(MAKERS) == set(KINDS)


def test_every_kind_is_documented(repository: Path) -> None:
    """The page that says what is looked for names every kind."""
    page = (repository / "docs" / "personal-data.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in page] == []


def test_labelled_texts_are_told_apart() -> None:
    """Of all that is found 98 in 100 are rightly found, and 95 in 100 of what has check digits are found."""
    result = score(both(each=8, harmless=30, lines=200))
    assert result.harmless.total() >= 1000
    assert result.precision >= 0.98
    assert result.recall(CHECK_DIGITS) >= 0.95
    assert result.recall(frozenset(KINDS)) >= 0.95


def test_columns_miss_no_labelled_text() -> None:
    """Whatever kind a text holds, the passes over its column let it through, among others and alone."""
    texts = [item.text for item in personal_texts(each=4)]
    expected = [row for row, text in enumerate(texts) if kinds_in(text)]
    assert rows_with_personal_data([pa.array(texts)]) == expected
    padded = [f"{'some words without any number, as most texts are. ' * 5}{text} and so on" for text in texts]
    assert set(expected) <= set(rows_with_personal_data([pa.array(padded)]))
    assert [row for row, text in enumerate(texts) if rows_with_personal_data([pa.array([text])])] == expected
