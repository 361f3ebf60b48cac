"""A server with accounts whose console people use: three iterations, three releases, and everybody's rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from releases_bench import MANAGER, OTHER, REVIEWER, ReleasesBench, releases_blueprint
from workbench import bench_on

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.signing import SigningKey, read_key
from flywheel_mlflow.console.tokens import FormTokens
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.feedback.tasks import Task, task_file
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.tracking.feedback import KIND_TASK, TASK_FILE, FeedbackDocument
from servers.plugin import ADMIN, PluginServer, account_settings, keyed_flywheel, password, signed_in
from servers.tracking import running_tracking_server

#: A manager: known to flywheel.yaml, without a role; reads everything, decides nothing.
VIEWER = "dora"
#: An account that MLflow denies the flywheel's experiment.
SHUT_OUT = "eve"
#: An account that MLflow denies the first project's experiment, and nothing else.
HALF_IN = "finn"
#: What feedback asks the first project for.
TASK = Task(
    id="T-1",
    project="p01",
    iteration=5,
    theme="slow",
    request="answer sooner",
    category="efficiency",
    feedback_iteration=3,
)
EVERYBODY = (MANAGER, REVIEWER, OTHER, VIEWER, SHUT_OUT, HALF_IN)
#: Where people reach a server that stands behind a proxy which ends TLS.
PUBLIC_NAME = "flow.example"
FORMS = "/ajax-api/2.0/flywheel/forms"
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class ConsoleServer:
    """A running server: release 1 was in production, 2 is there, 3 is a candidate that nobody decided about.

    ``plugin`` calls it as programs do; ``name`` is the flywheel's.
    """

    plugin: PluginServer
    name: str
    prefix: str

    @property
    def uri(self) -> str:
        """The server's address without the prefix, as links on its pages start."""
        return self.plugin.uri.removesuffix(self.prefix)

    def page(self, who: str | None, path: str = "/", **more: Any) -> requests.Response:
        """A page below /flywheel, as a browser asks for it."""
        return self.plugin.call("GET", f"/flywheel{path}", who=who, **more)

    def token(self, who: str, at: datetime | None = None) -> str:
        """What the server would put into a form for somebody, now or at another time."""
        key = read_key(self.plugin.root.parent / "server.key")
        return FormTokens(key, self.name).issue(who, at or datetime.now(UTC))

    def send(
        self, who: str | None, act: str, fields: dict[str, Any], *, token: str | None = None, **more: Any
    ) -> requests.Response:
        """A form as a browser sends it from a page of the server; redirects are not followed."""
        headers = {"Origin": self.uri, "Sec-Fetch-Site": "same-origin"} | more.pop("headers", {})
        data = fields | ({} if token is None else {"token": token})
        path = f"{FORMS}/{act}"
        return self.plugin.call("POST", path, who=who, data=data, headers=headers, allow_redirects=False, **more)


@contextmanager
def running_console(
    folder: Path,
    *,
    workers: int = 1,
    prefix: str = "",
    compared: bool = False,
    environ: Mapping[str, str] | None = None,
    **blueprint: Any,
) -> Iterator[ConsoleServer]:
    """That server below ``folder``.

    Args:
        folder: an empty one.
        workers: server processes.
        prefix: the path below which it answers.
        compared: with a drift comparison of iteration 3 with the one in production, which takes ten seconds, and with
            a task.
        environ: further settings of the server's environment.
        blueprint: replaces parts of the flywheel's own.
    """
    plan = releases_blueprint()
    people = [*plan["people"], {"id": VIEWER}]
    teams = [plan["teams"][0] | {"people": [OTHER]}]
    flywheel, key = keyed_flywheel(folder, **({"people": people, "teams": teams} | blueprint))
    backend = f"sqlite:///{folder / 'mlflow.db'}"
    _fill(ReleasesBench(bench_on(flywheel, backend)), read_key(key), folder, compared=compared)
    own = {"FLYWHEEL_ROOT": str(flywheel.root), "FLYWHEEL_SERVER_KEY": str(key)}
    settings = account_settings(folder) | own | dict(environ or {})
    with running_tracking_server(
        folder, backend=backend, workers=workers, app_name="flywheel-auth", environ=settings, prefix=prefix
    ) as started:
        server = ConsoleServer(PluginServer(started.uri, flywheel.root, True, started.log), flywheel.name, prefix)
        _let_in(server)
        yield server


def _fill(bench: ReleasesBench, key: SigningKey, folder: Path, *, compared: bool) -> None:
    """What the server itself would have written, without the time its requests take."""

    def act(who: str, name: str, **arguments: Any) -> dict[str, Any]:
        session = Session(bench.bench.flywheel, bench.bench.tracking, Identity(who, AUTHENTICATED), seal=key)
        return perform(session, name, arguments)

    for iteration in (1, 2, 3):
        # One question more is answered each time; 99 of the 100 come out as before.
        samples = {f"q{number}": float(number < 80 + iteration) for number in range(100)}
        bench.log(folder, iteration, quality=0.8 + iteration / 100, samples=samples)
        bench.assemble(iteration)
        act(MANAGER, "create", iteration=iteration)
        for to in ("staging", "production") if iteration < 3 else ():
            act(REVIEWER, "approve", version=iteration, role="reviewer", reason="it is good")
            act(MANAGER, "gate", version=iteration, to=to)
            act(MANAGER, "promote", version=iteration, to=to)
    if compared:
        flywheel, tracking = bench.bench.flywheel, bench.bench.tracking
        drift_iteration(flywheel, tracking, 3, against=2)
        text = task_file(TASK)
        kept = FeedbackDocument(KIND_TASK, TASK.iteration, TASK.id, TASK_FILE, text, "A task.")
        act(MANAGER, "task-accept", run_id=tracking.feedback.keep(kept), digest=sha256_text(text))


def _let_in(server: ConsoleServer) -> None:
    for who in EVERYBODY:
        account = {"username": who, "password": password(who)}
        made = server.plugin.call("POST", "/api/2.0/mlflow/users/create", who=ADMIN, json=account)
        assert made.status_code == 200, made.text
    with signed_in(ADMIN):
        client = server.plugin.bench().bench.client
        found = {item.name: item.experiment_id for item in client.search_experiments()}
    server.plugin.deny(SHUT_OUT, "experiment", found[server.name])
    server.plugin.deny(HALF_IN, "experiment", found[f"{server.name}/p01"])
