"""Lends a temporary folder for the length of a block."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from flywheel_mlflow.base.errors import StorageError


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder, removed at the end of the block; a disk that refuses it is told as such.

    Raises:
        StorageError: no such folder can be made, or a file in it cannot be written.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="flywheel-"))
    except OSError as error:
        raise StorageError(
            f"cannot make a temporary folder: {error.strerror or error}",
            hint="free some space, or point TMPDIR at another disk",
        ) from error
    try:
        yield folder
    except OSError as error:
        raise StorageError(
            f"cannot write temporary files: {error.strerror or error}",
            where=str(error.filename or folder),
            hint="free some space, or point TMPDIR at a larger disk",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
