"""The state of a flywheel as numbers that monitors scrape, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.releases import STAGES
from flywheel_mlflow.decisions.rhythms import Rhythm, RhythmState
from flywheel_mlflow.decisions.rollback_conditions import proposals
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.dashboard_health import health, open_overrides

#: How Prometheus calls the format.
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One number; an unknown one is None, and is not written: a monitor then sees that it is absent."""

    name: str
    help: str
    value: float | None
    labels: Mapping[str, str] = field(default_factory=dict)


def gauges_of(
    facts: DashboardFacts, waiting: int, rhythms: Iterable[Rhythm] = (), finished: datetime | None = None
) -> Iterator[Gauge]:
    """The numbers of the newest iteration.

    ``waiting`` counts the decisions that wait for somebody; ``finished`` is when `flywheel run` was done last, UTC.
    """
    found = health(facts)
    yield Gauge(
        "flywheel_healthy",
        "1 when nothing speaks against it, 0 when something does; absent while it cannot be told.",
        None if found.tone is Tone.UNKNOWN else float(found.tone is Tone.GOOD),
    )
    yield Gauge("flywheel_iteration", "The newest assembled iteration.", float(facts.iteration))
    yield Gauge("flywheel_assembly_sound", "1 when the assembly's own checks held.", float(facts.sound))
    projects = facts.record.projects
    yield Gauge("flywheel_projects", "Projects of the iteration.", float(len(projects)))
    consumable = sum(item.consumable for item in projects)
    yield Gauge("flywheel_projects_consumable", "Projects whose outputs can be trusted.", float(consumable))
    answered = facts.drift.answered
    for verdict in Verdict:
        yield Gauge(
            "flywheel_drift_verdict",
            "1 for the verdict of the newest comparison, after what people answered for.",
            None if answered is None else float(answered.verdict == verdict),
            {"verdict": verdict.value},
        )
    for name, line in facts.record.metrics.items():
        if name.startswith("budget.") and name.endswith(".share"):
            yield Gauge(
                "flywheel_budget_share",
                "What the runs spent of a budget; above 1 is over it, absent where it is unknown.",
                line.value,
                {"budget": name.split(".")[1]},
            )
    yield from _decisions(facts)
    yield Gauge("flywheel_decisions_waiting", "Decisions that wait for somebody.", float(waiting))
    yield Gauge(
        "flywheel_iteration_finished_timestamp_seconds",
        "When `flywheel run` was done with an iteration last; absent before the first time.",
        finished.timestamp() if finished else None,
    )
    for item in rhythms:
        yield Gauge(
            "flywheel_rhythm_late",
            "1 when a mechanism or a new iteration should have been held by now; absent while it cannot be told.",
            None if item.state is RhythmState.UNKNOWN else float(item.is_late),
            {"rhythm": item.id},
        )


def _decisions(facts: DashboardFacts) -> Iterator[Gauge]:
    ledger = facts.ledger
    known = not ledger.unknown
    state = ledger.state
    for stage in STAGES:
        yield Gauge(
            "flywheel_release",
            "The release in a stage, 0 for none; absent while the ledger cannot be read.",
            float((state.current[stage] if state else None) or 0) if known else None,
            {"stage": stage},
        )
    pending = [risk for risk in ledger.risks if risk.closed_at is None]
    overdue = sum(risk.is_overdue(facts.now) for risk in pending)
    yield Gauge("flywheel_risks_open", "Open risks.", float(len(pending)) if known else None)
    yield Gauge("flywheel_risks_overdue", "Open risks past their due date.", float(overdue) if known else None)
    proposed = len(proposals(ledger.risks, state.current["production"] if state else None))
    yield Gauge("flywheel_rollbacks_proposed", "Rollbacks that wait for somebody.", float(proposed) if known else None)
    running = len(open_overrides(ledger, facts.now))
    yield Gauge("flywheel_overrides_open", "Gates that people overrode.", float(running) if known else None)
    yield Gauge("flywheel_ledger_faults", "Faults of the ledger.", float(len(ledger.faults)) if known else None)


def gauges_text(gauges: Iterable[Gauge], flywheel: str) -> str:
    """The numbers in the order given, those of one name together, each with the flywheel's name as a label."""
    lines: list[str] = []
    described: set[str] = set()
    for item in gauges:
        if item.name not in described:
            described.add(item.name)
            lines += [f"# HELP {item.name} {item.help}", f"# TYPE {item.name} gauge"]
        if item.value is not None:
            labels = {"flywheel": flywheel, **item.labels}
            told = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
            lines.append(f"{item.name}{{{told}}} {_number(item.value)}")
    return "".join(f"{line}\n" for line in lines)


def _number(value: float) -> str:
    """Every digit of it: a moment in seconds has ten."""
    return str(int(value)) if value.is_integer() else repr(value)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
