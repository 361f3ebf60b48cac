"""Hands consumers the data of an interface in one call, and lists which interfaces there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.assembly.documents import Entry
from flywheel_mlflow.base.errors import InputError, RecordError, Refused, UnknownName
from flywheel_mlflow.operations.bundles import licences_of_run
from flywheel_mlflow.operations.printable import Printable
from flywheel_mlflow.operations.projects.describing import data_format
from flywheel_mlflow.operations.projects.resolving import (
    Resolved,
    consumer_settings,
    fetch_resolved,
    released_at,
    resolve_interface,
    resolved_pin,
)
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from flywheel_mlflow.tracking import Tracking


@dataclass(frozen=True, slots=True)
class LoadedInterface:
    """The exact data of one version of an interface on this machine, compared with their digest.

    ``path`` is a file, or a folder of files, in the cache: read it, do not write there.
    """

    version: Resolved
    path: Path

    def __str__(self) -> str:
        return f"{self.version}\n  path: {self.path}"

    def iter_records(self) -> Iterator[dict[str, Any]]:
        """The records one after the other, in memory that does not grow with them.

        Raises:
            InputError: opaque data, which hold no records that are known.
            RecordError: a file that cannot be read as records.
        """
        from flywheel_mlflow.records.reading import reader_for
        from flywheel_mlflow.records.sources import record_files

        for file in record_files(self.path, self.data_format()):
            for batch in reader_for(file, self.data_format()).batches():
                yield from batch

    def to_arrow(self) -> pa.Table:
        """All records as a table of Arrow, a column for each field.

        Raises:
            InputError: opaque data.
            RecordError: a file that cannot be read, or a field whose values are of kinds that no column holds together.
        """
        import pyarrow as pa

        from flywheel_mlflow.records.hugging_face import table_of
        from flywheel_mlflow.records.parquet import open_parquet
        from flywheel_mlflow.records.sources import record_files

        try:
            if self.data_format() == "parquet":
                tables = [open_parquet(file.path).read() for file in record_files(self.path, "parquet")]
                return pa.concat_tables(tables, promote_options="permissive")
            return table_of(self.iter_records())
        except (pa.ArrowException, OSError, TypeError, ValueError, OverflowError) as error:
            raise RecordError(
                f"the records fit no table: {str(error)[:200]}",
                where=str(self.path),
                hint="a field holds values of several kinds: read them with iter_records()",
            ) from error

    def to_pandas(self) -> pd.DataFrame:
        """All records as a frame of pandas; errors are those of :meth:`to_arrow`."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> Any:
        """All records as a frame of Polars.

        Raises:
            ImportError: Polars is not installed; it does not come with this package.
            InputError, RecordError: as :meth:`to_arrow`.
        """
        try:
            polars = import_module("polars")
        except ImportError as error:
            raise ImportError("to_polars() needs Polars, which is not installed: pip install polars") from error
        return polars.from_arrow(self.to_arrow())

    def to_hf(self, *, streaming: bool = False) -> Any:
        """All records as a ``datasets.Dataset``, or a ``DatasetDict`` where they name their splits.

        ``streaming`` makes it an ``IterableDataset``, read as it is asked for. A data set that was logged as one comes
        back with its features: labels, pictures, sounds.

        Raises:
            InputError: opaque data, or the library ``datasets`` is not installed.
            RecordError: a file that cannot be read, or a field with values of several kinds (streaming takes those).
        """
        from flywheel_mlflow.records.hugging_face import to_dataset

        return to_dataset(self.path, self.data_format(), streaming=streaming)

    def data_format(self) -> str:
        """``parquet`` or ``jsonl``.

        Raises:
            InputError: opaque data.
        """
        kind = data_format(self.path, self.version.rows)
        if kind == "opaque":
            raise InputError(
                f"{self.version.interface} is opaque: its files are not known to be records",
                where=str(self.path),
                hint="read the files at `path` with what made them",
            )
        return kind

    def media_path(self, name: str) -> Path:
        """The file that a record names, a picture say, on this machine.

        Raises:
            InputError: a name that leads out of the interface's folder, or no such file in it.
        """
        from flywheel_mlflow.records.sources import path_fault

        path = self.path / name
        inside = self.path.is_dir() and path_fault(name) is None and path.resolve().is_relative_to(self.path.resolve())
        if not inside or not path.is_file():
            raise InputError(
                f"there is no file {name[:200]!r} in {self.version.interface}",
                where=str(self.path),
                hint="its contract says under `media` which fields of the records name files",
            )
        return path


@dataclass(frozen=True, slots=True)
class Consumable(Printable):
    """The interfaces of a release or an iteration: those that can be consumed, and why others cannot."""

    interfaces: tuple[Resolved, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    def lines(self) -> Iterable[str]:
        """Each interface, then why others cannot be consumed."""
        for item in self.interfaces:
            rows = "opaque" if item.rows is None else f"{item.rows} rows"
            yield f"{item.interface}: {rows}, {item.digest}, made by {item.project} in iteration {item.iteration}"
        yield from (f"left out {name}: {why}" for name, why in self.left_out.items())

    def as_rows(self) -> list[dict[str, Any]]:
        """A row for each interface."""
        return [row for item in self.interfaces for row in item.as_rows()]


def load(
    interface: str,
    *,
    release: str | int | None = None,
    iteration: int | None = None,
    flywheel: str | None = None,
    root: str | Path | None = None,
    tracking_uri: str | None = None,
    cache: str | Path | None = None,
) -> LoadedInterface:
    """The data of an interface, fetched once and compared with their digest.

    Args:
        interface: its name, such as ``foundation_corpus``.
        release: ``production`` if left out, ``staging`` or a release's number.
        iteration: in place of a release, the version that the newest assembly of an iteration recorded.
        flywheel: the flywheel's name; a consumer needs nothing else of it. If left out, the one whose files are at
            ``root`` or in the nearest folder upward.
        root: a folder with the flywheel's files.
        tracking_uri: the MLflow server or store; else ``MLFLOW_TRACKING_URI``.
        cache: where data are kept; the user's cache folder if left out.

    Raises:
        Refused: nothing is released there, the interface is left out, or the data are not what was logged.
        UnknownName: there is no such interface.
        InputError: the iteration was never assembled, or both a release and an iteration are named.
        ServerError, StorageError: server or disk.
    """
    from flywheel_mlflow.tracking import connect

    settings, name = consumer_settings(flywheel, Path(root) if root else None, tracking_uri)
    return load_interface(
        connect(settings, name),
        interface,
        release=release,
        iteration=iteration,
        cache=Path(cache) if cache else None,
    )


def load_interface(
    tracking: Tracking,
    interface: str,
    *,
    release: str | int | None = None,
    iteration: int | None = None,
    cache: Path | None = None,
) -> LoadedInterface:
    """The same on a server that is connected already."""
    from flywheel_mlflow.records.caching import cached

    found = find_version(tracking, interface, release=release, iteration=iteration)
    path = cached(interface, found.digest, lambda folder: fetch_resolved(tracking, found, folder), folder=cache)
    return LoadedInterface(found, path)


def find_version(
    tracking: Tracking, interface: str, *, release: str | int | None = None, iteration: int | None = None
) -> Resolved:
    """The version of an interface in a release, ``production`` unasked, or in an iteration.

    Raises:
        Refused, UnknownName, InputError: as :func:`load`.
    """
    if iteration is None:
        return resolve_interface(tracking, interface, str(release or "production"))
    if release is not None:
        raise InputError("a release and an iteration are named", hint="name one of them")
    found = _of_iteration(tracking, iteration, only=interface)
    if interface in found.left_out:
        raise Refused(
            f"iteration {iteration} has no version of {interface} to consume: {found.left_out[interface]}",
            rule="data are consumed that were logged, of projects that can be consumed",
            hint="ask its producer, or read another iteration: flywheel interfaces --iteration N",
        )
    known = {item.interface: item for item in found.interfaces}
    if interface not in known:
        raise UnknownName("interface", interface, known, where=f"iteration {iteration}")
    return known[interface]


def interfaces(
    *,
    release: str | int | None = None,
    iteration: int | None = None,
    flywheel: str | None = None,
    root: str | Path | None = None,
    tracking_uri: str | None = None,
) -> Consumable:
    """What can be consumed of a release (``production`` unasked) or an iteration; arguments are those of :func:`load`.

    Raises:
        Refused: nothing is released there.
        InputError: the iteration was never assembled, or both a release and an iteration are named.
        ServerError: the server.
    """
    from flywheel_mlflow.tracking import connect

    settings, name = consumer_settings(flywheel, Path(root) if root else None, tracking_uri)
    return consumable(connect(settings, name), release=release, iteration=iteration)


def consumable(tracking: Tracking, *, release: str | int | None = None, iteration: int | None = None) -> Consumable:
    """The same on a server that is connected already."""
    if iteration is None:
        view = released_at(tracking, str(release or "production"))
        pins = [resolved_pin(pin, view.version) for pin in view.pins.values()]
        unreadable = dict.fromkeys(view.unreadable, "its tag on the release was changed: flywheel audit")
        return Consumable(tuple(sorted(pins, key=lambda item: item.interface)), {**view.left_out, **unreadable})
    if release is not None:
        raise InputError("a release and an iteration are named", hint="name one of them")
    return _of_iteration(tracking, iteration)


def _of_iteration(tracking: Tracking, iteration: int, *, only: str | None = None) -> Consumable:
    """The interfaces of an iteration; with ``only`` the licence of one, which a request for each project answers."""
    recorded = tracking.assemblies.recorded(iteration)
    if recorded is None:
        raise InputError(
            f"iteration {iteration} was never assembled", hint=f"run `flywheel assemble --iteration {iteration}`"
        )
    with scratch_folder() as folder:
        text = tracking.artifacts.text(recorded.run_id, deliverables.REGISTRY, folder)
    if text is None:
        raise InputError(f"the registry of iteration {iteration} is gone", where=f"run {recorded.run_id}")
    found: list[Resolved] = []
    left_out: dict[str, str] = {}
    for project in deliverables.read_document(deliverables.REGISTRY, text):
        made = {item.name for item in project.interfaces_out if item.version is not None and only in (None, item.name)}
        run_id = project.evidence.run_id if project.evidence else None
        licences = licences_of_run(tracking, run_id) if made and run_id else {}
        for item in project.interfaces_out:
            if item.version is None:
                left_out[item.name] = f"{project.project_id} logged no version of it"
            elif not project.consumable:
                left_out[item.name] = f"{project.project_id} is not consumable: {', '.join(project.reasons[:1])}"
            else:
                uri = item.version.uri
                found.append(
                    Resolved(
                        interface=item.name,
                        uri=uri if ":/" in uri else f"runs:/{recorded.run_id}/{uri}",
                        digest=item.version.digest,
                        schema_digest=item.version.schema_digest,
                        licence=licences.get(item.name),
                        rows=item.version.rows,
                        project=project.project_id,
                        iteration=_made_in(project, iteration),
                        release=None,
                        address=None,
                    )
                )
    return Consumable(tuple(sorted(found, key=lambda item: item.interface)), dict(sorted(left_out.items())))


def _made_in(project: Entry, iteration: int) -> int:
    evidence = project.evidence
    return (evidence.carried_from if evidence else None) or iteration
