"""Fetches the exact data of an interface version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.errors import InputError, ServerRefused
from flywheel_mlflow.evidence import InterfaceVersion
from flywheel_mlflow.tracking.connection import translated

if TYPE_CHECKING:
    from mlflow import MlflowClient


class InterfaceData:
    """Downloads what interface versions point at."""

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._client = client
        self._uri = uri

    def fetch(self, version: InterfaceVersion, folder: Path) -> Path:
        """The version's file or folder below ``folder``; the caller compares its digest.

        Raises:
            InputError: the version's URI does not lie in a run's artifacts.
        """
        prefix = "runs:/"
        if not version.uri.startswith(prefix):
            raise InputError(
                f"the interface {version.name} lies at {version.uri[:200]!r}, which this tool cannot fetch",
                hint="fetch it with the tool that made it, then compare its digest",
            )
        run_id, _, place = version.uri.removeprefix(prefix).partition("/")
        with translated(self._uri):
            return Path(self._client.download_artifacts(run_id, place, str(folder)))

    def fingerprints(self, run_id: str, interface: str, folder: Path) -> bytes | None:
        """The content fingerprints logged with an interface version as Parquet bytes; None when there are none."""
        place = f"flywheel/fingerprints/{interface}.parquet"
        try:
            with translated(self._uri):
                return Path(self._client.download_artifacts(run_id, place, str(folder))).read_bytes()
        except ServerRefused as error:
            # A run that some other tool logged has none: the comparison is then unknown, which
            # readers are told. A server or disk that failed is no such answer.
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
            return None
