"""Whole iterations by `flywheel run`: killed at every step and called again, repeated, due or not, and what fails."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from releases_bench import OTHER, ReleasesBench, releases_on
from releases_crew import RUN, STEP, Job, Outcome, running_crew
from schedule_cases import MANAGER, OPS, say, scheduled_flywheel
from servers.embedded import EmbeddedStore
from servers.proxy import CountingProxy, Dropped, Meddler, is_artifact
from servers.receiving import receiving
from servers.tracking import TrackingServerProcess
from workbench import Bench, Commands, bench_on

from flywheel_mlflow import open_flywheel
from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.base.quarters import quarter_of
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.decisions.rollback_conditions import proposals
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.deciding import Session, read_snapshot
from flywheel_mlflow.operations.schedule.standing import read_standing
from flywheel_mlflow.operations.schedule.steps import Step, StepName, StepState
from flywheel_mlflow.operations.schedule.whole_iteration import run_iteration

COMPLAINTS = ("no answer about headcount", "asked about headcount, got no answer", "a wrong answer")
#: What changes nothing: requests that ask.
_ASKING = ("search", "/get", "/about", STEP)
#: What each job of an iteration imports; evidently alone costs seconds.
_PRELOADED = (
    "evidently",
    "scipy.stats",
    "sklearn.cluster",
    "flywheel_mlflow.monitoring.page",
    "flywheel_mlflow.feedback.themes",
    "flywheel_mlflow.operations.schedule.whole_iteration",
)


@dataclass
class StepKiller(Meddler):
    """Ends a process at its n-th request that writes something, counted from the beginning of a step.

    ``late`` lets the server do it first. ``steps`` are those that began.
    """

    pid: int = 0
    step: int = 0
    at: int = 1
    late: bool = False
    steps: list[str] = field(default_factory=list)
    writes: int = 0

    def aim(self, pid: int, step: int, at: int, *, late: bool) -> None:
        """Which process, at which write since which step, both counted from 1."""
        self.pid, self.step, self.at, self.late, self.steps, self.writes = pid, step, at, late, [], 0

    def before(self, method: str, path: str) -> None:
        """Counts, and ends it before the server hears of it."""
        if STEP in path:
            # Several may be told of one step, such as each project that began.
            name = unquote(path).partition(STEP)[2].split(",")[0]
            if name not in self.steps:
                self.steps.append(name)
        elif self._is_aimed_at(method, path):
            self.writes += 1
            if self.writes == self.at and not self.late:
                self._kill()

    def after(self, method: str, path: str) -> None:
        """Ends it when the server has done it."""
        if self._is_aimed_at(method, path) and self.writes == self.at and self.late:
            self._kill()

    def _is_aimed_at(self, method: str, path: str) -> bool:
        asks = is_artifact(path) or any(word in path for word in _ASKING) or method == "GET"
        return len(self.steps) >= self.step and not asks

    def _kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        raise Dropped


def state_of(bench: Bench, iteration: int) -> dict[str, Any]:
    """What an iteration left: the same for two in which the same happened."""
    tracking = bench.tracking
    collected = bench.collect(iteration)
    assemblies = [item for item in tracking.assemblies.listed(most=100) if item.iteration == iteration]
    batches, themes = tracking.feedback.of_iteration(iteration)
    run = bench.run(assemblies[0].run_id)
    return {
        "projects": sorted((name, item.carried_from) for name, item in collected.evidence.items()),
        "assemblies": [(item.sound, bool(item.finished)) for item in assemblies],
        "events": Counter((batch.file.replace(str(iteration), "N"), batch.counts["events"]) for batch in batches),
        "themes": len(themes),
        "compared": sorted(value for key, value in run.data.tags.items() if key.startswith("flywheel.drift.")),
    }


@pytest.mark.slow
def test_killed_at_every_step(tmp_path: Path, sqlite_server: TrackingServerProcess) -> None:
    """Killed at the first or a later write of each step, before or after the server did it, and called again each time,
    an iteration ends as the one before did, which nobody disturbed; people are told of each once.
    """
    root = scheduled_flywheel(tmp_path / "flywheel", notify={"channels": [OPS]})
    bench = bench_on(load_flywheel(root), sqlite_server.uri)
    wheel = Commands(root, sqlite_server.uri)
    with receiving() as receiver:
        environment = {"OPS_URL": receiver.url, "OPS_KEY": "a-key-that-nobody-guesses"}
        with running_crew(tmp_path, environment, preloaded=_PRELOADED) as crew:

            def run(iteration: int, uri: str = bench.uri) -> Job:
                return Job(root, uri, MANAGER, RUN, {"iteration": iteration})

            say(root, 1, *COMPLAINTS)
            (first,) = crew.do([run(1)])
            assert first.answer is not None, first.told
            wheel("risk", "open", "It leaks", "--owner", "ana", "--due", "2100-01-01T00:00:00Z", "--likelihood", "2",
                  "--impact", "2")  # fmt: skip
            say(root, 2, *COMPLAINTS)
            killer, deaths = StepKiller(), list[str]()
            with CountingProxy(bench.uri, killer).running() as proxy:

                def die_in(step: int) -> Outcome:
                    (pid,) = crew.start([run(2, proxy.url)])
                    killer.aim(pid, step, 1 + step % 3, late=bool(step % 2))
                    (found,) = crew.go()
                    return found

                step, outcome = 1, die_in(1)
                while outcome.killed:
                    deaths.append(killer.steps[-1])
                    step += 1
                    outcome = die_in(step)
            assert outcome.answer is not None, outcome.told
            assert outcome.answer["finished"] != "None"
            (again,) = crew.do([run(2)])
            assert again.answer is not None, again.told
    assert len(set(deaths)) >= 5, deaths
    assert state_of(bench, 2) == state_of(bench, 1) | {"compared": ["PASS"]}
    assert not {"done", "failed"} & {again.answer["steps"][name] for name in ("feedback", "projects", "assembly")}
    told = Counter(re.sub("iteration [12]", "iteration N", title) for title in receiver.titles())
    assert set(told.values()) == {2}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The small flywheel, with a file of feedback that is expected by its name."""
    return scheduled_flywheel(tmp_path / "flywheel", schedule={"feedback": [{"files": "feedback/said1.jsonl"}]})


@pytest.fixture
def wheel(root: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Its commands on a store of its own, in the name of who may move releases."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", MANAGER)
    return Commands(root, embedded_store().uri)


def test_what_fails_is_done_when_it_is_mended(wheel: Commands, root: Path) -> None:
    """A pipeline that fails and a file that is missing keep an iteration from being finished, and nothing else; called
    again it does the rest, and then it goes on with the next one. Of variants the one that counts is run.
    """
    wheel("variant", "choose", "p01", "other", "--iteration", "1", "--reason", "it is better")
    pipeline = root / "projects" / "p02" / "pipeline.py"
    text = pipeline.read_text()
    pipeline.write_text(text.replace("def build(work):", "def build(work):\n    raise RuntimeError('no disk')"))
    planned = wheel.json("run", "--dry-run")
    assert planned["planned"] == {"feedback": "said1.jsonl", "projects": "p01, p02"}
    failed = wheel.json("run", code=2)
    states = {step["name"]: step["state"] for step in failed["steps"]}
    assert (failed["iteration"], failed["finished"]) == (1, None)
    assert (states["feedback"], states["projects"], states["assembly"]) == ("failed", "failed", "done")
    told = wheel("run", code=2).out
    assert "no disk" in told
    assert "run it again" in told
    say(root, 1, *COMPLAINTS)
    pipeline.write_text(text)
    done = wheel.json("run")
    states = {step["name"]: step["state"] for step in done["steps"]}
    assert (done["iteration"], done["why"], done["finished"] is None) == (1, "iteration 1 is not finished", False)
    assert (states["feedback"], states["projects"], states["themes"]) == ("done", "done", "done")
    assert "ran p02; 1 had a run" in str(done["steps"])
    assert wheel.json("schedule")["due"]["number"] == 2
    here = open_flywheel(root, tracking_uri=wheel.uri)
    assert set(here.run(1).to_frame()["state"]) <= {"there already", "nothing to do", "done"}
    assert str(here.schedule()).startswith("iteration 2 is due")
    assert [row["step"] for row in here.run(dry_run=True).as_rows()] == ["feedback", "projects"]


def test_a_review_is_written_once_when_its_quarter_is_over(wheel: Commands, root: Path) -> None:
    """With a cadence nothing is done twice in its period. When a quarter with decisions is over, the next iteration
    writes its review; until then the mechanism is late. What nobody holds is late still, and a risk.
    """
    plan = (root / "flywheel.yaml").read_text()
    every = plan.replace("schedule:\n", "schedule:\n  every: quarterly\n  owner: builders\n")
    (root / "flywheel.yaml").write_text(every)
    say(root, 1, *COMPLAINTS)
    first = wheel.json("run")
    assert first["iteration"] == 1
    assert wheel.json("run")["iteration"] is None
    wheel("risk", "open", "It leaks", "--owner", "ana", "--due", "2100-01-01T00:00:00Z", "--likelihood", "2",
          "--impact", "2")  # fmt: skip
    bench = bench_on(load_flywheel(root), wheel.uri)

    def at(moment: datetime) -> Session:
        return Session(bench.flywheel, bench.tracking, Identity(MANAGER), now=lambda: moment)

    later = quarter_of(datetime.now(UTC)).end + timedelta(days=20)
    standing = read_standing(at(later))
    assert {item.id for item in standing.late} == {"risks", "gates"}
    assert standing.due.number == 2
    done = run_iteration(at(later))
    states = {step.name: step for step in done.steps}
    assert (done.iteration, states[StepName.REVIEW].state) == (2, StepState.DONE)
    assert "2 new risks, 3 open" in states[StepName.RISKS].text
    snapshot = read_snapshot(bench.tracking)
    assert snapshot is not None
    assert {risk.cause for risk in snapshot.risks.values()} == {"person", "rhythm", "theme"}
    assert [item.id for item in read_standing(at(later)).late] == ["gates"]
    again = {step.name: step.state for step in run_iteration(at(later), 2).steps}
    assert StepState.DONE not in {again[name] for name in again if name is not StepName.THEMES}
    assert again[StepName.REVIEW] is StepState.THERE


def test_production_is_taken_back_where_the_blueprint_allows_it(
    tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]
) -> None:
    """A condition that holds is proposed as a risk, once; whoever may move releases lets `flywheel run` do it where the
    blueprint says so, nobody else does. What was seen before a move says nothing about what is in production after it.
    """
    condition = {"id": "broke", "title": "Quality broke", "owner": "builders", "when": "p01.quality < 0.5"}
    store = embedded_store()
    found = releases_on(tmp_path / "wheel", store.uri, rollback_when=[condition])
    for iteration in (1, 2):
        found.release(tmp_path, iteration)
        found.through(iteration, "staging", "production")

    def roll_back(iteration: int, who: str = MANAGER) -> Step:
        done = run_iteration(found.session(who), iteration)
        return next(step for step in done.steps if step.name is StepName.ROLLBACK)

    unknown = roll_back(2)
    assert (unknown.state, "unknown: broke: no run since release 2" in unknown.text) == (StepState.NOTHING, True)
    found.log(tmp_path, 3, quality=0.3)
    proposed = roll_back(3)
    assert (proposed.state, proposed.exit_code) == (StepState.WAITS, ExitCode.PASS)
    assert "Quality broke (rollback_when broke): p01.quality is 0.3" in proposed.text
    (risk,) = proposals(found.snapshot().risks.values(), 2)
    assert (risk.severity, risk.owner) == ("high", "builders")
    roll_back(3)
    assert len(proposals(found.snapshot().risks.values(), 2)) == 1

    text = (tmp_path / "wheel" / "flywheel.yaml").read_text()
    (tmp_path / "wheel" / "flywheel.yaml").write_text(text.replace("  when: p01", "  action: rollback\n  when: p01"))
    found = ReleasesBench(bench_on(load_flywheel(tmp_path / "wheel"), store.uri))
    refused = roll_back(3, OTHER)
    assert (refused.state, refused.exit_code) == (StepState.WAITS, ExitCode.BLOCK)
    assert found.snapshot().aliases["production"] == 2
    done = roll_back(3)
    assert (done.state, "from release 2 to 1" in done.text) == (StepState.DONE, True)
    after = found.snapshot()
    assert (after.aliases["production"], proposals(after.risks.values(), 1)) == (1, ())
    assert roll_back(3).state is StepState.NOTHING
    assert found.findings() == {}
