"""Keeps fetched data in the user's cache folder, each version once, by its digest."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.base.errors import InputError, Refused, StorageError
from flywheel_mlflow.records.sources import content_digest

_DIGEST = re.compile(r"[0-9a-f]{32}")


def cache_folder() -> Path:
    """Where fetched data are kept: ``flywheel-mlflow`` below ``XDG_CACHE_HOME``, else below ``~/.cache``."""
    given = os.environ.get("XDG_CACHE_HOME")
    return (Path(given) if given else Path.home() / ".cache") / "flywheel-mlflow"


def cached(name: str, digest: str, fetch: Callable[[Path], Path], *, folder: Path | None = None) -> Path:
    """The data of a version of the interface ``name``: from the cache, else by ``fetch`` into the folder it is given.

    They are compared with their ``digest`` each time; what does not match in the cache is fetched again.

    Raises:
        InputError: the digest is none.
        Refused: what was fetched is not what the digest says; nothing is kept.
        StorageError: the cache cannot be written or read.
    """
    if not _DIGEST.fullmatch(digest):
        raise InputError(f"the version of {name} has no digest of ours: {digest[:80]!r}")
    home = (folder or cache_folder()) / "data"
    target = home / digest
    try:
        kept = _kept(target, digest)
        if kept is not None:
            return kept
        home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=home) as scratch:
            found = fetch(Path(scratch))
            told = short_digest(content_digest(found))
            if told != digest:
                raise Refused(
                    f"the data of {name} are not what was logged",
                    rule="data match the digest they were logged under",
                    value=told,
                    limit=digest,
                    hint="do not use them; tell the producer, and run `flywheel audit --full`",
                )
            # Another process may have put the same there meanwhile.
            whole = Path(scratch) / "whole"
            whole.mkdir()
            shutil.move(found, whole / found.name)
            shutil.rmtree(target, ignore_errors=True)
            try:
                whole.rename(target)
            except OSError:
                if _kept(target, digest) is None:
                    raise
    except OSError as error:
        raise StorageError(
            f"cannot keep data there: {error.strerror or error}",
            where=str(home),
            hint="name another folder with XDG_CACHE_HOME",
        ) from error
    return target / found.name


def _kept(target: Path, digest: str) -> Path | None:
    """The file or folder in ``target`` if it is still what its digest says."""
    inside = list(target.iterdir()) if target.is_dir() else []
    if len(inside) != 1:
        return None
    try:
        return inside[0] if short_digest(content_digest(inside[0])) == digest else None
    except (InputError, StorageError):
        return None  # spoilt, or a link: it is fetched again
