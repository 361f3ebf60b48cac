"""Gathers the page of two releases compared."""

from __future__ import annotations

from flywheel_mlflow.assembly.diff import ReleaseDiff
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.operations.deciding import LedgerSnapshot, is_trouble
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.reporting import read_ledger
from flywheel_mlflow.operations.reading.telling import diff_of
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.reports.pages.release_diff import ReleaseDiffFacts, release_diff_page
from flywheel_mlflow.reports.pages.releases import default_pair


def release_diff(reader: Reader, asked: PageQuery) -> Page:
    """What differs between the releases ``first`` and ``second``; unasked, from the one in production to the newest.

    Raises:
        UnknownName: there is no such release.
    """
    ledger, snapshot = read_ledger(reader.session, reader.memory)
    usual = default_pair(snapshot.state) if snapshot else (None, None)
    first, second = asked.whole("first") or usual[0], asked.whole("second") or usual[1]
    diff, unknown = _diff(reader, snapshot, first, second)
    return release_diff_page(ReleaseDiffFacts(ledger, first, second, diff, unknown, reader.addresses))


def _diff(
    reader: Reader, snapshot: LedgerSnapshot | None, first: int | None, second: int | None
) -> tuple[ReleaseDiff | None, str]:
    """The difference, or why there is none to tell; what two digests differ in never changes, its verdicts may."""
    if snapshot is None or first is None or second is None:
        return None, "there are no two releases"
    before, after = snapshot.state.release(first), snapshot.state.release(second)

    try:
        return diff_of(reader.session, before, after, reader.memory), ""
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return None, error.what
