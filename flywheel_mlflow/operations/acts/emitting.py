"""Tells what collects lineage, by OpenLineage, what an assembly or a decision about a release did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from pydantic import TypeAdapter

from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.decisions.releases import ENDS, Kind
from flywheel_mlflow.evidence.registry import RegistryEntry
from flywheel_mlflow.evidence.runs import Check, EvidenceKind, InterfaceVersion
from flywheel_mlflow.lineage_events import DatasetFacts, RunFacts, Sent, send_runs
from flywheel_mlflow.operations.assembly.assembling import Assembled
from flywheel_mlflow.operations.deciding import Session, read_consistent_snapshot
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.records.profiles import Profile

#: The job of an assembly, of which the projects' runs are a part; and those of what is decided about releases.
ASSEMBLE, RELEASE, PROMOTE, ROLLBACK = "assemble", "release", "promote", "rollback"
_CHECKS = TypeAdapter(tuple[Check, ...])


def emit_assembly(session: Session, assembled: Assembled, target: str) -> Sent:
    """Send the runs of an iteration and its assembly to a ``target`` of :func:`send_runs`.

    Nothing here fails: the answer says what was not sent, and why.
    """
    return _emit(session, target, partial(runs_of_assembly, session, assembled))


def emit_release(session: Session, version: int, target: str) -> Sent:
    """Send that a release was made, likewise."""
    return _emit(session, target, partial(_release_run, session, version))


def emit_move(session: Session, target: str) -> Sent:
    """Send the newest promotion or rollback of the ledger, likewise."""
    return _emit(session, target, partial(_move_run, session))


def _emit(session: Session, target: str, runs: Callable[[], Iterator[RunFacts]]) -> Sent:
    try:
        facts = tuple(runs())
    except FlywheelError as error:
        return Sent(0, 0, error.what)
    return send_runs(facts, flywheel=session.flywheel.name, target=target)


def runs_of_assembly(session: Session, assembled: Assembled) -> Iterator[RunFacts]:
    """The run of each project that has one of its own in the iteration, then the assembly, which checked their data.

    Raises:
        ServerError, DocumentError: what the runs logged cannot be read.
    """
    assembly = assembled.assembly
    iteration = assembly.iteration
    whole = f"{iteration}/{ASSEMBLE}"
    ends = [entry.evidence.ended for entry in assembly.registry.values() if entry.evidence and entry.evidence.ended]
    checked: dict[str, DatasetFacts] = {}
    own: tuple[DatasetFacts, ...] = ()
    for project_id, entry in assembly.registry.items():
        evidence = entry.evidence
        if evidence is None:
            continue
        checks, profiles = _logged(session, evidence.run_id)
        made = tuple(_dataset(entry, version, checks, profiles) for version in evidence.interfaces_out.values())
        if evidence.kind is EvidenceKind.SELF:
            own = tuple(_on_run(item, assembled.run_id) for item in made)
            continue
        checked |= {item.name: item for item in made}
        if evidence.carried_from is not None or evidence.ended is None:
            continue  # it ran in an earlier iteration
        about_data = {check.name for item in made for check in item.checks}
        yield RunFacts(
            job=project_id,
            key=f"{iteration}/{project_id}",
            ended=evidence.ended,
            title=entry.contract.title,
            owner=entry.contract.owner,
            inputs=tuple(DatasetFacts(item.name, digest=item.digest) for item in evidence.interfaces_in),
            outputs=tuple(replace(item, checks=()) for item in made),
            checks=tuple(check for check in checks if check.name not in about_data),
            labels={
                "iteration": str(iteration),
                "consumable": "yes" if entry.consumable else "no",
                "evidence": evidence.kind.value,
                **({"mlflow_run": evidence.run_id} if evidence.run_id else {}),
            },
            parent=(ASSEMBLE, whole),
        )
    if ends:
        yield RunFacts(
            job=ASSEMBLE,
            key=whole,
            ended=max(ends),
            title=session.flywheel.blueprint.title,
            inputs=tuple(checked.values()),
            outputs=own,
            checks=assembled.checks,
            labels={"iteration": str(iteration), "mlflow_run": assembled.run_id, "digest": assembled.digest},
        )


def _logged(session: Session, run_id: str | None) -> tuple[tuple[Check, ...], dict[str, Profile]]:
    """The checks and the profiles that a run logged, as far as it did."""
    if run_id is None:
        return (), {}
    logged = session.tracking.profiles
    with scratch_folder() as folder:
        text = logged.checks(run_id, folder / "checks")
        found = logged.profiles(run_id, folder / "profiles")
    name = f"the checks of run {run_id}"
    checks = read_json(_CHECKS, text, name=name, hint="log the run again", newer=True) if text else ()
    return checks, {key: item for key, item in found.items() if isinstance(item, Profile)}


def _dataset(
    entry: RegistryEntry, version: InterfaceVersion, checks: tuple[Check, ...], profiles: dict[str, Profile]
) -> DatasetFacts:
    promise = entry.contract.interface(version.name)
    return DatasetFacts(
        name=version.name,
        version=version,
        digest=version.digest,
        title=promise.title if promise else "",
        owner=entry.contract.owner,
        profile=profiles.get(version.name),
        checks=tuple(check for check in checks if check.name.startswith(f"{version.name}.")),
    )


def _on_run(item: DatasetFacts, run_id: str) -> DatasetFacts:
    """The assembly's own data, which lie on its run and were described before there was one."""
    version = item.version
    if version is None or ":/" in version.uri:
        return item
    return replace(item, version=replace(version, uri=f"runs:/{run_id}/{version.uri}"))


def _release_run(session: Session, version: int) -> Iterator[RunFacts]:
    release = read_consistent_snapshot(session.tracking).state.release(version)
    view = session.tracking.releases.version(version)
    pins = view.pins.values() if view else ()
    yield RunFacts(
        job=RELEASE,
        key=f"{RELEASE}/{version}",
        ended=release.at,
        inputs=tuple(DatasetFacts(pin.interface, digest=pin.digest) for pin in pins),
        outputs=(DatasetFacts(RELEASE, digest=str(version)),),
        labels={"release": str(version), "iteration": str(release.iteration), "bundle": release.bundle},
    )


def _move_run(session: Session) -> Iterator[RunFacts]:
    events = read_consistent_snapshot(session.tracking).ledger.events
    moved = next((event for event in reversed(events) if event.kind in ENDS), None)
    if moved is None:
        return
    started = next(event.body for event in events if event.number == moved.body["move"])
    version, to = str(started["version"]), str(started["to"])
    yield RunFacts(
        job=ROLLBACK if moved.kind == Kind.ROLLED_BACK else PROMOTE,
        key=f"ledger/{moved.number}",
        ended=moved.at,
        inputs=(DatasetFacts(RELEASE, digest=version),),
        outputs=(DatasetFacts(f"{RELEASE}.{to}", digest=version),),
        labels={"release": version, "to": to, "event": str(moved.number)},
    )
