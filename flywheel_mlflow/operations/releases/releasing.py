"""Makes releases of assembled iterations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.bundle import Bundle, make_bundle
from flywheel_mlflow.assembly.deliverables import REPORT, stored_name
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused
from flywheel_mlflow.decisions.moves import refuse_final, refuse_open_move
from flywheel_mlflow.decisions.releases import Kind, Release, ReleaseState
from flywheel_mlflow.operations.bundles import drift_of, fetch_bundle, licences, reference_of
from flywheel_mlflow.operations.deciding import (
    LedgerSnapshot,
    NewEvent,
    Session,
    append_decision,
    begin,
    is_trouble,
    persistently,
    read_snapshot,
)
from flywheel_mlflow.operations.feedback.pinned_tasks import new_tasks
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.links import Place, release_links
from flywheel_mlflow.reports.release import release_description
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import VersionView

Choice = Callable[[LedgerSnapshot], NewEvent]

#: Characters of a reason; the event it stands in has room for this and everything else.
MAX_REASON = 2_000


@dataclass(frozen=True, slots=True)
class Created:
    """A release that was made, or that was there already; ``event`` is None for a dry run, ``version`` then too."""

    version: int | None
    bundle: Bundle
    iteration: int
    run_id: str
    event: int | None
    existed: bool
    dry_run: bool


def create_release(session: Session, iteration: int, *, dry_run: bool = False) -> Created:
    """Make a release of an assembled iteration: bundle, model version, ledger event.

    The same bundle is the same release: a second call finds the first one's. So is what is in production already: a
    bundle of the same assembly would differ only in that there is nothing to compare it with.

    Raises:
        InputError: the iteration has no valid assembly.
        Refused: the same bundle was rejected or retired before.
    """
    recorded = session.tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} has no assembly without contradictions",
            hint=f"run `flywheel assemble --iteration {iteration}`, then `flywheel check --iteration {iteration}`",
        )
    snapshot = persistently(session, lambda: read_snapshot(session.tracking)) if dry_run else begin(session)
    bundle = _bundle(session, snapshot, recorded)
    known = _known(snapshot.state if snapshot else ReleaseState(), bundle, recorded)
    if known is not None and persistently(session, lambda: session.tracking.releases.version(known)) is None:
        raise Refused(
            f"this is release {known} already, and its model version was deleted",
            rule="the same bundle is the same release",
            hint="flywheel reconcile registers it again, from its bundle",
        )
    if dry_run or known is not None:
        return Created(known, bundle, iteration, recorded.run_id, None, known is not None, dry_run)
    with scratch_folder() as folder:
        placed = {f"{bundle.place}/{name}": text for name, text in bundle.files.items()}
        session.tracking.artifacts.put(recorded.run_id, placed, folder)
    version, description = _version(session, snapshot, recorded, bundle, session.actor.name)
    return _registered(session, recorded, bundle, version, description)


def restore_lost(session: Session, snapshot: LedgerSnapshot, *, dry_run: bool) -> list[str]:
    """Register every release whose model version was deleted as a new version of the same bundle; what was done.

    MLflow never gives a version's number again, so the ledger writes down which release the new one stands for.
    """
    there = {view.version for view in persistently(session, session.tracking.releases.versions)}
    state = snapshot.state
    lost = [item for item in state.releases.values() if not (item.version in there or item.rejected or item.retired)]
    return [_restored(session, snapshot, release, dry_run=dry_run) for release in lost]


def _restored(session: Session, snapshot: LedgerSnapshot, lost: Release, *, dry_run: bool) -> str:
    recorded = session.tracking.assemblies.recorded_run(lost.run_id, lost.iteration)
    try:
        if recorded is None:
            raise InputError(f"the assembly's run {lost.run_id} is gone")
        bundle = fetch_bundle(session.tracking, lost)
    except FlywheelError as error:
        if is_trouble(error):
            raise
        again = f"flywheel assemble --iteration {lost.iteration} --force"
        return (
            f"left release {lost.version} alone, whose model version was deleted: {error.what}; roll back, or make it "
            f"again: {again}, then flywheel release create --iteration {lost.iteration}"
        )
    if dry_run:
        return f"would register release {lost.version} again, whose model version was deleted"
    version, description = _version(session, snapshot, recorded, bundle, lost.author.name)
    body: dict[str, object] = {
        "version": version,
        "lost": lost.version,
        "bundle": lost.bundle,
        "reason": "its model version was deleted",
        "description": sha256_text(description),
    }

    def choose(current: LedgerSnapshot) -> NewEvent:
        refuse_open_move(current.state)
        refuse_final(current.state.release(lost.version))
        return NewEvent(Kind.RESTORED, body)

    try:
        append_decision(session, choose)
    except Refused:
        session.tracking.releases.delete(version)  # somebody else restored it meanwhile
        raise
    return f"registered release {lost.version}, whose model version was deleted, again as release {version}"


def _version(
    session: Session, snapshot: LedgerSnapshot | None, recorded: RecordedAssembly, bundle: Bundle, author: str
) -> tuple[int, str]:
    """A model version of the bundle, and what it says to readers: one that was half made, else a new one."""
    half_made = _half_made(session, snapshot, bundle)
    if half_made is not None:
        if half_made.tags.get(tags.AUTHOR) != author:
            session.tracking.releases.tag(half_made.version, {tags.AUTHOR: author})
        return half_made.version, half_made.description
    description = _description(session, recorded, bundle, author)
    store = session.tracking.releases
    version = store.register(
        bundle, recorded.run_id, iteration=recorded.iteration, author=author, description=description
    )
    return version, description


def _description(session: Session, recorded: RecordedAssembly, bundle: Bundle, author: str) -> str:
    report = stored_name(REPORT, session.flywheel.blueprint.deliverables.prefix)
    place = Place(recorded.run_id, recorded.experiment_id, session.tracking.server.about is not None, report)
    links = release_links(place, bundle.place, tags.BUNDLE, bundle.digest)
    return release_description(session.flywheel, recorded.iteration, recorded, bundle, author, links)


def _registered(
    session: Session, recorded: RecordedAssembly, bundle: Bundle, version: int, description: str
) -> Created:
    others: list[int] = []

    def choose(snapshot: LedgerSnapshot) -> NewEvent:
        known = _known(snapshot.state, bundle, recorded)
        others[:] = [known] if known is not None else []
        if known is not None:
            raise Refused(f"release {known} has the same bundle", rule="the same bundle is the same release")
        body: dict[str, object] = {
            "version": version,
            "iteration": recorded.iteration,
            "run_id": recorded.run_id,
            "bundle": bundle.digest,
            "place": bundle.place,
            "description": sha256_text(description),
        }
        if (fresh := new_tasks(bundle, snapshot.state)) is not None:
            body["tasks"] = fresh
        return NewEvent(Kind.REGISTERED, body)

    try:
        event, _ = append_decision(session, choose)
    except Refused:
        if not others:
            raise
        # Somebody else made the same release meanwhile: theirs stands, ours goes.
        if others[0] != version:
            session.tracking.releases.delete(version)
        return Created(others[0], bundle, recorded.iteration, recorded.run_id, None, True, False)
    return Created(version, bundle, recorded.iteration, recorded.run_id, event.number, False, False)


def _bundle(session: Session, snapshot: LedgerSnapshot | None, recorded: RecordedAssembly) -> Bundle:
    with scratch_folder() as folder:
        files = session.tracking.assemblies.files(recorded.run_id, folder)
    reference = reference_of(session.tracking, snapshot.state if snapshot else None, recorded.iteration, None)
    named, addresses = licences(session.tracking, files)
    addresses[recorded.run_id] = session.tracking.artifacts.address(recorded.run_id)
    return make_bundle(
        session.flywheel,
        recorded.iteration,
        recorded.run_id,
        recorded.digest,
        files,
        licences=named,
        addresses=addresses,
        drift=drift_of(session.tracking, recorded.run_id, reference).document,
        risks=snapshot.risks.values() if snapshot else (),
    )


def _known(state: ReleaseState, bundle: Bundle, recorded: RecordedAssembly) -> int | None:
    """The release that has this very bundle, or that has this very assembly and is in production.

    Raises:
        Refused: it was rejected or retired, which is final.
    """
    current = state.current["production"]
    if current is not None and state.release(current).run_id == recorded.run_id:
        return current
    for release in state.releases.values():
        if release.bundle != bundle.digest:
            continue
        refuse_final(release)
        return release.version
    return None


def _half_made(session: Session, snapshot: LedgerSnapshot | None, bundle: Bundle) -> VersionView | None:
    """A model version that an earlier call registered before it died, which the ledger does not know."""
    known = snapshot.state.releases if snapshot else {}
    for view in persistently(session, session.tracking.releases.versions):
        if view.version not in known and view.bundle == bundle.digest:
            return view
    return None
