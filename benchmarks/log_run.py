"""Benchmarks logging one run against the least a server can be asked, and against one call for each value.

    python -m benchmarks.log_run

The run has 30 metrics, 15 parameters, 20 tags and 3 small interfaces; the server is MLflow's own, on PostgreSQL.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.flywheels import SHIPPED
from benchmarks.load_store import Store, write_interface_data
from benchmarks.stores import open_store
from benchmarks.timing import interleaved
from flywheel_mlflow.operations.projects.project_run import ProjectRun
from flywheel_mlflow.promises.contract import Contract

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: The shipped project that promises three interfaces.
PROJECT = "p11"
METRICS = {f"metric_{number:02d}": number + 0.5 for number in range(30)}
PARAMS = {f"param_{number:02d}": f"value {number}" for number in range(15)}
TAGS = {f"tag_{number:02d}": f"value {number}" for number in range(20)}


@dataclass(frozen=True, slots=True)
class Jobs:
    """The ways to log the same run over ``uri``."""

    store: Store
    uri: str
    client: MlflowClient
    experiment: str
    data: dict[str, Path]
    turns: itertools.count[int]

    @property
    def contract(self) -> Contract:
        """The project's contract."""
        return self.store.flywheel.contracts[PROJECT]

    def floor(self) -> None:
        """Three requests: create with tags, one batch, end. No interface, no file, no client library."""
        now = int(time.time() * 1000)
        tags = [{"key": key, "value": value} for key, value in TAGS.items()]
        made = self._post("runs/create", {"experiment_id": self.experiment, "start_time": now, "tags": tags})
        run_id = made["run"]["info"]["run_id"]
        metrics = [{"key": key, "value": value, "timestamp": now, "step": 0} for key, value in METRICS.items()]
        params = [{"key": key, "value": value} for key, value in PARAMS.items()]
        self._post("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": params})
        self._post("runs/update", {"run_id": run_id, "status": "FINISHED", "end_time": now})

    def _post(self, call: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.uri}/api/2.0/mlflow/{call}", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read())

    def without_interfaces(self) -> None:
        """The product, with the same content as the floor; it also keeps three small files of its own."""
        self._log({})

    def product(self) -> None:
        """The product, the interfaces measured, logged and uploaded."""
        self._log(self.data)

    def _log(self, data: dict[str, Path]) -> None:
        with ProjectRun(self.store.flywheel, PROJECT, next(self.turns), self.store.connect(self.uri)) as run:
            kpis = {kpi.name: 1.0 for kpi in self.contract.kpis}
            run.log_metrics(kpis | dict(list(METRICS.items())[len(kpis) :]))
            run.log_params(PARAMS)
            run.set_tags(TAGS)
            for name, path in data.items():
                run.log_interface(name, path)

    def value_by_value(self) -> None:
        """MLflow's client with one call for each value, dataset and file."""
        from mlflow.entities import Dataset, DatasetInput

        run_id = self.client.create_run(self.experiment).info.run_id
        for key, number in METRICS.items():
            self.client.log_metric(run_id, key, number)
        for key, value in PARAMS.items():
            self.client.log_param(run_id, key, value)
        for key, value in TAGS.items():
            self.client.set_tag(run_id, key, value)
        for name, path in self.data.items():
            dataset = Dataset(name=name, digest="0" * 32, source_type="file", source=json.dumps({"uri": str(path)}))
            self.client.log_inputs(run_id, datasets=[DatasetInput(dataset, [])])
            self.client.log_artifact(run_id, str(path), name)
        self.client.set_terminated(run_id)


NAMES = ("floor", "without_interfaces", "product", "value_by_value")


def open_jobs(store: Store, uri: str, turns: itertools.count[int]) -> Jobs:
    """The jobs over ``uri``, with small interface data on disk."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = client.get_experiment_by_name("benchmark")
    experiment = found.experiment_id if found else client.create_experiment("benchmark")
    promises = store.flywheel.contracts[PROJECT].interfaces_out
    data = {promise.name: write_interface_data(promise, store.folder / "data") for promise in promises}
    return Jobs(store, uri, client, experiment, data, turns)


def main() -> None:
    """Times every way in turn, then counts its requests; prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with open_store("postgresql", 15) as store:
        turns = itertools.count(1)
        jobs = open_jobs(store, store.uri, turns)
        timed = interleaved({name: getattr(jobs, name) for name in NAMES}, given.rounds)
        counted = _count(store, turns)
    print(f"{'way':22}{'median ms':>10}{'x floor':>9}{'tracking':>10}{'artifact':>10}{'other':>7}{'kB':>8}")
    for name in NAMES:
        tracking, artifact, other, size = counted[name]
        seconds = timed[name].median
        row = f"{name:22}{seconds * 1000:10.0f}{seconds / timed['floor'].median:9.1f}"
        print(f"{row}{tracking:10}{artifact:10}{other:7}{size / 1000:8.1f}")


def _count(store: Store, turns: itertools.count[int]) -> dict[str, tuple[int, int, int, int]]:
    """Tracking, artifact and other requests, and bytes, of each way, counted by a proxy before the server."""
    sys.path.insert(0, str(SHIPPED / "tests"))
    from servers.proxy import CountingProxy

    found = {}
    with CountingProxy(store.uri).running() as proxy:
        jobs = open_jobs(store, proxy.url, turns)
        for name in NAMES:
            job: Callable[[], object] = getattr(jobs, name)
            proxy.reset()
            job()
            seen = proxy.exchanges
            size = sum(item.sent + item.received for item in seen)
            tracking = sum("/api/2.0/mlflow/" in item.path for item in seen)
            artifact = sum(item.is_artifact for item in seen)
            found[name] = (tracking, artifact, len(seen) - tracking - artifact, size)
    return found


if __name__ == "__main__":
    main()
