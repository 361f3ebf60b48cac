"""Fetches the exact data of an interface version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import Inconclusive, InputError
from flywheel_mlflow.evidence.runs import InterfaceVersion
from flywheel_mlflow.tracking.artifacts import Artifacts

if TYPE_CHECKING:
    from flywheel_mlflow.records.references import Manifest

_RUNS = "runs:/"


class InterfaceData:
    """Downloads what interface versions point at.

    Not where it ``opens_addresses``: then data that stay elsewhere are out of reach. MLflow's server is such a place,
    since whoever may log a run would choose what it connects to.
    """

    def __init__(self, artifacts: Artifacts, *, opens_addresses: bool = True) -> None:
        self._artifacts = artifacts
        self.opens_addresses = opens_addresses

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
            Refused: data by reference that are gone or changed. SourceUnreachable: they cannot be reached.
            Inconclusive: data by reference, on a server that opens no addresses.
        """
        manifest = self.manifest(uri, folder)
        if manifest is not None:
            from flywheel_mlflow.records.references import fetch

            self.check_reach(manifest)
            return fetch(manifest, folder)
        if not uri.startswith(_RUNS):
            raise InputError(
                f"the interface {name} lies at {uri[:200]!r}, which this tool cannot fetch",
                hint="fetch it with the tool that made it, then compare its digest",
            )
        run_id, _, place = uri.removeprefix(_RUNS).partition("/")
        return self._artifacts.fetch(run_id, place, folder)

    def manifest(self, uri: str, folder: Path) -> Manifest | None:
        """Where the data at a URI lie and what they are, if they are kept by reference; ``folder`` is a scratch one.

        Raises:
            Refused: the manifest is not what was logged. DocumentError: it is none. ServerError, StorageError.
        """
        from flywheel_mlflow.records.references import is_manifest_uri, read_manifest

        if not is_manifest_uri(uri):
            return None
        run_id, _, place = uri.removeprefix(_RUNS).partition("/")
        text = self._artifacts.text(run_id, place, folder / "manifest")
        if text is None:
            raise InputError("the manifest of data by reference is gone", where=uri, hint="flywheel audit")
        return read_manifest(text, place)

    def check_reach(self, manifest: Manifest) -> None:
        """Refuse to look for data by reference where addresses are not opened.

        Raises:
            Inconclusive: they are not opened here.
        """
        if not self.opens_addresses:
            raise Inconclusive(
                f"the data of {manifest.interface} lie at {manifest.address}, and this server opens no addresses",
                hint="use the command line or Python on a machine that reaches the data",
            )

    def words(self, run_id: str, folder: Path) -> Path | None:
        """The file of content sketches logged with a run, to be read and left as it is; None when there is none."""
        return self._artifacts.file(run_id, "flywheel/words.parquet", folder)

    def ids(self, run_id: str, folder: Path) -> Path | None:
        """The file of id sketches logged with a run, to be read and left as it is; None when there is none."""
        return self._artifacts.file(run_id, "flywheel/ids.parquet", folder)
