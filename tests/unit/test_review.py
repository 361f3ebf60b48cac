"""Tests of the quarterly review."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.assembly.review import Review, Section, Statement, Turn, review_quarter
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.quarters import Quarter, quarter_before, quarter_of, read_quarter
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risks import RiskKind
from flywheel_mlflow.reports.review import render_review

QUARTER = quarter_of(NOON)
THIN = {
    "name": "thin", "title": "Thin | corpus", "rule": "p01.retention < 0.25", "advice": "Look closer.",
    "severity": "medium", "rank": 4.0,
}  # fmt: skip


def turn(iteration: int = 2, *fired: dict[str, Any], tasks: dict[str, Any] | None = None) -> Turn:
    return Turn(
        iteration,
        f"run{iteration}",
        {"bottlenecks": list(fired), "rules_not_decidable": [{"name": "slow"}]},
        (),
        tasks or {},
        None,
    )


def reviewed(story: LedgerBuilder, *turns: Turn, leverage: Statement | None = None) -> Review:
    return review_quarter("f", QUARTER, turns, story.ledger.events, story.risks.values(), leverage)


def section(review: Review, title: str) -> Section:
    return next(item for item in review.sections if item.title == title)


def test_nothing_is_said_about_an_empty_quarter() -> None:
    """Every section says why it has nothing to say; none invents a number."""
    review = reviewed(LedgerBuilder())
    assert all(item.unknown and not item.statements for item in review.sections)
    assert render_review(review).count("Unknown or nothing") == len(review.sections)


def test_every_statement_has_a_source() -> None:
    """Bottleneck, tasks, risks, actions, recoveries: each names its run and file, or its events."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    story.write(RiskKind.SEEN, {
        "cause": "drift", "topic": "drift/p01", "title": "Drift", "iteration": 2, "likelihood": 3, "impact": 3,
        "due": (NOON + timedelta(days=30)).isoformat(), "owner": "ana", "projects": [],
    })  # fmt: skip
    story.write(RiskKind.SEEN, dict(story.ledger.events[-1].body) | {"iteration": 3})
    absorbed = {
        "task": "p01-a-2", "project": "p01", "helped": "helped", "kpi": "p01.x", "before": None, "after": 0.5,
        "why": "improved",
    }  # fmt: skip
    review = reviewed(story, turn(2), turn(3, THIN, tasks={"absorbed": [absorbed]}), leverage=Statement("theme", "t"))
    told = [item for part in review.sections for item in part.statements]
    assert all(item.source for item in told)
    assert "fired in 1 of 2 iterations: 3" in section(review, "Clearest bottleneck").statements[0].text
    assert "unknown before, 0.5 now" in section(review, "Did absorbed feedback help?").statements[0].text
    assert "in iterations 2, 3" in section(review, "Risks that came back").statements[0].text
    assert section(review, "Next leverage item").statements[0].text == "theme"
    assert "Thin \\| corpus" in render_review(review)


def test_the_clearest_bottleneck_is_the_quarters() -> None:
    """How often and how severe a rule fired over all iterations decides, not what the last one looked like."""
    often = THIN | {"name": "often", "title": "Often", "rank": 3.0}
    turns = turn(2, often), turn(3, often), turn(4, THIN, {**often, "rank": 1.0}), turn(5)
    (told,) = section(reviewed(LedgerBuilder(), *turns), "Clearest bottleneck").statements
    assert told.text.startswith("Often: p01.retention < 0.25 (medium), fired in 3 of 4 iterations: 2, 3, 4; rank 7.00")
    assert all(f"run{number}" in told.source for number in (2, 3, 4, 5))
    severe = turn(6, THIN | {"name": "severe", "title": "Severe", "rank": 20.0, "severity": "high"})
    (told,) = section(reviewed(LedgerBuilder(), severe, *turns), "Clearest bottleneck").statements
    assert told.text.startswith("Severe: p01.retention < 0.25 (high), fired in 1 of 5 iterations: 6")
    (quiet,) = section(reviewed(LedgerBuilder(), turn(2), turn(3)), "Clearest bottleneck").statements
    assert quiet.text == "no rule fired in 2 iterations; 1 could not be decided in at least one"


@pytest.mark.parametrize(("text", "shown"), [("It was misread.", "misread. S"), ("Why?", "Why? S"), ("so", "so. S")])
def test_a_sentence_ends_once(text: str, shown: str) -> None:
    """Whatever a theme or an advice ends with, one mark stands before its source, and one behind."""
    told = render_review(reviewed(LedgerBuilder(), leverage=Statement(text, "run 1")))
    assert f"{shown}ource: run 1.\n" in told


def test_recovery_is_measured_from_the_rollback() -> None:
    """To its end, and to the next release in production; what has not happened is said."""
    story = LedgerBuilder()
    story.reach(1)
    story.reach(2)
    event = story.start(1, "production", rollback=True, reason="it lies")
    (open_one,) = section(reviewed(story), "Recovery time").statements
    assert open_one.text.endswith("and not in place; no new release has reached production since")
    end = story.write(Kind.ROLLED_BACK, {"move": event.number})
    (done,) = section(reviewed(story), "Recovery time").statements
    assert "in place after 1.0 minutes" in done.text
    assert done.source == f"ledger, events {event.number}, {end.number}"
    story.reach(3)
    (new,) = section(reviewed(story), "Recovery time").statements
    assert "a new release in production after" in new.text


def test_only_the_quarter_counts() -> None:
    """What was decided before or after is another review's."""
    story = LedgerBuilder(clock=QUARTER.start - timedelta(minutes=1))
    story.write("noise", {})
    story.write("noise", {})
    assert section(reviewed(story), "Governance actions").statements[0].text == "noise: 1"


@given(st.datetimes(datetime(2001, 1, 1), datetime(2900, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_quarters_tile_the_year(moment: datetime) -> None:
    """Every moment lies in exactly one; names read back; the one before ends where this one starts."""
    quarter = quarter_of(moment)
    assert quarter.holds(moment)
    assert read_quarter(str(quarter)) == quarter
    assert quarter_before(moment).end == quarter.start
    assert quarter_before(moment) < quarter


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "Q4", "2026Q0", "26Q1", "2026Q44"])
def test_other_words_are_no_quarter(text: str) -> None:
    """They are refused, with the way to write one."""
    with pytest.raises(InputError, match="cannot read the quarter"):
        read_quarter(text)
    assert read_quarter(" 2026-q4 ") == Quarter(2026, 4)
