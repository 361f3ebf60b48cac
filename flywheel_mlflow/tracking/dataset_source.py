"""Lets MLflow load what our datasets name: ``mlflow.data.get_source(dataset_input.dataset).load()``.

MLflow loads this module whenever it is imported itself, so it imports nothing before it is asked for data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlflow.data.dataset_source import DatasetSource

from flywheel_mlflow.tracking import tags

if TYPE_CHECKING:
    from flywheel_mlflow.records.references import Manifest


class FlywheelDatasetSource(DatasetSource):
    """Where a version of an interface lies: its name, its address in a run's artifacts, its digest."""

    def __init__(self, name: str, uri: str, digest: str) -> None:
        self.name = name
        self.uri = uri
        self.digest = digest

    @staticmethod
    def _get_source_type() -> str:
        return tags.SOURCE_TYPE_OF_DATA

    def load(self, dst_path: str | None = None) -> str:
        """The path of the data, fetched from the tracking server MLflow is set to, and compared with their digest.

        They are kept in the user's cache folder, or below ``dst_path``.

        Raises:
            InputError: the source does not say where the data are, or not their digest.
            Refused: the data are not what was logged.
            ServerError, StorageError: server or disk.
        """
        import mlflow

        from flywheel_mlflow.base.errors import InputError
        from flywheel_mlflow.records.caching import cached
        from flywheel_mlflow.records.references import fetch as fetch_data
        from flywheel_mlflow.records.references import is_manifest_uri
        from flywheel_mlflow.tracking.connection import translated

        if not self.uri.startswith("runs:/") or not self.digest:
            raise InputError(
                f"this record of {self.name or 'the interface'} does not say where its data are",
                hint="load them by name: flywheel_mlflow.load(...)",
            )

        def fetch(folder: Path) -> Path:
            if is_manifest_uri(self.uri):
                return fetch_data(self._manifest(folder), folder)
            with translated(mlflow.get_tracking_uri()):
                return Path(mlflow.artifacts.download_artifacts(artifact_uri=self.uri, dst_path=str(folder)))

        return str(cached(self.name, self.digest, fetch, folder=Path(dst_path) if dst_path else None))

    def _manifest(self, folder: Path) -> Manifest:
        """What the data by reference are, and where."""
        import mlflow

        from flywheel_mlflow.records.references import read_manifest
        from flywheel_mlflow.tracking.connection import translated

        with translated(mlflow.get_tracking_uri()):
            path = mlflow.artifacts.download_artifacts(artifact_uri=self.uri, dst_path=str(folder / "manifest"))
        return read_manifest(Path(path).read_text(encoding="utf-8"), self.uri)

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:
        return isinstance(raw_source, FlywheelDatasetSource)

    @classmethod
    def _resolve(cls, raw_source: Any) -> Self:
        if not isinstance(raw_source, cls):
            raise TypeError("a dataset source of the flywheel is made by logging an interface")
        return raw_source

    def to_dict(self) -> dict[str, Any]:
        """The source as MLflow keeps it."""
        return {"name": self.name, "uri": self.uri, "digest": self.digest}

    @classmethod
    def from_dict(cls, source_dict: dict[Any, Any]) -> Self:
        """The source MLflow kept; what an earlier version left out is empty."""
        return cls(*(str(source_dict.get(key, "")) for key in ("name", "uri", "digest")))
