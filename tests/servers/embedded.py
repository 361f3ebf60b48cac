"""MLflow's embedded store: a SQLite file that needs no server."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

#: The file that `make_template` leaves.
TEMPLATE = "mlflow.db"


@dataclass(frozen=True, slots=True)
class EmbeddedStore:
    """A store's tracking URI, and the folder its experiments should put their artifacts in.

    The artifacts of its Default experiment lie elsewhere: create experiments, with ``artifact_location``.
    """

    uri: str
    artifacts: Path

    @property
    def artifact_location(self) -> str:
        """The folder as the URI an experiment is created with."""
        return self.artifacts.as_uri()


def make_template(folder: Path) -> None:
    """An empty store as MLflow leaves it after its migrations, which take seconds; copies of it take none."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{folder / TEMPLATE}").search_experiments(max_results=1)


def copy_store(template: Path, folder: Path) -> EmbeddedStore:
    """A fresh store in ``folder``, which must not exist yet."""
    artifacts = folder / "artifacts"
    artifacts.mkdir(parents=True)
    shutil.copy(template, folder / "mlflow.db")
    return EmbeddedStore(f"sqlite:///{folder / 'mlflow.db'}", artifacts)
