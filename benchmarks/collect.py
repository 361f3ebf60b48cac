"""Benchmarks collecting and assembling against one raw search and against one query per project.

    python -m benchmarks.collect --store sqlite --projects 15 100 --runs 1000 10000 100000

Fills a store as load_store.py describes, and measures it at each size in turn. Prints one JSON object a line.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.flywheels import SHIPPED
from benchmarks.load_store import History, Store, grow, log_first_iteration
from benchmarks.stores import KINDS, open_store
from benchmarks.timing import Timed, interleaved, processes
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration, gather, settle
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.tracking import Collector, tags

if TYPE_CHECKING:
    from mlflow import MlflowClient

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
#: Enough for every run of an iteration in one page; MLflow allows 50,000.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Jobs:
    """The ways to get an iteration's runs from one store, through one client."""

    store: Store
    client: MlflowClient
    uri: str
    experiments: dict[str, str]
    iteration: int

    @classmethod
    def open(cls, store: Store, iteration: int, uri: str | None = None) -> Jobs:
        """Over ``uri``, which may be another way to the same store."""
        from mlflow import MlflowClient

        address = uri or store.uri
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        found = client.search_experiments(filter_string=f"tags.`{tags.NAME}` = '{store.flywheel.name}'")
        experiments = {item.tags[tags.PROJECT]: item.experiment_id for item in found if tags.PROJECT in item.tags}
        return cls(store, client, address, experiments, iteration)

    def search(self) -> int:
        """The raw search: what any collector must ask at least. The experiments are known beforehand."""
        runs = self.client.search_runs(
            list(self.experiments.values()),
            filter_string=f"tags.`{tags.ITERATION}` = '{self.iteration}'",
            max_results=PAGE,
            order_by=["attributes.start_time DESC"],
        )
        return len(runs)

    def search_paused(self) -> int:
        """The same with Python's cycle collector paused, as the product's collector has it."""
        gc.disable()
        try:
            return self.search()
        finally:
            gc.enable()

    def post(self) -> int:
        """The same request without MLflow's client: the bytes, parsed as JSON and nothing more."""
        body = {
            "experiment_ids": list(self.experiments.values()),
            "filter": f"tags.`{tags.ITERATION}` = '{self.iteration}'",
            "max_results": PAGE,
            "order_by": ["attributes.start_time DESC"],
        }
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.uri}/api/2.0/mlflow/runs/search", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own server
            return len(json.loads(answer.read())["runs"])

    def per_project(self) -> int:
        """One query for each project in its own experiment, as a script without an index would ask."""
        found = 0
        for project, experiment in self.experiments.items():
            found += len(
                self.client.search_runs(
                    [experiment],
                    filter_string=(
                        f"tags.`{tags.PROJECT}` = '{project}' and tags.`{tags.ITERATION}` = '{self.iteration}' "
                        f"and tags.`{tags.VALID}` = 'true'"
                    ),
                    max_results=1,
                    order_by=["attributes.start_time DESC"],
                )
            )
        return found

    def collect(self) -> int:
        """The product's collector, as fresh as a new process has it."""
        return self._collected(self.iteration)

    def collect_carrying(self) -> int:
        """The next iteration, in which some projects have no run and are carried forward."""
        return self._collected(self.iteration + 1)

    def _collected(self, iteration: int) -> int:
        collector = Collector(self.client, uri=self.uri, flywheel=self.store.flywheel.name)
        return len(collector.collect(self.store.upstream, iteration).evidence)

    def gather(self) -> object:
        """What an assembly reads: two iterations, the assembly before, the sketches."""
        return gather(self.store.flywheel, self.store.connect(self.uri), self.iteration)

    def assemble(self) -> object:
        """An assembly with its own checks, not written."""
        return settle(self.store.flywheel, self.gather(), read_sources(self.store.flywheel))  # type: ignore[arg-type]

    def assemble_and_write(self) -> object:
        """An assembly, written as a parent run with a child for each stage."""
        return assemble_iteration(
            self.store.flywheel,
            self.store.connect(self.uri),
            self.iteration,
            sources=read_sources(self.store.flywheel),
            force=True,
        )


def measure(store: Store, history: History, rounds: int, *, assemble_rounds: int, whole: bool) -> dict[str, Any]:
    """Every figure of one store at one size."""
    jobs = Jobs.open(store, history.complete)
    expected = len(store.upstream)
    assert jobs.collect() == jobs.per_project() == jobs.collect_carrying() == expected
    assert jobs.search() == history.runs_per_iteration
    names = ("search", "search_paused", "collect", "collect_carrying", "per_project")
    timed = interleaved({name: getattr(jobs, name) for name in _with_post(store, names)}, rounds)
    slow = ("gather", "assemble", "assemble_and_write") if assemble_rounds else ()
    timed |= interleaved({name: getattr(jobs, name) for name in slow}, assemble_rounds)
    timed |= _whole(store, history, rounds) if whole else {}
    return {
        "seconds": {name: round(found.median, 4) for name, found in timed.items()},
        "rounds": {name: len(found.seconds) for name, found in timed.items()},
        "memory_rise_mb": {name: _rise(store, history, name) for name in ("search", "collect", *slow[1:2])},
        "process_peak_mb": {name: round(found.peak / 1e6) for name, found in timed.items() if found.peak},
        "traffic": _traffic(store, history, slow[::2]) if _has_server(store) else {},
    }


def _whole(store: Store, history: History, rounds: int) -> dict[str, Timed]:
    """``flywheel collect`` from the start of its process to the end."""
    command = [str(Path(sys.executable).parent / "flywheel"), "--root", str(store.flywheel.root)]
    command += ["--tracking-uri", store.uri, "collect", "--iteration", str(history.complete), "--json"]
    return processes({"flywheel collect": command}, rounds, folder=store.folder, environment=QUIET)


def _has_server(store: Store) -> bool:
    return store.uri.startswith("http")


def _with_post(store: Store, names: tuple[str, ...]) -> tuple[str, ...]:
    return ("post", *names) if _has_server(store) else names


def _traffic(store: Store, history: History, slow: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Requests and bytes of each job, counted by a proxy before the server."""
    sys.path.insert(0, str(SHIPPED / "tests"))
    from servers.proxy import CountingProxy

    found = {}
    with CountingProxy(store.uri).running() as proxy:
        jobs = Jobs.open(store, history.complete, proxy.url)
        for name in ("search", "collect", "collect_carrying", "per_project", *slow):
            job: Callable[[], object] = getattr(jobs, name)
            proxy.reset()
            job()
            seen = proxy.exchanges
            found[name] = {
                "requests": len(seen),
                "artifact_requests": sum(item.is_artifact for item in seen),
                "bytes": sum(item.sent + item.received for item in seen),
            }
    return found


def _rise(store: Store, history: History, name: str) -> float:
    """How far one job raises the memory of a fresh process, in MB; the imports are no part of it."""
    command = [sys.executable, "-m", "benchmarks.collect", "--probe", name, "--root", str(store.flywheel.root)]
    command += ["--uri", store.uri, "--iteration", str(history.complete)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, cwd=SHIPPED)
    return round(float(answer.stdout.splitlines()[-1]), 1)


def _probe(name: str, root: Path, uri: str, iteration: int) -> None:
    store = Store(uri, "", root, load_flywheel(root))
    jobs = Jobs.open(store, iteration)
    # One small search, so that what MLflow imports and prepares on first use is no part of the rise either.
    jobs.client.search_runs(list(jobs.experiments.values())[:1], max_results=1)
    # Forget the peak of the imports (Linux, proc(5)): it is higher than anything that follows.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _peak_mb()
    getattr(jobs, name)()
    print(_peak_mb() - before)


def _peak_mb() -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024 / 1e6


def main() -> None:
    """Fills and measures every store that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=KINDS, nargs="+", default=KINDS)
    parser.add_argument("--projects", type=int, nargs="+", default=[15, 100])
    parser.add_argument("--runs", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assemble-rounds", type=int, default=5, help="0 leaves assembling out: it takes the longest")
    parser.add_argument("--whole", action="store_true", help="time `flywheel collect` as a whole process too")
    for hidden in ("--probe", "--root", "--uri", "--iteration"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.probe:
        _probe(given.probe, Path(given.root), given.uri, int(given.iteration))
        return
    for kind in given.store:
        for projects in given.projects:
            with open_store(kind, projects) as store:
                history = log_first_iteration(store)
                for runs in sorted(given.runs):
                    start = time.perf_counter()
                    history = grow(store, history, runs)
                    row = {"store": kind, "projects": projects, "runs": history.runs, "iterations": history.iterations}
                    loaded = {"runs_per_iteration": history.runs_per_iteration}
                    loaded["load_s"] = round(time.perf_counter() - start)
                    figures = measure(
                        store, history, given.rounds, assemble_rounds=given.assemble_rounds, whole=given.whole
                    )
                    print(json.dumps(row | loaded | figures), flush=True)


if __name__ == "__main__":
    main()
