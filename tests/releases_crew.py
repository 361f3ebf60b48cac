"""Processes that act on releases at once, forked from one that has imported everything: imports cost seconds each.

Run as a program it is that one process: it reads jobs, forks a child for each, and tells how they ended.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

from workbench import python_process

#: What a child reports when a signal ended it.
KILLED = "killed"
#: Instead of an act: a whole iteration. Each step is told to the server first, so that whoever sits before it knows.
RUN = "run"
#: The address below the server's at which a step is told.
STEP = "/step/"


@dataclass(frozen=True, slots=True)
class Job:
    """One act of one process; ``patches`` sets constants such as ``flywheel_mlflow.tracking.ledger.SEGMENT_EVENTS``."""

    root: Path
    uri: str
    who: str
    act: str
    arguments: Mapping[str, Any]
    patches: Mapping[str, Any] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The job as it travels."""
        return {
            "root": str(self.root),
            "uri": self.uri,
            "who": self.who,
            "act": self.act,
            "arguments": dict(self.arguments),
            "patches": dict(self.patches),
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a process ended: the act's answer, or the error's class, message and rule, or by a signal."""

    answer: Mapping[str, Any] | None
    error: str
    told: str
    rule: str

    @property
    def killed(self) -> bool:
        """Whether a signal ended it."""
        return self.error == KILLED


class Crew:
    """The process that forks the others."""

    def __init__(self, process: Popen[str]) -> None:
        self._process = process

    def start(self, jobs: Sequence[Job]) -> tuple[int, ...]:
        """Fork a process for each job, which waits; their ids."""
        self._write([job.document() for job in jobs])
        return tuple(self._read())

    def go(self) -> tuple[Outcome, ...]:
        """Let all of them act at once; how each ended, in the order of their jobs."""
        self._write("go")
        return tuple(Outcome(**item) for item in self._read())

    def do(self, jobs: Sequence[Job]) -> tuple[Outcome, ...]:
        """All jobs at once."""
        self.start(jobs)
        return self.go()

    def _write(self, document: object) -> None:
        print(json.dumps(document), file=_open(self._process.stdin), flush=True)

    def _read(self) -> Any:
        line = _open(self._process.stdout).readline()
        assert line, _open(self._process.stderr).read()[-4000:]
        return json.loads(line)


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@contextmanager
def running_crew(
    folder: Path, environment: Mapping[str, str] | None = None, *, preloaded: Sequence[str] = ()
) -> Iterator[Crew]:
    """A crew that is ready, until the block ends; ``preloaded`` are modules its jobs would each import."""
    code = f"import {', '.join(['releases_crew', *preloaded])}; releases_crew.main()"
    with python_process(code, cwd=folder, env=environment) as process:
        try:
            assert _open(process.stdout).readline() == "ready\n", _open(process.stderr).read()[-4000:]
            yield Crew(process)
        finally:
            _open(process.stdin).close()
            process.wait()


def main() -> None:
    """Read jobs from standard input until it ends."""
    import flywheel_mlflow.operations.acts.acting
    import flywheel_mlflow.tracking  # noqa: F401 - imported once, before any fork

    _warm()
    _say("ready")
    for line in sys.stdin:
        jobs = json.loads(line)
        # Children wait for the end of this pipe, so that all begin at the same moment.
        gate, release = os.pipe()
        children = [_fork(job, gate, release) for job in jobs]
        os.close(gate)
        _say(json.dumps([pid for pid, _ in children]))
        sys.stdin.readline()
        os.close(release)
        _say(json.dumps([_ended(pid, answer) for pid, answer in children]))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _warm() -> None:
    """Import what a first request imports."""
    import mlflow.store.artifact.mlflow_artifacts_repo
    import mlflow.store.tracking.rest_store
    import mlflow.tracking.client  # noqa: F401

    from flywheel_mlflow import records  # noqa: F401


def _fork(job: Mapping[str, Any], gate: int, release: int) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    os.close(release)
    os.read(gate, 1)
    text = json.dumps(_act(job), default=str)
    with os.fdopen(writer, "w") as out:
        out.write(text)
    os._exit(0)


def _act(job: Mapping[str, Any]) -> dict[str, Any]:
    from releases_bench import ReleasesBench
    from workbench import bench_on

    from flywheel_mlflow.base.errors import FlywheelError, Refused
    from flywheel_mlflow.evidence.flywheel import load_flywheel

    told: dict[str, Any] = {"answer": None, "error": "", "told": "", "rule": ""}
    try:
        for place, value in job["patches"].items():
            module, _, name = place.rpartition(".")
            assert hasattr(sys.modules[module], name), place
            setattr(sys.modules[module], name, value)
        found = ReleasesBench(bench_on(load_flywheel(Path(job["root"])), job["uri"]))
        if job["act"] == RUN:
            return told | {"answer": _run_iteration(found, job["uri"], job["arguments"]["iteration"])}
        return told | {"answer": found.act(job["who"], job["act"], **job["arguments"])}
    except FlywheelError as error:
        rule = error.rule if isinstance(error, Refused) else ""
        return told | {"error": type(error).__name__, "told": error.diagnostics(), "rule": rule}
    except Exception as error:  # noqa: BLE001 - a defect is told to the test, which fails on it
        return told | {"error": type(error).__name__, "told": repr(error)}


def _run_iteration(found: Any, uri: str, iteration: int) -> dict[str, Any]:
    import requests

    from flywheel_mlflow.decisions.ledger import Identity
    from flywheel_mlflow.operations.deciding import Session
    from flywheel_mlflow.operations.schedule.whole_iteration import run_iteration

    def tell(text: str) -> None:
        requests.get(f"{uri}{STEP}{text}", timeout=60)

    session = Session(found.bench.flywheel, found.bench.tracking, Identity("ana"))
    done = run_iteration(session, iteration, progress=tell)
    return {"steps": {step.name: step.state for step in done.steps}, "finished": str(done.finished)}


def _ended(pid: int, reader: int) -> dict[str, Any]:
    with os.fdopen(reader) as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return {"answer": None, "error": KILLED, "told": f"signal {os.WTERMSIG(status)}", "rule": ""}
    found: dict[str, Any] = json.loads(text)
    return found
