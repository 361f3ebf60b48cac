"""Answers consumers: which exact version of an interface a release pins, and where its data are."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import DocumentError, InputError, Refused, StorageError, UnknownName
from flywheel_mlflow.base.settings import Settings, read_settings
from flywheel_mlflow.decisions.releases import STAGES
from flywheel_mlflow.operations.printable import Printable, plain_row
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.decisions.pins import Pin
    from flywheel_mlflow.tracking import Tracking, VersionView

_VERSION = re.compile(r"[1-9]\d{0,8}")


@dataclass(frozen=True, slots=True)
class Resolved(Printable):
    """An interface as a release pins it.

    ``digest`` and ``schema_digest`` are the first 32 hex digits of a sha256; ``licence`` and ``rows`` are None where
    nobody stated them. ``location`` is the address of data by reference, None where the run holds the data itself.
    ``release`` is the version of the release, None where an iteration was asked for; ``iteration``
    is the one whose run made the data.
    """

    interface: str
    uri: str
    digest: str
    schema_digest: str
    licence: str | None
    rows: int | None
    project: str
    iteration: int
    release: int | None
    address: str | None
    location: str | None = None

    def lines(self) -> Iterable[str]:
        """What it is, and where."""
        release = f" of release {self.release}" if self.release is not None else ""
        yield f"{self.interface}{release}, made by {self.project} in iteration {self.iteration}"
        for name in ("uri", "digest", "schema_digest", "licence", "rows"):
            value = getattr(self, name)
            yield f"  {name}: {'unknown' if value is None else value}"
        if self.location is not None:
            yield f"  stays at: {self.location}"

    def as_rows(self) -> list[dict[str, Any]]:
        """One row."""
        names = ("interface", "project", "iteration", "release", "digest", "schema_digest", "rows", "licence", "uri")
        return [plain_row(self, *names)]


def resolve_interface(tracking: Tracking, interface: str, at: str = "production") -> Resolved:
    """The version of an interface in a release: ``at`` is ``production``, ``staging`` or a release's number.

    One request besides the greeting of the server, one more for data by reference. Their address is told, not opened.

    Raises:
        InputError: ``at`` is none of these.
        Refused: nothing is released there, or the release leaves the interface out, with the reason.
        UnknownName: the release has no such interface.
    """
    view = released_at(tracking, at)
    if interface in view.unreadable:
        raise Refused(
            f"what release {view.version} pins of {interface} cannot be read: its tag was changed",
            rule="consumers get what was released",
            hint="flywheel audit",
        )
    pin = view.pins.get(interface)
    if pin is None and interface in view.left_out:
        raise Refused(
            f"release {view.version} leaves {interface} out: {view.left_out[interface]}",
            rule="a release pins the interfaces of projects that can be consumed",
            hint="ask its producer, or resolve it at an older release: flywheel release list",
        )
    if pin is None:
        raise UnknownName("interface", interface, view.pins, where=f"release {view.version}")
    return _located(tracking, resolved_pin(pin, view.version))


def _located(tracking: Tracking, found: Resolved) -> Resolved:
    """The same with the address at which data by reference stay."""
    from flywheel_mlflow.records.references import is_manifest_uri

    if not is_manifest_uri(found.uri):
        return found
    _know_address(tracking, found)
    with scratch_folder() as folder:
        manifest = tracking.data.manifest(found.uri, folder)
    return replace(found, location=manifest.address if manifest else None)


def released_at(tracking: Tracking, at: str) -> VersionView:
    """The release ``at`` ``production``, ``staging`` or a number.

    Raises:
        InputError: ``at`` is none of these. Refused: nothing is released there.
    """
    if at not in STAGES and not _VERSION.fullmatch(at):
        raise InputError(f"nothing can be resolved at {at[:80]!r}", hint=f"{', '.join(STAGES)}, or a release's number")
    view = tracking.releases.at_alias(at) if at in STAGES else tracking.releases.version(int(at))
    if view is None:
        raise Refused(
            f"there is no release {'in ' if at in STAGES else ''}{at}",
            rule="consumers get what was released",
            hint="flywheel release list; flywheel release create --iteration N makes one",
        )
    return view


def resolved_pin(pin: Pin, release: int) -> Resolved:
    """What a release pins of an interface."""
    return Resolved(
        interface=pin.interface,
        uri=pin.uri,
        digest=pin.digest,
        schema_digest=pin.schema_digest,
        licence=pin.licence,
        rows=pin.rows,
        project=pin.project,
        iteration=pin.iteration,
        release=release,
        address=pin.address,
    )


def fetch_resolved(tracking: Tracking, found: Resolved, folder: Path) -> Path:
    """The data of a resolved interface below ``folder``; the caller compares their digest.

    Raises:
        InputError: this tool cannot fetch the address. ServerError, StorageError: the artifact store or the disk.
    """
    _know_address(tracking, found)
    return tracking.data.fetch_uri(found.interface, found.uri, folder)


def _know_address(tracking: Tracking, found: Resolved) -> None:
    """Spare the request for a run whose artifact address the release wrote down."""
    run_id, _, place = found.uri.removeprefix("runs:/").partition("/")
    if found.address and found.address.endswith(f"/{place}"):
        tracking.artifacts.known(run_id, found.address.removesuffix(f"/{place}"))


def pull_interface(tracking: Tracking, found: Resolved, folder: Path) -> Path:
    """The data of a resolved interface below ``folder``, compared with the digest.

    Raises:
        Refused: the data are not what was released; they are left in place for looking at, under another name.
        InputError: this tool cannot fetch the address, or the folder is not empty.
        StorageError: the folder cannot be written.
    """
    from flywheel_mlflow import records

    target = folder / found.interface
    if target.exists():
        raise InputError(f"there is a {found.interface} already", where=str(target), hint="choose another --out")
    with writing_to(folder):
        target.mkdir(parents=True)
    try:
        path = fetch_resolved(tracking, found, target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)  # what came half would stand in the way of the next try
        raise
    digest = short_digest(records.content_digest(path))
    if digest != found.digest:
        spoilt = target.rename(target.with_name(f"{target.name}.not-what-was-released"))
        raise Refused(
            f"the data of {found.interface} are not what was released",
            rule="data match the digest they were released under",
            value=digest,
            limit=found.digest,
            where=str(spoilt),
            hint="do not use them; tell the producer, and run `flywheel audit --full`",
        )
    return path


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Says where it was, and what helps, when the system refuses to write what a consumer asked for.

    Raises:
        StorageError: it does.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot write there: {error.strerror or error}",
            where=str(folder),
            hint="choose a folder you can write to with --out",
        ) from error


def resolve(
    interface: str,
    at: str | int = "production",
    *,
    flywheel: str | None = None,
    root: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Resolved:
    """Which exact data an interface is: URI, digest, schema, licence and release.

    Args:
        interface: its name, such as ``foundation_corpus``.
        at: ``production``, ``staging`` or a release's number.
        flywheel: the flywheel's name; a consumer needs nothing else of it. If left out, the one whose files are at
            ``root`` or in the nearest folder upward.
        root: a folder with the flywheel's files.
        tracking_uri: the MLflow server or store; else ``MLFLOW_TRACKING_URI``.

    Raises:
        Refused: nothing is released there, or the interface is left out.
        UnknownName: the release has no such interface.
        ServerError: the server.
    """
    from flywheel_mlflow.tracking import connect

    settings, name = consumer_settings(flywheel, Path(root) if root else None, tracking_uri)
    return resolve_interface(connect(settings, name), interface, str(at))


def consumer_settings(flywheel: str | None, root: Path | None, tracking_uri: str | None) -> tuple[Settings, str]:
    """Settings and the flywheel's name for somebody who may not have the flywheel's files."""
    from flywheel_mlflow.evidence.flywheel import find_root
    from flywheel_mlflow.promises.blueprint import read_blueprint

    if flywheel is not None:
        return read_settings(root or Path.cwd(), os.environ, tracking_uri=tracking_uri), flywheel
    given = root or os.environ.get("FLYWHEEL_ROOT")
    try:
        found = Path(given).resolve() if given else find_root(Path.cwd())
    except DocumentError as error:
        raise InputError(
            "no flywheel was named, and there is none here",
            where=str(Path.cwd()),
            hint="name it (--flywheel NAME, flywheel=NAME), with MLFLOW_TRACKING_URI set to its server",
        ) from error
    return read_settings(found, os.environ, tracking_uri=tracking_uri), read_blueprint(found)[0].name
