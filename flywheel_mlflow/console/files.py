"""Keeps the files that releases rest on from being written or deleted through the server."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.console.governed import Governed, Holding
from flywheel_mlflow.console.permissions import Denial
from flywheel_mlflow.console.stores import PROXIED, one_spelling

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

#: An address in its one spelling, model, version, and why it is kept.
Kept = tuple[str, str, int, Holding]
#: Where MLflow takes uploads without Flask: there its own hook does not stand before the handler.
_UPLOADS = ("/api/2.0/mlflow-artifacts/artifacts/{path:path}", "/ajax-api/2.0/mlflow-artifacts/artifacts/{path:path}")


class Files:
    """Judges the addresses of files that requests write or delete."""

    def __init__(self, governed: Governed) -> None:
        self._governed = governed
        self._known: tuple[object, tuple[Kept, ...]] = ((), ())

    def routes(self) -> list[BaseRoute]:
        """The routes of uploads, for the front of the router; none before MLflow 3.15, which takes them by Flask."""
        from starlette.routing import Route

        if find_spec("mlflow.server.artifact_router") is None:
            return []
        return [Route(path, self.upload, methods=["PUT"]) for path in _UPLOADS]

    async def upload(self, request: Request) -> Response:
        """MLflow's own upload, once the address is nobody's."""
        from anyio import to_thread
        from mlflow.server.artifact_router import upload_artifact
        from starlette.responses import JSONResponse

        path = str(request.path_params["path"])
        try:
            denial = await to_thread.run_sync(partial(self.denial, _proxied(path)))
        except FlywheelError as error:
            told = f"the flywheel's guard cannot see what is governed: {error.what}"
            return JSONResponse({"error_code": "INTERNAL_ERROR", "message": told}, 500)
        if denial is not None:
            return JSONResponse({"error_code": "PERMISSION_DENIED", "message": denial.text}, 403)
        answer: Response = await upload_artifact(path, request)
        return answer

    def asked(self) -> Denial | None:
        """Why the Flask request at work may not write or delete what it names.

        Raises:
            MlflowException: the body cannot be read.
        """
        from flask import request

        path = (request.view_args or {}).get("artifact_path")
        if path is not None:
            return self.denial(_proxied(str(path)))
        asked: Any = request.args if "run_uuid" in request.args else request.get_json(force=True, silent=True)
        if not hasattr(asked, "get"):
            return None
        run = self._governed.run(str(asked.get("run_uuid") or asked.get("run_id") or ""))
        if run is None:
            return None
        run_id, experiment_id = run
        roots = (self._governed.artifacts_of(run_id) or "", _proxied(f"{experiment_id}/{run_id}/artifacts"))
        denials = (self.denial(f"{root}/{asked.get('path')}") for root in roots)
        return next((denial for denial in denials if denial is not None), None)

    def denial(self, address: str) -> Denial | None:
        """Why a file, or a folder with all in it, may not be written or deleted; None when it may."""
        wanted = f"{one_spelling(address)}/"
        for kept, name, version, holding in self._kept():
            touches = wanted.startswith(kept) or kept.startswith(wanted)
            if touches and not self._governed.is_retired(name, version):
                return Denial(f"{address} is kept: {holding.why}", holding.instead)
        return None

    def _kept(self) -> tuple[Kept, ...]:
        """Every kept file and folder, read again when there is another version: hundreds of them pin thousands."""
        stamp = self._governed.stamp()
        if stamp != self._known[0]:
            found = self._governed.files()
            self._known = (
                stamp,
                tuple((f"{one_spelling(place)}/", name, number, why) for place, name, number, why in found),
            )
        return self._known[1]


def _proxied(path: str) -> str:
    return f"{PROXIED}:/{path.lstrip('/')}"
