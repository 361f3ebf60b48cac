"""Says by rule whether the flywheel is healthy, with every reason and what to run about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.decisions.releases import Override, ReleaseState
from flywheel_mlflow.decisions.risks import Risk
from flywheel_mlflow.drift import ChangeOutcome
from flywheel_mlflow.drift.wording import VERDICT_TONES, Tone
from flywheel_mlflow.evidence.stages import StageStatus
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts, DriftFacts, LedgerFacts
from flywheel_mlflow.reports.tasks import run_again

#: Names listed in one reason; the section it leads to has all of them.
MOST_NAMES = 3

#: The verdict by the worst reason, worst first. What is known to need attention goes before what nobody knows; only
#: a flywheel of which everything is known and good is healthy.
_WORDS = {
    Tone.BAD: "Not healthy",
    Tone.ATTENTION: "Needs attention",
    Tone.UNKNOWN: "Cannot be told",
    Tone.GOOD: "Healthy",
}

STATUS_TONES = {
    StageStatus.BLOCKED.value: Tone.BAD,
    StageStatus.AT_RISK.value: Tone.ATTENTION,
    StageStatus.MISSING.value: Tone.UNKNOWN,
    StageStatus.COMPLETED.value: Tone.GOOD,
}


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that speaks for or against health; ``section`` is where the page has more, ``command`` what to run."""

    tone: Tone
    text: str
    section: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The verdict in a word, its tone, and the reasons, worst first."""

    word: str
    tone: Tone
    reasons: tuple[Reason, ...]


def health(facts: DashboardFacts) -> Health:
    """The verdict: that of the worst reason."""
    reasons = [
        *_lost_tasks(facts),
        *_trust(facts),
        *_stages(facts),
        *_projects(facts),
        *_bottlenecks(facts),
        regression(facts.drift, facts.iteration),
        *_governance(facts.ledger, facts.now),
        *_tasks(facts),
    ]
    order = list(_WORDS)
    ranked = tuple(sorted(reasons, key=lambda reason: order.index(reason.tone)))
    tone = ranked[0].tone
    return Health(_WORDS[tone], tone, ranked)


def _trust(facts: DashboardFacts) -> Iterator[Reason]:
    command = f"flywheel check --iteration {facts.iteration}"
    if not facts.sound:
        yield Reason(Tone.BAD, "the assembly contradicts itself: checks of its own are red", "registry", command)
    if not facts.genuine:
        yield Reason(Tone.BAD, "the assembly's files are not those that were assembled", "registry", command)


def _stages(facts: DashboardFacts) -> Iterator[Reason]:
    stages = facts.record.stages
    if not stages:
        yield Reason(Tone.UNKNOWN, "no stage was evaluated", "stages")
    for status, tone in STATUS_TONES.items():
        found = [facts.record.title(stage.stage_id) for stage in stages if stage.status == status]
        if not found:
            continue
        if tone is Tone.GOOD:
            yield Reason(tone, f"{len(found)} of {len(stages)} stages completed", "stages")
        else:
            yield Reason(tone, f"{_counted(len(found), 'stage')} {status}: {named(found)}", "stages")


def _projects(facts: DashboardFacts) -> Iterator[Reason]:
    projects = facts.record.projects
    out = [item.project_id for item in projects if not item.consumable]
    if out:
        command = f"flywheel impact {out[0]} --iteration {facts.iteration}"
        text = f"{len(out)} of {len(projects)} projects not consumable: {named(out)}"
        yield Reason(Tone.ATTENTION, text, "registry", command)
    elif projects:
        yield Reason(Tone.GOOD, f"all {len(projects)} projects consumable", "registry")
    else:
        yield Reason(Tone.UNKNOWN, "no project is registered", "registry")


def _bottlenecks(facts: DashboardFacts) -> Iterator[Reason]:
    found = facts.record.bottlenecks
    if found.bottlenecks:
        first = found.bottlenecks[0]
        metric = next(iter(first.values), "")
        command = f"flywheel explain {metric} --iteration {facts.iteration}" if metric else ""
        titles = named(item.title for item in found.bottlenecks)
        text = f"{_counted(len(found.bottlenecks), 'bottleneck')}: {titles}"
        yield Reason(Tone.ATTENTION, text, "bottlenecks", command)
    elif (decided := found.rules_evaluated - len(found.rules_not_decidable)) > 0:
        yield Reason(Tone.GOOD, f"no bottleneck by the {_counted(decided, 'rule')} that can be decided", "bottlenecks")
    if found.rules_not_decidable:
        count = len(found.rules_not_decidable)
        names = named(item.name for item in found.rules_not_decidable)
        yield Reason(Tone.UNKNOWN, f"{_counted(count, 'bottleneck rule')} not decidable: {names}", "bottlenecks")


def regression(drift: DriftFacts, iteration: int) -> Reason:
    """The regression risk, from the drift comparison and from what people answered for it."""
    if drift.report is None or drift.answered is None:
        command = f"flywheel drift --iteration {iteration}" if iteration > 1 else ""
        return Reason(Tone.UNKNOWN, f"regression risk unknown: {drift.unknown}", "drift", command)
    against = drift.report.reference.iteration
    left, verdict = drift.answered.left, drift.answered.verdict
    explained = sum(item.outcome is not ChangeOutcome.INTENDED for item, _ in drift.answered.explained)
    text = f"regression risk against iteration {against}: {drift.report.headline}"
    if waiting := len(drift.answered.unconfirmed):
        text += f"; a release asks to confirm the {_counted(waiting, 'change')} as intended"
    if explained:
        text += f"; {_counted(explained, 'finding')} explained by people, {len(left)} left"
        if verdict is Verdict.PASS:
            return Reason(Tone.ATTENTION, text, "drift")
    command = next((item.next for item in left if item.next), "")
    return Reason(VERDICT_TONES[verdict.value], text, "drift", command)


def _governance(ledger: LedgerFacts, now: datetime) -> Iterator[Reason]:
    if ledger.unknown:
        yield Reason(Tone.UNKNOWN, f"governance unknown: {ledger.unknown}", "releases", "flywheel audit")
        return
    if ledger.faults:
        yield Reason(Tone.BAD, f"the ledger has faults: {named(ledger.faults)}", "releases", "flywheel audit")
    if ledger.state is not None and ledger.state.releases:
        yield from _releases(ledger.state, ledger, now)
    yield from _risks(ledger, now)


def _releases(state: ReleaseState, ledger: LedgerFacts, now: datetime) -> Iterator[Reason]:
    version = state.current["production"]
    if version is None:
        yield Reason(Tone.ATTENTION, "no release is in production", "releases", "flywheel release list")
    else:
        release = state.release(version)
        yield Reason(Tone.GOOD, f"release {version} of iteration {release.iteration} is in production", "releases")
    if state.open_move is not None:
        move = state.open_move
        text = f"a move of release {move.version} to {move.to} was started and not ended"
        yield Reason(Tone.ATTENTION, text, "releases", "flywheel reconcile --dry-run")
    else:
        aliases = ledger.aliases or {}
        for stage, pointed in state.current.items():
            if aliases.get(stage) != pointed:
                text = f"{stage} points to {aliases.get(stage) or 'nothing'}, the ledger says {pointed or 'nothing'}"
                yield Reason(Tone.BAD, text, "releases", "flywheel audit")
    if state.disputed:
        yield Reason(Tone.BAD, f"{_counted(len(state.disputed), 'event')} in dispute", "releases", "flywheel audit")
    for item in open_overrides(ledger, now):
        text = f"open override: release {item.version} {override_words(item)} ({item.reason})"
        yield Reason(Tone.BAD, text, "releases", f"flywheel release show {item.version}")


def override_words(item: Override) -> str:
    """What an override lets its release do, or what it waits for."""
    if item.confirmed is None:
        return f"waits for {item.second} to let it go to {item.to} without a passing gate"
    return f"went to {item.to} without a passing gate"


def open_overrides(ledger: LedgerFacts, now: datetime) -> tuple[Override, ...]:
    """The overrides that still run, or whose risk nobody closed."""
    if ledger.state is None:
        return ()
    closed = {risk.number for risk in ledger.risks if risk.closed_at is not None}
    return tuple(item for item in ledger.state.overrides if item.until > now or item.number not in closed)


def _risks(ledger: LedgerFacts, now: datetime) -> Iterator[Reason]:
    overdue = [risk for risk in ledger.risks if risk.is_overdue(now)]
    if overdue:
        text = f"{_counted(len(overdue), 'risk')} overdue: {named(risk.id for risk in overdue)}"
        tone = Tone.BAD if any(risk.severity == "high" for risk in overdue) else Tone.ATTENTION
        yield Reason(tone, text, "risks", f"flywheel risk show {overdue[0].id}")
    pending = [risk for risk in ledger.risks if risk.closed_at is None and risk not in overdue]
    if pending:
        tone = Tone.ATTENTION if any(risk.severity == "high" for risk in pending) else Tone.GOOD
        text = f"{_counted(len(pending), 'risk')} open and not overdue: {_severities(pending)}"
        yield Reason(tone, text, "risks", "flywheel risk list")
    elif not overdue:
        yield Reason(Tone.GOOD, "no open risk in the ledger", "risks")


def _severities(risks: Iterable[Risk]) -> str:
    counts = Counter(risk.severity for risk in risks)
    return ", ".join(f"{counts[name]} {name}" for name in ("high", "medium", "low") if counts[name])


def _lost_tasks(facts: DashboardFacts) -> Iterator[Reason]:
    """Losing a gain is a regression like any other."""
    lost = facts.record.tasks.lost if facts.record.tasks else ()
    if lost:
        text = (
            f"{_counted(len(lost), 'absorbed task')} lost: {named(f'{item.task} of {item.project}' for item in lost)}"
        )
        yield Reason(Tone.BAD, text, "feedback", run_again(lost, facts.iteration))


def _tasks(facts: DashboardFacts) -> Iterator[Reason]:
    absorbed = facts.record.tasks
    if absorbed is None:
        return
    if absorbed.open:
        names = named(item.task for item in absorbed.open)
        text = f"{_counted(len(absorbed.open), 'task')} of feedback open: {names}"
        yield Reason(Tone.ATTENTION, text, "feedback", f"flywheel task show {absorbed.open[0].task}")
    elif absorbed.absorbed:
        yield Reason(Tone.GOOD, f"{_counted(len(absorbed.absorbed), 'task')} of feedback absorbed", "feedback")


def named(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
    return ", ".join(found[:MOST_NAMES]) + more


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
