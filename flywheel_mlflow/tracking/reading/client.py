"""A client that reads without MLflow what it can, and hands everything else on to MLflow's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.tracking.connection import open_client
from flywheel_mlflow.tracking.reading.port import (
    ACTIVE_ONLY,
    PAGE_SIZE,
    Experiment,
    Model,
    NotUnderstood,
    Page,
    Reader,
    Run,
    Version,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient


class LateClient:
    """MLflow's client, imported and opened when somebody first asks it for something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: MlflowClient | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # copying and pickling look for such names before __init__ has run
        if self._opened is None:
            self._opened = open_client(self._settings)
        return getattr(self._opened, name)


class ReadingClient:
    """Answers by ``reader``; what that does not understand, and every write, by ``others``. A :class:`port.Reader`."""

    def __init__(self, reader: Reader, others: LateClient | MlflowClient) -> None:
        self._reader = reader
        self._others: Any = others

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._others, name)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of a name, deleted ones too; None when there is none."""
        found: Experiment | None = self._ask("get_experiment_by_name", name)
        return found

    def search_experiments(
        self,
        view_type: int = ACTIVE_ONLY,
        max_results: int | None = PAGE_SIZE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Experiment]:
        """A page of experiments."""
        found: Page[Experiment] = self._ask(
            "search_experiments", view_type, max_results, filter_string, order_by, page_token
        )
        return found

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ACTIVE_ONLY,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Run]:
        """A page of runs."""
        found: Page[Run] = self._ask(
            "search_runs", experiment_ids, filter_string, run_view_type, max_results, order_by, page_token
        )
        return found

    def get_run(self, run_id: str) -> Run:
        """A run, deleted ones too."""
        found: Run = self._ask("get_run", run_id)
        return found

    def get_registered_model(self, name: str) -> Model:
        """A registered model."""
        found: Model = self._ask("get_registered_model", name)
        return found

    def get_model_version(self, name: str, version: str) -> Version:
        """A version by its number."""
        found: Version = self._ask("get_model_version", name, version)
        return found

    def get_model_version_by_alias(self, name: str, alias: str) -> Version:
        """The version that an alias points to."""
        found: Version = self._ask("get_model_version_by_alias", name, alias)
        return found

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Version]:
        """A page of versions."""
        found: Page[Version] = self._ask("search_model_versions", filter_string, max_results, order_by, page_token)
        return found

    def _ask(self, question: str, *about: Any) -> Any:
        try:
            return getattr(self._reader, question)(*about)
        except NotUnderstood:
            # MlflowClient asks before each question about a model whether it is a prompt, and then finds none.
            about_models = question in ("get_registered_model", "get_model_version", "get_model_version_by_alias")
            answering = self._others._get_registry_client() if about_models else self._others  # noqa: SLF001
            return getattr(answering, question)(*about)
