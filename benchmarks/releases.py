"""Counts and times releases: requests of each act, a ledger of thousands of events, and the same acts by ``gto``.

    python -m benchmarks.releases [--versions 10 100 1000] [--events 5000] [--rounds 5]

``gto`` is installed from PyPI into an environment of its own, which is removed at the end; its versions and stages are
annotated tags of a Git repository. Both commands are whole processes, from their start to their end, timed in turn.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from pathlib import Path

from benchmarks.flywheels import SHIPPED
from benchmarks.timing import interleaved

# The tests know how to start real servers, and how to make a flywheel whose gates pass.
sys.path.insert(0, str(SHIPPED / "tests"))

from releases_bench import (
    INTERFACE,
    MANAGER,
    REVIEWER,
    ReleasesBench,
    reconnected,
    releases_on,
    verdict_body,
)
from servers.postgresql import find_pg_ctl, running_postgresql
from servers.proxy import CountingProxy
from servers.tracking import running_tracking_server

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.decisions.ledger import Identity, Ledger, write_event
from flywheel_mlflow.decisions.releases import Basis, Kind
from flywheel_mlflow.operations.bundles import fetch_bundle
from flywheel_mlflow.operations.deciding import SEALED, Session
from flywheel_mlflow.operations.projects.resolving import resolve_interface
from flywheel_mlflow.operations.reading.telling import history
from flywheel_mlflow.tracking.ledger import SEGMENT_EVENTS

FLYWHEEL = Path(sys.executable).parent / "flywheel"
GTO = "gto==1.10.1"
ARTIFACT = "corpus"
#: Params in one request: MLflow takes no more.
BATCH = 100


class BulkLedger:
    """Appends thousands of events as one writer does, a hundred a request instead of one."""

    def __init__(self, found: ReleasesBench) -> None:
        self._found = found
        snapshot = found.snapshot()
        self._place, self._ledger = snapshot.place, snapshot.ledger
        self._segment = found.bench.tracking.ledger.segments[-1]
        self._waiting: dict[str, str] = {}

    def add(self, kind: str, body: Mapping[str, object]) -> int:
        """Append an event; its number."""
        events = len(self._ledger.events)
        if events % SEGMENT_EVENTS == SEGMENT_EVENTS - 1:
            following = self._found.bench.tracking.ledger.next_segment(self._place, events // SEGMENT_EVENTS + 1)
            self._write(SEALED, {"next": following})
            self.flush()
            self._segment = following
        return self._write(kind, body)

    def _write(self, kind: str, body: Mapping[str, object]) -> int:
        who = Identity(MANAGER)
        event = write_event(self._ledger, at=datetime.now(UTC), actor=who, kind=kind, body=body, seal=None)
        self._waiting[f"event.{event.number:06d}"] = event.text
        self._ledger = Ledger((*self._ledger.events, event))
        if len(self._waiting) == BATCH:
            self.flush()
        return event.number

    def flush(self) -> None:
        """Send what waits."""
        from mlflow.entities import Param

        self._found.bench.client.log_batch(self._segment, params=[Param(*item) for item in self._waiting.items()])
        self._waiting.clear()


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """A server on PostgreSQL where the machine has it, else on SQLite."""
    folder.mkdir()
    pg_ctl = find_pg_ctl()
    if pg_ctl is None:
        with running_tracking_server(folder, backend=f"sqlite:///{folder / 'mlflow.db'}") as found:
            yield found.uri
        return
    with (
        running_postgresql(pg_ctl) as cluster,
        running_tracking_server(folder, backend=cluster.create_database("mlflow")) as found,
    ):
        yield found.uri


def count_requests(folder: Path, uri: str) -> None:
    """Print how many requests each act takes, in a process that has just connected."""
    found = releases_on(folder / "counted", uri)
    for iteration in (1, 2):
        found.log(folder / "counted-data", iteration)
        found.assemble(iteration)
    print(f"{'act':28}{'requests':>10}{'besides artifacts':>20}{'s':>8}")
    with CountingProxy(uri).running() as proxy:

        def count(name: str, act: Callable[[ReleasesBench], object]) -> None:
            proxy.reset()
            start = time.perf_counter()
            act(reconnected(found, proxy.url))
            taken = time.perf_counter() - start
            print(f"{name:28}{len(proxy.exchanges):10}{len(proxy.tracking_exchanges):20}{taken:8.2f}")

        for version in (1, 2):
            count("release create", lambda to, at=version: to.act(MANAGER, "create", iteration=at))  # type: ignore[misc]
            approval = {"version": version, "role": "reviewer", "reason": "read"}
            count("approve", lambda to, more=approval: to.act(REVIEWER, "approve", **more))  # type: ignore[misc]
            for stage in ("staging", "production"):
                goal = {"version": version, "to": stage}
                count(f"gate to {stage}", lambda to, more=goal: to.act(MANAGER, "gate", **more))  # type: ignore[misc]
                count(f"promote to {stage}", lambda to, more=goal: to.act(MANAGER, "promote", **more))  # type: ignore[misc]
        count("rollback", lambda to: to.act(MANAGER, "rollback", reason="count"))
        count("resolve", lambda to: resolve_interface(to.bench.tracking, INTERFACE))
        count("release history", lambda to: history(to.session()))
        count("audit", lambda to: to.findings())


def time_history(folder: Path, uri: str, events: int, rounds: int) -> None:
    """Print how long the whole history of a long ledger takes."""
    found = releases_on(folder / "long", uri)
    due = datetime(2027, 1, 1, tzinfo=UTC)
    found.act(MANAGER, "risk-open", title="first", owner=MANAGER, due=due, likelihood=1, impact=1)
    body = dict(found.snapshot().ledger.events[0].body)
    bulk = BulkLedger(found)
    for number in range(events - 2):
        bulk.add("risk_opened", body | {"title": f"risk {number}"})
    bulk.flush()
    count = len(found.snapshot().ledger.events)

    def inside() -> None:
        session: Session = reconnected(found, uri).session()
        assert len(history(session)) == count

    jobs: dict[str, Callable[[], object]] = {
        "history, in Python": inside,
        "flywheel release history": partial(_flywheel, found, "release", "history", "--json"),
        "flywheel --help": partial(_flywheel, found, "--help"),
        "python -c 'from mlflow import MlflowClient'": partial(_run, [sys.executable, "-c", _IMPORT], folder),
    }
    print(f"\na ledger of {count} events")
    for name, timed in interleaved(jobs, rounds).items():
        print(f"{name:46}{timed.median:8.2f} s")


_IMPORT = "from mlflow import MlflowClient"


def compare(folder: Path, uri: str, gto: Path, versions: Sequence[int], rounds: int) -> None:
    """Print how long the same acts take with as many versions and stage assignments here and in a Git repository."""
    print(f"\n{'act':12}{'versions':>10}{'gto s':>10}{'flywheel s':>12}{'gto / flywheel':>16}")
    for count in versions:
        found = stage_many(folder / f"many-{count}", uri, count)
        repository = git_repository(folder / f"git-{count}", count)
        # Back and forth between two versions: each time is a new assignment for both.
        ours, theirs = cycle((count - 1, count)), cycle((1, 2))
        jobs: dict[str, Callable[[], object]] = {
            "gto show": partial(_run, [gto, "show", ARTIFACT], repository),
            "flywheel show": partial(_flywheel, found, "release", "list"),
            "gto history": partial(_run, [gto, "history", ARTIFACT], repository),
            "flywheel history": partial(_flywheel, found, "release", "history"),
            "gto assign": lambda: _run(
                [gto, "assign", ARTIFACT, "--version", f"v{next(theirs)}.0.0", "--stage", "staging", "--force"],  # noqa: B023
                repository,  # noqa: B023
            ),
            "flywheel assign": lambda: _flywheel(found, "promote", str(next(ours)), "--to", "staging"),  # noqa: B023
        }
        timed = interleaved(jobs, rounds)
        for act in ("show", "history", "assign"):
            other, own = timed[f"gto {act}"].median, timed[f"flywheel {act}"].median
            print(f"{act:12}{count:10}{other:10.2f}{own:12.2f}{other / own:16.1f}")


def stage_many(folder: Path, uri: str, count: int) -> ReleasesBench:
    """A flywheel with ``count`` releases, each of which was promoted to staging once."""
    found = releases_on(folder / "flywheel", uri)
    found.log(folder, 1)
    found.assemble(1)
    found.act(MANAGER, "create", iteration=1)
    found.through(1, "staging")
    snapshot = found.snapshot()
    first = snapshot.state.release(1)
    bundle = fetch_bundle(found.bench.tracking, first)
    verdict = verdict_body(found.bench.flywheel.blueprint, snapshot, 1, "staging")
    basis = Basis(**verdict["basis"])  # type: ignore[arg-type]
    start: dict[str, object] = {"to": "staging", "reason": "", "lease_s": 120}
    store, bulk = found.bench.tracking.releases, BulkLedger(found)
    for number in range(2, count + 1):
        copy = replace(bundle, digest=f"{number:064x}")
        store.register(copy, first.run_id, iteration=1, author=MANAGER, description="a copy")
        about: dict[str, object] = {"version": number}
        place = {"iteration": 1, "run_id": first.run_id, "place": first.place}
        bulk.add(Kind.REGISTERED, about | place | {"bundle": copy.digest})
        passed = bulk.add(Kind.GATE, verdict | about | {"basis": plain(replace(basis, bundle=copy.digest))})
        begun = bulk.add(Kind.PROMOTION_STARTED, start | about | {"from": number - 1, "by": passed})
        bulk.add(Kind.PROMOTED, {"move": begun})
    bulk.flush()
    store.point("staging", count)
    return found


def git_repository(folder: Path, count: int) -> Path:
    """A repository with a commit, a version tag and a stage tag for each version, as ``gto`` writes them."""
    folder.mkdir()
    lines = []
    for number in range(1, count + 1):
        when = f"a <a@example.org> {1_700_000_000 + 100 * number} +0000"
        text = str(number)
        lines.append(f"commit refs/heads/main\nmark :{number}\ncommitter {when}\ndata 1\nc")
        lines.append(f"M 100644 inline data\ndata {len(text)}\n{text}")
        names = (f"{ARTIFACT}@v{number}.0.0", f"{ARTIFACT}#staging#{number}")
        lines += [f"tag {name}\nfrom :{number}\ntagger {when}\ndata 1\nt" for name in names]
    for arguments in (["init", "-q", "-b", "main"], ["config", "user.name", "a"], ["config", "user.email", "a@b.org"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, check=True, input="\n".join(lines).encode())
    subprocess.run(["git", "checkout", "-q", "main"], cwd=folder, check=True)
    return folder


def install_gto(folder: Path) -> Path:
    """The ``gto`` command of a new environment."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-qq", GTO], check=True)
    return folder / "bin" / "gto"


def _flywheel(found: ReleasesBench, *arguments: str) -> None:
    command: list[str | Path] = [
        FLYWHEEL,
        "--root",
        found.bench.flywheel.root,
        "--tracking-uri",
        found.bench.uri,
        *arguments,
    ]
    _run(command, found.bench.flywheel.root)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    environment = os.environ | {"MLFLOW_TRACKING_USERNAME": MANAGER, "MLFLOW_DISABLE_TELEMETRY": "true"}
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{command} ended with {ended.returncode}:\n{ended.stdout[-500:]}{ended.stderr[-1500:]}")


def main() -> None:
    """Measures all, prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--versions", type=int, nargs="*", default=[10, 100, 1000])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flywheel-benchmark-") as name, server(Path(name) / "server") as uri:
        folder = Path(name)
        count_requests(folder, uri)
        time_history(folder, uri, given.events, given.rounds)
        if given.versions:
            compare(folder, uri, install_gto(folder / "gto"), given.versions, given.rounds)


if __name__ == "__main__":
    main()
