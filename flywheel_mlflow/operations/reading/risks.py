"""Gathers the page of the risk ledger."""

from __future__ import annotations

from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.risking import known_risks
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.risks import RisksFacts, risks_page


def risks(reader: Reader, _asked: PageQuery) -> Page:
    """Every risk of the ledger, and those that flywheel.yaml knows."""
    ledger, _ = read_ledger(reader.session, reader.memory)
    return risks_page(RisksFacts(ledger, known_risks(reader.session), reader.session.now(), reader.addresses))
