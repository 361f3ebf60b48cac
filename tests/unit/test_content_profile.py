"""Tests of what is kept of the content of sampled records."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records.content.building import ContentRule, SampledRow, content_of
from flywheel_mlflow.records.content.descriptors import describe, shape_of
from flywheel_mlflow.records.content.labels import hashed_label, same_labels
from flywheel_mlflow.records.content.leaves import abridge, leaves_of
from flywheel_mlflow.records.content.profile import ContentProfile, Phrase, content_from_parquet, content_to_parquet
from flywheel_mlflow.records.content.times import seconds_of
from flywheel_mlflow.records.content.wording import LEAST_FEATURES, WordingBuilder, rows_at_most

scalars = st.one_of(st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), scalars, st.text(max_size=30)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
    max_leaves=12,
)
records = st.lists(st.dictionaries(st.text(max_size=6), values, max_size=5), min_size=1, max_size=12)


def profiled(rows: list[dict[str, Any]], rule: ContentRule | None = None) -> ContentProfile:
    """The content profile of these records."""
    sampled = [SampledRow(row, f"data.jsonl, line {number}", repeated=False) for number, row in enumerate(rows, 1)]
    return content_of(sampled, rule or ContentRule())


def column(profile: ContentProfile, name: str) -> tuple[float | str | None, ...]:
    """The values of a column."""
    return next(item.values for item in profile.columns if item.name == name)


def test_every_leaf_is_looked_into() -> None:
    """Values at any depth and in lists, times as numbers, texts by what they look like, vectors by their direction."""
    row = {
        "id": "r1",
        "source": "web",
        "content": {"prompt": "How does one bake a good bread at home?", "turns": [{"role": "user"}, {"role": "bot"}]},
        "metadata": {"date": "2026-11-30", "stars": 4, "ok": True},
        "vector": [0.5] * 16,
    }
    other = {"prompt": "How long does one bake it, and how hot?", "turns": [{"role": "user"}, {"role": "bot"}]}
    found = profiled([row, row | {"id": "r2", "content": other}])
    names = {item.name for item in found.columns}
    assert {"source", "metadata.date", "metadata.stars", "metadata.ok", "content.prompt: words"} <= names
    assert {"content.turns: elements", "content.turns[].role: order", "vector: norm"} <= names
    assert column(found, "metadata.date") == (1795996800.0, 1795996800.0)
    assert column(found, "vector: norm") == (2.0, 2.0)
    assert [item.field for item in found.wordings] == ["content.prompt"]
    assert not any(name == "id" or name.startswith("id:") for name in names)


def test_no_text_of_a_single_row_is_kept() -> None:
    """Words that one row alone has stand nowhere in the file; phrases that many rows share do."""
    rows = [
        {
            "content": f"This is the manual of version {number}, please read it. secretword{number}",
            "author": f"Jo Doe {number}",
        }
        for number in range(200)
    ]
    found = profiled(rows)
    kept = content_to_parquet(found)
    texts = [value for item in found.columns for value in item.values if isinstance(value, str)]
    texts += [phrase.text for wording in found.wordings for phrase in wording.phrases]
    assert not any("secretword" in text or "Doe" in text for text in texts)
    assert b"secretword" not in kept
    assert any("the manual of" in text for text in texts)


def test_personal_data_that_many_rows_share_are_hashed() -> None:
    """A mail address in every row is no label and no phrase."""
    rows = [{"content": "write to jane.doe@company.org today please", "contact": "jane.doe@company.org"}] * 40
    found = profiled(rows)
    texts = [str(value) for item in found.columns for value in item.values]
    texts += [phrase.text for wording in found.wordings for phrase in wording.phrases]
    assert not any("jane.doe@company.org" in text for text in texts)


def test_a_contract_can_name_the_fields() -> None:
    """Only the fields named and those below them are looked into."""
    row = {"a": {"b": 1, "c": 2}, "d": "x"}
    found = profiled([row] * 3, ContentRule(fields=("a",)))
    assert {item.leaf for item in found.columns} == {"a.b", "a.c", "a.b to a.c"}


def test_fields_beyond_the_bound_are_named() -> None:
    """What is not looked into is listed, not forgotten."""
    found = profiled([{f"f{number:03d}": number for number in range(150)}] * 3)
    assert len(found.left_out) == 22
    assert "f149" in found.left_out


@settings(deadline=None, max_examples=30)
@given(records)
def test_a_profile_survives_its_file(rows: list[dict[str, Any]]) -> None:
    """Whatever the records are, the file read back makes the same file again."""
    kept = content_to_parquet(profiled(rows))
    assert content_to_parquet(content_from_parquet(kept)) == kept


@pytest.mark.parametrize("data", [b"", b"PAR1", b"{}", b"PAR1" + bytes(64) + b"PAR1"])
def test_other_files_are_refused(data: bytes) -> None:
    """Bytes that are no content profile are an error that says what to do."""
    with pytest.raises(RecordError, match="not a content profile"):
        content_from_parquet(data)


def test_a_file_with_a_foreign_part_is_refused() -> None:
    """Parquet that is not ours, and ours with a column of another kind, are refused."""
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    for meta in (None, {b"flywheel": b"not json"}, {b"flywheel": b'{"format_version": 9}'}):
        table = pa.table({"place": ["x"]}).replace_schema_metadata(meta)
        buffer = io.BytesIO()
        pq.write_table(table, buffer)
        with pytest.raises(RecordError, match="not a content profile"):
            content_from_parquet(buffer.getvalue())


@given(st.dictionaries(st.text(max_size=5), values, max_size=5), st.integers(64, 2000))
def test_an_abridged_record_keeps_its_fields(record: dict[str, Any], most: int) -> None:
    """Long texts lose their end; every scalar field is still there."""
    record["text"] = "x" * 5000
    short = abridge(record, most)
    assert leaves_of(short)[0].keys() == leaves_of(record)[0].keys()
    texts = sum(isinstance(item, str) for item in leaves_of(record)[0].values()) + sum(
        map(len, leaves_of(record)[1].values())
    )
    assert len(short["text"]) <= most + 64 * texts


def test_an_abridged_record_is_bounded() -> None:
    """A hundred long texts in a list take about as much as was asked for."""
    record = {"messages": [{"role": "user", "text": "y" * 10_000}] * 400}
    assert len(json.dumps(abridge(record, 16_384))) < 4 * 16_384


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("I'm sorry, I can't help with that.", "refusal", "yes"),
        ("Sorry is the hardest word", "refusal", "no"),
        ("<p>Hello</p>", "HTML", "yes"),
        ("if a < b and c > d", "HTML", "no"),
        ("fran\u00c3\u00a7ais", "broken encoding", "yes"),
        ("français", "broken encoding", "no"),
        ("# Title\n\n- item", "Markdown", "yes"),
        ("Привет, как дела", "script", "Cyrillic"),
        ("今日はいい天気ですね", "script", "Kana"),
        ("cafe\u0301", "Unicode form", "not NFC"),
        ("The end.", "ending", "."),
        ("", "ending", "nothing"),
    ],
)
def test_texts_are_described(text: str, name: str, value: str) -> None:
    """Each mark is found where it is and not where it is not."""
    assert describe(text)[name] == value


@pytest.mark.parametrize(
    ("text", "shape"),
    [("2026-11-30", "9999-99-99"), ("rec-0042", "a-9999"), ("30 Nov 2026", "99 A 9999"), ("", ""), ("naïve_1", "a_9")],
)
def test_shapes_of_short_texts(text: str, shape: str) -> None:
    """Words and numbers are told by their kind, signs stay."""
    assert shape_of(text) == shape


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:00:01Z", 1.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01 00:00:00.5", 0.5),
        ("2026-13-40", None),
        ("yesterday", None),
        ("20", None),
    ],
)
def test_times_are_numbers(text: str, seconds: float | None) -> None:
    """ISO 8601 in its usual forms; what is no time is none."""
    assert seconds_of(text) == seconds


def test_a_label_that_one_side_names_is_the_others_hash() -> None:
    """A label near the bound is named in one profile and hashed in the other; it is the same label."""
    one, other = same_labels(["web", "#x", None], [hashed_label("web"), "#x", 3.0])
    assert (list(one), list(other)) == (["web", "#x", None], ["web", "#x", 3.0])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text("abc de\n.", max_size=60), min_size=1, max_size=30), st.integers(1, 60))
def test_a_phrase_stands_in_no_more_rows_than_their_features_allow(texts: list[str], features: int) -> None:
    """The bound is never below the truth, however few features of a row were kept."""
    builder = WordingBuilder("text", max(LEAST_FEATURES, features))
    for text in texts:
        builder.observe(text)
    wording = builder.result()
    phrases = [
        Phrase(text, words, 0) for text, words in (("a", 1), ("a b", 2), ("a \u23ce", 2), (". a b", 3), ("zz", 1))
    ]
    for phrase, most in zip(phrases, rows_at_most(wording, phrases), strict=True):
        words = ["\n" if word == "\u23ce" else word for word in phrase.text.split(" ")]
        rows = sum(
            any(tokens[at : at + len(words)] == words for at in range(len(tokens)))
            for tokens in (re.findall(r"\w+|\n|[^\w\s]", text) for text in texts)
        )
        assert rows <= most <= len(texts)
