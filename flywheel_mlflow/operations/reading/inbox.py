"""Gathers what waits for somebody to decide."""

from __future__ import annotations

from collections.abc import Iterator

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.release_path import ReleasePath, StepName, next_stage
from flywheel_mlflow.decisions.rollback_conditions import PROPOSED, proposals
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.reading.release_path import drift_facts, read_path
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.gating import read_decision_basis
from flywheel_mlflow.operations.releases.overriding import waiting_overrides
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.pages.inbox import Inbox, Owned, Waiting
from flywheel_mlflow.reports.pages.projects import readiness

#: Releases on their way that are looked at, the newest first: each costs a few requests.
MOST_RELEASES = 3
_WORDS = {
    StepName.EVIDENCE: "needs evidence",
    StepName.EXPLAIN: "needs an explanation",
    StepName.APPROVE: "needs an approval",
    StepName.EVALUATE: "needs its gate evaluated",
    StepName.PROMOTE: "can be promoted",
}


def read_inbox(reader: Reader, facts: DashboardFacts) -> Inbox:
    """What waits: for the reader where people sign in, for anybody where they do not.

    What waits for other people than the reader is only counted.
    """
    actor = reader.session.actor.name
    _, snapshot = read_ledger(reader.session, reader.memory)
    everything = (*(_decisions(reader, snapshot) if snapshot else ()), *_themes(reader, facts))
    if reader.acts_off:
        return Inbox("", everything, 0)
    mine = tuple(item for item in everything if not item.who or actor in item.who)
    return Inbox(actor, mine, len(everything) - len(mine), tuple(_owned(reader, facts)))


def _owned(reader: Reader, facts: DashboardFacts) -> Iterator[Owned]:
    blueprint, actor = reader.session.flywheel.blueprint, reader.session.actor.name
    for item in facts.record.projects:
        if actor in blueprint.people_of(item.owner):
            tasks = len(facts.ledger.tasks.open_for(item.project_id))
            name = f"{item.project_id} {item.title}"
            yield Owned(name, readiness(item), tasks, facts.links.project(item.project_id))


def _decisions(reader: Reader, snapshot: LedgerSnapshot) -> Iterator[Waiting]:
    session, addresses = reader.session, reader.addresses
    for item in snapshot.state.overrides:
        if item in waiting_overrides(session, snapshot, item.version):
            told = f"Release {item.version}: confirm the override to {item.to}"
            yield Waiting(told, item.reason, addresses.release(item.version), (item.second,))
    for risk in proposals(snapshot.risks.values(), snapshot.state.current["production"]):
        version = snapshot.state.current["production"] or 0
        roles = session.flywheel.blueprint.releases.may_move
        movers = tuple(dict.fromkeys(who for role in roles for who in session.flywheel.blueprint.people_of(role)))
        yield Waiting(f"Release {version}: a rollback is proposed", risk.title, addresses.release(version), movers)
    known = {person.id for person in session.flywheel.blueprint.people}
    now = session.now()
    for risk in sorted(snapshot.risks.values(), key=lambda risk: risk.due):
        if risk.is_overdue(now) and risk.cause != PROPOSED:
            owner = (risk.owner,) if risk.owner in known else ()
            yield Waiting(f"Risk {risk.id} is overdue", risk.title, addresses.risk(risk.id), owner)
    yield from _releases(reader, snapshot)


def _releases(reader: Reader, snapshot: LedgerSnapshot) -> Iterator[Waiting]:
    """The next step of the newest releases that are newer than the one in production."""
    state, blueprint = snapshot.state, reader.session.flywheel.blueprint
    production = state.current["production"] or 0
    on_way = [
        item.version
        for item in state.releases.values()
        if item.version > production and next_stage(state, item, blueprint) is not None
    ]
    for version in sorted(on_way, reverse=True)[:MOST_RELEASES]:
        try:
            weighed = read_decision_basis(reader.session, snapshot, version)
            path = read_path(reader, snapshot, weighed, drift_facts(reader, weighed))
        except FlywheelError as error:
            if is_trouble(error):
                raise
            yield Waiting(f"Release {version}", f"cannot be read: {error.what}", reader.addresses.release(version))
            continue
        if path is not None and path.next is not None:
            yield _step(path, reader)


def _step(path: ReleasePath, reader: Reader) -> Waiting:
    step = path.next
    if step is None:
        raise LookupError(path.version)
    told = f"Release {path.version} {_WORDS[step.name]} to go to {path.to}"
    return Waiting(told, step.text, reader.addresses.release(path.version), step.who)


def _themes(reader: Reader, facts: DashboardFacts) -> Iterator[Waiting]:
    """The themes that nobody decided about, as one line: whoever may read the board may decide."""
    themes, state = facts.feedback.themes, facts.ledger.tasks
    if themes is None or facts.ledger.unknown:
        return
    open_ones = [theme for theme in themes.themes if state.latest(theme.id, theme.iteration) is None]
    if open_ones:
        count = f"{len(open_ones)} {'theme' if len(open_ones) == 1 else 'themes'}"
        told = f"{count} of feedback to decide"
        yield Waiting(told, open_ones[0].title, reader.addresses.feedback(themes.iteration))
