"""Gathers the first rows of an interface, where its card and its place allow to show them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.records.croissant import measured_files
from flywheel_mlflow.records.preview import Preview, preview_of
from flywheel_mlflow.records.sources import MeasuredFile, file_digest, is_records, record_files
from flywheel_mlflow.reports.pages.interface_data import ShownRows

if TYPE_CHECKING:
    from flywheel_mlflow.assembly.documents import Output, Version
    from flywheel_mlflow.operations.reading.reader import Reader
    from flywheel_mlflow.records.cards import DataCard

#: A file that a page fetches, hashes and reads; of larger data people load what they need.
MOST_BYTES = 16 * 1024 * 1024


def read_preview(
    reader: Reader, recorded: Output, card: DataCard | None, card_fault: str, record: str | None
) -> ShownRows:
    """The first rows of an interface, or the record asked for, or why none is shown.

    Args:
        reader: who reads.
        recorded: the interface in an iteration.
        card: its data card, None where there is none.
        card_fault: why the card cannot be read, empty where it can or there is none.
        record: the id of the one record to show.

    Raises:
        ServerUnreachable: nobody answers.
    """
    version = recorded.version
    if version is None:
        return ShownRows(why="it has no version")
    why = _forbidden(recorded.format, version, card, card_fault)
    if why:
        return ShownRows(why=why)
    run_id, _, place = version.uri.removeprefix("runs:/").partition("/")
    try:
        files = _files(reader, run_id, recorded.name, version)
        first = next((file for file in files if is_records(file.name, recorded.format)), None)
        if first is None:
            return ShownRows(why="its run left no list of its files")
        if first.size > MOST_BYTES:
            return ShownRows(why=f"its first file has {first.size:,} bytes, and pages read at most {MOST_BYTES:,}")
        inside = place if len(files) == 1 and place.endswith(f"/{first.name}") else f"{place}/{first.name}"
        # Rows that were read of a content are rows of it for ever.
        found = reader.memory.recall(
            ("preview", first.digest, recorded.format, record),
            partial(_rows, reader, run_id, inside, first.digest, recorded.format, record),
            keep=lambda preview: preview is not None,
        )
    except FlywheelError as error:
        if is_trouble(error):
            raise
        return ShownRows(why=error.what)
    if found is None:
        return ShownRows(why="the file is gone, or not the one that was logged: its digest differs", changed=True)
    return ShownRows(found.rows, found.masked)


def _files(reader: Reader, run_id: str, name: str, version: Version) -> tuple[MeasuredFile, ...]:
    """The files that the version's digest covers; none where nobody listed them."""
    with scratch_folder() as folder:
        text = reader.session.tracking.profiles.files(run_id, name, folder)
    return (measured_files(text, version.digest) or ()) if text is not None else ()


def _rows(reader: Reader, run_id: str, place: str, digest: str, data_format: str, record: str | None) -> Preview | None:
    """The rows of a file; None where its digest is another."""
    with scratch_folder() as folder:
        path = reader.session.tracking.artifacts.file(run_id, place, folder)
        if path is None or [file_digest(file) for file in record_files(path, data_format)] != [digest]:
            return None
        return preview_of(path, data_format, record=record)


def _forbidden(data_format: str, version: Version, card: DataCard | None, card_fault: str) -> str:
    if data_format == "opaque":
        return "opaque data are not looked into"
    if card_fault:
        return f"its data card, which may forbid it, cannot be read: {card_fault}"
    if card is not None and not card.preview:
        return "its data card forbids it (`preview: false`)"
    return "" if version.uri.startswith("runs:/") else "the data stay where they are, and this server opens no address"
