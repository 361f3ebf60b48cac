"""Reads the two sides of a comparison from the server, no more of them than the comparison needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.drift import Finding, History, LoggedData, Side, error_finding
from flywheel_mlflow.drift.sides import ProjectSide, VersionRef
from flywheel_mlflow.evidence.runs import KpiValue, is_rewrite
from flywheel_mlflow.evidence.samples import KpiSamples
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceOut

if TYPE_CHECKING:
    from flywheel_mlflow.records.content.profile import ContentProfile
    from flywheel_mlflow.records.profiles import Profile
    from flywheel_mlflow.tracking import Tracking


@dataclass(slots=True)
class BothSides:
    """The two sides as far as they could be read, and what could not."""

    current: Side
    reference: Side
    errors: list[Finding] = field(default_factory=list)


def recorded_side(tracking: Tracking, recorded: RecordedAssembly) -> Side:
    """One side exactly as an assembly recorded it: later runs of the same iteration change nothing.

    Raises:
        DocumentError: the recorded registry cannot be read.
        InputError: it is gone.
    """
    with scratch_folder() as folder:
        text = tracking.artifacts.text(recorded.run_id, deliverables.REGISTRY, folder)
    name = f"{deliverables.REGISTRY} of run {recorded.run_id}"
    if text is None:
        raise InputError(f"{name} is gone", hint=f"run `flywheel assemble --iteration {recorded.iteration} --force`")
    return Side(recorded.iteration, recorded.run_id, recorded.digest, sides_of_registry(text, name=name))


def sides_of_registry(text: str, *, name: str) -> dict[str, ProjectSide]:
    """Every project's side from the registry an assembly recorded; ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: it is no such registry.
    """
    entries: tuple[Entry, ...] = deliverables.read_document(deliverables.REGISTRY, text, where=name)
    return {
        entry.project_id: ProjectSide(
            run_id=entry.evidence.run_id,
            kpis={kpi: KpiValue(item.value, item.n, item.stderr) for kpi, item in entry.kpis.items()},
            versions={
                item.name: VersionRef(
                    item.version.digest,
                    entry.evidence.run_id,
                    item.version.uri,
                    item.version.fields,
                    item.version.schema_format,
                    item.version.records_digest,
                )
                for item in entry.interfaces_out
                if item.version is not None
            },
            tasks=entry.evidence.tasks,
            machine=entry.evidence.machine,
        )
        for entry in entries
        if entry.evidence is not None
    }


def kpi_history(tracking: Tracking, reference: RecordedAssembly, iteration: int, most: int) -> History:
    """What a loss of ``iteration`` against ``reference`` is held against: ``most`` iterations, the reference the last.

    The earlier ones are taken as they stood when the reference was assembled, so that comparing the same two assemblies
    gives the same verdicts for ever. Nothing is earlier than a reference that is itself later.
    """
    if reference.iteration >= iteration:
        return {}
    earlier = tracking.assemblies.earlier(reference.iteration, most=most - 1, ended_before=reference.ended)
    return {item.iteration: item.as_history() for item in (*earlier, reference)}


def read_data(
    tracking: Tracking,
    contracts: Iterable[Contract],
    current: Side,
    reference: Side,
    *,
    full: bool = False,
    engine: Engine = "local",
    samples_alone: Iterable[Contract] = (),
) -> BothSides:
    """Both sides with profiles, data cards and samples where they can differ.

    Profiles are read for interfaces whose digests differ, cards for runs that differ, samples for KPIs that moved;
    with ``full`` the data themselves by an ``engine``, both sides, compared with their digests. Of the projects in
    ``samples_alone`` only samples are read. A file that cannot be read becomes an error, never an exception.
    """
    both = BothSides(current, reference)
    both_kinds = [(contract, True) for contract in contracts] + [(contract, False) for contract in samples_alone]
    for contract, data in both_kinds:
        now, before = current.projects.get(contract.id), reference.projects.get(contract.id)
        if contract.is_assembly or now is None or before is None or now.run_id == before.run_id:
            continue
        both.current = _with_project(
            tracking, contract, both.current, before, both.errors, data=data, full=full, engine=engine
        )
        both.reference = _with_project(
            tracking, contract, both.reference, now, both.errors, data=data, full=full, engine=engine
        )
    return both


def _with_project(
    tracking: Tracking,
    contract: Contract,
    side: Side,
    other: ProjectSide,
    errors: list[Finding],
    *,
    data: bool,
    full: bool,
    engine: Engine,
) -> Side:
    """The side with what one project's run logged."""
    own = side.projects[contract.id]
    if own.run_id is None:
        return side
    changed = [
        promise
        for promise in contract.interfaces_out
        if promise.name in own.versions
        and promise.name in other.versions
        and own.versions[promise.name].digest != other.versions[promise.name].digest
        and not is_rewrite(other.versions[promise.name], own.versions[promise.name])
    ]
    try:
        with scratch_folder() as folder:
            logged = _logged(tracking, own.run_id, contract, changed, folder) if data else {}
            if full and data:
                logged |= _whole(tracking, own, changed, logged, folder, engine)
            samples = _samples(tracking, contract, own, other, folder)
    except FlywheelError as error:
        why = f"iteration {side.iteration}: {error.what}"
        errors.append(error_finding(contract.id, why, f"flywheel collect --iteration {side.iteration}"))
        return side
    for name, fault in list(samples.items()):
        if isinstance(fault, FlywheelError):
            errors.append(error_finding(name, fault.what, f"flywheel collect --iteration {side.iteration}"))
    read = {name: found for name, found in samples.items() if not isinstance(found, FlywheelError)}
    return replace(
        side,
        data={**side.data, **logged},
        samples={**side.samples, **{name: found.samples for name, found in read.items()}},
        judged={**side.judged, **{name: found.judged for name, found in read.items() if found.judged is not None}},
    )


def _logged(
    tracking: Tracking, run_id: str, contract: Contract, changed: list[InterfaceOut], folder: Path
) -> dict[str, LoggedData]:
    cards = tracking.profiles.cards(run_id, folder)
    profiles = tracking.profiles.profiles(run_id, folder) if changed else {}
    contents = tracking.profiles.contents(run_id, folder) if changed else {}
    wanted = {promise.name for promise in changed}
    found: dict[str, LoggedData] = {}
    for promise in contract.interfaces_out:
        card = cards.get(promise.name)
        profile = profiles.get(promise.name) if promise.name in wanted else None
        content = contents.get(promise.name) if promise.name in wanted else None
        faults = [item.what for item in (card, profile, content) if isinstance(item, FlywheelError)]
        found[promise.name] = LoggedData(
            profile=None if isinstance(profile, FlywheelError) else profile,
            content=None if isinstance(content, FlywheelError) else content,
            card=None if isinstance(card, FlywheelError) else card,
            fault="; ".join(faults),
        )
    return found


def _whole(
    tracking: Tracking,
    own: ProjectSide,
    changed: list[InterfaceOut],
    logged: Mapping[str, LoggedData],
    folder: Path,
    engine: Engine,
) -> dict[str, LoggedData]:
    """The same with profiles made of the data themselves."""
    found: dict[str, LoggedData] = {}
    for promise in changed:
        if promise.record_schema == "opaque":
            continue
        try:
            profile, content = _profiles(tracking, promise, own.versions[promise.name], folder, engine)
            found[promise.name] = replace(logged[promise.name], profile=profile, content=content)
        except FlywheelError as error:
            found[promise.name] = replace(logged[promise.name], fault=error.what)
    return found


def _profiles(
    tracking: Tracking, promise: InterfaceOut, version: VersionRef, folder: Path, engine: Engine
) -> tuple[Profile, ContentProfile | None]:
    from flywheel_mlflow.records.content.media import MediaFile
    from flywheel_mlflow.records.resampling import profile_of_files
    from flywheel_mlflow.records.sources import data_at, file_digest, is_records, joint_digest

    # The local engine reads a copy; the workers of another read what stays elsewhere from where it lies.
    manifest = tracking.data.manifest(version.uri, folder) if engine != "local" else None
    known: dict[str, str] = {}
    if manifest is not None:
        tracking.data.check_reach(manifest)
        data = manifest.data()
        known = {file.name: file.sha256 for file in manifest.files}
    else:
        data = data_at(tracking.data.fetch_uri(promise.name, version.uri, folder), promise.format, media=True)
    files = [file for file in data.files if data.single or is_records(file.name, promise.format)]
    media = {
        file.name: MediaFile(file, known.get(file.name) or file_digest(file))
        for file in data.files
        if file not in files
    }
    profile, content, read = profile_of_files(files, promise, media=media, engine=engine)
    digests = {name: item.digest for name, item in media.items()}
    digests |= {file.name: digest for file, digest in zip(files, read, strict=True)}
    digest = joint_digest(data.files, [digests[file.name] for file in data.files], single=data.single)
    same = short_digest(digest) == version.digest
    if not same:
        raise InputError(
            f"the data of {promise.name} are not those of the version with the digest {version.digest}",
            where=version.uri,
            hint="the stored data was changed after it was logged: ask its producer",
        )
    return profile, content


def _samples(
    tracking: Tracking, contract: Contract, own: ProjectSide, other: ProjectSide, folder: Path
) -> dict[str, KpiSamples | FlywheelError]:
    """The samples of KPIs that moved; equal values need no second look."""
    moved = {kpi.name for kpi in contract.kpis if own.kpis.get(kpi.name) != other.kpis.get(kpi.name)}
    if not moved or own.run_id is None:
        return {}
    found = tracking.profiles.samples(own.run_id, folder)
    return {f"{contract.id}.{name}": item for name, item in found.items() if name in moved}
