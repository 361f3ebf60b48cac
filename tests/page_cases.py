"""Facts of the console's pages about decisions: a ledger with a story, drift, feedback, all with hostile texts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from dashboard_cases import ANA, HOSTILE, LOST, answered
from releases_ledger import ANA as REVIEWER
from releases_ledger import BLUEPRINT, NOON, LedgerBuilder

from flywheel_mlflow.assembly.history import describe_events
from flywheel_mlflow.decisions.approvals import judge_all
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.gates import CriterionResult, GateResult
from flywheel_mlflow.decisions.moves import not_current
from flywheel_mlflow.decisions.releases import STAGES, Explained
from flywheel_mlflow.decisions.risk_paths import Propagation, Reached
from flywheel_mlflow.decisions.risks import CrossProjectRisk
from flywheel_mlflow.feedback.absorption import AbsorbedTask, Help
from flywheel_mlflow.feedback.candidates import Candidate, theme_candidate
from flywheel_mlflow.feedback.costs import BudgetLine, QuarterSpending
from flywheel_mlflow.feedback.priority import Priority, prioritise
from flywheel_mlflow.feedback.ranking import Ranked
from flywheel_mlflow.feedback.recurring import Looked, Theme
from flywheel_mlflow.feedback.tasks import TaskKind, fold_tasks
from flywheel_mlflow.promises.budgets import CostRules
from flywheel_mlflow.reports.dashboard_facts import LedgerFacts
from flywheel_mlflow.reports.pages.drift import DriftReviewFacts, ExplainFacts, Sides
from flywheel_mlflow.reports.pages.feedback import FeedbackBoardFacts, Ingestion, QueuesFacts
from flywheel_mlflow.reports.pages.feedback_events import EventRow, EventsFacts, EventState, Wanted
from flywheel_mlflow.reports.pages.feedback_themes import ThemesFacts
from flywheel_mlflow.reports.pages.frame import Framing, Page, render_framed
from flywheel_mlflow.reports.pages.gate_verdict import GateFacts
from flywheel_mlflow.reports.pages.priorities import PrioritiesFacts
from flywheel_mlflow.reports.pages.release import Asking, ComparedFacts, PinnedFacts, ReleaseFacts
from flywheel_mlflow.reports.pages.releases import ReleasesFacts
from flywheel_mlflow.reports.pages.risk import RiskFacts
from flywheel_mlflow.reports.pages.risks import RisksFacts
from flywheel_mlflow.tables.addresses import Addresses

ADDRESSES = Addresses("/ml")
RUN = "a" * 32
RULES = CostRules(8.0, None, "EUR")
#: The moment at which pages are read: an hour after the first event of any story.
NOW = NOON + timedelta(hours=1)


def framed(page: Page, *, acts_off: str = "") -> str:
    """The page as HTML, for somebody who is signed in."""
    return render_framed(page, Framing("tiny-flywheel", ADDRESSES, "ana", acts_off, "a-token"))


def ledger_of(story: LedgerBuilder, **changed: Any) -> LedgerFacts:
    """What pages read from a story; aliases are where it left them."""
    state = story.state
    found = LedgerFacts(
        state=state,
        aliases={stage: version for stage, version in state.current.items() if version is not None},
        risks=tuple(story.risks.values()),
        tasks=fold_tasks(story.ledger.events),
        story=describe_events(story.ledger.events),
    )
    return replace(found, **changed)


def releases_facts(story: LedgerBuilder, **changed: Any) -> ReleasesFacts:
    """The page of all releases of a story."""
    return replace(ReleasesFacts("tiny-flywheel", ledger_of(story), NOW, ADDRESSES), **changed)


def result(version: int = 1, to: str = "staging", verdict: Verdict = Verdict.BLOCK) -> GateResult:
    """A gate's whole verdict with one criterion of each kind of outcome."""
    criteria = (
        CriterionResult("green", "checks", "Every check passes.", Verdict.PASS, "all 3 passed", 1.0, 1.0, 3),
        CriterionResult(
            "kept",
            "max_drop",
            "Nothing is lost.",
            verdict,
            HOSTILE,
            0.5,
            0.1,
            40,
            "plain difference",
            (RUN, "b" * 32, HOSTILE),
            "flywheel explain p01.kept --iteration 1",
        ),
        CriterionResult("signed", "approval", "Somebody signs.", Verdict.INCONCLUSIVE, "nobody has approved", n=0),
    )
    return GateResult("to_staging", to, version, verdict, LedgerBuilder().basis(version), NOON, criteria)


def gate_facts(story: LedgerBuilder, version: int, to: str, **changed: Any) -> GateFacts:
    """One gate of a story's release, by the rules of the release itself."""
    release = story.release(version)
    record = release.last_gate(to)
    reached = to in release.reached
    risks = tuple(story.risks.values())
    stopped = not_current(record, release, story.state, to, blueprint=BLUEPRINT, risks=risks, now=NOW)
    found = GateFacts(to, record, None, "", reached, "" if reached else stopped or "", (), "", "")
    return replace(found, **changed)


def release_facts(story: LedgerBuilder, version: int = 1, **changed: Any) -> ReleaseFacts:
    """The page of one release of a story, which ana may approve as a reviewer."""
    release = story.release(version)
    basis = story.basis(version)
    facts = ReleaseFacts(
        flywheel="tiny-flywheel",
        release=release,
        stands=story.state.stage_of(version),
        ledger=ledger_of(story),
        gates=tuple(gate_facts(story, version, to) for to in STAGES),
        approvals=judge_all(release, story.ledger.events, blueprint=BLUEPRINT, basis=basis, now=NOW),
        compared=ComparedFacts("iteration 1", 1, answered(LOST)),
        pinned=PinnedFacts(),
        asking=Asking({"reviewer": "", "guardian": "ana does not hold it"}, {"reviewer": ""}, ""),
        now=NOW,
        addresses=ADDRESSES,
        experiment="7",
    )
    return replace(facts, **changed)


def drift_facts(*explained: Explained, **changed: Any) -> DriftReviewFacts:
    """The review of a comparison in which something was lost."""
    found = DriftReviewFacts(
        iterations=(2, 1),
        iteration=2,
        asked="",
        in_production=1,
        sides=Sides(2, "a" * 32, 1, "b" * 32, "7"),
        found=answered(LOST, *explained),
        explanations=tuple((1, item, ()) for item in explained),
        explain=ExplainFacts(1),
        report_file=True,
        now=NOW,
        addresses=ADDRESSES,
    )
    return replace(found, **changed)


def explained(*subjects: str) -> Explained:
    """Ana's word about findings."""
    return Explained(3, NOON, ANA, "d", subjects, HOSTILE)


def risks_facts(story: LedgerBuilder, **changed: Any) -> RisksFacts:
    """The risk ledger of a story."""
    known = (CrossProjectRisk("weak_sets", "Weak evaluation sets", "platform", ("governance",), ("p01", "p02")),)
    return replace(RisksFacts(ledger_of(story), known, NOW, ADDRESSES), **changed)


def risk_facts(story: LedgerBuilder, name: str, **changed: Any) -> RiskFacts:
    """One risk of a story, which spreads to another project."""
    found = story.risks[name]
    path = Propagation(("p01",), ("processing",), (Reached("p02", ("governance",), 1, ("corpus", "index")),))
    told = tuple(item for item in describe_events(story.ledger.events) if item.number == found.number)
    before = tuple(story.risks[name] for name in found.before)
    facts = RiskFacts(found, told, path, before, ledger_of(story), "", "", NOW, ADDRESSES)
    return replace(facts, **changed)


def theme(name: str = "p01-1", **changed: Any) -> Theme:
    """A theme of two events."""
    found = Theme(
        id=name,
        project="p01",
        iteration=2,
        title=HOSTILE,
        texts=(HOSTILE,),
        events=("e1", "e2"),
        records=("r1",),
        sources={"human": 2},
        types={},
        scopes={"project": 2},
        severities={"high": 1},
        first=NOON,
        last=NOON,
        seen_in=(1,),
    )
    return replace(found, **changed)


def ranked_priorities(story: LedgerBuilder, themes: tuple[Theme, ...]) -> tuple[Priority, ...]:
    """The priorities of themes, with what the ledger says of their costs."""
    state = fold_tasks(story.ledger.events)
    return prioritise(
        [theme_candidate(item, ()) for item in themes],
        risks=(),
        estimates=state.estimates,
        earlier=[task.costed for task in state.tasks.values()],
        rules=RULES,
        now=NOW,
    )


def priorities_facts(story: LedgerBuilder, **changed: Any) -> PrioritiesFacts:
    """What could be done after iteration 2: two themes, a gate nobody would do, a budget that is spent."""
    themes = (theme(), theme("p01-2", events=("e3",), seen_in=(), severities={}))
    candidates = {item.id: item for item in (theme_candidate(theme, ()) for theme in themes)}
    gate = Candidate(
        "gate/production", "gate", None, 2, HOSTILE, "chain", "high", 3, "times", 2, "others", risks=("R1",),
        category="defence", lasting="it judges", evidence=(HOSTILE,),
    )  # fmt: skip
    state = fold_tasks(story.ledger.events)
    priorities = prioritise(
        [*candidates.values(), gate], risks=(), estimates=state.estimates, earlier=(), rules=RULES, now=NOW
    )
    items = tuple(
        Ranked((candidates | {gate.id: gate})[item.subject], item, (state.about(item.subject) or (None,))[-1])
        for item in priorities
    )
    lines = (
        BudgetLine("growth", "h", 40.0, 50.0, 8.0, 1, 2, {"EUR": 500.0}),
        BudgetLine("defence", "EUR", 900.0, 950.0, 0.0, 0, 1, {}),
        BudgetLine("efficiency", "h", None, 0.0, 0.0, 0, 0, {}),
    )
    facts = PrioritiesFacts(
        iteration=2,
        items=items,
        unread=(HOSTILE,),
        spending=QuarterSpending("2026Q1", "2026Q1", lines),
        tasks=tuple(state.tasks.values()),
        ledger=ledger_of(story),
        refused="",
        now=NOW,
        addresses=ADDRESSES,
    )
    return replace(facts, **changed)


def board_facts(story: LedgerBuilder, **changed: Any) -> FeedbackBoardFacts:
    """The board of iteration 2 with two themes, one task that helped, one event nobody takes."""
    themes = (theme(), theme("p01-2", events=("e3",)))
    state = fold_tasks(story.ledger.events)
    priorities = ranked_priorities(story, themes)
    facts = FeedbackBoardFacts(
        iterations=(2, 1),
        iteration=2,
        ingestions=(Ingestion(HOSTILE, NOON, RUN, {"events": 4, "repeated": 1, "conflicts": 0, "dead_letters": 2}),),
        queues=QueuesFacts(4, {"p01": 3, "unroutable": 1}, {"r": 3}, 0, 0, 0.25, 0.0, 2, 2, 0.5, None, NOON),
        events=events_facts(),
        unknown="",
        themes=ThemesFacts(
            themes=themes,
            looked={"p01": Looked(3, 3, 0)},
            unknown="",
            priorities=priorities,
            state=state,
            tasks=tuple(state.tasks.values()),
            helped={item: absorbed(item) for item in state.tasks},
            releases={},
            refused="",
            addresses=ADDRESSES,
        ),
        ledger=ledger_of(story),
        now=NOW,
        addresses=ADDRESSES,
    )
    return replace(facts, **changed)


def events_facts(**changed: Any) -> EventsFacts:
    """One page of events, the second of which nobody takes."""
    rows = (
        EventRow("e1", NOON, "human", "data_gap", None, "high", HOSTILE, "p01", "r", "because", EventState.WAITING),
        EventRow('<b>"e2', NOON, "human", None, None, None, "x" * 5_000, None, None, None, EventState.UNROUTABLE),
    )
    return replace(EventsFacts(2, Wanted(), 120, rows, ("p01", "p02"), "", ADDRESSES), **changed)


def absorbed(task: str, helped: Help = Help.HELPED) -> AbsorbedTask:
    """What an iteration showed about a task."""
    return AbsorbedTask(
        task, "p01", RUN, "p01-1", 2, "growth", HOSTILE, 2, "hit_rate", 0.5, 40, 0.75, 80, helped, "beyond noise"
    )


def accept(story: LedgerBuilder, name: str = "p01-1") -> None:
    """A theme of iteration 2 that became a task of iteration 3, which iteration 3 absorbed."""
    body = {
        "task": f"{name}-3",
        "theme": name,
        "theme_iteration": 2,
        "project": "p01",
        "iteration": 3,
        "category": "growth",
        "text": HOSTILE,
        "kpi": "hit_rate",
        "events": 2,
        "records": 0,
        "payload": True,
        "run_id": RUN,
        "digest": "d" * 64,
    }
    story.write(TaskKind.ACCEPTED, body, actor=REVIEWER)
    story.write(TaskKind.ABSORBED, {"task": f"{name}-3", "iteration": 3, "run_id": RUN}, actor=REVIEWER)
