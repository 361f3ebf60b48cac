"""What can be asked of the tracking server about itself: version, clock, stages, names, the flywheel's own routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flywheel_mlflow.errors import ServerError, ServerRefused
from flywheel_mlflow.settings import ANSWER_TIMEOUT_S, Settings
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import ACTOR_HEADER, ROUTES, translated

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from requests import Response

#: An act can take as long as evaluating a gate does.
ACT_TIMEOUT_S = 600


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment by name: whether it is active, and which flywheel it says it belongs to."""

    name: str
    active: bool
    owner: str | None


class ServerFacts:
    """Asks the server that ``settings`` name.

    ``about`` is what the flywheel's plugin in the server said about itself, None where there is none.
    """

    def __init__(
        self, client: MlflowClient, settings: Settings, *, flywheel: str, about: Mapping[str, Any] | None
    ) -> None:
        self.about = about
        self._client = client
        self._settings = settings
        self._flywheel = flywheel

    def version(self) -> str:
        """MLflow's version: the server's, or this process's own on a database file."""
        if self._settings.is_server:
            return self._ask("GET", "/version").text.strip()[:40]
        import mlflow.version

        return str(mlflow.version.VERSION)

    def clock(self) -> datetime | None:
        """The server's clock, to the second; None where there is no server, or it does not tell."""
        if not self._settings.is_server:
            return None
        told = self._ask("GET", "/health").headers.get("Date")
        try:
            return parsedate_to_datetime(told) if told else None
        except ValueError:
            return None

    def experiments(self) -> tuple[Experiment, ...]:
        """The flywheel's own experiment and those below it, deleted ones too."""
        from mlflow.entities import ViewType

        with translated(self._settings.shown_uri):
            found = self._client.search_experiments(
                view_type=ViewType.ALL, filter_string=f"name LIKE '{self._flywheel}%'", max_results=1000
            )
        own = [item for item in found if item.name == self._flywheel or str(item.name).startswith(f"{self._flywheel}/")]
        return tuple(
            Experiment(str(item.name), item.lifecycle_stage == "active", item.tags.get(tags.NAME)) for item in own
        )

    def model_owner(self) -> str | None:
        """Which flywheel the registered model of our name says it belongs to; None without a model."""
        try:
            with translated(self._settings.shown_uri):
                model = self._client.get_registered_model(self._flywheel)
        except ServerRefused as error:
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
            return None
        return str(model.tags.get(tags.NAME, ""))

    def act(self, name: str, arguments: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Ask the server's plugin to do an act; its HTTP status and answer.

        The request says who acts; a server with accounts goes by the credentials instead.

        Raises:
            ServerError: the answer is not one of the plugin's.
        """
        answer = self._ask("POST", f"{ROUTES}/acts/{name}", body=dict(arguments), timeout=ACT_TIMEOUT_S)
        try:
            document = answer.json()
        except ValueError as error:
            raise ServerError(
                f"the server answers {answer.status_code} and no JSON",
                where=self._settings.shown_uri,
                hint="look into the server's log",
            ) from error
        return answer.status_code, document if isinstance(document, dict) else {}

    def _ask(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, timeout: float = ANSWER_TIMEOUT_S
    ) -> Response:
        from mlflow.utils.credentials import get_default_host_creds
        from mlflow.utils.rest_utils import http_request

        arguments: dict[str, Any] = {}
        if body is not None:
            arguments = {"json": body, "extra_headers": {ACTOR_HEADER: quote(self._settings.actor, safe="")}}
        with translated(self._settings.shown_uri):
            found: Response = http_request(  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
                get_default_host_creds(self._settings.tracking_uri),  # type: ignore[no-untyped-call]  # likewise
                path,
                method,
                max_retries=0,
                timeout=timeout,
                raise_on_status=False,
                **arguments,
            )
        return found
