"""Stands between MLflow's handlers and its stores, and refuses what no ledger permits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.console import permissions
from flywheel_mlflow.console.endpoints import Effect, classify, current_effect
from flywheel_mlflow.console.files import Files
from flywheel_mlflow.console.permissions import Denial
from flywheel_mlflow.console.rules import RELEASE, Rules
from flywheel_mlflow.console.watch import Change

if TYPE_CHECKING:
    from flask import Flask, Response


class Guard:
    """Judges what requests write, row by row, and answers for handlers that keep a refusal to themselves.

    The rows are judged when everything in a request has been read, found and compared by MLflow and its database, so
    that no spelling of a path, an id, a name or an alias, and no handler, is seen otherwise than it acts.
    """

    def __init__(self, rules: Rules, files: Files, served: str | None) -> None:
        self._rules = rules
        self._files = files
        self._served = served

    def install(self, app: Flask) -> None:
        """Stand before and behind the handlers of MLflow's Flask application."""
        app.before_request(self.before)
        app.after_request(self.after)

    def judge(self, changes: Iterable[Change]) -> None:
        """Refuse what may not be written.

        Raises:
            MlflowException: PERMISSION_DENIED with what to do instead, or INTERNAL_ERROR when it cannot be judged.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, PERMISSION_DENIED

        effect = current_effect()
        if effect is Effect.OWN:
            return
        try:
            for change in changes:
                denial = self._rules.judge(change, effect)
                if denial is not None:
                    _remember(denial)
                    raise MlflowException(denial.text, PERMISSION_DENIED)
        except FlywheelError as error:
            raise MlflowException(_blind(error), INTERNAL_ERROR) from error

    def before(self) -> Response | None:
        """Flask's ``before_request``: classifies the endpoint; None lets the request go on."""
        from flask import request
        from mlflow.exceptions import MlflowException

        if request.method == "OPTIONS":
            return None
        endpoint = request.endpoint or ""
        effect = classify(endpoint)
        if effect is Effect.DIRECT and request.get_data().lstrip()[:1] == b"[":
            # MLflow's handlers fail on it with a trace.
            return _answer({"error_code": "INVALID_PARAMETER_VALUE", "message": "the body is no object"}, 400)
        try:
            denial = self._files.asked() if effect is Effect.FILES else self._asked(endpoint)
        except FlywheelError as error:
            return _answer({"error_code": "INTERNAL_ERROR", "message": _blind(error)}, 500)
        except MlflowException as error:
            # What cannot be read cannot be judged; the handler would say the same.
            status = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
            return _answer(json.loads(error.serialize_as_json()), status)  # type: ignore[no-untyped-call]  # likewise
        return None if denial is None else _refusal(denial.text)

    def after(self, response: Response) -> Response:
        """Flask's ``after_request``: a refusal is told, also where a handler took it for a failure it may ignore."""
        from flask import g

        told = g.get("flywheel_denial")
        if told is None or response.status_code >= 400:
            return response
        return _refusal(told)

    def _asked(self, endpoint: str) -> Denial | None:
        """What is refused whatever rows it would change now, or changes rows in a way that nobody sees."""
        from flask import request

        if endpoint == "_add_dataset_to_experiments_handler":
            body = request.get_json(force=True, silent=True)
            asked = body.get("experiment_ids") if isinstance(body, dict) else None
            for number in asked if isinstance(asked, list) else ():
                denial = self._rules.judge(Change("datasets", None, {"experiment_id": number}), Effect.ASIDE)
                if denial is not None:
                    return denial
        if endpoint == "_transition_stage":
            archiving = _field("TransitionModelVersionStage", "archive_existing_versions")
            if archiving and self._rules.governs(_field("TransitionModelVersionStage", "name")):
                return permissions.archiving()
        if endpoint == "_rename_registered_model" and self._served is not None:
            new = _field("RenameRegisteredModel", "new_name")
            if new.casefold() == self._served.casefold():
                return Denial(f"{new} is the flywheel of this server", RELEASE)
        return None


def _blind(error: FlywheelError) -> str:
    return f"the flywheel's guard cannot see what is governed: {error.what}"


def _field(message: str, name: str) -> Any:
    """A field of the request as the handlers' own parser reads it.

    Raises:
        MlflowException: the body cannot be read.
    """
    from mlflow.protos import model_registry_pb2
    from mlflow.server import handlers

    read = handlers._get_request_message(getattr(model_registry_pb2, message)())  # type: ignore[no-untyped-call]  # noqa: SLF001
    return getattr(read, name)


def _remember(denial: Denial) -> None:
    from flask import g, has_request_context

    if has_request_context():
        g.flywheel_denial = denial.text


def _refusal(text: str) -> Response:
    return _answer({"error_code": "PERMISSION_DENIED", "message": text}, 403)


def _answer(document: Mapping[str, Any], status: int) -> Response:
    from flask import jsonify

    answer = jsonify(document)
    answer.status_code = status
    return answer
