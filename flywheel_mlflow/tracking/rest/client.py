"""Answers every question, and the few writes that releases make over and over, as MLflow's client does, without it.

Methods are named as those of ``MlflowClient`` and ``ModelRegistryClient``. Everything done here can be repeated without
harm, so a request whose answer was lost is sent again; what makes something new (a run, a model, a version) is left to
MLflow's client.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flywheel_mlflow.base.errors import ServerError, ServerRefused
from flywheel_mlflow.base.settings import redacted
from flywheel_mlflow.tracking.connection import not_mlflow, refusal
from flywheel_mlflow.tracking.reading.client import LateClient
from flywheel_mlflow.tracking.reading.port import (
    ACTIVE_ONLY,
    ALL,
    DELETED_ONLY,
    PAGE_SIZE,
    Dataset,
    DatasetInput,
    Experiment,
    Model,
    Page,
    Run,
    RunData,
    RunInfo,
    Tag,
    Version,
)
from flywheel_mlflow.tracking.rest.transport import Answer, HttpTransport

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
VIEWS = {ACTIVE_ONLY: "ACTIVE_ONLY", DELETED_ONLY: "DELETED_ONLY", ALL: "ALL"}
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")


class RestClient:
    """A client of one server; what it does not know itself it hands on to ``others``."""

    def __init__(self, transport: HttpTransport, others: LateClient) -> None:
        self._transport = transport
        self._others = others

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._others, name)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of a name, deleted ones too; None when there is none."""
        try:
            return _experiment(self._get("experiments/get-by-name", experiment_name=name).part("experiment"))
        except ServerRefused as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def search_experiments(
        self,
        view_type: int = ACTIVE_ONLY,
        max_results: int | None = PAGE_SIZE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Experiment]:
        """A page of experiments."""
        asked = _said(max_results=max_results, filter=filter_string, order_by=order_by, page_token=page_token)
        found = self._call("POST", "experiments/search", {"view_type": VIEWS[view_type]} | asked)
        return Page([_experiment(item) for item in found.parts("experiments")], found.word("next_page_token") or None)

    def get_registered_model(self, name: str) -> Model:
        """A registered model by its name."""
        model = self._get("registered-models/get", name=name).part("registered_model")
        return Model(model.pairs("tags"), model.pairs("aliases", key="alias", value="version", numbers=True))

    def get_model_version(self, name: str, version: str) -> Version:
        """A version by its number."""
        return _version(self._get("model-versions/get", name=name, version=version).part("model_version"))

    def get_model_version_by_alias(self, name: str, alias: str) -> Version:
        """The version an alias points to."""
        return _version(self._get("registered-models/alias", name=name, alias=alias).part("model_version"))

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Version]:
        """A page of versions."""
        asked = {"max_results": str(max_results)} | _said(filter=filter_string, page_token=page_token)
        if order_by:
            found: Page[Version] = self._others.search_model_versions(filter_string, max_results, order_by, page_token)
            return found
        answer = self._get("model-versions/search", **asked)
        return Page([_version(item) for item in answer.parts("model_versions")], answer.word("next_page_token") or None)

    def get_run(self, run_id: str) -> Run:
        """A run, deleted ones too."""
        if not _RUN_ID.fullmatch(run_id):
            found: Run = self._others.get_run(run_id)  # which says what is wrong with it
            return found
        return _run(self._get("runs/get", run_id=run_id).part("run"))

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
        asked = _said(filter=filter_string, order_by=order_by, page_token=page_token) | {
            "experiment_ids": [str(item) for item in experiment_ids],
            "run_view_type": VIEWS[run_view_type],
            "max_results": max_results,
        }
        found = self._call("POST", "runs/search", asked)
        return Page([_run(item) for item in found.parts("runs")], found.word("next_page_token") or None)

    def log_param(self, run_id: str, key: str, value: str) -> None:
        """Log a param, which nobody can change afterwards."""
        self._call("POST", "runs/log-parameter", {"run_id": run_id, "run_uuid": run_id, "key": key, "value": value})

    def set_registered_model_alias(self, name: str, alias: str, version: str, *, until: float | None = None) -> None:
        """Let an alias point to a version; ``until`` as :meth:`HttpTransport.ask` takes it."""
        self._call("POST", "registered-models/alias", {"name": name, "alias": alias, "version": version}, until=until)

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Take an alias away."""
        self._call("DELETE", "registered-models/alias", {"name": name, "alias": alias})

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, *, archive_existing_versions: bool, until: float | None = None
    ) -> None:
        """Set the model registry's own stage of a version; ``until`` as :meth:`HttpTransport.ask` takes it."""
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
        return self._read(place, self._transport.ask("GET", f"{API}/{place}", query=query))

    def _call(self, method: str, place: str, body: Mapping[str, Any], *, until: float | None = None) -> _Form:
        return self._read(place, self._transport.ask(method, f"{API}/{place}", body=body, until=until))

    def _read(self, place: str, answer: Answer) -> _Form:
        """What a server answered, with the same error as MLflow's client where it is one."""
        uri = self._transport.uri
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

    def moment(self, name: str) -> int | None:
        """A time in milliseconds, which protobuf may write as text; None where there is none."""
        found = self.fields.get(name)
        if isinstance(found, str) and found.isdecimal():
            return int(found)
        moment: int | None = self._typed(name, int, None)
        return moment

    def real(self, name: str) -> float:
        """A number; JSON has no NaN, which protobuf writes as text."""
        found = self.fields.get(name, 0.0)
        if isinstance(found, str) and found in ("NaN", "Infinity", "-Infinity"):
            return float(found)
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self._odd(name)
        return float(found)

    def pairs(self, name: str, key: str = "key", value: str = "value", *, numbers: bool = False) -> dict[str, str]:
        return {item.word(key): item.number(value) if numbers else item.word(value) for item in self.parts(name)}

    def _typed(self, name: str, kind: type, missing: Any) -> Any:
        found = self.fields.get(name)
        if found is not None and not isinstance(found, kind):
            raise self._odd(name)
        return missing if found is None else found

    def _odd(self, name: str) -> ServerError:
        return not_mlflow(f"its field {name} is {str(self.fields.get(name))[:60]!r}", self.uri)


def _said(**fields: Any) -> dict[str, Any]:
    """The fields of a question that say something."""
    return {name: value for name, value in fields.items() if value}


def _version(form: _Form) -> Version:
    return Version(
        version=form.number("version"),
        current_stage=form.word("current_stage"),
        run_id=form.word("run_id"),
        source=form.word("source"),
        description=form.word("description"),
        tags=form.pairs("tags"),
    )


def _experiment(form: _Form) -> Experiment:
    return Experiment(
        experiment_id=form.word("experiment_id"),
        name=form.word("name"),
        artifact_location=form.word("artifact_location"),
        lifecycle_stage=form.word("lifecycle_stage"),
        tags=form.pairs("tags"),
    )


def _run(form: _Form) -> Run:
    info, data = form.part("info"), form.part("data")
    inputs = tuple(_input(item) for item in form.part("inputs").parts("dataset_inputs"))
    return Run(
        RunInfo(
            run_id=info.word("run_id"),
            experiment_id=info.word("experiment_id"),
            user_id=info.word("user_id"),
            status=info.word("status"),
            start_time=info.moment("start_time"),
            end_time=info.moment("end_time"),
            lifecycle_stage=info.word("lifecycle_stage"),
            artifact_uri=info.word("artifact_uri"),
        ),
        RunData(
            metrics={item.word("key"): item.real("value") for item in data.parts("metrics")},
            params=data.pairs("params"),
            tags=data.pairs("tags"),
        ),
        lambda: inputs,
    )


def _input(form: _Form) -> DatasetInput:
    dataset = form.part("dataset")
    return DatasetInput(
        Dataset(
            name=dataset.word("name"),
            digest=dataset.word("digest"),
            source_type=dataset.word("source_type"),
            source=dataset.word("source"),
            schema=dataset.word("schema"),
            profile=dataset.word("profile"),
        ),
        [Tag(item.word("key"), item.word("value")) for item in form.parts("tags")],
    )


def _code(told: object) -> str:
    """The error code of a refusal; proxies before the server send the status in its place."""
    if isinstance(told, str) and _CODE.fullmatch(told):
        return told
    return _CODES.get(int(str(told)), "INTERNAL_ERROR") if _NUMBER.fullmatch(str(told)) else "INTERNAL_ERROR"


def _shown(text: str) -> str:
    return redacted(" ".join(text.split()))
