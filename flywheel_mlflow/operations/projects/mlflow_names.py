"""What a project's run offers under MLflow's own names, so that code that logs needs no second vocabulary."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.operations.projects.gathering import Gathering

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import RunFiles, StartedRun, Tracking

#: Artifact folder of what this product writes itself, and of interface data.
OWN_FOLDER = "flywheel"
DATA_FOLDER = "interfaces"


class MlflowNames(ABC):
    """Numbers, parameters, tags and files of a run, by the names of MLflow's functions.

    Numbers at a step and files are written at once; everything else with the run's end, in one request.
    """

    _gathering: Gathering
    _tracking: Tracking
    _wrote = False

    @abstractmethod
    def _open(self) -> StartedRun:
        """The run, started when somebody first needs it."""

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Log a number; with a ``step`` it is one point of a history, whose last one counts.

        Raises:
            InputError: NaN, an infinity, no number, or a name MLflow cannot keep.
        """
        self.log_metrics({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers by name; a KPI of the contract may be given by its name.

        With a ``step`` they are one point of their histories, whose last ones count.

        Raises:
            InputError: NaN, an infinity, no number, or a name MLflow cannot keep.
        """
        if step is None:
            self._gathering.add_metrics(metrics)
            return
        found = {name: self._gathering.checked_metric(name, value) for name, value in metrics.items()}
        self._tracking.runs.log_at_step(self._open(), found, step)
        self._wrote = True

    def log_param(self, key: str, value: Any) -> None:
        """Log a parameter; it is kept as text of at most 6,000 characters."""
        self._gathering.add_params({key: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters."""
        self._gathering.add_params(params)

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag outside the reserved prefixes."""
        self._gathering.add_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags outside the reserved prefixes."""
        self._gathering.add_tags(tags)

    def log_artifact(self, local_path: str | Path, artifact_path: str | None = None) -> None:
        """Upload a file, or a folder with its name, into the folder ``artifact_path`` of the run.

        Raises:
            InputError: there is no such file, or the place is kept for the flywheel itself.
        """
        self._there(local_path)
        self._artifacts(artifact_path or Path(local_path).name).log_artifact(local_path, artifact_path)

    def log_artifacts(self, local_dir: str | Path, artifact_path: str | None = None) -> None:
        """Upload what is in a folder into the folder ``artifact_path`` of the run.

        Raises:
            InputError: there is no such folder, or a place is kept for the flywheel itself.
        """
        folder = self._there(local_dir)
        for place in (artifact_path,) if artifact_path else [path.name for path in folder.iterdir()]:
            _refuse_reserved(place)
        self._artifacts("").log_artifacts(local_dir, artifact_path)

    def log_dict(self, dictionary: Mapping[str, Any] | Sequence[Any], artifact_file: str) -> None:
        """Write a document as JSON, or as YAML where the name of the file says so."""
        self._artifacts(artifact_file).log_dict(dictionary, artifact_file)

    def log_text(self, text: str, artifact_file: str) -> None:
        """Write a text file."""
        self._artifacts(artifact_file).log_text(text, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str, *, save_kwargs: Mapping[str, Any] | None = None) -> None:
        """Write a figure of Matplotlib or Plotly."""
        self._artifacts(artifact_file).log_figure(figure, artifact_file, save_kwargs)

    def _artifacts(self, place: str) -> RunFiles:
        _refuse_reserved(place)
        return self._tracking.runs.files(self._open())

    def _there(self, path: str | Path) -> Path:
        if not Path(path).exists():
            raise InputError("there is no such file", where=str(path))
        return Path(path)


def _refuse_reserved(place: str) -> None:
    first = next((part for part in PurePosixPath(place).parts if part not in (".", "/")), "")
    if first in (OWN_FOLDER, DATA_FOLDER):
        raise InputError(
            f"the artifact folder {first!r} is kept for the flywheel itself",
            hint="choose another folder; data of an interface go there with log_interface",
        )
