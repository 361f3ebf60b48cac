"""Gathers the page of the risk ledger."""

from __future__ import annotations

from flywheel_mlflow.operations.reading.reader import Asked, Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.releases.risking import known_risks
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.risks import KnownRisk, RisksFacts, risks_page


def risks(reader: Reader, _asked: Asked) -> Page:
    """Every risk of the ledger, and those that flywheel.yaml knows."""
    ledger, _ = read_ledger(reader.desk, reader.memory)
    known = tuple(
        KnownRisk(item.id, item.title, item.owner, item.layers, item.projects) for item in known_risks(reader.desk)
    )
    return risks_page(RisksFacts(ledger, known, reader.desk.now(), reader.addresses))
