"""A client that reads without MLflow what it can, and hands everything else on to MLflow's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.settings import Settings
from flywheel_mlflow.tracking.connection import open_client
from flywheel_mlflow.tracking.reading.port import NotUnderstood, Reader

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: What a reader may be asked: the methods of its protocol.
QUESTIONS = frozenset(name for name in vars(Reader) if not name.startswith("_"))


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
    """Answers the questions of a :class:`port.Reader` by ``reader``; what that does not understand, and every write, by
    ``others``.
    """

    def __init__(self, reader: Reader, others: LateClient | MlflowClient) -> None:
        self._reader = reader
        self._others: Any = others

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(self._ask, name) if name in QUESTIONS else getattr(self._others, name)

    def _ask(self, question: str, *about: Any, **more: Any) -> Any:
        try:
            return getattr(self._reader, question)(*about, **more)
        except NotUnderstood:
            # MlflowClient asks before each question about a model whether it is a prompt, and then finds none.
            about_models = question in ("get_registered_model", "get_model_version", "get_model_version_by_alias")
            answering = self._others._get_registry_client() if about_models else self._others  # noqa: SLF001
            return getattr(answering, question)(*about, **more)
