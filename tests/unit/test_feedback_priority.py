"""Tests of what speaks for doing a theme first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flywheels import small_flywheel
from releases_ledger import NOON, LedgerBuilder

from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.evidence.lineage import edges
from flywheel_mlflow.feedback.priority import Priority, prioritise
from flywheel_mlflow.feedback.recurring import Theme

EDGES = edges(small_flywheel().contracts, {}, {})


def theme(name: str = "p01-a", *, project: str = "p01", events: int = 10, **said: Any) -> Theme:
    values: dict[str, Any] = {
        "iteration": 1, "title": name, "texts": (name,), "records": (), "sources": {"human": events}, "types": {},
        "scopes": {"project": 1}, "severities": {"medium": 1}, "first": NOON, "last": NOON,
    }  # fmt: skip
    return Theme(id=name, project=project, events=tuple(map(str, range(events))), **(values | said))


def judged(*themes: Theme, risks: tuple[Risk, ...] = (), hours: dict[str, float | None] | None = None) -> Any:
    return prioritise(themes, edges=EDGES, risks=risks, hours=hours or {}, now=NOON + timedelta(days=2))


def test_every_factor_says_where_it_comes_from() -> None:
    """Scope, severity and number of events; projects downstream; the worst open risk; stated hours; their product."""
    story = LedgerBuilder()
    story.open_risk(projects=["p01"], likelihood=5, impact=5, due=(NOON + timedelta(days=9)).isoformat())
    (found,) = judged(theme(), risks=tuple(story.risks.values()), hours={"p01": 4.0})
    assert found.impact.value == 3 * 2 * 2
    assert found.reusability.value == 4  # p02, p03 and the assembly
    assert found.exposure.value == 2
    assert found.benefit == 12 * 4 * 2
    assert found.product == 12 * 4 * 2 / 4
    assert "R0" in found.exposure.origin
    assert "p01" in found.reusability.origin


def test_unknown_stays_unknown() -> None:
    """Without severity or scope there is no impact, without stated hours no cost, and no product of either."""
    (found,) = judged(theme(severities={}))
    assert (found.impact.value, found.benefit, found.cost.value, found.product) == (None, None, None, None)
    assert "a severity" in found.impact.origin
    assert judged(theme(severities={}, scopes={}))[0].impact.origin == "no event states a scope or a severity"
    assert judged(theme())[0].product is None


def test_what_must_stop_comes_first() -> None:
    """A boundary, a chain, or an overdue high risk block; the rest is ordered by benefit, the unknown last."""
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
    assert {item.theme for item in found if item.urgency == "block now"} == {"d", "e", "f"}
    assert [item.theme for item in found][-4:] == ["c", "b", "g", "a"]
    assert all(isinstance(item, Priority) and item.why for item in found)


def test_a_closed_risk_exposes_nobody() -> None:
    """Only what is open counts."""
    story = LedgerBuilder()
    event = story.open_risk(projects=["p01"])
    owner = story.risks[f"R{event.number}"].owner
    story.write("risk_closed", {"risk": "R0", "evidence": "run", "reason": "gone"}, actor=Identity(owner))
    assert judged(theme(), risks=tuple(story.risks.values()))[0].exposure.value == 1
