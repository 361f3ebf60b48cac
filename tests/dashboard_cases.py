"""What tests of pages are made of: facts about the small flywheel, ledgers, risks, and a reader of HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

from drift_cases import compared, side
from reports_flywheel import small_assembly

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.decisions.explanations import answer
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.releases import Explained, Override, Release, ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift import DriftReport
from flywheel_mlflow.reports.bundle import render_deliverables
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, FeedbackFacts, LedgerFacts
from flywheel_mlflow.reports.dashboard_record import read_record

NOW = datetime(2026, 3, 5, tzinfo=UTC)
ANA, BEN = Identity("ana"), Identity("ben")
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\N{RIGHT-TO-LEFT OVERRIDE}txt"
VOID = {"meta", "img", "input", "br"}
CLEAN = compared(side(2), side(1))
LOST = compared(side(2, kpis={"hit_rate": 0.2}), side(1), history={1: {"p01.hit_rate": 0.9}})


def facts(assembly: Assembly | None = None, **changed: Any) -> DashboardFacts:
    """The facts of the small flywheel's second iteration, with some of them changed."""
    found = assembly or small_assembly()
    values = {name: metric.value for name, metric in found.metrics.items() if metric.value is not None}
    plain = DashboardFacts(
        flywheel=found.flywheel.name,
        title=found.flywheel.blueprint.title,
        iteration=found.iteration,
        run_id="a" * 32,
        digest="b" * 64,
        genuine=True,
        sound=True,
        record=read_record(render_deliverables(found)),
        history={1: {"p01.retention": 0.1}, 2: values},
        drift=answered(CLEAN),
        ledger=in_production(),
        feedback=FeedbackFacts(),
        now=NOW,
    )
    return replace(plain, **changed)


def answered(report: DriftReport, *explained: Explained) -> DriftFacts:
    """A comparison with what people said about it."""
    return DriftFacts(report, answer(report, explained))


def in_production(*overrides: Override, risks: tuple[Risk, ...] = (), **changed: Any) -> LedgerFacts:
    """A ledger with release 1 in production."""
    release = Release(1, 1, "c" * 32, "d" * 64, "release/d", ANA, NOW, 0)
    state = ReleaseState({1: release}, {"staging": None, "production": 1}, overrides=overrides)
    return replace(LedgerFacts(state=state, aliases={"production": 1}, risks=risks), **changed)


def risk(number: int, *, due: datetime, weight: int = 2, closed: bool = False) -> Risk:
    """A risk that may be closed."""
    found = Risk(f"R{number}", "a risk", "ana", weight, weight, due, "person", NOW, "ana", number)
    return replace(found, closed_at=NOW, closed_by="ana") if closed else found


def override(until: datetime) -> Override:
    """An override of the gate to production."""
    return Override(7, NOW, ANA, 1, "production", "it had to go out", "ben", until, "d" * 64, confirmed=8)


class PageReader(HTMLParser):
    """Reads a page as a browser would: its elements, ids, anchors, text, and whether tags nest."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, Mapping[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[Mapping[str, str | None]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.elements if name == tag]


def healthy(**changed: Any) -> DashboardFacts:
    """Facts of which every single one is known and good, with some of them changed."""
    good = facts()
    stages = tuple(stage.model_copy(update={"status": "completed", "reasons": ()}) for stage in good.record.stages)
    projects = tuple(item.model_copy(update={"consumable": True, "reasons": ()}) for item in good.record.projects)
    rules = good.record.bottlenecks.model_copy(update={"bottlenecks": (), "rules_not_decidable": ()})
    return replace(good, record=replace(good.record, stages=stages, projects=projects, bottlenecks=rules), **changed)
