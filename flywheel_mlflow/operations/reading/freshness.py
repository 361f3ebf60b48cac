"""Says whether anything changed since a page was made."""

from __future__ import annotations

from flywheel_mlflow.base.canonical import canonical_json, sha256_text
from flywheel_mlflow.operations.reading.reader import Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.tables.texts import SHORT


def state_mark(reader: Reader) -> str:
    """A short digest of the ledger, the aliases and the newest runs: another one says that there is news."""
    _, snapshot = read_ledger(reader.session, reader.memory)
    decided = [snapshot.ledger.head, dict(snapshot.aliases)] if snapshot else []
    return sha256_text(canonical_json([reader.session.tracking.newest_runs.mark(), decided]))[:SHORT]
