"""Which samples flipped: by direction, the largest changes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.drift.flips import flips_of

OUTCOMES = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from([0.0, 0.5, 1.0]))


def test_lower_can_be_better() -> None:
    """A sample whose outcome fell is lost where higher is better, and won where lower is."""
    before, now = {"a": 1.0, "b": 0.5, "c": 0.0}, {"a": 0.0, "b": 0.0, "c": 1.0}
    assert [flip.sample for flip in flips_of(before, now, higher=True).lost] == ["a", "b"]
    assert [flip.sample for flip in flips_of(before, now, higher=False).won] == ["a", "b"]


@given(OUTCOMES, OUTCOMES, st.booleans())
def test_every_sample_counts_once(before: dict[str, float], now: dict[str, float], higher: bool) -> None:
    """Each sample is lost, won, the same, or on one side alone; seen from the other side lost and won change places."""
    flips = flips_of(before, now, higher=higher)
    counted = len(flips.lost) + len(flips.won) + flips.same
    assert counted + flips.only_before == len(before)
    assert counted + flips.only_now == len(now)
    back = flips_of(now, before, higher=higher)
    assert {flip.sample for flip in back.won} == {flip.sample for flip in flips.lost}
