"""Builds the console page of an iteration: whether the flywheel is healthy, then everything behind it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.releases import Release, ReleaseStage, ReleaseState
from flywheel_mlflow.drawings.shares import share_svg
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_blocks import Command, Pair, Section
from flywheel_mlflow.reports.dashboard_charts import iteration_charts
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import STATUS_TONES, Health, Reason, health, regression
from flywheel_mlflow.reports.dashboard_page import render_page
from flywheel_mlflow.reports.dashboard_releases import governance_pairs, release_section, risk_section
from flywheel_mlflow.reports.dashboard_sections import (
    bottleneck_numbers,
    bottleneck_section,
    drift_section,
    feedback_section,
    lineage_section,
    registry_section,
    stage_section,
)
from flywheel_mlflow.reports.dashboard_trends import kpi_section
from flywheel_mlflow.reports.pages.inbox import Inbox
from flywheel_mlflow.tables.cells import Cell, Drawing, sentence
from flywheel_mlflow.tables.texts import format_value, moment_text

FORMAT_VERSION = 1
#: Bottlenecks and findings of the executive view; the sections have all of them.
FIRST = 3


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """One reason of the verdict; ``section`` is the anchor of what is behind it."""

    said: Cell
    section: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A few lines under a heading; ``more`` says what was left out, empty when nothing was."""

    title: str
    section: str
    lines: tuple[Cell, ...]
    more: str = ""


@dataclass(frozen=True, slots=True)
class FlowStep:
    """One stage in the order of the flywheel: its status, its score in words and as a bar, its milestone."""

    title: str
    status: Cell
    score: str
    bar: Drawing
    milestone: str


@dataclass(frozen=True, slots=True)
class Executive:
    """The first screen: the verdict, what to do next, the reasons; then stages, bottlenecks, drift, governance.

    ``next`` is the first of the next commands, None where there is none; ``inbox`` what waits for people, None on a
    page that leaves the server.
    """

    question: str
    verdict: Cell
    next: Command | None
    inbox: Inbox | None
    reasons: tuple[ReasonLine, ...]
    stages: tuple[FlowStep, ...]
    bottlenecks: Lines
    regression: Lines
    governance: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class DashboardView:
    """The page of an iteration in the order it is read; every text ready to be placed."""

    title: str
    subtitle: str
    origin: tuple[Pair, ...]
    executive: Executive
    sections: tuple[Section, ...]
    format_version: int = FORMAT_VERSION

    def document(self) -> dict[str, Any]:
        """The view as plain values; of drawings only what they show in words."""
        found: dict[str, Any] = _without_svg(plain(self))
        return found


def _without_svg(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_svg(item) for name, item in value.items() if name != "svg"}
    return [_without_svg(item) for item in value] if isinstance(value, list) else value


def build_dashboard(facts: DashboardFacts) -> DashboardView:
    """The view of an iteration; equal facts give equal views."""
    found = health(facts)
    return DashboardView(
        title=f"{facts.title}: iteration {facts.iteration}",
        subtitle=f"{facts.flywheel}, as of {moment_text(facts.now)}",
        origin=(
            Pair("Assembly run", Cell(facts.run_id, kind="code")),
            Pair("Digest of the assembly", Cell(facts.digest, kind="code")),
        ),
        executive=build_executive(facts, found),
        sections=build_sections(facts, found),
    )


def build_sections(facts: DashboardFacts, found: Health) -> tuple[Section, ...]:
    """Everything behind the verdict, in the order it is read."""
    return (
        stage_section(facts),
        bottleneck_section(facts),
        kpi_section(facts, iteration_charts(facts)),
        registry_section(facts),
        lineage_section(facts),
        drift_section(facts),
        feedback_section(facts),
        risk_section(facts),
        release_section(facts),
        command_section(facts, found),
    )


def command_section(facts: DashboardFacts, found: Health) -> Section:
    """What to run next, and why."""
    return Section("commands", "Next commands", commands=_commands(facts, found))


def render_dashboard(view: DashboardView) -> str:
    """The page as one HTML file that fetches nothing."""
    return render_page("dashboard.html.j2", view=view)


def build_executive(facts: DashboardFacts, found: Health, inbox: Inbox | None = None) -> Executive:
    """The first screen of a page about an iteration."""
    bottlenecks = facts.record.bottlenecks.bottlenecks
    return Executive(
        question="Is the flywheel healthy?",
        verdict=Cell(found.word, found.tone),
        next=next(iter(_commands(facts, found)), None),
        inbox=inbox,
        reasons=tuple(ReasonLine(Cell(sentence(item.text), item.tone), item.section) for item in found.reasons),
        stages=tuple(_stages(facts)),
        bottlenecks=Lines(
            "First bottlenecks",
            "bottlenecks",
            tuple(
                Cell(f"{item.title} ({item.severity}): {bottleneck_numbers(item, facts)}", Tone.ATTENTION)
                for item in bottlenecks[:FIRST]
            )
            or (Cell("none found"),),
            f"{len(bottlenecks) - FIRST} more" if len(bottlenecks) > FIRST else "",
        ),
        regression=_regression(facts),
        governance=governance_pairs(facts),
    )


def _stages(facts: DashboardFacts) -> Iterator[FlowStep]:
    for stage in facts.record.stages:
        title, score = facts.record.title(stage.stage_id), format_value(stage.score, "score 0..1")
        milestone = facts.record.milestones.get(stage.stage_id)
        yield FlowStep(
            title,
            Cell(stage.status, STATUS_TONES.get(stage.status, Tone.UNKNOWN)),
            score,
            Drawing(share_svg(stage.score, f"score {score}"), f"Score of {title}"),
            f"{milestone.title}: {milestone.status}" if milestone else "",
        )


def _regression(facts: DashboardFacts) -> Lines:
    """The verdict in a word, and the worst findings; the whole sentence is one of the reasons already."""
    tone, answered = regression(facts.drift, facts.iteration).tone, facts.drift.answered
    left = answered.left if answered else ()
    verdict = Cell(answered.verdict.value if answered else "unknown", tone)
    lines = (verdict, *(Cell(f"{item.subject} {item.text}") for item in left[:FIRST]))
    return Lines("Regression risk", "drift", lines, f"{len(left) - FIRST} more" if len(left) > FIRST else "")


def _commands(facts: DashboardFacts, found: Health) -> tuple[Command, ...]:
    """What to run next: about every reason, then to bring the iteration forward; each line once."""
    lines: dict[str, str] = {}
    for reason in _open(found):
        lines.setdefault(reason.command, reason.text)
    for line, why in _forward(facts):
        lines.setdefault(line, why)
    return tuple(Command(line, why) for line, why in lines.items())


def _open(found: Health) -> Iterator[Reason]:
    return (reason for reason in found.reasons if reason.command and reason.tone is not Tone.GOOD)


def _forward(facts: DashboardFacts) -> Iterator[tuple[str, str]]:
    if facts.ledger.unknown or not facts.sound or not facts.genuine:
        return
    state = facts.ledger.state or ReleaseState()
    mine = [item for item in state.releases.values() if item.iteration == facts.iteration]
    if not mine:
        yield f"flywheel release create --iteration {facts.iteration}", "no release was made of this iteration"
        return
    newest = max(mine, key=lambda item: item.version)
    yield from _next_move(newest, state)


def _next_move(release: Release, state: ReleaseState) -> Iterator[tuple[str, str]]:
    stage = state.stage_of(release.version)
    target = {ReleaseStage.CANDIDATE: "staging", ReleaseStage.STAGING: "production"}.get(stage)
    if target is None:
        yield f"flywheel release show {release.version}", f"the release of this iteration is {stage.value}"
        return
    gate = release.last_gate(target)
    if gate is not None and gate.verdict == Verdict.PASS.value:
        yield f"flywheel promote {release.version} --to {target}", f"its gate to {target} said PASS"
    else:
        said = f"said {gate.verdict}" if gate else "was not evaluated"
        yield f"flywheel gate {release.version} --to {target}", f"its gate to {target} {said}"
