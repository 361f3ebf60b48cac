"""How far reviewers agree beyond chance: published examples, the limits, and another library's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

from flywheel_mlflow.decisions.agreement import gwet_ac1, krippendorff_alpha, observed_agreement

#: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), C: four observers, twelve units, gaps.
FOUR = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3),
    (None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None),
)
#: The same, A and B: two observers without gaps.
BINARY = ((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0))
NOMINAL = ("aabbdcccedda", "babbbcccnddd".replace("n", "e"))
#: Gwet (2008): two raters who agree about 118 of 125 subjects, and hardly ever find anything.
RARE = [("no", "no")] * 118 + [("no", "yes")] * 5 + [("yes", "no")] * 2


def units(*observers: object) -> list[list[object]]:
    return [[value for value in unit if value is not None] for unit in zip(*observers, strict=True)]


def test_published_examples() -> None:
    """Alpha and AC1 are those that Krippendorff and Gwet print."""
    assert krippendorff_alpha(units(*FOUR)) == pytest.approx(0.743, abs=5e-4)
    assert krippendorff_alpha(units(*BINARY)) == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(units(*NOMINAL)) == pytest.approx(0.692, abs=5e-4)
    assert gwet_ac1(units(*FOUR), 5) == pytest.approx(0.775, abs=5e-4)
    assert gwet_ac1(RARE, 2) == pytest.approx(0.9408, abs=5e-5)


def test_where_nearly_all_is_good_alpha_cannot_tell() -> None:
    """Of 125 subjects raters agree about 94 %, and alpha calls that chance: which is why there is a second one."""
    assert observed_agreement(RARE) == pytest.approx(0.944)
    assert (krippendorff_alpha(RARE) or 0) < 0


def test_what_is_not_known_is_none() -> None:
    """No item with two answers is unknown; answers that are all the same show alpha nothing, and AC1 agreement."""
    for items in ([], [["yes"]], [["yes"], ["no"]]):
        assert krippendorff_alpha(items) is observed_agreement(items) is gwet_ac1(items, 2) is None
    assert krippendorff_alpha([["yes", "yes"]] * 9) is None
    assert gwet_ac1([["yes", "yes"]] * 9, 2) == 1
    with pytest.raises(ValueError, match="1 answers"):
        gwet_ac1([["yes", "yes"]], 1)


@given(
    st.integers(2, 4).flatmap(
        lambda raters: st.lists(st.lists(st.sampled_from("abc"), min_size=raters, max_size=raters), min_size=2)
    )
)
def test_without_gaps_alpha_is_fleiss_kappa_of_a_small_sample(items: list[list[str]]) -> None:
    """With n answers in all, 1 - alpha is (n-1)/n of 1 - kappa as statsmodels computes it."""
    found = krippendorff_alpha(items)
    answers = [answer for item in items for answer in item]
    if len(set(answers)) == 1:
        assert found is None
        return
    kappa = fleiss_kappa(aggregate_raters(np.array(items))[0])
    assert found == pytest.approx(1 - (len(answers) - 1) / len(answers) * (1 - kappa))


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4), max_size=12), st.randoms())
def test_order_says_nothing(items: list[list[str]], random: object) -> None:
    """Neither the order of items nor that of answers changes anything; agreement is never above one."""
    mixed = [sorted(item) for item in items]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    for measure in (krippendorff_alpha, lambda found: gwet_ac1(found, 3)):
        before, after = measure(items), measure(mixed)
        assert before == (None if after is None else pytest.approx(after))
        assert before is None or before <= 1 + 1e-9
