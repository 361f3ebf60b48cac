"""Published totals are compared with ours, and the difference is explained by computation."""

from __future__ import annotations

from dataclasses import replace

from reports_flywheel import contracts, evidence, small_assembly

from flywheel_mlflow.evidence.runs import Costs
from flywheel_mlflow.reports.published import compare_published


def test_left_out_projects_are_found() -> None:
    """The projects whose values a published total leaves out are named, with where they state them."""
    hours, cost = compare_published(small_assembly(), {"review_hours": 2.23, "review_cost": 267.0})
    assert (hours.published, hours.ours) == ("2.23 h", "195.51 h")
    assert "adds up p01" in hours.explanation
    assert "leaves out p02 (193.28 h, stated at cost_analysis.estimated_manual_review_hours)" in hours.explanation
    assert "leaves out p02" in cost.explanation


def test_equal_totals_are_called_equal() -> None:
    """Totals that agree to the published decimals are called the same."""
    (hours,) = compare_published(small_assembly(), {"review_hours": 195.51})
    assert hours.explanation == "the same: both add up the values of p01, p02"


def test_untraceable_totals_are_called_so() -> None:
    """A total that no choice of values adds up to gets no invented explanation."""
    (hours,) = compare_published(small_assembly(), {"review_hours": 100.0})
    assert hours.explanation.startswith("no choice")


def test_ambiguous_totals_are_called_so() -> None:
    """Where several choices fit, none is presented as the reason."""
    found = evidence(contracts())
    twin = replace(found["p02"], costs=Costs(2.23, None))
    (hours,) = compare_published(small_assembly(changed={"p02": twin}), {"review_hours": 2.23})
    assert hours.explanation.startswith("2 different choices")


def test_nothing_stated_nothing_traced() -> None:
    """Without any stated value the total cannot be traced, and ours is unknown."""
    (hours,) = compare_published(small_assembly(without=("p01", "p02")), {"review_hours": 2.23})
    assert hours.ours == "unknown"
    assert "cannot be traced" in hours.explanation


def test_what_is_no_total_is_passed_over() -> None:
    """Absent, misnamed and non-numeric totals are not compared."""
    assert compare_published(small_assembly(), None) == ()
    assert compare_published(small_assembly(), {"hours": 1.0, "review_hours": True, "review_cost": "9"}) == ()
    assert compare_published(small_assembly(), {"review_hours": float("nan")}) == ()
