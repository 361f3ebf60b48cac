"""Finds the data that somebody gives for an interface: files here, files elsewhere, or a data set to be written."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.addresses import is_address
from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.evidence.evaluation_records import record_rows
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.tracking.evaluation_datasets import is_evaluation_dataset

if TYPE_CHECKING:
    from flywheel_mlflow.records.references import Referenced
    from flywheel_mlflow.tracking import Tracking


def given_data(
    tracking: Tracking,
    scratch: contextlib.ExitStack,
    promise: InterfaceOut,
    place: str | Path | Any,
    *,
    by_reference: bool,
    media: str | Path | None,
) -> Path | Referenced:
    """The data of an interface: a path of this machine, to be uploaded, or what is found by reference, to stay there.

    A data set is written into a folder that ``scratch`` removes.

    Raises:
        InputError: an address without ``by_reference``, one that is not taken, or a data set for an interface of
            another format.
        SourceUnreachable: the address does not answer.
    """
    from flywheel_mlflow.records.hugging_face import is_dataset, write_dataset
    from flywheel_mlflow.records.references import refer

    if is_evaluation_dataset(place):
        return _evaluation_records(tracking, promise, place, scratch, by_reference=by_reference)
    if is_dataset(place):
        if promise.format != "parquet" or by_reference:
            raise InputError(
                f"a data set is written as Parquet and uploaded, and {promise.name} is to be "
                f"{'by reference' if by_reference else promise.format}",
                hint="say `format: parquet` in project.yaml; by reference: write it there first, then give the address",
            )
        folder = scratch.enter_context(scratch_folder()) / promise.name
        folder.mkdir()
        return write_dataset(place, folder, media=Path(media) if media is not None else None)
    if by_reference:
        return refer(place, promise.format, media=bool(promise.media))
    if is_address(str(place)):
        raise InputError(
            f"the data of {promise.name} lie at an address, not on this machine",
            hint="log_interface(..., by_reference=True) leaves them there; or download them first",
        )
    return Path(place)


def _evaluation_records(
    tracking: Tracking, promise: InterfaceOut, dataset: Any, scratch: contextlib.ExitStack, *, by_reference: bool
) -> Path:
    """The records of MLflow's evaluation dataset, as the server has them now, in a file of JSON Lines.

    Raises:
        InputError: the interface is not JSON Lines, or the dataset is empty or not on this server.
    """
    if promise.format != "jsonl" or by_reference:
        raise InputError(
            f"an evaluation dataset is written as JSON Lines and uploaded, and {promise.name} is to be "
            f"{'by reference' if by_reference else promise.format}",
            hint="say `format: jsonl` in project.yaml",
        )
    found = tracking.evaluation_datasets.get(str(dataset.dataset_id))
    rows = list(record_rows(tracking.evaluation_datasets.records(found.id), found.name))
    if not rows:
        raise InputError(f"the evaluation dataset {found.name} holds no records", hint="merge_records comes first")
    path = scratch.enter_context(scratch_folder()) / f"{promise.name}.jsonl"
    path.write_text("".join(f"{canonical_json(row)}\n" for row in rows), encoding="utf-8")
    return path
