"""Gathers the page of all releases."""

from __future__ import annotations

from flywheel_mlflow.base.errors import FlywheelError, Refused
from flywheel_mlflow.decisions.moves import plan_rollback, rollback_targets
from flywheel_mlflow.decisions.releases import STAGES
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import unsound
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.moving import reconcile, rollback
from flywheel_mlflow.reports.pages.deciding import refusal_text
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.releases import ROLLBACK, Mending, ReleasesFacts, WayBack, releases_page

#: Why a plan is made by a page: nothing of it is ever written.
_LOOKING = "looked at on the page of releases"


def releases(reader: Reader, asked: PageQuery) -> Page:
    """Every release; ``plan=rollback`` works out where production would go back to, ``event`` is what was written."""
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    return releases_page(
        ReleasesFacts(
            flywheel=reader.session.flywheel.name,
            ledger=ledger,
            now=reader.session.now(),
            addresses=reader.addresses,
            way_back=_way_back(reader, snapshot, planned=asked.word("plan") == ROLLBACK),
            mending=_mending(reader, snapshot),
            event=asked.whole("event", least=0),
        )
    )


def _way_back(reader: Reader, snapshot: LedgerSnapshot | None, *, planned: bool) -> WayBack:
    """What a rollback would do: its rules now, its data only when somebody asks, since they are fetched for it."""
    refused = reader.acts_off or unsound(snapshot)
    if snapshot is None or refused:
        return WayBack(refused=refused)
    known = rollback_targets(snapshot.state)
    try:
        if known and not planned:
            # The very rules of the act; the data of the release are left.
            plan_rollback(
                snapshot.state,
                known[0],
                blueprint=reader.session.flywheel.blueprint,
                aliases=snapshot.aliases,
                actor=reader.session.actor,
                reason=_LOOKING,
            )
            return WayBack(candidate=known[0])
        moved = rollback(reader.session, _LOOKING, dry_run=True)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return WayBack(refused=refusal_text(error))
    return WayBack(candidate=moved.version, target=moved.version, steps=moved.steps)


def _mending(reader: Reader, snapshot: LedgerSnapshot | None) -> Mending:
    """What reconciling would do; asked only where ledger and aliases differ, since it looks at every version."""
    if snapshot is None or unsound(snapshot):
        return Mending()
    state = snapshot.state
    if state.open_move is None and all(snapshot.aliases.get(stage) == state.current[stage] for stage in STAGES):
        return Mending()
    try:
        return Mending(reconcile(reader.session, dry_run=True).mended)
    except Refused as error:
        return Mending(refused=refusal_text(error))
