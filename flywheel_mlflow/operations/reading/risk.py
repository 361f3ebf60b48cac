"""Gathers the page of one risk."""

from __future__ import annotations

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.refusals import refusal, unsound
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.risking import refuse_closer, shown_risk
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.risk import RiskFacts, risk_page


def risk(reader: Reader, asked: PageQuery) -> Page:
    """One risk by its id, ``risk``; ``event`` is the decision that was just written.

    Raises:
        UnknownName: there is no such risk.
        InputError: the ledger cannot be read.
    """
    name = asked.word("risk") or ""
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    if snapshot is None:
        if ledger.unknown:
            raise InputError(f"the ledger is unknown: {ledger.unknown}", hint="flywheel audit")
        raise UnknownName("risk", name, ())
    found = shown_risk(reader.session.flywheel.contracts, snapshot, name)
    closed = unsound(snapshot)
    return risk_page(
        RiskFacts(
            risk=found.risk,
            story=found.story,
            path=found.path,
            before=found.before,
            ledger=ledger,
            close_refused=closed or refusal(lambda: refuse_closer(reader.session.actor, found.risk)),
            update_refused=closed,
            now=reader.session.now(),
            addresses=reader.addresses,
            event=asked.whole("event", least=0),
        )
    )
