"""Makes releases of assembled iterations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly.assembly import RecordedAssembly
from flywheel_mlflow.assembly.bundle import Bundle, make_bundle
from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused
from flywheel_mlflow.decisions.moves import refuse_final, refuse_open_move
from flywheel_mlflow.decisions.releases import Kind, Release, ReleaseState
from flywheel_mlflow.operations.bundles import drift_of, fetch_bundle, licences, reference_of
from flywheel_mlflow.operations.deciding import Desk, Draft, World, begin, decide, is_trouble, look, persistently
from flywheel_mlflow.operations.feedback.pinned_tasks import new_tasks
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.reports.links import Place, release_links
from flywheel_mlflow.reports.release import release_description
from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import VersionView

Choice = Callable[[World], Draft]

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


def create_release(desk: Desk, iteration: int, *, dry_run: bool = False) -> Created:
    """Make a release of an assembled iteration: bundle, model version, ledger event.

    The same bundle is the same release: a second call finds the first one's. So is what is in production already: a
    bundle of the same assembly would differ only in that there is nothing to compare it with.

    Raises:
        InputError: the iteration has no valid assembly.
        Refused: the same bundle was rejected or retired before.
    """
    recorded = desk.tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} has no assembly without contradictions",
            hint=f"run `flywheel assemble --iteration {iteration}`, then `flywheel check --iteration {iteration}`",
        )
    world = persistently(desk, lambda: look(desk.tracking)) if dry_run else begin(desk)
    bundle = _bundle(desk, world, recorded)
    known = _known(world.state if world else ReleaseState(), bundle, recorded)
    if known is not None and persistently(desk, lambda: desk.tracking.releases.version(known)) is None:
        raise Refused(
            f"this is release {known} already, and its model version was deleted",
            rule="the same bundle is the same release",
            hint="flywheel reconcile registers it again, from its bundle",
        )
    if dry_run or known is not None:
        return Created(known, bundle, iteration, recorded.run_id, None, known is not None, dry_run)
    with scratch_folder() as folder:
        placed = {f"{bundle.place}/{name}": text for name, text in bundle.files.items()}
        desk.tracking.artifacts.put(recorded.run_id, placed, folder)
    version, description = _version(desk, world, recorded, bundle, desk.actor.name)
    return _registered(desk, recorded, bundle, version, description)


def restore_lost(desk: Desk, world: World, *, dry_run: bool) -> list[str]:
    """Register every release whose model version was deleted as a new version of the same bundle; what was done.

    MLflow never gives a version's number again, so the ledger writes down which release the new one stands for.
    """
    there = {view.version for view in persistently(desk, desk.tracking.releases.versions)}
    state = world.state
    lost = [item for item in state.releases.values() if not (item.version in there or item.rejected or item.retired)]
    return [_restored(desk, world, release, dry_run=dry_run) for release in lost]


def _restored(desk: Desk, world: World, lost: Release, *, dry_run: bool) -> str:
    recorded = desk.tracking.assemblies.recorded_run(lost.run_id, lost.iteration)
    try:
        if recorded is None:
            raise InputError(f"the assembly's run {lost.run_id} is gone")
        bundle = fetch_bundle(desk.tracking, lost)
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
    version, description = _version(desk, world, recorded, bundle, lost.author.name)
    body: dict[str, object] = {
        "version": version,
        "lost": lost.version,
        "bundle": lost.bundle,
        "reason": "its model version was deleted",
        "description": sha256_text(description),
    }

    def choose(current: World) -> Draft:
        refuse_open_move(current.state)
        refuse_final(current.state.release(lost.version))
        return Draft(Kind.RESTORED, body)

    try:
        decide(desk, choose)
    except Refused:
        desk.tracking.releases.delete(version)  # somebody else restored it meanwhile
        raise
    return f"registered release {lost.version}, whose model version was deleted, again as release {version}"


def _version(
    desk: Desk, world: World | None, recorded: RecordedAssembly, bundle: Bundle, author: str
) -> tuple[int, str]:
    """A model version of the bundle, and what it says to readers: one that was half made, else a new one."""
    half_made = _half_made(desk, world, bundle)
    if half_made is not None:
        if half_made.tags.get(tags.AUTHOR) != author:
            desk.tracking.releases.tag(half_made.version, {tags.AUTHOR: author})
        return half_made.version, half_made.description
    description = _description(desk, recorded, bundle, author)
    store = desk.tracking.releases
    version = store.register(
        bundle, recorded.run_id, iteration=recorded.iteration, author=author, description=description
    )
    return version, description


def _description(desk: Desk, recorded: RecordedAssembly, bundle: Bundle, author: str) -> str:
    place = Place(recorded.run_id, recorded.experiment_id, pages=desk.tracking.server.about is not None)
    links = release_links(place, bundle.place, tags.BUNDLE, bundle.digest)
    return release_description(desk.flywheel, recorded.iteration, recorded, bundle, author, links)


def _registered(desk: Desk, recorded: RecordedAssembly, bundle: Bundle, version: int, description: str) -> Created:
    others: list[int] = []

    def choose(world: World) -> Draft:
        known = _known(world.state, bundle, recorded)
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
        if (fresh := new_tasks(bundle, world.state)) is not None:
            body["tasks"] = fresh
        return Draft(Kind.REGISTERED, body)

    try:
        event, _ = decide(desk, choose)
    except Refused:
        if not others:
            raise
        # Somebody else made the same release meanwhile: theirs stands, ours goes.
        if others[0] != version:
            desk.tracking.releases.delete(version)
        return Created(others[0], bundle, recorded.iteration, recorded.run_id, None, True, False)
    return Created(version, bundle, recorded.iteration, recorded.run_id, event.number, False, False)


def _bundle(desk: Desk, world: World | None, recorded: RecordedAssembly) -> Bundle:
    with scratch_folder() as folder:
        files = desk.tracking.assemblies.files(recorded.run_id, folder)
    reference = reference_of(desk.tracking, world.state if world else None, recorded.iteration, None)
    named, addresses = licences(desk.tracking, files)
    addresses[recorded.run_id] = desk.tracking.artifacts.address(recorded.run_id)
    return make_bundle(
        desk.flywheel,
        recorded.iteration,
        recorded.run_id,
        recorded.digest,
        files,
        licences=named,
        addresses=addresses,
        drift=drift_of(desk.tracking, recorded.run_id, reference).document,
        risks=world.risks.values() if world else (),
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


def _half_made(desk: Desk, world: World | None, bundle: Bundle) -> VersionView | None:
    """A model version that an earlier call registered before it died, which the ledger does not know."""
    known = world.state.releases if world else {}
    for view in persistently(desk, desk.tracking.releases.versions):
        if view.version not in known and view.bundle == bundle.digest:
            return view
    return None
