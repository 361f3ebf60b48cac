"""Writes text files, each whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flywheel_mlflow.base.errors import StorageError


def write_files(files: Mapping[str, str], folder: Path) -> None:
    """Write texts below ``folder``; each file appears whole or not at all.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        for name, text in files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.partial")
            try:
                partial.write_bytes(text.encode("utf-8"))
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"cannot write there: {error.strerror or error}",
            where=str(folder),
            hint="choose a folder you can write to, with free space",
        ) from error
