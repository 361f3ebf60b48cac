"""Times the pages of the console, as a browser asks a real server for them, on a store with a long history.

    python -m benchmarks.console [--store sqlite postgresql] [--runs 10000] [--rounds 50] [--page /projects/p05 ...]

The store: one iteration of the fifteen shipped projects, logged and assembled by the product, multiplied in SQL; the
newest three iterations assembled one by one and compared, three releases, a ledger of some 700 events, and 2,000
feedback events with their themes. The server is ``mlflow server --app-name flywheel`` with one worker. Every page is
asked once cold, then in turn with the others. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from benchmarks.flywheels import SHIPPED, write_flywheel
from benchmarks.kept import keep_result
from benchmarks.load_store import DAY_MS, History, Store, grow, log_first_iteration, write_interface_data

# The tests know how to start real servers, and how to write a ledger.
sys.path.insert(0, str(SHIPPED / "tests"))

from releases_bench import MANAGER, REVIEWER, ReleasesBench
from servers.postgresql import find_pg_ctl, running_postgresql
from servers.tracking import TrackingServerProcess, running_tracking_server
from workbench import bench_on

from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
from flywheel_mlflow.operations.assembly.checking import read_sources
from flywheel_mlflow.operations.assembly.drifting import drift_after_assembly
from flywheel_mlflow.operations.feedback.feedback import ingest_files
from flywheel_mlflow.operations.feedback.theming import find_themes
from flywheel_mlflow.operations.reading.kinds import PAGES
from flywheel_mlflow.tracking import tags

KINDS = ("sqlite", "postgresql")
PROJECTS = 15
#: Iterations that are assembled one by one; older ones are copies of the first assembly.
NEWEST = 3
GATES, RISKS, EVENTS = 600, 30, 2_000
#: As docs/server.md starts a server on PostgreSQL, where a new connection costs as much as what a page asks on it.
POOLED = {
    "MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "QueuePool",
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "5",
    "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "-1",
}
#: What MLflow's own pages ask for: a table of 100 runs, its experiments, and its cheapest answer. The first is what
#: pages are held against on a machine that others use too.
RUNS_SEARCH = "/ajax-api/2.0/mlflow/runs/search"
YARDSTICKS = (RUNS_SEARCH, "/ajax-api/2.0/mlflow/experiments/search?max_results=100", "/health")
#: Runs of one project in that table, with their params, tags and metrics.
SEARCHED = 100
#: Not pages, and asked for more often than any: by monitors, and by every page that is open.
BESIDE = ("/metrics", "/state")
#: What each page is asked for; ``{newest}`` is the newest iteration, ``{before}`` the one before,
#: ``{risk}`` a risk of the ledger.
SAMPLES = {
    "/": ("/",),
    "/iterations": ("/iterations",),
    "/iterations/{iteration}": ("/iterations/{newest}", "/iterations/100"),
    "/compare": ("/compare", "/compare?first=100&second={newest}", "/compare?first=r2&second=r3"),
    "/projects": ("/projects",),
    "/projects/{project}": ("/projects/p05",),
    "/numbers/{name:path}": (
        "/numbers/p05.hidden_hit_rate",
        "/numbers/p05.hidden_hit_rate?first={before}&second={newest}",
    ),
    "/interfaces": ("/interfaces",),
    "/interfaces/{interface:path}": ("/interfaces/foundation_corpus",),
    "/drift": ("/drift",),
    "/feedback": ("/feedback",),
    "/feedback/priorities": ("/feedback/priorities",),
    "/risks": ("/risks",),
    "/risks/{risk}": ("/risks/{risk}",),
    "/releases": ("/releases",),
    "/releases/{version}": ("/releases/3",),
    "/release-diff": ("/release-diff?first=1&second=3",),
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A store that is ready: how many runs it holds, its newest iteration, a risk of its ledger, p05's experiment."""

    runs: int
    newest: int
    risk: str
    experiment: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One page in milliseconds: the first answer of a fresh server, the median and the 95th percentile after that.

    ``cpu`` is what the server's processes spent on one, which neighbours on the machine do not change.
    """

    address: str
    cold: float
    p50: float
    p95: float
    cpu: float
    size: int
    status: int


@contextmanager
def backend(kind: str, folder: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty store."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'mlflow.db'}"
        return
    pg_ctl = find_pg_ctl()
    if pg_ctl is None:
        raise SystemExit("no PostgreSQL server binaries (pg_ctl) on this machine")
    with running_postgresql(pg_ctl) as cluster:
        yield cluster.create_database("mlflow")


def prepare(folder: Path, database: str, runs: int) -> Prepared:
    """Fill the store through a server without the plugin, which would guard the ledger."""
    root = folder / "flywheel"
    root.mkdir()
    flywheel = write_flywheel(root, PROJECTS)
    with running_tracking_server(folder, backend=database) as server:
        store = Store(server.uri, database, folder, flywheel)
        _tell("logging the first iteration")
        history = log_first_iteration(store)
        found = ReleasesBench(bench_on(flywheel, server.uri))
        _log_profiles(found, store)
        _assemble(found, 1)
        _tell(f"multiplying it to {runs:,} runs")
        # Who is suspected depends on one iteration more than is compared.
        history = grow(store, History(history.runs + 1, 1, history.runs_per_iteration + 1), runs, read=NEWEST + 1)
        _age(database, history)
        for turn in range(history.iterations - NEWEST + 1, history.iterations + 1):
            _tell(f"assembling iteration {turn}")
            _assemble(found, turn)
        _tell("making releases, verdicts, risks")
        risk = _decide(found, history.iterations)
        _tell("taking feedback in")
        _feedback(found, history.iterations, folder)
        _tell("asking for pages")
        experiment = found.bench.tracking.collector.experiments()["p05"]
    return Prepared(history.runs, history.iterations, risk, experiment)


def _tell(step: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {step}", file=sys.stderr, flush=True)


def _log_profiles(found: ReleasesBench, store: Store) -> None:
    """Put the profiles, which the load store leaves out, beside the data; all copies of a run share them."""
    from flywheel_mlflow import records

    for project, evidence in found.bench.collect(1).evidence.items():
        measured = {
            promise.name: records.measure(write_interface_data(promise, store.folder / "data"), promise)
            for promise in store.flywheel.contracts[project].interfaces_out
        }
        files = {
            f"flywheel/profiles/{name}.json": item.profile.to_json() for name, item in measured.items() if item.profile
        }
        if files and evidence.run_id:
            with tempfile.TemporaryDirectory() as place:
                found.bench.tracking.artifacts.put(evidence.run_id, files, Path(place))


def _assemble(found: ReleasesBench, turn: int) -> None:
    flywheel, tracking = found.bench.flywheel, found.bench.tracking
    assembled = assemble_iteration(flywheel, tracking, turn, sources=read_sources(flywheel))
    drift_after_assembly(flywheel, tracking, turn, assembled.run_id)


def _age(database: str, history: History) -> None:
    """Let all copies lie in the past, a day apart, and take away those of the newest assemblies."""
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        shift = {"shift": (history.iterations + 1) * DAY_MS}
        connection.execute(
            sa.text("UPDATE runs SET start_time = start_time - :shift, end_time = end_time - :shift"), shift
        )
        connection.execute(
            sa.text(
                """UPDATE runs SET lifecycle_stage = 'deleted', deleted_time = end_time WHERE run_uuid IN (
                SELECT k.run_uuid FROM tags AS k JOIN tags AS i ON i.run_uuid = k.run_uuid WHERE k.key = :kind
                AND k.value = :assembly AND i.key = :iteration AND CAST(i.value AS integer) > :last)"""
            ),
            {
                "kind": tags.KIND,
                "assembly": tags.KIND_ASSEMBLY,
                "iteration": tags.ITERATION,
                "last": history.iterations - NEWEST,
            },
        )
    engine.dispose()


def _decide(found: ReleasesBench, newest: int) -> str:
    """Three releases, the second in production, many verdicts, some risks; the first risk."""
    for turn in (newest - 2, newest - 1, newest):
        found.act(MANAGER, "create", iteration=turn)
    for version in (1, 2):
        # The shipped gates want two people.
        found.act(REVIEWER, "approve", version=version, role="release_reviewer", reason="read")
        found.through(version, "staging", "production")
    found.pass_gates([3] * GATES, "staging")
    due = datetime.now(UTC) + timedelta(days=30)
    for number in range(RISKS):
        given = {"title": f"Risk {number}", "owner": MANAGER, "due": due, "likelihood": 3, "impact": 3}
        found.act(MANAGER, "risk-open", **given, projects=["p05"])
    return next(iter(found.snapshot().risks))


def _feedback(found: ReleasesBench, newest: int, folder: Path) -> None:
    from benchmarks.feedback import write_events

    path = folder / "events.jsonl"
    write_events(path, EVENTS)
    ingest_files(found.bench.flywheel, found.bench.tracking, [path], newest)
    find_themes(found.bench.flywheel, found.bench.tracking, newest, now=datetime.now(UTC))


def measure(server: TrackingServerProcess, ready: Prepared, rounds: int, only: Sequence[str]) -> list[Asked]:
    """Every page, cold and then in turn; the first two lines are a request of MLflow's own, and its cheapest."""
    pages = [
        f"/flywheel{sample}".replace("{newest}", str(ready.newest))
        .replace("{before}", str(ready.newest - 1))
        .replace("{risk}", ready.risk)
        for kind in PAGES
        for sample in SAMPLES.get(kind.path, ())
    ]
    pages += [f"/flywheel{address}" for address in BESIDE]
    wanted = [*YARDSTICKS, *(address for address in pages if not only or address.removeprefix("/flywheel") in only)]
    search = json.dumps({"experiment_ids": [ready.experiment], "max_results": SEARCHED}).encode()
    sent = {RUNS_SEARCH: search}
    cold = {address: _ask(server.uri, address, sent.get(address)) for address in wanted}
    taken: dict[str, list[float]] = {address: [] for address in wanted}
    spent = dict.fromkeys(wanted, 0.0)
    for number in range(rounds + 1):
        for address in wanted:
            before = _cpu(server.pid)
            seconds, _, _ = _ask(server.uri, address, sent.get(address))
            if number:
                taken[address].append(seconds)
                spent[address] += _cpu(server.pid) - before
    found = []
    for address, (first, size, status) in cold.items():
        times = sorted(taken[address])
        middle, late = statistics.median(times) * 1e3, _p95(times) * 1e3
        found.append(Asked(address, first * 1e3, middle, late, spent[address] / rounds * 1e3, size, status))
    return found


def _cpu(pid: int) -> float:
    """Seconds of CPU of a process and all below it."""
    folder = Path("/proc", str(pid))
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    # The first thread starts the server's processes; others come and go meanwhile.
    below = (folder / "task" / str(pid) / "children").read_text().split()
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu(int(child)) for child in below)


def _p95(times: Sequence[float]) -> float:
    return times[min(len(times) - 1, int(0.95 * len(times)))]


def _ask(uri: str, address: str, sent: bytes | None) -> tuple[float, int, int]:
    asked = urllib.request.Request(f"{uri}{address}", sent, {"Content-Type": "application/json"})  # noqa: S310 - our own server
    start = time.perf_counter()
    try:
        with urllib.request.urlopen(asked) as answer:  # noqa: S310 - likewise
            size, status = len(answer.read()), answer.status
    except urllib.error.HTTPError as error:
        size, status = len(error.read()), error.code
    return time.perf_counter() - start, size, status


def show(kind: str, ready: Prepared, pages: Sequence[Asked]) -> None:
    """The figures as a table of Markdown."""
    print(f"{kind}: {ready.runs:,} runs, {ready.newest:,} iterations")
    print(f"load of the machine now, and over five and fifteen minutes: {os.getloadavg()}")
    print("| page | cold | p50 | p95 | CPU | times a search of 100 runs | kB |")
    print("|---|---|---|---|---|---|---|")
    yardstick = next(page.p50 for page in pages if page.address == RUNS_SEARCH)
    for page in pages:
        failed = "" if page.status == 200 else f" (status {page.status})"
        times = f"{page.cold:.0f} | {page.p50:.0f} | {page.p95:.0f} | {page.cpu:.0f}"
        print(
            f"| `{page.address}`{failed} | {times} | {page.p50 / yardstick:.2f} | {page.size / 1e3:.0f} |", flush=True
        )
    missing = [kind.path for kind in PAGES if kind.path not in SAMPLES]
    if missing:
        print(f"not measured, for want of an address: {json.dumps(missing)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", nargs="+", choices=KINDS, default=["sqlite"])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--page", nargs="+", default=[], help="only these, as the table shows them")
    parser.add_argument("--results", action="store_true", help="keep them as benchmarks/results/console.json")
    parser.add_argument("--keep", action="store_true", help="wait before the store is removed, to look at it")
    given = parser.parse_args()
    stores: dict[str, list[dict[str, object]]] = {}
    measured: dict[str, object] = {"stores": stores}
    for kind in given.store:
        with tempfile.TemporaryDirectory(prefix="flywheel-console-") as name, backend(kind, Path(name)) as database:
            folder = Path(name)
            began = time.monotonic()
            ready = prepare(folder, database, given.runs)
            print(f"prepared in {time.monotonic() - began:.0f} s", file=sys.stderr)
            environ = {"FLYWHEEL_ROOT": str(folder / "flywheel")} | (POOLED if kind == "postgresql" else {})
            with running_tracking_server(folder, backend=database, app_name="flywheel", environ=environ) as server:
                pages = measure(server, ready, given.rounds, given.page)
                show(kind, ready, pages)
                stores[kind] = [
                    {
                        "page": page.address.removeprefix("/flywheel"),
                        "cpu_ms": page.cpu,
                        "p50_ms": page.p50,
                        "p95_ms": page.p95,
                    }
                    for page in pages
                    if page.address not in YARDSTICKS
                ]
                measured |= {"runs": ready.runs, "iterations": ready.newest, "rounds": given.rounds}
                if given.keep:
                    _tell(f"{server.uri}/flywheel/ of {folder}; end it to remove it")
                    signal.pause()
    if given.results:
        print(f"kept as {keep_result('console', measured)}; now `python tests/docs_benchmarks.py`")


if __name__ == "__main__":
    main()
