"""Writes artifacts on a run that is open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.tracking.connection import translated

if TYPE_CHECKING:
    from mlflow import MlflowClient


class RunFiles:
    """Writes artifacts on one run, as MLflow's functions of the same names do on the active one."""

    def __init__(self, client: MlflowClient, run_id: str, uri: str) -> None:
        self._client = client
        self._run_id = run_id
        self._uri = uri

    def log_artifact(self, local_path: str | Path, artifact_path: str | None) -> None:
        """A file, or a folder with its name."""
        with translated(self._uri):
            self._client.log_artifact(self._run_id, str(local_path), artifact_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None) -> None:
        """What is in a folder."""
        with translated(self._uri):
            self._client.log_artifacts(self._run_id, str(local_dir), artifact_path)

    def log_dict(self, dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
        """A document, as JSON or by its name as YAML."""
        with translated(self._uri):
            self._client.log_dict(self._run_id, dictionary, artifact_file)  # type: ignore[arg-type]  # lists too

    def log_text(self, text: str, artifact_file: str) -> None:
        """A text."""
        with translated(self._uri):
            self._client.log_text(self._run_id, text, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str, save_kwargs: Mapping[str, Any] | None) -> None:
        """A figure of Matplotlib or Plotly."""
        with translated(self._uri):
            self._client.log_figure(
                self._run_id, figure, artifact_file, save_kwargs=dict(save_kwargs) if save_kwargs else None
            )
