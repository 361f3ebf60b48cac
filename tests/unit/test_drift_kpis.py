"""Tests of the verdicts on KPIs."""

from __future__ import annotations

from typing import Any

import pytest
from drift_cases import SETTINGS, case

from flywheel_mlflow.drift import KpiCase, KpiFound, KpiVerdict, compare_kpis
from flywheel_mlflow.promises.thresholds import DriftSettings


def judged(item: KpiCase, **settings: Any) -> KpiFound:
    """The verdict on one KPI."""
    found = compare_kpis([item], DriftSettings.model_validate(settings) if settings else SETTINGS)
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("now", "direction", "verdict"),
    [
        (0.95, "higher", KpiVerdict.WITHIN),
        (0.89, "higher", KpiVerdict.WITHIN),
        (0.80, "higher", KpiVerdict.REGRESSED),
        (0.98, "higher", KpiVerdict.IMPROVED),
        (0.98, "lower", KpiVerdict.REGRESSED),
        (0.80, "lower", KpiVerdict.IMPROVED),
    ],
)
def test_direction_and_tolerance_decide(now: float, direction: str, verdict: KpiVerdict) -> None:
    """Without a sample size a KPI may lose its tolerance and no more; what is better is never a regression."""
    assert judged(case(now, 0.93, direction=direction, tolerance=0.045)).verdict is verdict


def test_a_loss_of_exactly_the_tolerance_is_within() -> None:
    """0.93 - 0.90 is a little more than 0.03 in binary, and still no more than the tolerance."""
    assert judged(case(0.90, 0.93, tolerance=0.03)).verdict is KpiVerdict.WITHIN


def test_no_tolerance_is_a_share_of_the_reference() -> None:
    """A contract that states no tolerance gets 5 % of the reference value, and none where that is 0."""
    assert judged(case(96.0, 100.0, unit="records")).verdict is KpiVerdict.WITHIN
    assert judged(case(94.0, 100.0, unit="records")).verdict is KpiVerdict.REGRESSED
    assert judged(case(1.0, 0.0, unit="records", direction="lower")).verdict is KpiVerdict.REGRESSED


def test_a_tolerance_of_zero_allows_no_loss() -> None:
    """0 is a tolerance that somebody stated, not the lack of one."""
    assert judged(case(99.9, 100.0, unit="records", tolerance=0.0)).verdict is KpiVerdict.REGRESSED
    assert judged(case(100.0, 100.0, unit="records", tolerance=0.0)).verdict is KpiVerdict.WITHIN


def test_a_kpi_that_vanished_fails() -> None:
    """A value that was there and is not there any more is no pass."""
    found = judged(case(None, 0.9))
    assert found.verdict is KpiVerdict.VANISHED
    assert found.severity > judged(case(0.0, 0.9, tolerance=0.01)).severity


def test_a_rate_of_no_samples_is_inconclusive() -> None:
    """No alert means no rate of resolved alerts, which is not the same as a rate nobody reports any more."""
    assert judged(case(None, 0.9, n=(0, 20))).verdict is KpiVerdict.INCONCLUSIVE


def test_a_new_kpi_is_only_told() -> None:
    """A KPI without a reference value is new; one without any value is left out."""
    assert judged(case(0.9, None)).verdict is KpiVerdict.NEW
    assert compare_kpis([case(None, None)], SETTINGS) == ()


def test_a_small_sample_is_inconclusive_and_says_how_many_are_needed() -> None:
    """Seven of eight against eight of eight says nothing; the report says how many samples would."""
    found = judged(case(7 / 8, 1.0, n=(8, 16), tolerance=0.05))
    assert found.verdict is KpiVerdict.INCONCLUSIVE
    assert found.decides
    assert found.needed is not None
    assert f"about {found.needed:,} samples on each side would decide it: there are 8, and 16 in the" in found.text


def test_a_small_reference_is_what_is_missing() -> None:
    """Many samples now do not decide against eight: the report says so too."""
    found = judged(case(7 / 8, 1.0, n=(8_000, 8), tolerance=0.05))
    assert found.verdict is KpiVerdict.INCONCLUSIVE
    assert found.needed is not None
    assert "there are 8,000, and 8 in the reference" in found.text


def test_a_large_sample_decides() -> None:
    """The same loss of 12.5 points is a regression when 800 samples show it."""
    assert judged(case(7 / 8, 1.0, n=(800, 800), tolerance=0.05)).verdict is KpiVerdict.REGRESSED


def test_non_inferiority_is_shown_not_assumed() -> None:
    """An equal rate is within only when the sample excludes a loss beyond the margin, or the counts are the same."""
    assert judged(case(0.9, 0.91, n=(2000, 2000), tolerance=0.05)).verdict is KpiVerdict.WITHIN
    small = judged(case(0.9, 0.91, n=(50, 60), tolerance=0.05))
    assert small.verdict is KpiVerdict.INCONCLUSIVE
    assert not small.decides
    assert judged(case(0.9, 0.9, n=(50, 50), tolerance=0.05)).verdict is KpiVerdict.WITHIN


def test_an_improvement_must_be_more_than_chance() -> None:
    """A rate is improved when the whole interval is better."""
    assert judged(case(0.9, 0.5, n=(100, 100), tolerance=0.05)).verdict is KpiVerdict.IMPROVED


@pytest.mark.parametrize(
    ("unit", "scale"), [("accuracy", 1), ("Ratio", 1), ("percent", 100), ("%", 100), ("recall", 1)]
)
def test_the_sample_size_of_every_share_counts(unit: str, scale: int) -> None:
    """Seven of eight against eight of eight says nothing, whatever the share is called and however it is scaled."""
    few = judged(case(7 / 8 * scale, scale, n=(8, 8), unit=unit))
    many = judged(case(7 / 8 * scale, scale, n=(800, 800), unit=unit))
    assert (few.verdict, many.verdict) == (KpiVerdict.INCONCLUSIVE, KpiVerdict.REGRESSED)
    assert many.low is not None
    assert many.high is not None
    assert many.low < scale / 8 < many.high
    assert few.needed == judged(case(7 / 8, 1.0, n=(8, 8))).needed


def test_a_stated_standard_error_decides() -> None:
    """A loss of two points is open with an error of one point, and a regression with an error of a tenth."""
    loose = judged(case(96.0, 98.0, stderr=(1.0, 1.0), unit="score", tolerance=0.5))
    tight = judged(case(96.0, 98.0, stderr=(0.1, 0.1), unit="score", tolerance=0.5))
    assert (loose.verdict, tight.verdict) == (KpiVerdict.INCONCLUSIVE, KpiVerdict.REGRESSED)
    assert tight.method == "stated standard errors"
    one = judged(case(96.0, 98.0, stderr=(0.1, None), unit="score", tolerance=0.5))
    assert one.method == "tolerance"


def test_declared_noise_is_the_error_of_every_value() -> None:
    """A contract that says how much a value scatters need not say it on every run."""
    noisy = judged(case(96.0, 98.0, unit="score", tolerance=0.5, noise=1.0))
    assert (noisy.verdict, noisy.method) == (KpiVerdict.INCONCLUSIVE, "declared noise")
    assert judged(case(96.0, 98.0, unit="score", tolerance=0.5, noise=0.1)).verdict is KpiVerdict.REGRESSED


def test_few_quiet_iterations_excuse_nothing() -> None:
    """Below eight differences the tolerance decides alone."""
    assert judged(case(88.0, 97.0, quiet=[9.0] * 7, unit="records")).verdict is KpiVerdict.REGRESSED


def test_the_scatter_of_quiet_iterations_is_the_noise() -> None:
    """A loss beyond the tolerance is a regression only where it exceeds what moves while nothing upstream changes."""
    open_kpi = judged(case(90.0, 100.0, quiet=[20.0, -40.0, 30.0, -20.0, 25.0, -30.0, 15.0, 12.0], unit="records"))
    assert open_kpi.verdict is KpiVerdict.INCONCLUSIVE
    assert open_kpi.history == 8
    steady = [0.1, -0.2, 0.1, 0.0, -0.1, 0.2, 0.1, 0.0]
    assert judged(case(90.0, 100.0, quiet=steady, unit="records")).verdict is KpiVerdict.REGRESSED
    assert judged(case(90.0, 100.0, quiet=[0.0] * 8, unit="records")).verdict is KpiVerdict.REGRESSED


def test_quiet_noise_leaves_a_kpi_within_its_tolerance_there() -> None:
    """What has not lost its tolerance is within it, however much it scattered before."""
    assert judged(case(99.0, 100.0, quiet=[30.0, -30.0] * 4, unit="records")).verdict is KpiVerdict.WITHIN


def test_history_never_overrules_samples() -> None:
    """Twenty-one of twenty-two lost is a regression, even where the KPI has moved as far before (A2)."""
    before = {f"q{number}": 1.0 for number in range(22)}
    now = dict.fromkeys(before, 0.0) | {"q0": 1.0}
    lost = case(1 / 22, 1.0, n=(22, 22), samples=(now, before), quiet=[1.0, -1.0] * 10)
    found = judged(lost)
    assert found.verdict is KpiVerdict.REGRESSED
    assert "22 samples judged by both runs, 21 lost, 0 won" in found.text


def test_twelve_of_thirty_one_lost_got_worse_among_forty() -> None:
    """An exact paired loss is found among forty KPIs that did not move (A3)."""
    before = {f"q{number}": 1.0 for number in range(31)}
    now = before | {f"q{number}": 0.0 for number in range(12)}
    lost = case(19 / 31, 1.0, n=(31, 31), samples=(now, before), name="lost")
    others = [case(0.9, 0.9, n=(500, 500), name=f"other_{number}") for number in range(40)]
    found = compare_kpis([*others, lost], SETTINGS)
    assert [item.subject for item in found if item.verdict is KpiVerdict.REGRESSED] == ["p01.lost"]


def test_one_false_discovery_rate_over_all() -> None:
    """A loss that one KPI alone would show is open among a hundred: chance brings one of that size."""
    alone = case(0.80, 0.90, n=(200, 200), tolerance=0.02)
    assert judged(alone).verdict is KpiVerdict.REGRESSED
    others = [case(0.9, 0.9, n=(200, 210), tolerance=0.02, name=f"other_{number}") for number in range(99)]
    found = compare_kpis([alone, *others], SETTINGS)
    assert found[0].verdict is KpiVerdict.INCONCLUSIVE
    assert found[0].p is not None


def test_what_nobody_judges_takes_nothing_from_the_others() -> None:
    """KPIs that are only shown are no tests, so they make the others no harder to find."""
    rules = [{"kpi": f"p01.other_{number}", "judged": False, "why": "shown"} for number in range(99)]
    others = [case(0.9, 0.9, n=(200, 210), tolerance=0.02, name=f"other_{number}") for number in range(99)]
    settings = DriftSettings.model_validate({"kpis": rules})
    found = compare_kpis([case(0.80, 0.90, n=(200, 200), tolerance=0.02), *others], settings)
    assert found[0].verdict is KpiVerdict.REGRESSED


def test_samples_of_a_percentage_are_shares_of_a_hundred() -> None:
    """Outcomes of 0 and 1 behind a percentage give a loss in points."""
    before = {f"q{number}": 1.0 for number in range(60)}
    now = before | {f"q{number}": 0.0 for number in range(30)}
    found = judged(case(50.0, 100.0, samples=(now, before), unit="percent", tolerance=5.0))
    assert found.verdict is KpiVerdict.REGRESSED
    assert found.worse == pytest.approx(50.0)


def test_the_same_samples_twice_tell_more_than_two_rates() -> None:
    """Ten of sixty samples lost and none won is a regression sample by sample, and inconclusive as two rates."""
    before = {f"q{number}": 1.0 for number in range(60)}
    now = before | {f"q{number}": 0.0 for number in range(10)}
    rates = case(50 / 60, 1.0, n=(60, 60), tolerance=0.09)
    assert judged(rates).verdict is KpiVerdict.INCONCLUSIVE
    paired = judged(case(50 / 60, 1.0, n=(60, 60), tolerance=0.09, samples=(now, before)))
    assert paired.verdict is KpiVerdict.REGRESSED
    assert "10 lost, 0 won" in paired.text
    assert "McNemar" in paired.method


def test_as_many_won_as_lost_is_no_regression() -> None:
    """Six samples lost and six won is chance."""
    before = {f"q{number}": float(number >= 6) for number in range(60)}
    now = {f"q{number}": float(number < 6 or number >= 12) for number in range(60)}
    found = judged(case(0.9, 0.9, n=(60, 60), tolerance=0.02, samples=(now, before)))
    assert found.verdict is KpiVerdict.INCONCLUSIVE
    assert not found.decides


def test_other_samples_are_compared_as_rates() -> None:
    """Two runs that judged different questions have no pairs."""
    samples = ({f"new{n}": 1.0 for n in range(50)}, {f"old{n}": 1.0 for n in range(50)})
    assert "Newcombe" in judged(case(0.98, 1.0, n=(50, 50), samples=samples)).method


def test_an_exception_can_widen_the_tolerance_or_lift_the_verdict() -> None:
    """A KPI named in the settings has its own tolerance, or is shown without being judged, but must not vanish."""
    rule = {"kpi": "p01.hit_rate", "why": "made by the machine"}
    slow = case(50.0, 100.0, unit="records")
    assert judged(slow, kpis=[rule | {"relative_tolerance": 0.6}]).verdict is KpiVerdict.WITHIN
    assert judged(slow, kpis=[rule | {"tolerance": 60.0}]).verdict is KpiVerdict.WITHIN
    assert judged(slow, kpis=[rule | {"tolerance": 10.0}]).verdict is KpiVerdict.REGRESSED
    assert judged(slow, kpis=[rule | {"judged": False}]).verdict is KpiVerdict.WITHIN
    assert judged(case(None, 100.0), kpis=[rule | {"judged": False}]).verdict is KpiVerdict.VANISHED
