"""Hands out Evidently's report of a comparison, in a sandbox that nothing leaves."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.console.answers import HEADERS
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from flywheel_mlflow.operations.deciding import Session
    from flywheel_mlflow.operations.reading.reader import PageQuery

#: What the report may do: run its own scripts, and nothing else. It is of no origin, so that it is a stranger to the
#: page around it, to the sign-in and to MLflow; it can load nothing, and send nothing anywhere. Where its frame may go
#: is for the page around it to say.
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "font-src data:; img-src data: blob:; connect-src 'none'; frame-src 'none'; worker-src 'none'; object-src 'none'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
REPORT_FILE = "drift.html"
_RUN_ID = re.compile(r"[0-9a-f]{32}")


def report_answer(session: Session, asked: PageQuery, headers: Mapping[str, str]) -> Response:
    """The report of the comparison of ``run`` with ``against``, both run ids of this flywheel's assemblies.

    Raises:
        InputError: no run ids, or the browser wants to show it outside of its page.
        UnknownName: no such assembly, or no such report.
    """
    from starlette.responses import HTMLResponse

    # On its own it could take its whole window elsewhere. Browsers tell what a document is for, if the server can be
    # trusted (https, or this machine); programs do not, and run no script.
    if headers.get("sec-fetch-dest", "iframe") != "iframe":
        raise InputError("this report is shown inside its page alone", hint="open it from the console's page on drift")
    run_id, reference = _run(asked, "run"), _run(asked, "against")
    if not _is_assembly(session.flywheel.name, run_id):
        raise UnknownName("assembly", run_id, ())
    with tempfile.TemporaryDirectory() as folder:
        text = session.tracking.comparisons.text(run_id, reference, Path(folder), name=REPORT_FILE)
    if text is None:
        raise UnknownName("drift report", f"{run_id} against {reference}", ())
    return HTMLResponse(
        text, headers=HEADERS | {"Content-Security-Policy": REPORT_POLICY, "X-DNS-Prefetch-Control": "off"}
    )


def _run(asked: PageQuery, name: str) -> str:
    value = asked.word(name) or ""
    if not _RUN_ID.fullmatch(value):
        raise InputError(f"{name} is no run id", hint="open the report from the console's page on drift")
    return value


def _is_assembly(flywheel: str, run_id: str) -> bool:
    """Whether a run lies in the flywheel's own experiment: whoever asks may read that one, and no other for sure."""
    from mlflow.exceptions import MlflowException
    from mlflow.server import handlers

    store = handlers._get_tracking_store()  # noqa: SLF001 - the handlers' own way to it
    with translated("this server"):
        experiment = store.get_experiment_by_name(flywheel)  # type: ignore[no-untyped-call]  # MLflow leaves it untyped
        try:
            found = store.get_run(run_id)  # type: ignore[no-untyped-call]  # likewise
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
    here = experiment is not None and found.info.experiment_id == experiment.experiment_id
    return here and found.data.tags.get(tags.KIND) == tags.KIND_ASSEMBLY
