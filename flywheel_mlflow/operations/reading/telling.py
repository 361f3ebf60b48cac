"""Reads releases back: all of them, one of them, what differs, who decided what and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.history import LedgerLine, describe_ledger
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.moves import production_at
from flywheel_mlflow.decisions.releases import Move, Override, Release
from flywheel_mlflow.decisions.summaries import ReleaseSummary, summarise_releases
from flywheel_mlflow.operations.deciding import Session, read_consistent_snapshot, read_snapshot

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.diff import ReleaseDiff
    from flywheel_mlflow.decisions.approvals import JudgedApproval
    from flywheel_mlflow.decisions.pins import Pin
    from flywheel_mlflow.operations.reading.reader import Memory


def list_releases(session: Session) -> tuple[ReleaseSummary, ...]:
    """Every release, the newest first; empty before the first."""
    snapshot = read_snapshot(session.tracking)
    return () if snapshot is None else summarise_releases(snapshot.state, session.now())


@dataclass(frozen=True, slots=True)
class Shown:
    """One release with everything known about it; ``faults`` says why its bundle cannot be read, empty when it can."""

    release: Release
    stage: str
    pins: tuple[Pin, ...]
    left_out: dict[str, str]
    faults: str
    approvals: tuple[JudgedApproval, ...]
    overrides: tuple[Override, ...]
    moves: tuple[Move, ...]


def show_release(session: Session, at: str) -> Shown:
    """One release, by its number or the stage it stands in: what it pins, who approved it, how it moved.

    Raises:
        UnknownName: no such release.
    """
    from flywheel_mlflow.operations.bundles import fetch_bundle
    from flywheel_mlflow.operations.releases.gating import read_decision_basis, shown_approvals

    snapshot = read_consistent_snapshot(session.tracking)
    release = snapshot.state.release_at(at)
    version = release.version
    pins: tuple[Pin, ...] = ()
    left_out: dict[str, str] = {}
    faults = ""
    try:
        bundle = fetch_bundle(session.tracking, release)
        pins, left_out = bundle.pins, dict(bundle.left_out)
    except InputError as error:
        faults = error.what
    return Shown(
        release=release,
        stage=snapshot.state.stage_of(version).value,
        pins=pins,
        left_out=left_out,
        faults=faults,
        approvals=shown_approvals(session, snapshot, read_decision_basis(session, snapshot, version))
        if release.approvals
        else (),
        overrides=tuple(item for item in snapshot.state.overrides if item.version == version),
        moves=tuple(item for item in snapshot.state.moves if item.version == version),
    )


def diff_releases(session: Session, before: int, after: int) -> ReleaseDiff:
    """What differs between two releases.

    Raises:
        UnknownName: no such release. InputError: a bundle is gone or was edited.
    """
    from flywheel_mlflow.operations.reading.reader import Memory

    state = read_consistent_snapshot(session.tracking).state
    return diff_of(session, state.release(before), state.release(after), Memory())


def diff_of(session: Session, before: Release, after: Release, memory: Memory) -> ReleaseDiff:
    """What differs between two releases, their KPIs judged as every comparison of their assemblies judges them.

    Raises:
        InputError: a bundle is gone or was edited.
    """
    from flywheel_mlflow.assembly.diff import BundleDiff, diff_bundles
    from flywheel_mlflow.operations.bundles import fetch_bundle
    from flywheel_mlflow.operations.reading.verdicts import Recorded, judge_recorded

    def read() -> BundleDiff:
        return diff_bundles(fetch_bundle(session.tracking, before), fetch_bundle(session.tracking, after))

    found = memory.recall(("release diff", before.bundle, after.bundle), read)
    first = Recorded(before.iteration, before.run_id, found.before.values)
    second = Recorded(after.iteration, after.run_id, found.after.values)
    judged = judge_recorded(session, first, second, memory)
    return found.judged(judged.kpis, judged.source)


def history(session: Session, *, version: int | None = None, last: int | None = None) -> tuple[LedgerLine, ...]:
    """The ledger in sentences, the oldest first; faults of the ledger do not keep it from being read."""
    snapshot = read_snapshot(session.tracking)
    if snapshot is None:
        return ()
    told = describe_ledger(snapshot.ledger)
    if version is not None:
        snapshot.state.release(version)
        told = tuple(item for item in told if item.about == version)
    return told if last is None else told[-last:]


def who_at(session: Session, when: datetime) -> Move | None:
    """The move by which the release in production at a moment got there; None when there was none."""
    snapshot = read_snapshot(session.tracking)
    return production_at(snapshot.state, when) if snapshot else None
