"""Tests of what speaks for doing something first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flywheels import small_flywheel
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.feedback.candidates import theme_candidate
from flywheel_mlflow.feedback.costs import Estimate
from flywheel_mlflow.feedback.priority import Priority, leverage_text, prioritise
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.promises.budgets import Cost, CostRules

EDGES = edges(small_flywheel().contracts, {}, {})


def theme(name: str = "p01-a", *, project: str = "p01", events: int = 10, **said: Any) -> Theme:
    values: dict[str, Any] = {
        "iteration": 1, "title": name, "texts": (name,), "records": (), "sources": {"human": events}, "types": {},
        "scopes": {"project": 1}, "severities": {"medium": 1}, "first": NOON, "last": NOON,
    }  # fmt: skip
    return Theme(id=name, project=project, events=tuple(map(str, range(events))), **(values | said))


def said(about: str, hours: float | None = None, reuse: str | None = None) -> Estimate:
    return Estimate(about, None if hours is None else Cost(hours), reuse, "because", NOON, "ana")


def judged(*themes: Theme, risks: tuple[Risk, ...] = (), estimates: tuple[Estimate, ...] = ()) -> Any:
    return prioritise(
        [theme_candidate(item, EDGES) for item in themes],
        risks=risks,
        estimates={item.about: item for item in estimates},
        earlier=(),
        rules=CostRules(8.0, None, "EUR"),
        now=NOON + timedelta(days=2),
    )


def test_every_part_says_where_it_comes_from() -> None:
    """Scope, severity and how often; projects downstream; asset or not; the worst open risk; stated hours."""
    story = LedgerBuilder()
    story.open_risk(projects=["p01"], likelihood=5, impact=5, due=(NOON + timedelta(days=9)).isoformat())
    (found,) = judged(theme(), risks=tuple(story.risks.values()), estimates=(said("p01-a", 4.0),))
    assert found.impact.value == 3 * 2 * 2
    assert found.reach.value == 4  # p02, p03 and the assembly
    assert found.reuse.value == 1
    assert found.exposure.value == 2
    assert found.benefit == 12 * 4 * 2
    assert found.leverage == 12 * 4 * 2 / 4
    assert "R0" in found.exposure.origin
    assert "p01" in found.reach.origin
    assert found.cost.origin == "ana stated 4 h"
    assert list(found.parts) == ["impact", "reach", "reuse", "exposure"]


def test_unknown_stays_unknown() -> None:
    """Without severity or scope there is no impact, without a stated cost no leverage, and no product of either."""
    (found,) = judged(theme(severities={}))
    assert (found.impact.value, found.benefit, found.cost.value, found.leverage) == (None, None, None, None)
    assert "a severity" in found.impact.origin
    assert judged(theme(severities={}, scopes={}))[0].impact.origin == "nothing states a scope or a severity"
    assert judged(theme())[0].leverage is None
    assert leverage_text(judged(theme())[0]) == "unknown"


def test_an_asset_counts_for_more_than_the_result_of_one_time() -> None:
    """What people say of reuse comes first, then whether it came back; a single sample is no asset."""
    once, back, single = theme("a"), theme("b", seen_in=(1,)), theme("c", scopes={"single_sample": 1})
    found = {item.subject: item.reuse for item in judged(once, back, single)}
    assert {name: part.value for name, part in found.items()} == {"a": 1.0, "b": 2.0, "c": 1.0}
    assert "seen before in 1" in found["b"].origin
    assert "single samples" in found["c"].origin
    assert found["a"].origin.startswith("at least")
    told = {
        item.subject: item.reuse
        for item in judged(once, back, estimates=(said("a", reuse="asset"), said("b", reuse="one_time")))
    }
    assert (told["a"].value, told["b"].value) == (2.0, 1.0)
    assert "says ana: because" in told["a"].origin


def test_leverage_decides_the_order() -> None:
    """A small benefit that costs an hour comes before a large one that costs a month; unknown costs come last."""
    found = judged(
        theme("dear", events=1_000), theme("cheap", events=2), theme("unknown", events=10_000),
        estimates=(said("dear", 160.0), said("cheap", 1.0)),
    )  # fmt: skip
    assert [item.subject for item in found] == ["cheap", "dear", "unknown"]
    assert found[2].benefit > found[1].benefit > found[0].benefit


def test_what_must_stop_comes_first() -> None:
    """A boundary, a chain, or an overdue high risk block; of what nobody knows the cost, the benefit decides."""
    story = LedgerBuilder()
    story.open_risk(projects=["p03"], likelihood=5, impact=5, due=(NOON + timedelta(days=1)).isoformat())
    found = judged(
        theme("a", scopes={}),
        theme("b", events=2),
        theme("c", events=50),
        theme("d", severities={"high": 1}, sources={"governance": 1}),
        theme("e", severities={"high": 1}, scopes={"chain": 1}),
        theme("f", project="p03"),
        theme("g", severities={"low": 1}, sources={"governance": 1}),
        risks=tuple(story.risks.values()),
    )
    assert {item.subject for item in found if item.urgency == "block now"} == {"d", "e", "f"}
    assert [item.subject for item in found][-4:] == ["c", "b", "g", "a"]
    assert all(isinstance(item, Priority) and item.why for item in found)


def test_a_closed_risk_exposes_nobody() -> None:
    """Only what is open counts."""
    story = LedgerBuilder()
    event = story.open_risk(projects=["p01"])
    owner = story.risks[f"R{event.number}"].owner
    story.write("risk_closed", {"risk": "R0", "evidence": "run", "reason": "gone"}, actor=Identity(owner))
    assert judged(theme(), risks=tuple(story.risks.values()))[0].exposure.value == 1
