"""Says which releases hold a task: by what they pinned when they were made, never by iteration numbers."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly import bundle as bundles
from flywheel_mlflow.assembly.bundle import Bundle
from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.decisions.releases import Release, ReleaseState
from flywheel_mlflow.feedback.absorption import absorption_from_json
from flywheel_mlflow.operations.bundles import fetch_bundle
from flywheel_mlflow.operations.deciding import LedgerSnapshot

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Tracking

#: Characters that the ids of new tasks may take of an event's 6,000; a release that brings more has them in its bundle.
MAX_IDS = 4_000


def tasks_in(bundle: Bundle) -> frozenset[str]:
    """The tasks a bundle pins: those its iteration absorbed, and those it kept.

    Raises:
        InputError: its file of tasks is not what this package writes.
    """
    text = bundle.files.get(bundles.TASKS)
    if text is None:
        return frozenset()
    try:
        held = absorption_from_json(text, name=bundles.TASKS)
    except DocumentError as error:
        raise InputError(f"{bundles.TASKS} of the bundle holds no tasks", hint="run `flywheel audit`") from error
    return frozenset([item.task for item in held.absorbed] + [item.task for item in held.kept])


def new_tasks(bundle: Bundle, state: ReleaseState) -> list[str] | None:
    """The tasks a bundle holds and no release before it; None when they are too many for an event."""
    known = {task for release in state.releases.values() for task in release.tasks or ()}
    fresh = sorted(tasks_in(bundle) - known)
    return fresh if sum(len(task) + 3 for task in fresh) <= MAX_IDS else None


def releases_of(tracking: Tracking, snapshot: LedgerSnapshot | None) -> dict[str, int]:
    """The first release that pins each task, by task.

    Releases say in the ledger which tasks are new with them, so this reads nothing more; only for one that does not
    say it, because it is older or brings too many, its bundle is read. What a bundle holds that cannot be read is
    unknown.
    """
    first: dict[str, int] = {}
    for version, release in sorted(snapshot.state.releases.items()) if snapshot else ():
        for task in _tasks_of(tracking, release):
            first.setdefault(task, version)
    return first


def _tasks_of(tracking: Tracking, release: Release) -> Collection[str]:
    if release.tasks is not None:
        return release.tasks
    try:
        return tasks_in(fetch_bundle(tracking, release))
    except InputError:
        return ()
