"""Looks at the data that releases pin: whether they still are those, changed, gone, or out of reach."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import (
    Inconclusive,
    InputError,
    Refused,
    ServerRefused,
    SourceUnreachable,
    StorageError,
)
from flywheel_mlflow.decisions.moves import rollback_targets
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.decisions.releases import Release
from flywheel_mlflow.operations.deciding import Session, persistently, read_consistent_snapshot
from flywheel_mlflow.operations.scratch import scratch_folder


@dataclass(frozen=True, slots=True)
class PinFault:
    """What is wrong with the data of a pinned interface; ``gone`` when they cannot be had at all."""

    text: str
    gone: bool


@dataclass(frozen=True, slots=True)
class CheckedPins:
    """What is wrong with pinned data; ``unknown`` says of which data by reference that cannot be told, and why."""

    faults: tuple[PinFault, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether all of them are what is pinned."""
        return not self.faults and not self.unknown


def is_reference(pin: Pin) -> bool:
    """Whether the data of a pinned interface stay where they are, so that the run holds their manifest alone."""
    from flywheel_mlflow.records.references import is_manifest_uri

    return is_manifest_uri(pin.uri)


def _naming(pin: Pin) -> str:
    return f"{pin.interface} {pin.digest}"


def check_pins(
    session: Session, pins: Iterable[Pin], *, full: bool = False, looked_at: Collection[str] = ()
) -> CheckedPins:
    """What is wrong with the data of pinned interfaces: each is fetched and its digest compared, data by reference
    where they lie, by size and the store's tag, with ``full`` by their bytes.

    Raises:
        ServerError, StorageError: a store is away, so nothing is known.
    """
    from flywheel_mlflow.operations.bundles import locate_pins

    pins = tuple(pins)
    locate_pins(session.tracking, pins)
    faults: list[PinFault] = []
    unknown: list[str] = []
    for pin in pins:
        with scratch_folder() as folder:
            try:
                if is_reference(pin):
                    fault = _reference_fault(session, pin, folder, full=full, looked_at=looked_at)
                else:
                    fault = _pin_fault(session, pin, folder)
            except (SourceUnreachable, Inconclusive) as error:
                unknown.append(f"{pin.interface}: {error.what}")
                continue
        if fault:
            faults.append(fault)
    return CheckedPins(tuple(faults), tuple(unknown))


def _reference_fault(
    session: Session, pin: Pin, folder: Path, *, full: bool, looked_at: Collection[str]
) -> PinFault | None:
    from flywheel_mlflow.records.references import compare

    data = session.tracking.data
    try:
        manifest = data.manifest(pin.uri, folder)
    except (Refused, InputError) as error:
        return PinFault(f"{pin.interface}: {error.what}", gone=not isinstance(error, Refused))
    if manifest is None or short_digest(manifest.digest) != pin.digest:
        return PinFault(
            f"{pin.interface}: its manifest is of other data than {pin.digest}, which is pinned", gone=False
        )
    if _naming(pin) in looked_at and not data.opens_addresses:
        return None
    data.check_reach(manifest)
    differences = compare(manifest, full=full)
    text = f"{pin.interface}: of its data at {manifest.address}, {differences}"
    return PinFault(text, gone=not differences.changed) if differences else None


def _pin_fault(session: Session, pin: Pin, folder: Path) -> PinFault | None:
    from flywheel_mlflow import records
    from flywheel_mlflow.tracking.artifacts import is_absent

    try:
        path = session.tracking.data.fetch_uri(pin.interface, pin.uri, folder)
        found = short_digest(records.content_digest(path))
    except (ServerRefused, StorageError) as error:
        if not is_absent(error):
            raise  # a store that is away says nothing about the data
        return PinFault(f"{pin.interface}: {error.what}", gone=True)
    except InputError as error:
        return PinFault(f"{pin.interface}: {error.what}", gone=True)
    text = f"{pin.interface}: its data have digest {found}, pinned is {pin.digest}"
    return None if found == pin.digest else PinFault(text, gone=False)


def checked_data(
    session: Session, release: Release, *, full: bool = False, looked_at: Collection[str] = ()
) -> CheckedPins:
    """What is wrong with the data a release pins: the version, the bundle, or an interface gone or changed."""
    from flywheel_mlflow.operations.bundles import fetch_bundle

    if persistently(session, lambda: session.tracking.releases.version(release.version)) is None:
        return CheckedPins((PinFault(f"the model version {release.version} was deleted", gone=True),))
    try:
        bundle = fetch_bundle(session.tracking, release)
    except InputError as error:
        return CheckedPins((PinFault(error.what, gone=True),))
    return check_pins(session, bundle.pins, full=full, looked_at=looked_at)


def references_of(session: Session, to: int | None, *, full: bool = False) -> tuple[str, ...]:
    """The data by reference of the release to go back to, compared here, each as its interface and digest.

    Raises:
        Refused: one is gone or changed. Inconclusive: one cannot be reached.
    """
    from flywheel_mlflow.operations.bundles import fetch_bundle

    snapshot = persistently(session, lambda: read_consistent_snapshot(session.tracking))
    known = rollback_targets(snapshot.state)
    if to is None and not known:
        return ()
    release = snapshot.state.release(to if to is not None else known[0])
    try:
        pins = tuple(pin for pin in fetch_bundle(session.tracking, release).pins if is_reference(pin))
    except InputError:
        return ()  # a bundle that is gone or was changed is the server's to refuse, which names the next good release
    checked = check_pins(session, pins, full=full)
    if checked.unknown:
        raise Inconclusive(checked.unknown[0], hint="a rollback goes to data that were looked at: try again")
    if checked.faults:
        raise Refused(
            f"cannot roll back to release {release.version}: {checked.faults[0].text}",
            rule="a rollback goes to data that still exist and still match their digests",
            hint="name another release with --to: flywheel release list",
        )
    return tuple(map(_naming, pins))
