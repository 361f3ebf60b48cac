"""The quarterly review: every statement computed from what the quarter left behind, with its source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flywheel_mlflow.base.quarters import Quarter
from flywheel_mlflow.decisions.ledger import Event
from flywheel_mlflow.decisions.releases import Kind
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift import DriftReport, KpiFound, KpiVerdict

FORMAT_VERSION = 1
#: Statements of one section; what is left out is counted.
MOST = 20


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence and where it comes from: a run and file, or events of the ledger."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Section:
    """One question of the review; ``unknown`` says why nothing can be said, empty where something can."""

    title: str
    statements: tuple[Statement, ...]
    unknown: str = ""
    more: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One iteration of the quarter as its newest assembly in it says; documents are plain values of our own files."""

    iteration: int
    run_id: str
    bottlenecks: Mapping[str, Any]
    registry: tuple[Mapping[str, Any], ...]
    tasks: Mapping[str, Any]
    drift: DriftReport | None


@dataclass(frozen=True, slots=True)
class Review:
    """The review of a quarter; ``iterations`` are those assembled in it."""

    flywheel: str
    quarter: str
    iterations: tuple[int, ...]
    sections: tuple[Section, ...]
    format_version: int = FORMAT_VERSION


def review_quarter(
    flywheel: str,
    quarter: Quarter,
    turns: Iterable[Turn],
    events: Iterable[Event],
    risks: Iterable[Risk],
    leverage: Statement | None,
) -> Review:
    """The review.

    Args:
        flywheel: its name.
        quarter: which quarter.
        turns: the iterations assembled in it, oldest first.
        events: the whole ledger.
        risks: the risks folded from it.
        leverage: the most pressing theme nobody has accepted; None when there is none.
    """
    found, everything = tuple(turns), tuple(events)
    decided = tuple(event for event in everything if quarter.holds(event.at))
    return Review(
        flywheel=flywheel,
        quarter=str(quarter),
        iterations=tuple(turn.iteration for turn in found),
        sections=(
            _bottleneck(found),
            _section("Did absorbed feedback help?", _helped(found), "no iteration of the quarter absorbed a task"),
            _section(
                "Which upstream improvement went with a better downstream",
                _downstream(found),
                "no KPI improved together with one of a project that reads its data"
                if any(turn.drift for turn in found)
                else "no iteration of the quarter was compared with the one before",
            ),
            _section("Risks that came back", _repeated(risks, quarter), "none came back in the quarter"),
            _section("Governance actions", _actions(decided), "the ledger has no decision of the quarter"),
            _section("Recovery time", _recoveries(decided, everything), "nothing was rolled back in the quarter"),
            _leverage(found, leverage),
        ),
    )


def _section(title: str, statements: Iterable[Statement], unknown: str) -> Section:
    found = tuple(statements)
    return Section(title, found[:MOST], "" if found else unknown, max(0, len(found) - MOST))


def _bottleneck(turns: tuple[Turn, ...]) -> Section:
    title = "Clearest bottleneck"
    if not turns:
        return Section(title, (), "no iteration was assembled in the quarter")
    source = f"runs {', '.join(turn.run_id for turn in turns)}, processed/bottleneck_analysis.json"
    fired: dict[str, list[tuple[Turn, Mapping[str, Any]]]] = {}
    for turn in turns:
        for item in turn.bottlenecks["bottlenecks"]:
            fired.setdefault(str(item["name"]), []).append((turn, item))
    undecided = Counter(str(rule["name"]) for turn in turns for rule in turn.bottlenecks["rules_not_decidable"])
    count = f"{len(turns)} iteration{'s' if len(turns) > 1 else ''}"
    if not fired:
        text = f"no rule fired in {count}; {len(undecided)} could not be decided in at least one"
        return Section(title, (Statement(text, source),))
    # A rank is severity x reach x distance; summed over the iterations it says how often too.
    ranks = {name: sum(item["rank"] for _, item in times) for name, times in fired.items()}
    name = min(fired, key=lambda rule: (-ranks[rule], rule))
    _, newest = fired[name][-1]
    numbers = ", ".join(str(turn.iteration) for turn, _ in fired[name])
    text = (
        f"{newest['title']}: {newest['rule']} ({newest['severity']}), fired in {len(fired[name])} of {count}: {numbers}"
    )
    text += f"; rank {ranks[name]:.2f} in total"
    if undecided[name]:
        text += f"; could not be decided in {undecided[name]}"
    if len(fired) > 1:
        text += f"; highest of {len(fired)} rules that fired"
    return Section(title, (Statement(text, source),))


def _helped(turns: tuple[Turn, ...]) -> Iterator[Statement]:
    for turn in turns:
        for item in turn.tasks.get("absorbed", ()):
            kpi = f"{item['kpi']} {_shown(item['before'])} before, {_shown(item['after'])} now" if item["kpi"] else ""
            told = f"iteration {turn.iteration}, {item['task']} for {item['project']}: {item['helped']}"
            yield Statement(
                f"{told} ({'; '.join(part for part in (kpi, item['why']) if part)})",
                f"run {turn.run_id}, reports/tasks.json",
            )


def _downstream(turns: tuple[Turn, ...]) -> Iterator[Statement]:
    """Improved KPIs of a project, with improved ones of those that read exactly its version in the same iteration."""
    for turn in turns:
        better = _improved(turn)
        for reader in turn.registry:
            project = str(reader["project_id"])
            for edge in reader["interfaces_in"]:
                maker = str(edge["from"])
                if edge["state"] == "matched" and maker in better and project in better:
                    yield Statement(
                        f"iteration {turn.iteration}: {_moves(better[maker])}; {project}, which reads "
                        f"{edge['interface']} of it: {_moves(better[project])}",
                        f"run {turn.run_id}, reports/drift.json and processed/upstream_project_registry.json; "
                        "that one follows from the other is not shown",
                    )


def _improved(turn: Turn) -> dict[str, list[KpiFound]]:
    found: dict[str, list[KpiFound]] = {}
    for item in turn.drift.kpis if turn.drift else ():
        if item.verdict is KpiVerdict.IMPROVED:
            found.setdefault(item.subject.split(".", 1)[0], []).append(item)
    return found


def _moves(found: list[KpiFound]) -> str:
    return ", ".join(f"{item.subject} {_shown(item.reference)} to {_shown(item.value)}" for item in found[:3])


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _repeated(risks: Iterable[Risk], quarter: Quarter) -> Iterator[Statement]:
    everything = {risk.id: risk for risk in risks}
    for risk in everything.values():
        here = [item for item in risk.sightings if quarter.holds(item.at)]
        if not here or (len(risk.sightings) < 2 and not risk.before):
            continue
        turns = ", ".join(map(str, risk.iterations)) or "unknown"
        earlier = [everything[name] for name in risk.before if name in everything]
        closed = "; ".join(f"{item.id} closed by {item.closed_by}" for item in earlier if item.closed_at)
        told = f"{risk.id}: {risk.title}: seen {len(risk.sightings)} times, in iterations {turns}"
        numbers = ", ".join(str(item.number) for item in risk.sightings)
        yield Statement(f"{told}{f'; earlier: {closed}' if closed else ''}", f"ledger, events {numbers}")


def _actions(decided: tuple[Event, ...]) -> Iterator[Statement]:
    kinds = Counter(event.kind for event in decided)
    for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        first = next(event.number for event in decided if event.kind == kind)
        yield Statement(f"{kind.replace('_', ' ')}: {count}", f"ledger, first of them event {first}")


def _recoveries(decided: tuple[Event, ...], everything: tuple[Event, ...]) -> Iterator[Statement]:
    """From the start of each rollback to its end, and to the next release that reached production."""
    to_production = {
        event.number
        for event in everything
        if event.kind == Kind.PROMOTION_STARTED and event.body.get("to") == "production"
    }
    for event in decided:
        if event.kind != Kind.ROLLBACK_STARTED:
            continue
        later = everything[event.number + 1 :]
        back = _first(later, Kind.ROLLED_BACK, {event.number})
        after = _first(later, Kind.PROMOTED, to_production)
        told = f"release {event.body.get('from')} rolled back to {event.body.get('version')}"
        told += f", in place after {_took(back.at - event.at)}" if back else ", and not in place"
        told += (
            f"; a new release in production after {_took(after.at - event.at)}"
            if after
            else "; no new release has reached production since"
        )
        numbers = ", ".join(str(item.number) for item in (event, back, after) if item)
        yield Statement(told, f"ledger, events {numbers}")


def _first(events: tuple[Event, ...], kind: Kind, moves: set[int]) -> Event | None:
    """The first event of a kind that ends one of some moves."""
    return next((event for event in events if event.kind == kind and event.body.get("move") in moves), None)


def _took(span: timedelta) -> str:
    seconds = span.total_seconds()
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _leverage(turns: tuple[Turn, ...], theme: Statement | None) -> Section:
    """What moves most next: the most pressing open theme, and the advice of the first bottleneck."""
    statements = [theme] if theme else []
    if turns and turns[-1].bottlenecks["bottlenecks"]:
        first = turns[-1].bottlenecks["bottlenecks"][0]
        source = f"run {turns[-1].run_id}, processed/bottleneck_analysis.json"
        statements.append(Statement(f"{first['title']}: {first['advice']}", source))
    return _section("Next leverage item", statements, "no theme waits and no bottleneck rule fired")
