"""Runs the suites of other libraries that a contract expects of an interface, over the data as they are logged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.documents import read_text
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.promises.expectations import Suite
from flywheel_mlflow.promises.interfaces import InterfaceOut

if TYPE_CHECKING:
    from flywheel_mlflow.records.sources import Data


def suite_checks(promise: InterfaceOut, folder: Path, data: Path | Data) -> tuple[Check, ...]:
    """What the suites of an interface, files below ``folder``, say of its data.

    Raises:
        InputError: a suite that is not there, or lies outside of the folder. RecordError, StorageError: the data cannot
            be read.
    """
    if not promise.suites:
        return ()
    from flywheel_mlflow.suites import run_suite

    texts = [(suite, _text(suite, folder)) for suite in promise.suites]
    records = _records(promise, data)
    return tuple(check for suite, text in texts for check in run_suite(suite, text, promise.name, records))


def _text(suite: Suite, folder: Path) -> str:
    path = folder / suite.file
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            "there is no such suite in the project's folder", where=str(path), hint="`expect` in project.yaml names it"
        )
    return read_text(path)


def _records(promise: InterfaceOut, place: Path | Data) -> list[dict[str, Any]] | None:
    """All records; None where they are more than suites are run over."""
    from flywheel_mlflow.records.reading import reader_for
    from flywheel_mlflow.records.sources import data_at, is_records
    from flywheel_mlflow.suites import MOST_RECORDS

    data = data_at(place, promise.format, media=bool(promise.media)) if isinstance(place, Path) else place
    found: list[dict[str, Any]] = []
    for file in data.files:
        if data.single or is_records(file.name, promise.format):
            for batch in reader_for(file, promise.format).batches():
                found += batch
                if len(found) > MOST_RECORDS:
                    return None
    return found
