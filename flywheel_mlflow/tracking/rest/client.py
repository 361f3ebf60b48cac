"""Answers the few calls that releases and their ledger make over and over, as MLflow's client does, without its import.

Methods are named as those of ``MlflowClient`` and ``ModelRegistryClient``, and what they return has the attributes of
MLflow's entities that the stores read. Everything done here can be repeated without harm, so a request whose answer was
lost is sent again; what makes something new (a run, a model, a version) is left to MLflow's client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from flywheel_mlflow.base.errors import ServerError
from flywheel_mlflow.base.settings import Settings, redacted
from flywheel_mlflow.tracking.connection import not_mlflow, open_client, refusal
from flywheel_mlflow.tracking.rest.transport import Answer, HttpTransport

if TYPE_CHECKING:
    from mlflow import MlflowClient

API = "/api/2.0/mlflow"
#: MLflow's own names for the statuses of answers that are not MLflow's (mlflow.exceptions of 3.17.2).
_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "ENDPOINT_NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
#: What some proxies make of an empty answer (mlflow.utils.rest_utils of 3.17.2).
_EMPTY = ("", "200 OK")

#: MLflow's ``ViewType`` as its REST API spells it.
VIEWS = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RestModel:
    """A registered model: tags, and the version behind each alias."""

    tags: Mapping[str, str]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestVersion:
    """A model version."""

    version: str
    current_stage: str
    run_id: str
    source: str
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestRunInfo:
    """Which run it is, where it lies, and whether it was deleted."""

    run_id: str
    experiment_id: str
    lifecycle_stage: str


@dataclass(frozen=True, slots=True)
class RestRunData:
    """What was logged on a run, as far as a ledger needs it."""

    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RestRun:
    """A run."""

    info: RestRunInfo
    data: RestRunData


@dataclass(frozen=True, slots=True)
class RestPage(Generic[Item]):
    """A page of a listing; ``token`` asks for the next one, None on the last."""

    items: Sequence[Item]
    token: str | None

    def __iter__(self) -> Iterator[Item]:
        """The page's items."""
        return iter(self.items)


class LateClient:
    """MLflow's client, opened when somebody first asks it for something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._opened: MlflowClient | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # copying and pickling look for such names before __init__ has run
        if self._opened is None:
            self._opened = open_client(self._settings)
        return getattr(self._opened, name)


class RestClient:
    """A client of one server; what it does not know itself it hands on to ``others``."""

    def __init__(self, transport: HttpTransport, others: LateClient) -> None:
        self._wire = transport
        self._others = others

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._others, name)

    def get_registered_model(self, name: str) -> RestModel:
        """A registered model by its name."""
        model = self._get("registered-models/get", name=name).part("registered_model")
        return RestModel(model.pairs("tags"), model.pairs("aliases", key="alias", value="version", numbers=True))

    def get_model_version(self, name: str, version: str) -> RestVersion:
        """A version by its number."""
        return _version(self._get("model-versions/get", name=name, version=version).part("model_version"))

    def get_model_version_by_alias(self, name: str, alias: str) -> RestVersion:
        """The version an alias points to."""
        return _version(self._get("registered-models/alias", name=name, alias=alias).part("model_version"))

    def search_model_versions(
        self, filter_string: str, *, max_results: int, page_token: str | None
    ) -> RestPage[RestVersion]:
        """A page of versions."""
        more = {"page_token": page_token} if page_token else {}
        found = self._get("model-versions/search", filter=filter_string, max_results=str(max_results), **more)
        return RestPage([_version(item) for item in found.parts("model_versions")], found.word("next_page_token"))

    def get_run(self, run_id: str) -> RestRun:
        """A run, deleted ones too."""
        return _run(self._get("runs/get", run_id=run_id).part("run"))

    def search_runs(
        self, experiment_ids: Sequence[str], *, run_view_type: int, max_results: int, page_token: str | None
    ) -> RestPage[RestRun]:
        """A page of runs; ``run_view_type`` is one of MLflow's ``ViewType``."""
        body = {
            "experiment_ids": list(experiment_ids),
            "run_view_type": VIEWS[run_view_type],
            "max_results": max_results,
        } | ({"page_token": page_token} if page_token else {})
        found = self._call("POST", "runs/search", body)
        return RestPage([_run(item) for item in found.parts("runs")], found.word("next_page_token"))

    def log_param(self, run_id: str, key: str, value: str) -> None:
        """Log a param, which nobody can change afterwards."""
        self._call("POST", "runs/log-parameter", {"run_id": run_id, "run_uuid": run_id, "key": key, "value": value})

    def set_registered_model_alias(self, name: str, alias: str, version: str, *, until: float | None = None) -> None:
        """Let an alias point to a version; ``until`` as :meth:`Wire.ask` takes it."""
        self._call("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version}, until=until)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        self._call("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, *, archive_existing_versions: bool, until: float | None = None
    ) -> None:
        """Set the model registry's own stage of a version; ``until`` as :meth:`Wire.ask` takes it."""
        body = {"name": name, "version": version, "stage": stage}
        more = {"archive_existing_versions": archive_existing_versions}
        self._call("POST", "model-versions/transition-stage", body | more, until=until)

    def set_model_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""
        self._call("POST", "model-versions/set-tag", {"name": name, "version": version, "key": key, "value": value})

    def delete_model_version(self, name: str, version: str) -> None:
        """Delete a version."""
        self._call("DELETE", "model-versions/delete", {"name": name, "version": version})

    def _get(self, place: str, **query: str) -> _Form:
        return self._read(place, self._wire.ask("GET", f"{API}/{place}", query=query))

    def _call(self, method: str, place: str, body: Mapping[str, Any], *, until: float | None = None) -> _Form:
        return self._read(place, self._wire.ask(method, f"{API}/{place}", body=body, until=until))

    def _read(self, place: str, answer: Answer) -> _Form:
        """What a server answered, with the same error as MLflow's client where it is one."""
        uri = self._wire.uri
        if answer.status == 200 and answer.text.strip() in _EMPTY:
            return _Form({}, uri)
        document = answer.document()
        if answer.status == 200:
            if document is None:
                said = "API request to endpoint was successful but the response body was not in a valid JSON format"
                raise refusal("INTERNAL_ERROR", _shown(f"{said}. Response body: '{answer.text}'"), uri)
            return _Form(document, uri)
        by_status = _CODES.get(answer.status, "INTERNAL_ERROR")
        if document is None:
            said = f"API request to endpoint {API}/{place} failed with error code {answer.status} != 200"
            raise refusal(by_status, _shown(f"{said}. Response body: '{answer.text}'"), uri)
        code = document.get("error_code") or "INTERNAL_ERROR"
        said = document.get("message", f"Response: {document}")
        raise refusal(_code(code), _shown(f"{code}: {said}"), uri)


@dataclass(frozen=True, slots=True)
class _Form:
    """A JSON object in an answer, read as protobuf reads its messages: what is missing is empty.

    Raises ServerError for a field of another type.
    """

    fields: Mapping[str, Any]
    uri: str

    def part(self, name: str) -> _Form:
        return _Form(self._typed(name, dict, {}), self.uri)

    def parts(self, name: str) -> list[_Form]:
        items = self._typed(name, list, [])
        if not all(isinstance(item, dict) for item in items):
            raise self._odd(name)
        return [_Form(item, self.uri) for item in items]

    def word(self, name: str) -> str:
        found: str = self._typed(name, str, "")
        return found

    def number(self, name: str) -> str:
        """A whole number from 1 on, which MLflow writes as text."""
        found = self.word(name)
        if not _NUMBER.fullmatch(found):
            raise self._odd(name)
        return found

    def pairs(self, name: str, key: str = "key", value: str = "value", *, numbers: bool = False) -> dict[str, str]:
        return {item.word(key): item.number(value) if numbers else item.word(value) for item in self.parts(name)}

    def _typed(self, name: str, kind: type, missing: Any) -> Any:
        found = self.fields.get(name)
        if found is not None and not isinstance(found, kind):
            raise self._odd(name)
        return missing if found is None else found

    def _odd(self, name: str) -> ServerError:
        return not_mlflow(f"its field {name} is {str(self.fields.get(name))[:60]!r}", self.uri)


def _version(form: _Form) -> RestVersion:
    return RestVersion(
        version=form.number("version"),
        current_stage=form.word("current_stage"),
        run_id=form.word("run_id"),
        source=form.word("source"),
        description=form.word("description"),
        tags=form.pairs("tags"),
    )


def _run(form: _Form) -> RestRun:
    info, data = form.part("info"), form.part("data")
    return RestRun(
        RestRunInfo(info.word("run_id"), info.word("experiment_id"), info.word("lifecycle_stage")),
        RestRunData(data.pairs("params"), data.pairs("tags")),
    )


def _code(told: object) -> str:
    """The error code of a refusal; proxies before the server send the status in its place."""
    if isinstance(told, str) and _CODE.fullmatch(told):
        return told
    return _CODES.get(int(str(told)), "INTERNAL_ERROR") if _NUMBER.fullmatch(str(told)) else "INTERNAL_ERROR"


def _shown(text: str) -> str:
    return redacted(" ".join(text.split()))
