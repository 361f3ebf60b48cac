"""Tests of profiles: bins, categories, samples, merging."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.records import bin_edges, profile_from_json, profiling
from flywheel_mlflow.records.arrow_values import objects_array
from flywheel_mlflow.records.batches import Block, make_batch
from flywheel_mlflow.records.profiling import CategoryTally, NumberTally, ProfileBuilder, bin_indexes

signals = st.dictionaries(
    st.sampled_from(["a", "b", "c.d"]),
    st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6) | st.booleans() | st.sampled_from("xyz"),
)
rows = st.lists(signals, min_size=1, max_size=30).map(
    lambda items: [{"id": str(n), "content": f"c{n}", "quality_signals": item} for n, item in enumerate(items)]
)


def build(records: list[dict[str, Any]], *, sample_size: int = 5, start: int = 0) -> ProfileBuilder:
    builder = ProfileBuilder("record", sample_size=sample_size)
    for row in range(0, len(records), 4):
        some = records[row : row + 4]
        block = Block(objects_array(some), start + row, some.__getitem__, keeps_nulls=False, keeps_numbers=True)
        builder.observe(make_batch("record", (0, 0), block))
    return builder


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_lies_in_its_bin(value: float) -> None:
    """A value's bin holds it and is at most 1/32 of it wide."""
    low, high = bin_edges(int(bin_indexes(np.array([value]))[0]))
    assert low <= value <= high
    assert (high - low) <= max(abs(value) / 32 * 1.0001, 2.0**-40)


@given(rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_show(records: list[dict[str, Any]], shuffle: random.Random) -> None:
    """Counts, bins, categories and the sample are the same for any order of the rows."""
    mixed = list(records)
    shuffle.shuffle(mixed)
    assert build(records).result() == build(mixed).result()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_mean_is_exact_whatever_the_order(values: list[float]) -> None:
    """The mean is the true one, rounded once: no order of adding shows, and nothing overflows on the way."""
    tally = NumberTally()
    tally.observe(np.array(values))
    assert tally.mean == float(sum(map(Fraction, values)) / len(values))


@given(rows, st.integers(0, 30))
def test_merging_parts_gives_the_whole(records: list[dict[str, Any]], cut: int) -> None:
    """Two builders over the two parts, merged, give the profile of all rows."""
    first, second = build(records[:cut]), build(records[cut:])
    first.merge(second)
    assert first.result() == build(records).result()


@given(rows)
@settings(max_examples=30)
def test_a_profile_survives_its_json(records: list[dict[str, Any]]) -> None:
    """What is stored is what is read back, and equal profiles are equal bytes."""
    profile = build(records).result()
    again = profile_from_json(parse_json(profile.to_json(), name="profile.json"))
    assert again == profile
    assert again.to_json() == profile.to_json()


@pytest.mark.parametrize("document", [[], {}, {"rows": 1, "signals": [], "format_version": 2}, {"rows": "x"}])
def test_another_document_is_no_profile(document: Any) -> None:
    """A document of another shape or version is refused."""
    with pytest.raises(RecordError, match="not a profile"):
        profile_from_json(document)


def test_a_signal_says_what_was_measured_and_what_was_missing() -> None:
    """Counts, extremes, mean and quantiles are those of the values; the missing are counted, not 0."""
    records = [{"id": str(n), "content": "x" * n, "quality_signals": {"s": n}} for n in range(1, 101)]
    records += [{"id": "none", "content": "y", "quality_signals": {}}]
    profile = build(records, sample_size=1000).result()
    signal = profile.signal("quality_signals.s")
    assert signal is not None
    assert (signal.count, signal.missing, signal.minimum, signal.maximum, signal.mean) == (100, 1, 1, 100, 50.5)
    assert signal.quantile(0.5) == pytest.approx(50, rel=0.032)
    assert sorted(value for value in signal.sample if value is not None) == list(range(1, 101))
    assert signal.sample.count(None) == 1
    length = profile.signal("length")
    assert length is not None
    assert length.maximum == 100


def test_the_sample_is_uniform_bounded_and_of_the_same_rows() -> None:
    """It holds at most its size, the same rows in every signal, and looks like the data."""
    records = [{"id": f"r{n}", "content": "x", "quality_signals": {"n": n, "m": 2 * n}} for n in range(4000)]
    profile = build(records, sample_size=400).result()
    one, two = profile.signal("quality_signals.n"), profile.signal("quality_signals.m")
    assert one is not None
    assert two is not None
    assert len(one.sample) == 400
    assert [2 * value for value in one.sample if isinstance(value, int)] == list(two.sample)
    assert np.mean(np.array(one.sample, float)) == pytest.approx(2000, abs=200)


def test_booleans_are_categories_with_a_mean() -> None:
    """Of a flag both the counts and the share are known."""
    records = [{"id": str(n), "content": "x", "quality_signals": {"ok": n < 3}} for n in range(4)]
    signal = build(records).result().signal("quality_signals.ok")
    assert signal is not None
    assert (signal.count, signal.mean, signal.categories) == (4, 0.75, (("true", 3), ("false", 1)))


def test_too_many_categories_are_bounded_and_their_counts_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the number of texts is unknown, those kept are counted exactly in any order."""
    monkeypatch.setattr(profiling, "MAX_DISTINCT", 20)
    texts = [f"t{n % 100}" for n in range(1000)]
    forward, backward, half = CategoryTally(), CategoryTally(), CategoryTally()
    for start in range(0, 1000, 10):
        forward.observe(Counter(texts[start : start + 10]))
        backward.observe(Counter(texts[::-1][start : start + 10]))
    half.observe(Counter(texts))
    assert forward.top() == backward.top() == half.top()
    assert forward.distinct is None
    assert {count for _, count in forward.top()} == {10}
    half.merge(forward)
    assert {count for _, count in half.top()} == {20}


def test_personal_texts_do_not_enter_a_profile() -> None:
    """A profile outlives the data, so personal values stay behind."""
    records = [{"id": "1", "content": "x", "quality_signals": {"by": "me@mail.example"}}]
    assert "me@mail.example" not in build(records).result().to_json()
