"""Writes a Croissant document beside data that were fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.operations.projects.resolving import Resolved
from flywheel_mlflow.operations.scratch import scratch_folder

if TYPE_CHECKING:
    from flywheel_mlflow.records.cards import DataCard
    from flywheel_mlflow.records.croissant import Provenance
    from flywheel_mlflow.tracking import Tracking


def data_format(path: Path, rows: int | None) -> str:
    """``jsonl`` or ``parquet`` by the names of the files at ``path``; ``opaque`` where nobody counted records."""
    from flywheel_mlflow import records
    from flywheel_mlflow.records.sources import is_records

    if rows is None:
        return "opaque"
    named = [file.name for file in records.find_files(path, "opaque") if is_records(file.name)]
    return "parquet" if named and all(is_records(name, "parquet") for name in named) else "jsonl"


def write_croissant(tracking: Tracking, found: Resolved, path: Path, origin: Provenance, folder: Path) -> Path:
    """Write ``croissant.json`` into the ``folder`` below which the data at ``path`` lie; where it is.

    Files that records name are none of its files: they lie beside them, by the paths in the records.

    Raises:
        RecordError: data that are cut, or no records. StorageError: the folder cannot be written. ServerError.
    """
    from flywheel_mlflow.records.croissant import CROISSANT_FILE, to_croissant
    from flywheel_mlflow.records.data_fields import learn_data
    from flywheel_mlflow.records.sources import MeasuredFile, file_digest, record_files

    kind = data_format(path, found.rows)
    files = record_files(path, kind)
    root = (path if path.is_dir() else path.parent).relative_to(folder)
    learnt = learn_data(path, kind)
    document = to_croissant(
        found.interface,
        digest=found.digest,
        data_format=kind,
        files=[MeasuredFile((root / file.name).as_posix(), file.size, file_digest(file)) for file in files],
        fields=learnt.fields,
        splits=learnt.splits,
        card=card_of(tracking, found),
        origin=origin,
    )
    write_files({CROISSANT_FILE: document_json(document)}, folder)
    return folder / CROISSANT_FILE


def released_by(found: Resolved, flywheel: str) -> Provenance:
    """What a resolved interface says of its origin."""
    from flywheel_mlflow.records.croissant import Provenance

    return Provenance(
        project=found.project,
        flywheel=flywheel,
        iteration=found.iteration,
        release=found.release,
        licence=found.licence,
    )


def card_of(tracking: Tracking, found: Resolved) -> DataCard | None:
    """The data card that lies on the run that made the data; None without one that can be read."""
    from flywheel_mlflow.records.cards import card_from_json

    if not found.uri.startswith("runs:/"):
        return None
    run_id, _, _ = found.uri.removeprefix("runs:/").partition("/")
    with scratch_folder() as folder:
        text = tracking.profiles.card(run_id, found.interface, folder)
    try:
        return card_from_json(text, name=f"the card of {found.interface}") if text is not None else None
    except DocumentError:
        return None
