"""Stands before MLflow's own handlers, and refuses calls on governed releases that no ledger permits."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.console import permissions
from flywheel_mlflow.console.governed import GovernedModels
from flywheel_mlflow.console.permissions import Denial
from flywheel_mlflow.errors import FlywheelError, InputError
from flywheel_mlflow.operations.deciding import World

if TYPE_CHECKING:
    from flask import Response

Check = Callable[[Any], Denial | None]

#: Every spelling under which the body of a call that writes to a run may name it.
_RUN_FIELDS = ("run_id", "runId", "run_uuid", "runUuid")
_DECIDE = "use the `flywheel` commands: this server writes the ledger itself"


class Guard:
    """A Flask hook that answers instead of MLflow's handler when a call is not permitted.

    It goes by the *handler* a request was routed to, not by the path, so that every prefix, version and spelling of
    an address is covered; and reads the request with the handlers' own parser, so that both see the same call.
    """

    def __init__(self, governed: GovernedModels, view_functions: Mapping[str, object]) -> None:
        from mlflow.server.handlers import HANDLERS

        self._governed = governed
        checks = dict(self._release_checks())
        writes: tuple[str, ...] = ()
        if governed.served is not None:
            checks |= dict(self._ledger_checks())
            writes = LEDGER_WRITES
        known = {message.__name__: (message, handler.__name__) for message, handler in HANDLERS.items()}
        missing = sorted(
            name for name in (*checks, *writes) if name not in known or known[name][1] not in view_functions
        )
        if missing:
            # A call that MLflow renamed would pass by unseen.
            raise InputError(
                f"this MLflow has no {', '.join(missing)}: its releases cannot be guarded",
                hint="use the MLflow version that flywheel-mlflow asks for",
            )
        self._checks = {known[name][1]: (known[name][0], check) for name, check in checks.items()}
        self._writes = frozenset(known[name][1] for name in writes)

    def __call__(self) -> Response | None:
        """Flask's ``before_request``: None lets the request go on."""
        from flask import request
        from mlflow.exceptions import MlflowException

        endpoint = request.endpoint or ""
        if request.method == "OPTIONS" or (endpoint not in self._checks and endpoint not in self._writes):
            return None
        try:
            denial = self._judge(endpoint)
        except MlflowException as error:
            # What cannot be read cannot be judged; the handler would say the same.
            status = error.get_http_status_code()  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
            return _answer(json.loads(error.serialize_as_json()), status)  # type: ignore[no-untyped-call]  # likewise
        except FlywheelError as error:
            told = f"the flywheel's guard cannot see what is governed: {error.what}"
            return _answer({"error_code": "INTERNAL_ERROR", "message": told}, 500)
        if denial is None:
            return None
        return _answer({"error_code": "PERMISSION_DENIED", "message": denial.text}, 403)

    def _judge(self, endpoint: str) -> Denial | None:
        from mlflow.server import handlers

        body = _body()
        if endpoint in self._writes:
            # These are the busy ones: the run's id is all that counts, whatever else the body holds.
            return self._write(body)
        message, check = self._checks[endpoint]
        return check(handlers._get_request_message(message()))  # type: ignore[no-untyped-call]  # noqa: SLF001

    def _release_checks(self) -> Iterable[tuple[str, Check]]:
        yield "SetRegisteredModelAlias", self._set_alias
        yield "DeleteRegisteredModelAlias", self._delete_alias
        yield "TransitionModelVersionStage", self._set_stage
        yield "DeleteModelVersion", self._delete_version
        yield "DeleteRegisteredModel", self._delete_model
        yield "RenameRegisteredModel", self._rename_model
        yield "SetRegisteredModelTag", self._tag_model
        yield "DeleteRegisteredModelTag", self._tag_model
        yield "SetModelVersionTag", lambda call: self._tag_version(call, call.value)
        yield "DeleteModelVersionTag", lambda call: self._tag_version(call, None)
        yield "DeleteRun", self._delete_run
        yield "DeleteExperiment", self._delete_experiment

    def _ledger_checks(self) -> Iterable[tuple[str, Check]]:
        yield "CreateRegisteredModel", self._create_model
        yield "CreateModelVersion", self._create_version
        yield "CreateExperiment", lambda call: self._name_experiment(call.name)
        yield "UpdateExperiment", self._rename_experiment
        yield "SetExperimentTag", self._in_ledger
        yield "DeleteExperimentTag", self._in_ledger
        yield "CreateRun", self._in_ledger

    def _set_alias(self, call: Any) -> Denial | None:
        return self._by_ledger(
            call.name, lambda world: permissions.alias_denial(world.state, call.alias, _number(call.version))
        )

    def _delete_alias(self, call: Any) -> Denial | None:
        return self._by_ledger(call.name, lambda world: permissions.alias_denial(world.state, call.alias, None))

    def _set_stage(self, call: Any) -> Denial | None:
        from mlflow.entities.model_registry.model_version_stages import get_canonical_stage

        def judge(world: World) -> Denial | None:
            stage = get_canonical_stage(call.stage)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
            archive = bool(call.archive_existing_versions)
            return permissions.stage_denial(world.state, _number(call.version), str(stage), archive_others=archive)

        return self._by_ledger(call.name, judge)

    def _delete_version(self, call: Any) -> Denial | None:
        return self._by_ledger(call.name, lambda world: permissions.deletion_denial(world.state, _number(call.version)))

    def _delete_model(self, call: Any) -> Denial | None:
        if self._governed.world(call.name) is None:
            return None
        return Denial(
            f"{call.name} holds releases and their ledger", "retire single releases: `flywheel release retire`"
        )

    def _rename_model(self, call: Any) -> Denial | None:
        if self._is_served(call.new_name):
            return Denial(f"{call.new_name} is the flywheel of this server", "`flywheel release create` makes it")
        if self._governed.world(call.name) is None:
            return None
        return Denial(f"{call.name} is found by its name: by its consumers, and by its ledger", "leave it")

    def _tag_model(self, call: Any) -> Denial | None:
        return permissions.model_tag_denial(call.key, governed=self._governed.world(call.name) is not None)

    def _tag_version(self, call: Any, value: str | None) -> Denial | None:
        return self._by_ledger(
            call.name,
            lambda world: permissions.version_tag_denial(world.state, _number(call.version), call.key, value),
        )

    def _delete_run(self, call: Any) -> Denial | None:
        if self._governed.keeps_ledger(self._governed.experiment_of(call.run_id) or ""):
            return Denial("it lies in the ledger of this server's flywheel", _DECIDE)
        holding = self._governed.holdings().get(call.run_id)
        return Denial(f"run {call.run_id} is kept: {holding.why}", holding.instead) if holding else None

    def _delete_experiment(self, call: Any) -> Denial | None:
        wanted = str(call.experiment_id)
        if self._governed.keeps_ledger(wanted):
            return Denial("it holds the ledger of this server's flywheel", _DECIDE)
        for run_id, holding in self._governed.holdings().items():
            if self._governed.experiment_of(run_id) == wanted:
                return Denial(f"experiment {wanted} is kept with run {run_id}: {holding.why}", holding.instead)
        return None

    def _create_model(self, call: Any) -> Denial | None:
        if not self._is_served(call.name):
            return None
        return Denial(f"{call.name} is the flywheel of this server", "use `flywheel release create --iteration N`")

    def _create_version(self, call: Any) -> Denial | None:
        if not self._is_served(call.name):
            return None
        return Denial(f"a version of {call.name} is a release", "use `flywheel release create --iteration N`")

    def _name_experiment(self, name: str) -> Denial | None:
        if name.casefold() != self._governed.ledger_name.casefold():
            return None
        return Denial(f"the experiment {name} is the ledger of this server's flywheel", _DECIDE)

    def _rename_experiment(self, call: Any) -> Denial | None:
        return self._name_experiment(call.new_name) or self._in_ledger(call)

    def _in_ledger(self, call: Any) -> Denial | None:
        if not self._governed.keeps_ledger(str(call.experiment_id)):
            return None
        return Denial(f"experiment {call.experiment_id} holds the ledger of this server's flywheel", _DECIDE)

    def _write(self, body: Mapping[str, Any]) -> Denial | None:
        for name in _RUN_FIELDS:
            run_id = body.get(name)
            if not isinstance(run_id, str) or not run_id:
                continue
            if self._governed.keeps_ledger(self._governed.experiment_of(run_id) or ""):
                return Denial(f"run {run_id} is the ledger of this server's flywheel", _DECIDE)
        return None

    def _by_ledger(self, model: str, judge: Callable[[World], Denial | None]) -> Denial | None:
        world = self._governed.world(model)
        if world is None:
            return None
        return permissions.ledger_denial(world.ledger) or judge(world)

    def _is_served(self, name: str) -> bool:
        served = self._governed.served
        return served is not None and str(name).casefold() == served.casefold()


#: Calls that write to a run. On a server that takes the decisions itself nobody else writes into the ledger's runs.
LEDGER_WRITES = (
    "LogParam",
    "LogBatch",
    "LogMetric",
    "SetTag",
    "DeleteTag",
    "UpdateRun",
    "LogInputs",
    "LogOutputs",
    "LogModel",
)


def _body() -> Mapping[str, Any]:
    """The request's body as the handlers' own parser reads it; none of the guarded calls reads anything else.

    Raises:
        MlflowException: it is no object.
    """
    from flask import request
    from mlflow.exceptions import MlflowException
    from mlflow.server import handlers

    try:
        body = handlers._get_normalized_request_json(request)  # noqa: SLF001 - it remembers what it read
    except ValueError as error:
        raise MlflowException.invalid_parameter_value("the body is not JSON") from error
    if not isinstance(body, dict):
        raise MlflowException.invalid_parameter_value("the body is no object")
    return body


def _number(version: str) -> int:
    """The version as MLflow reads it.

    Raises:
        MlflowException: it is no number, as the handlers would say.
    """
    from mlflow.exceptions import MlflowException

    try:
        return int(version)
    except ValueError as error:
        raise MlflowException.invalid_parameter_value(f"the version {version[:40]!r} is no number") from error


def _answer(document: Mapping[str, Any], status: int) -> Response:
    from flask import jsonify

    answer = jsonify(document)
    answer.status_code = status
    return answer
