"""Measures an interface's data: its version, schema, profile, sketches and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from flywheel_mlflow.base.canonical import digest_of, short_digest
from flywheel_mlflow.base.errors import RecordError
from flywheel_mlflow.base.settings import Engine
from flywheel_mlflow.evidence.runs import SCHEMA_FORMAT, Check, FieldType, InterfaceVersion, Outcome
from flywheel_mlflow.promises.fields import field_types
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.cards import DataCard, card_path, load_card
from flywheel_mlflow.records.content.media import MediaFile
from flywheel_mlflow.records.content.profile import ContentProfile
from flywheel_mlflow.records.content.sampled import sampled_content, sampled_rows
from flywheel_mlflow.records.engine import measure_files
from flywheel_mlflow.records.id_sketches import IdSketch
from flywheel_mlflow.records.media import check_media, check_readable
from flywheel_mlflow.records.partials import Plan
from flywheel_mlflow.records.personal_names import check_names
from flywheel_mlflow.records.profiles import Profile
from flywheel_mlflow.records.ray_engine import connected
from flywheel_mlflow.records.sharing import Progress
from flywheel_mlflow.records.sources import (
    Data,
    MeasuredFile,
    OpenedFile,
    data_at,
    file_digest,
    is_records,
    joint_digest,
)
from flywheel_mlflow.records.word_sketches import WordSketch


@dataclass(frozen=True, slots=True)
class VersionFields:
    """What tells one version of an interface from another.

    Digests are full sha256, 64 hex digits: ``digest`` of the files, ``records_digest`` of the records, whatever their
    order, files and format, empty for opaque data. ``rows`` is None for opaque data; ``bytes`` counts the data files.
    """

    rows: int | None
    bytes: int
    digest: str
    fields: tuple[FieldType, ...]
    schema_digest: str
    records_digest: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All that is kept of an interface's data; of opaque data only version and files.

    ``licences`` are those its records state, where every one states one and no card speaks for all.
    ``ids`` are there for all records, ``words`` for training and evaluation data.
    ``quiet`` are the record findings that found nothing; a run lists those its contract requires.
    """

    interface: str
    format: str
    version: VersionFields
    files: tuple[MeasuredFile, ...]
    profile: Profile | None
    content: ContentProfile | None
    checks: tuple[Check, ...]
    card: DataCard | None
    licences: tuple[str, ...] = ()
    words: WordSketch | None = field(default=None, compare=False, repr=False)
    quiet: tuple[Check, ...] = ()
    ids: IdSketch | None = field(default=None, compare=False, repr=False)

    def interface_version(self, uri: str) -> InterfaceVersion:
        """The version as evidence keeps it, with digests of the length MLflow takes."""
        return InterfaceVersion(
            name=self.interface,
            uri=uri,
            digest=short_digest(self.version.digest),
            schema_digest=short_digest(self.version.schema_digest),
            fields=self.version.fields,
            rows=self.version.rows,
            bytes=self.version.bytes,
            records_digest=short_digest(self.version.records_digest),
            schema_format=SCHEMA_FORMAT,
        )


def measure(
    path: Path | str | Data,
    spec: InterfaceOut,
    *,
    card: DataCard | Path | str | None = None,
    progress: Progress | None = None,
    workers: int | None = None,
    engine: Engine = "local",
    folder: Path | None = None,
) -> Measurement:
    """Measures the data at ``path``, a file, a directory or files elsewhere, as the contract's ``spec`` describes them.

    Memory does not grow with the data but for hashes: 26 bytes a row, 66 of training and evaluation data. The card is
    the one given, or the one that lies with the data. ``progress`` is called with the rows read so far, and the share
    of the data they are. Large data are shared among ``workers`` processes, as many as there are processors unless
    told; with the engine ``ray`` among the workers of Ray. The result does not depend on them. ``folder`` is
    that of the project, below which a model lies that its contract names by a path.

    Raises:
        InputError: no data at the path, a link that leads out, or a file that changed meanwhile.
        RecordError: data that are cut, not of the promised format, empty, or no records.
        DocumentError: a faulty data card.
        StorageError: the system refuses to read.
        WorkerLost: a worker process ended by itself. ClusterUnreachable: Ray cannot be used.
    """
    data = path if isinstance(path, Data) else data_at(Path(path), spec.format, media=bool(spec.media))
    known_card = _card(card, None if isinstance(path, Data) else Path(path))
    if spec.record_schema == "opaque":
        return _opaque(spec, data, known_card)
    with_records = [file for file in data.files if not spec.media or is_records(file.name, spec.format)]
    media = {file.name: _measured(file) for file in data.files if file not in with_records}
    plan = Plan(
        interface=spec.name,
        schema=spec.record_schema,
        fields=tuple(field_types(spec.fields)),
        group_key=spec.group_key,
        has_card=known_card is not None,
        exempt=spec.personal_data_exempt,
        role=spec.role,
        expect=spec.expected_rows,
    )
    with connected(engine, workers=workers) as cluster:
        measured = measure_files(plan, with_records, spec.format, progress=progress, workers=workers, cluster=cluster)
        result, place_of = measured.result, measured.place_of
        if result.rows == 0:
            raise RecordError(
                "the data hold no record", where=data.place, hint="write the records, then log the interface again"
            )
        read = {
            file.name: MeasuredFile(file.name, file.size, digest)
            for file, digest in zip(with_records, measured.digests, strict=True)
        }
        for file in with_records:
            file.check_unchanged()
        files = tuple((read | media)[file.name] for file in data.files)
        if progress:
            progress(result.rows, 1.0)
        fields = result.tree.fields()
        version = VersionFields(
            rows=result.rows,
            bytes=_size(files),
            digest=_digest(data, files),
            fields=fields,
            schema_digest=digest_of(fields),
            records_digest=result.digest.result(),
        )
        profile, hashes = result.profile.result(), result.duplicates.hashes()
        opened = {file.name: MediaFile(file, media[file.name].digest) for file in data.files if file.name in media}
        rows = sampled_rows(result.profile.sampled(), hashes, place_of)
        content, looked = sampled_content(spec, profile, rows, opened)
        findings = [finding.result(place_of) for finding in result.findings]
        if content is not None and spec.media:
            findings.append(check_readable(spec, looked, content.places))
        told = [check for check in findings if check.outcome is Outcome.FAILED]
        if spec.personal_names is not None:
            told.append(check_names(spec, spec.personal_names, rows, result.rows, folder or Path()))
        checks = (*(check.result(place_of) for check in result.checks), *told)
        names = tuple(file.name for file in with_records)
        return Measurement(
            interface=spec.name,
            format=spec.format,
            version=version,
            files=files,
            profile=profile,
            content=content,
            checks=(*checks, *_media_checks(spec, data, with_records, media)),
            quiet=tuple(check for check in findings if check not in told),
            card=known_card,
            licences=result.origin.licences,
            ids=result.ids.result(),
            words=result.words.sketch(result.rows_of, names) if result.words else None,
        )


def _card(card: DataCard | Path | str | None, data: Path | None) -> DataCard | None:
    """The card given, or the one that lies with the data of this machine."""
    if isinstance(card, DataCard):
        return card
    path = Path(card) if card is not None else card_path(data) if data is not None else None
    return load_card(path) if path is not None else None


def _opaque(spec: InterfaceOut, data: Data, card: DataCard | None) -> Measurement:
    files = [_measured(file) for file in data.files]
    version = VersionFields(None, _size(files), _digest(data, files), (), digest_of(()))
    return Measurement(spec.name, spec.format, version, tuple(files), None, None, (), card)


def _measured(file: OpenedFile) -> MeasuredFile:
    """A file that is not looked into."""
    found = MeasuredFile(file.name, file.size, file_digest(file))
    file.check_unchanged()
    return found


def _media_checks(
    spec: InterfaceOut, data: Data, with_records: Sequence[OpenedFile], media: Mapping[str, MeasuredFile]
) -> tuple[Check, ...]:
    if not spec.media:
        return ()
    known = {name: (file.size, file.digest) for name, file in media.items()}
    return (check_media(spec, with_records, known, single=data.single),)


def _size(files: tuple[MeasuredFile, ...] | list[MeasuredFile]) -> int:
    return sum(file.size for file in files)


def _digest(data: Data, files: tuple[MeasuredFile, ...] | list[MeasuredFile]) -> str:
    return joint_digest(files, [file.digest for file in files], single=data.single)
