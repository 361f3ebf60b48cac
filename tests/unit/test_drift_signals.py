"""Tests of the verdicts on distributions and filters."""

from __future__ import annotations

from typing import Any

import pytest
from drift_cases import SETTINGS, card, compared, logged, normal, profile, promise, side

from flywheel_mlflow.drift import DataVerdict, DriftReport, LoggedData, Verdict
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.records.cards import DataCard
from flywheel_mlflow.records.profiles import Profile


def data_compared(
    now: Profile | None,
    before: Profile | None,
    *,
    cards: tuple[DataCard | None, DataCard | None] = (None, None),
    digests: tuple[str, str] = ("b", "a"),
    settings: DriftSettings = SETTINGS,
) -> DriftReport:
    """The report on one interface with these profiles and cards."""
    current = side(2, digests={"corpus": digests[0]}, data={"corpus": logged(now, cards[0])})
    reference = side(1, digests={"corpus": digests[1]}, data={"corpus": logged(before, cards[1])})
    return compared(current, reference, settings=settings)


def verdicts(report: DriftReport) -> dict[str, DataVerdict]:
    """Verdicts by subject."""
    signals = {item.subject: item.verdict for item in report.distributions}
    return signals | {item.subject: item.verdict for item in report.filters}


def test_the_same_data_need_no_test() -> None:
    """Equal digests are equal data: nothing is tested, and nothing adds to the false alarms."""
    report = data_compared(None, None, digests=("a", "a"))
    assert verdicts(report) == {"corpus": DataVerdict.UNCHANGED}
    assert report.verdict is Verdict.PASS


def test_a_moved_signal_drifts_and_blocks() -> None:
    """A shift of one standard deviation in 300 rows is found, named with its effect, and blocks."""
    report = data_compared(
        profile(x=normal(300, 1.0, seed=2), y=normal(300, seed=3)), profile(x=normal(300), y=normal(300, seed=4))
    )
    assert verdicts(report) == {
        "corpus/x": DataVerdict.DRIFTED,
        "corpus/y": DataVerdict.STABLE,
        "corpus/associations": DataVerdict.STABLE,
    }
    assert report.verdict is Verdict.BLOCK
    finding = report.findings[0]
    assert finding.subject == "corpus/x"
    assert finding.limit == SETTINGS.min_effect
    assert "D 0." in finding.text


def test_a_significant_trifle_does_not_drift() -> None:
    """With 30,000 rows a shift of 0.05 standard deviations is no accident, and known to be too small to count."""
    report = data_compared(profile(x=normal(30_000, 0.05, seed=2)), profile(x=normal(30_000)))
    (found,) = report.distributions
    assert found.p is not None
    assert found.p < SETTINGS.false_alarms
    assert found.verdict is DataVerdict.SMALL
    assert report.verdict is Verdict.PASS


def test_few_rows_are_not_tested() -> None:
    """Below thirty rows there is no verdict, whatever the values; the report says what is needed."""
    report = data_compared(profile(x=[9.0] * 29), profile(x=[1.0] * 500))
    (found,) = report.distributions
    assert found.verdict is DataVerdict.NOT_TESTED
    assert "30 are needed" in found.text


def test_the_report_says_what_it_could_have_seen() -> None:
    """A tested number names the shift that so many rows show."""
    report = data_compared(profile(x=normal(50, seed=2)), profile(x=normal(50)))
    (found,) = report.distributions
    assert found.detectable is not None
    assert 0.5 < found.detectable < 1.0
    assert f"{found.detectable:.2g} SD" in found.text


def test_a_signal_that_vanished_blocks_and_a_new_one_does_not() -> None:
    """What 300 rows had and none has any more is gone; what is new is told."""
    report = data_compared(profile(y=normal(300)), profile(x=normal(300)))
    assert verdicts(report) == {"corpus/x": DataVerdict.VANISHED, "corpus/y": DataVerdict.NEW}
    assert report.verdict is Verdict.BLOCK


def test_rows_that_lose_a_value_drift() -> None:
    """The values that are left are distributed as before, and half of the rows have none."""
    holes = [value if index % 2 else None for index, value in enumerate(normal(400, seed=2))]
    report = data_compared(profile(x=holes), profile(x=normal(400)))
    assert verdicts(report) == {"corpus/x": DataVerdict.STABLE, "corpus/x (missing)": DataVerdict.DRIFTED}


def test_changed_data_without_a_profile_are_not_tested() -> None:
    """Data that changed and that nobody could look into never pass silently."""
    report = data_compared(None, profile(x=normal(50)))
    assert verdicts(report) == {"corpus": DataVerdict.NOT_TESTED}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert [finding.subject for finding in report.findings] == ["corpus"]


def test_data_that_need_no_look_pass_with_the_reason_of_the_contract() -> None:
    """A contract may say why nobody needs to look into its data; the report repeats it."""
    made = promise("corpus", content={"judged": False, "why": "weights of a model"})
    current, reference = (side(number, digests={"corpus": digest}) for number, digest in ((2, "b"), (1, "a")))
    report = compared(current, reference, made=made)
    assert (report.verdict, verdicts(report)) == (Verdict.PASS, {"corpus": DataVerdict.NOT_TESTED})
    assert "weights of a model" in report.distributions[0].text


def test_content_that_one_side_did_not_profile_is_told() -> None:
    """A run of an earlier version logged signals alone: these are compared, and that texts were not is a finding."""
    before = {"corpus": LoggedData(profile(x=normal(300)))}
    current = side(2, digests={"corpus": "b"}, data={"corpus": logged(profile(x=normal(300)))})
    report = compared(current, side(1, digests={"corpus": "a"}, data=before))
    assert verdicts(report) == {"corpus/x": DataVerdict.STABLE, "corpus/content": DataVerdict.NOT_TESTED}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "in the reference" in report.findings[0].text


def test_the_same_records_in_other_files_are_unchanged() -> None:
    """Data written anew have another digest and the same records: nothing is tested."""
    current, reference = (
        side(number, digests={"corpus": digest}, records={"corpus": "same"}) for number, digest in ((2, "b"), (1, "a"))
    )
    report = compared(current, reference)
    assert (report.verdict, verdicts(report)) == (Verdict.PASS, {"corpus": DataVerdict.UNCHANGED})
    assert "written anew" in report.distributions[0].text


def test_an_interface_that_vanished_blocks() -> None:
    """No version where the reference has one is a finding, one that is new is told."""
    here, gone = side(2, digests={"corpus": "a"}), side(1)
    assert compared(gone, here).verdict is Verdict.BLOCK
    assert verdicts(compared(here, gone)) == {"corpus": DataVerdict.NEW}


def test_an_exception_can_change_the_limit_or_lift_the_verdict() -> None:
    """A signal named in the settings has its own smallest effect, or is not compared."""
    rule = {"signal": "corpus/x", "why": "moves by design"}
    moved, before = profile(x=normal(300, 1.0, seed=2)), profile(x=normal(300))
    for exception, verdict in (
        (rule | {"min_effect": 0.9}, DataVerdict.SMALL),
        (rule | {"judged": False}, DataVerdict.NOT_TESTED),
    ):
        settings = DriftSettings.model_validate({"signals": [exception]})
        assert verdicts(data_compared(moved, before, settings=settings)) == {"corpus/x": verdict}


def test_a_filter_that_drops_more_drifts_before_the_data_do() -> None:
    """Thirty per cent dropped instead of five is a drift though the data are the same."""
    report = data_compared(None, None, digests=("a", "a"), cards=(card(long=(1000, 700)), card(long=(1000, 950))))
    assert verdicts(report)["corpus/filter long"] is DataVerdict.DRIFTED
    (found,) = report.filters
    assert found.change == pytest.approx(0.25)
    assert "drops 5.0% → 30.0%" in found.text


@pytest.mark.parametrize(
    ("now", "before", "verdict"),
    [
        ((1000, 940), (1000, 950), DataVerdict.STABLE),
        ((100_000, 94_000), (100_000, 95_000), DataVerdict.STABLE),
        ((1000, 950), (1000, 950), DataVerdict.UNCHANGED),
        ((20, 1), (1000, 950), DataVerdict.NOT_TESTED),
    ],
)
def test_small_changes_of_a_filter_do_not_count(
    now: tuple[int, int], before: tuple[int, int], verdict: DataVerdict
) -> None:
    """Neither chance, nor a significant trifle, nor a handful of rows is a drift."""
    report = data_compared(None, None, digests=("a", "a"), cards=(card(long=now), card(long=before)))
    assert verdicts(report)["corpus/filter long"] is verdict


def test_a_filter_that_is_gone_blocks_and_a_new_one_does_not() -> None:
    """A filter the data card does not name any more is a finding."""
    cards = (card(new=(100, 90)), card(old=(100, 90)))
    report = data_compared(None, None, digests=("a", "a"), cards=cards)
    assert verdicts(report)["corpus/filter old"] is DataVerdict.VANISHED
    assert verdicts(report)["corpus/filter new"] is DataVerdict.NEW
    assert report.verdict is Verdict.BLOCK


def test_what_cannot_be_read_is_an_error_and_no_pass() -> None:
    """A profile that is broken makes the whole inconclusive, and the other interfaces are still compared."""
    made = promise("corpus", "index")
    broken = {"corpus": LoggedData(fault="not a profile of format 1")}
    current = side(2, digests={"corpus": "b", "index": "c"}, data=broken)
    report = compared(current, side(1, digests={"corpus": "a", "index": "c"}), made=made)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.errors == 1
    assert report.findings[0].subject == "corpus"
    assert verdicts(report) == {"index": DataVerdict.UNCHANGED}


def test_more_comparisons_need_more_evidence() -> None:
    """The same signal that drifts alone is no drift among two hundred that do not: chance makes some like it."""
    moved, before = normal(200, 0.45, seed=12), normal(200, seed=11)
    alone = data_compared(profile(x=moved), profile(x=before))
    rest: dict[str, Any] = {f"n{number}": normal(60, seed=number + 100) for number in range(200)}
    rest_before: dict[str, Any] = {f"n{number}": normal(60, seed=number + 900) for number in range(200)}
    among = data_compared(profile(x=moved, **rest), profile(x=before, **rest_before))
    first = alone.distributions[0].p
    (second,) = (item.p for item in among.distributions if item.subject == "corpus/x")
    assert first is not None
    assert second is not None
    assert alone.verdict is Verdict.BLOCK
    assert second > first
