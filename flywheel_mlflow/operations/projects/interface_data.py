"""Finds the data that somebody gives for an interface: files here, files elsewhere, or a data set to be written."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.addresses import is_address
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.promises.interfaces import InterfaceOut

if TYPE_CHECKING:
    from flywheel_mlflow.records.references import Referenced


def given_data(
    promise: InterfaceOut,
    place: str | Path | Any,
    *,
    by_reference: bool,
    media: str | Path | None,
    scratch: contextlib.ExitStack,
) -> Path | Referenced:
    """The data of an interface: a path of this machine, to be uploaded, or what is found by reference, to stay there.

    A data set is written into a folder that ``scratch`` removes.

    Raises:
        InputError: an address without ``by_reference``, one that is not taken, or a data set for an interface that is
            not Parquet.
        SourceUnreachable: the address does not answer.
    """
    from flywheel_mlflow.records.hugging_face import is_dataset, write_dataset
    from flywheel_mlflow.records.references import refer

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
