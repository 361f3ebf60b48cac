"""Tests of the comparison of two runs sample by sample."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.drift import compare_pairs, mcnemar
from flywheel_mlflow.evidence.samples import KpiSamples, samples_from_json

outcomes = st.dictionaries(st.text(min_size=1, max_size=8), st.floats(-1e6, 1e6), min_size=1, max_size=30)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_the_exact_binomial_test(lost: int, won: int) -> None:
    """The p-value is scipy's one-sided binomial test of one half, 1 when nothing changed."""
    from scipy.stats import binomtest

    expected = binomtest(lost, lost + won, 0.5, alternative="greater").pvalue if lost + won else 1.0
    assert mcnemar(lost, won) == pytest.approx(float(expected), rel=1e-6)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 200), st.floats(0, 0.5))
def test_a_paired_interval_and_its_p_value_agree(lost: int, won: int, still: int, tolerance: float) -> None:
    """The interval holds the loss that was seen, and a tolerance below it is refused by the p-value of its level."""
    before = {f"l{n}": 1.0 for n in range(lost)} | {f"w{n}": 0.0 for n in range(won)}
    before |= {f"s{n}": 1.0 for n in range(still + 20)}
    now = before | {f"l{n}": 0.0 for n in range(lost)} | {f"w{n}": 1.0 for n in range(won)}
    pairs = compare_pairs(now, before, higher=True, confidence=0.95, seed=1, tolerance=tolerance)
    assert pairs is not None
    assert pairs.binary
    assert pairs.low - 1e-9 <= pairs.worse <= pairs.high + 1e-9
    if pairs.p_worse < 0.025:
        assert pairs.low > tolerance - 1e-9
    assert (pairs.lost, pairs.won) == (lost, won)


def test_a_loss_within_the_tolerance_is_no_evidence_of_more() -> None:
    """Ten of a hundred lost: surely more than none, surely not more than a third."""
    before = {f"s{n}": 1.0 for n in range(100)}
    now = before | {f"s{n}": 0.0 for n in range(10)}
    p_values = []
    for tolerance in (0.0, 0.33):
        pairs = compare_pairs(now, before, higher=True, confidence=0.95, seed=1, tolerance=tolerance)
        assert pairs is not None
        p_values.append(pairs.p_worse)
    assert p_values[0] == pytest.approx(2.0**-10)
    assert p_values[1] > 0.999


def test_the_bootstrap_repeats_itself() -> None:
    """Equal samples and an equal seed give equal intervals."""
    before = {f"s{n}": n / 40 for n in range(40)}
    now = {name: value - 0.1 * (n % 3) for n, (name, value) in enumerate(before.items())}
    one = compare_pairs(now, before, higher=True, confidence=0.95, seed=3)
    assert one == compare_pairs(now, before, higher=True, confidence=0.95, seed=3)
    assert one is not None
    assert not one.binary
    assert one.low <= one.worse <= one.high


def test_too_few_pairs_are_not_compared() -> None:
    """Below twenty pairs, or where less than half of the samples are the same, there is no paired answer."""
    few = {f"s{n}": 1.0 for n in range(19)}
    assert compare_pairs(few, few, higher=True, confidence=0.95, seed=1) is None
    many, others = {f"s{n}": 1.0 for n in range(100)}, {f"s{n}": 1.0 for n in range(75, 175)}
    assert compare_pairs(many, others, higher=True, confidence=0.95, seed=1) is None


@given(outcomes)
def test_logged_samples_come_back(values: dict[str, float]) -> None:
    """What a run writes is what a comparison reads."""
    text = document_json(KpiSamples("hit_rate", values))
    assert samples_from_json(text, name="samples").samples == values


@pytest.mark.parametrize(
    "document",
    [
        {"kpi": "x", "samples": {"a": "1"}, "format_version": 1},
        {"kpi": "x", "samples": {"a": True}, "format_version": 1},
        {"kpi": "x", "samples": {"": 1.0}, "format_version": 1},
        {"kpi": "x", "samples": {"a": 1.0}, "format_version": 2},
        {"kpi": "x", "samples": {"a": 1.0}, "format_version": 1, "more": 1},
        [],
    ],
)
def test_hostile_samples_are_refused(document: object) -> None:
    """Texts for numbers, empty ids, other formats, unknown keys: none of them is read."""
    with pytest.raises(DocumentError):
        samples_from_json(json.dumps(document), name="samples")


@pytest.mark.parametrize("text", ["", "{", '{"kpi": "x", "samples": {"a": NaN}, "format_version": 1}'])
def test_what_is_no_json_is_refused(text: str) -> None:
    """Cut texts and NaN are no JSON."""
    with pytest.raises(DocumentError):
        samples_from_json(text, name="samples")
