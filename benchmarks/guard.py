"""What the guard of the server's plugin costs: the same requests to a plain server and to a guarded one, in turn.

    python -m benchmarks.guard [--rounds 40]

The guarded server also takes the decisions of a flywheel, and holds a release, so that the guard has something to ask.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import requests

from benchmarks.flywheels import SHIPPED
from benchmarks.timing import interleaved

API = "/api/2.0/mlflow"


def main() -> None:
    """Print a table: milliseconds on both servers, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="flywheel-benchmark-") as name, _servers(Path(name)) as roots:
        works = {kind: _Works(root) for kind, root in roots.items()}
        jobs: dict[str, Callable[[], object]] = {
            f"{what}/{kind}": getattr(work, what) for what in _Works.names for kind, work in works.items()
        }
        timed = interleaved(jobs, rounds)
    print(f"{'request':<22}{'plain ms':>10}{'guarded ms':>12}{'ratio':>8}")
    for what in _Works.names:
        plain, guarded = (timed[f"{what}/{kind}"].median * 1000 for kind in ("plain", "guarded"))
        print(f"{what:<22}{plain:>10.1f}{guarded:>12.1f}{guarded / plain:>8.2f}")


class _Works:
    """What people ask of a server all day, of things that no flywheel governs."""

    names = ("create_run", "log_metric", "log_batch", "set_tag", "get_run", "search_runs", "set_alias", "delete_run")

    def __init__(self, root: str) -> None:
        self._root = root
        self._session = requests.Session()
        self._numbers = count()
        self._experiment = self._post("/experiments/create", name="plain")["experiment_id"]
        self._run = self.create_run()
        self._doomed = [self.create_run() for _ in range(200)]
        self._post("/registered-models/create", name="plain")
        for _ in range(2):
            self._post("/model-versions/create", name="plain", source="s3://nowhere/model")

    def create_run(self) -> str:
        return str(self._post("/runs/create", experiment_id=self._experiment)["run"]["info"]["run_id"])

    def log_metric(self) -> None:
        number = next(self._numbers)
        self._post("/runs/log-metric", run_id=self._run, key="loss", value=0.5, timestamp=number, step=number)

    def log_batch(self) -> None:
        number = next(self._numbers)
        metrics = [{"key": f"m{item}", "value": 1.0, "timestamp": number, "step": number} for item in range(1000)]
        self._post("/runs/log-batch", run_id=self._run, metrics=metrics)

    def set_tag(self) -> None:
        self._post("/runs/set-tag", run_id=self._run, key="note", value=str(next(self._numbers)))

    def get_run(self) -> None:
        self._session.get(f"{self._root}{API}/runs/get", params={"run_id": self._run}, timeout=60).raise_for_status()

    def search_runs(self) -> None:
        self._post("/runs/search", experiment_ids=[self._experiment], max_results=20)

    def set_alias(self) -> None:
        version = str(next(self._numbers) % 2 + 1)
        self._post("/registered-models/alias", name="plain", alias="production", version=version)

    def delete_run(self) -> None:
        self._post("/runs/delete", run_id=self._doomed.pop())

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._session.post(self._root + API + path, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, str]]:
    """A plain server, and a guarded one with a release of a flywheel whose decisions it takes; both on SQLite."""
    # The tests know how to start real servers, and to make releases.
    sys.path.insert(0, str(SHIPPED / "tests"))
    from releases_bench import MANAGER, releases_flywheel
    from servers.plugin import PluginServer
    from servers.tracking import running_tracking_server

    flywheel = releases_flywheel(folder / "flywheel")
    for name in ("plain", "guarded"):
        (folder / name).mkdir()
    with (
        running_tracking_server(folder / "plain", backend=f"sqlite:///{folder / 'plain.db'}") as plain,
        running_tracking_server(
            folder / "guarded",
            backend=f"sqlite:///{folder / 'guarded.db'}",
            app_name="flywheel",
            environ={"FLYWHEEL_ROOT": str(flywheel.root)},
        ) as guarded,
    ):
        server = PluginServer(guarded.uri, flywheel.root, False, guarded.log)
        bench = server.bench()
        bench.log(folder, 1)
        bench.assemble(1)
        server.done(MANAGER, "create", iteration=1)
        yield {"plain": plain.uri, "guarded": guarded.uri}


if __name__ == "__main__":
    main()
