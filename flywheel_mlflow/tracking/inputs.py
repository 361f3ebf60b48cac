"""Fetches the exact data of an interface version."""

from __future__ import annotations

from pathlib import Path

from flywheel_mlflow.base.errors import InputError, ServerRefused, StorageError
from flywheel_mlflow.evidence.runs import InterfaceVersion
from flywheel_mlflow.tracking.artifacts import Artifacts, is_absent


class InterfaceData:
    """Downloads what interface versions point at."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def fetch(self, version: InterfaceVersion, folder: Path) -> Path:
        """The version's file or folder below ``folder``; the caller compares its digest.

        Raises:
            InputError: the version's URI does not lie in a run's artifacts.
        """
        return self.fetch_uri(version.name, version.uri, folder)

    def fetch_uri(self, name: str, uri: str, folder: Path) -> Path:
        """The file or folder of the interface ``name`` at ``uri``, below ``folder``.

        Raises:
            InputError: the URI does not lie in a run's artifacts.
        """
        prefix = "runs:/"
        if not uri.startswith(prefix):
            raise InputError(
                f"the interface {name} lies at {uri[:200]!r}, which this tool cannot fetch",
                hint="fetch it with the tool that made it, then compare its digest",
            )
        run_id, _, place = uri.removeprefix(prefix).partition("/")
        return self._artifacts.fetch(run_id, place, folder)

    def fingerprints(self, run_id: str, interface: str, folder: Path) -> bytes | None:
        """The content fingerprints logged with an interface version as Parquet bytes; None when there are none."""
        place = f"flywheel/fingerprints/{interface}.parquet"
        try:
            return self._artifacts.fetch(run_id, place, folder).read_bytes()
        except (ServerRefused, StorageError) as error:
            # A run that some other tool logged has none: the comparison is then unknown, which
            # readers are told. A server or disk that failed is no such answer.
            if not is_absent(error):
                raise
            return None
