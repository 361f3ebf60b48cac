"""What can be asked of the tracking server about itself: version, clock, stages, names, the flywheel's own routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flywheel_mlflow.base.errors import ServerError, ServerRefused
from flywheel_mlflow.base.settings import ANSWER_TIMEOUT_S, Settings
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import ACTOR_HEADER, ROUTES, translated
from flywheel_mlflow.tracking.reading.port import ALL

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from flywheel_mlflow.tracking.rest.client import RestClient
    from flywheel_mlflow.tracking.rest.transport import HttpTransport

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

    ``transport`` leads to it, None on a database file; ``about`` is what the flywheel's plugin in the server said about
    itself, None where there is none.
    """

    def __init__(
        self,
        client: MlflowClient | RestClient,
        transport: HttpTransport | None,
        settings: Settings,
        *,
        flywheel: str,
        about: Mapping[str, Any] | None,
    ) -> None:
        self.about = about
        self._transport = transport
        self._client = client
        self._settings = settings
        self._flywheel = flywheel

    def version(self) -> str:
        """MLflow's version: the server's, or this process's own on a database file."""
        if self._transport is not None:
            return self._transport.ask(
                "GET", "/version", timeout=ANSWER_TIMEOUT_S, retries=0, any_status=True
            ).text.strip()[:40]
        from importlib.metadata import version

        return version("mlflow")

    def tables(self) -> str | None:
        """The MLflow, such as 3.17, whose tables the database file has; None for a server, and for tables not known."""
        from flywheel_mlflow.tracking.reading.databases import read_tables

        return read_tables(self._settings) if self._transport is None else None

    def clock(self) -> datetime | None:
        """The server's clock, to the second; None where there is no server, or it does not tell."""
        if self._transport is None:
            return None
        asked = self._transport.ask("GET", "/health", timeout=ANSWER_TIMEOUT_S, retries=0, any_status=True)
        return _date(asked.headers.get("date"))

    @property
    def last_clock(self) -> datetime | None:
        """The server's clock as its last answer told it; None where there is no server, or it did not tell."""
        return _date(self._transport.last_date) if self._transport is not None else None

    def experiments(self) -> tuple[Experiment, ...]:
        """The flywheel's own experiment and those below it, deleted ones too."""
        with translated(self._settings.shown_uri):
            found = self._client.search_experiments(
                view_type=ALL, filter_string=f"name LIKE '{self._flywheel}%'", max_results=1000
            )
        own = [item for item in found if item.name == self._flywheel or str(item.name).startswith(f"{self._flywheel}/")]
        return tuple(
            Experiment(str(item.name), item.lifecycle_stage == "active", item.tags.get(tags.NAME)) for item in own
        )

    def misnamed(self) -> tuple[tuple[str, str], ...]:
        """Experiments that say they are the flywheel's and are not found as such: their name, and the one they say.

        They were renamed, or are somebody else's.
        """
        with translated(self._settings.shown_uri):
            found = self._client.search_experiments(
                view_type=ALL, filter_string=f"tags.`{tags.NAME}` = '{self._flywheel}'", max_results=1000
            )
        said = {str(item.name): said_name(self._flywheel, item.tags) for item in found}
        # Experiments of people whose runs were adopted say no part either.
        whole = self._flywheel in said
        return tuple(
            sorted(
                (name, other)
                for name, other in said.items()
                if name != other and not (whole and other == self._flywheel)
            )
        )

    def is_run_active(self, run_id: str) -> bool | None:
        """Whether a run is there; False for one in MLflow's trash, None for one that is gone for good."""
        try:
            with translated(self._settings.shown_uri):
                return bool(self._client.get_run(run_id).info.lifecycle_stage == "active")
        except ServerRefused as error:
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
            return None

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
        if self._transport is None:
            raise ServerError("a database file does no acts", where=self._settings.shown_uri)
        answer = self._transport.ask(
            "POST",
            f"{ROUTES}/acts/{name}",
            body=dict(arguments),
            headers={ACTOR_HEADER: quote(self._settings.actor, safe="")},
            timeout=ACT_TIMEOUT_S,
            retries=0,
            any_status=True,
        )
        document = answer.document()
        if document is None:
            raise ServerError(
                f"the server answers {answer.status} and no JSON",
                where=self._settings.shown_uri,
                hint="look into the server's log",
            )
        return answer.status, document


def said_name(flywheel: str, labels: Mapping[str, str]) -> str:
    """The name an experiment was made with, by its tags."""
    part = labels.get(tags.PROJECT) or labels.get(tags.KIND)
    return f"{flywheel}/{part}" if part else flywheel


def _date(text: str | None) -> datetime | None:
    """The moment that a ``Date`` header tells."""
    try:
        told = parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    return told.replace(tzinfo=UTC) if told is not None and told.tzinfo is None else told
