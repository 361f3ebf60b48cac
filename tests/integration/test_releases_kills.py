"""The process that moves a release is killed at every step: nothing is lost, nothing half done, all can be mended."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from releases_bench import INTERFACE, MANAGER, ReleasesBench, reconnected, releases_on
from releases_crew import Crew, Job, Outcome, running_crew
from servers.proxy import CountingProxy, Dropped, Meddler, is_artifact
from servers.tracking import TrackingServerProcess

from flywheel_mlflow.base.errors import Refused
from flywheel_mlflow.operations.projects.resolving import Resolved, resolve_interface

#: What changes nothing: requests that ask.
_ASKING = ("search", "/get", "/about")


class Killer(Meddler):
    """Ends a process at its n-th request besides artifacts, before the server hears of it or before the answer."""

    def __init__(self) -> None:
        self.pid = 0
        self.at = 0
        self.late = False
        self.seen: list[str] = []

    def aim(self, pid: int, at: int, *, late: bool) -> None:
        """Which process, at which request, counted from 1; ``late`` lets the server do it first."""
        self.pid, self.at, self.late, self.seen = pid, at, late, []

    def before(self, method: str, path: str) -> None:
        """Ends it before the server hears of it."""
        if is_artifact(path):
            return
        self.seen.append(f"{method} {path}")
        if len(self.seen) == self.at and not self.late:
            self._kill()

    def after(self, method: str, path: str) -> None:
        """Ends it when the server has done it."""
        if len(self.seen) == self.at and self.late and self.seen[-1] == f"{method} {path}":
            self._kill()

    def _kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        raise Dropped

    @property
    def last_writes(self) -> bool:
        """Whether the request at which it ended the process asked the server to change something."""
        return not any(word in self.seen[-1] for word in _ASKING)


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Processes to be killed."""
    with running_crew(tmp_path_factory.mktemp("crew")) as found:
        yield found


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, sqlite_server: TrackingServerProcess) -> ReleasesBench:
    """Two releases that both were in production and may go there again."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", sqlite_server.uri)
    for iteration in (1, 2):
        found.release(folder, iteration)
        found.through(iteration, "staging")
        found.override(iteration, "production")
        found.act(MANAGER, "promote", version=iteration, to="production")
    return found


@contextmanager
def _killing(found: ReleasesBench) -> Iterator[tuple[Killer, ReleasesBench]]:
    killer = Killer()
    with CountingProxy(found.bench.uri, killer).running() as proxy:
        yield killer, reconnected(found, proxy.url)


def _other(found: ReleasesBench) -> int:
    return 3 - found.snapshot().aliases["production"]


def _job(found: ReleasesBench, uri: str, act: str) -> Job:
    target = _other(found)
    if act == "promote":
        found.override(target, "production")  # it permits one promotion
    arguments = {
        "promote": {"version": target, "to": "production"},
        "rollback": {"to": target, "reason": "the process dies"},
    }[act]
    return Job(found.bench.flywheel.root, uri, MANAGER, act, arguments)


def _exact(found: ReleasesBench) -> list[Resolved]:
    return [resolve_interface(found.bench.tracking, INTERFACE, str(version)) for version in (1, 2)]


def _mended(found: ReleasesBench, outcome: Outcome) -> None:
    """What holds after each death, and after what `reconcile` does about it."""
    assert outcome.killed, outcome.told
    before = found.snapshot()
    open_move = before.state.open_move
    assert before.ledger.faults == ()
    assert resolve_interface(found.bench.tracking, INTERFACE) in _exact(found)
    findings = found.findings()
    assert set(findings) == ({"open-move"} if open_move else set())
    if open_move:
        with pytest.raises(Refused, match="one move at a time"):
            found.act(MANAGER, "promote", version=3 - (before.state.current["production"] or 0), to="production")
        with pytest.raises(Refused, match="may still be going on"):
            found.act(MANAGER, "reconcile")
    mended = found.act(MANAGER, "reconcile", force=True)["mended"]
    assert bool(mended) == bool(open_move)
    after = found.snapshot()
    assert after.ledger.events[: len(before.ledger.events)] == before.ledger.events
    assert after.aliases == before.aliases == after.state.current
    assert found.findings() == {}
    assert resolve_interface(found.bench.tracking, INTERFACE).release == after.aliases["production"]


@pytest.mark.slow
@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_killed(standing: ReleasesBench, crew: Crew, act: str) -> None:
    """Killed at any request, before the server heard of it or before the answer, a move leaves the old release or the
    new one, the audit names what is open, and `reconcile` ends it one way or the other.
    """
    deaths, outcome = 0, None
    with _killing(standing) as (killer, behind):
        for at in range(1, 40):
            for late in (False, True):
                if late and not killer.last_writes:
                    continue  # a request that only asks leaves the same world whether it was asked or not
                (pid,) = crew.start([_job(standing, behind.bench.uri, act)])
                killer.aim(pid, at, late=late)
                (outcome,) = crew.go()
                if len(killer.seen) < at:
                    break
                deaths += 1
                _mended(standing, outcome)
            if len(killer.seen) < at:
                break
    assert outcome is not None
    assert outcome.answer is not None, outcome.told
    assert (len(killer.seen), deaths) == ({"promote": 11, "rollback": 12}[act], {"promote": 16, "rollback": 17}[act])


def test_both_ends_of_a_kill(standing: ReleasesBench, crew: Crew) -> None:
    """A move that died before its alias moved is undone, one that died after it is finished: `reconcile` says which."""
    told = []
    with _killing(standing) as (killer, behind):
        for late in (False, True):
            (pid,) = crew.start([_job(standing, behind.bench.uri, "promote")])
            # The request that moves the alias.
            killer.aim(pid, 7, late=late)
            crew.go()
            assert killer.seen[-1].endswith("/registered-models/alias")
            told += standing.act(MANAGER, "reconcile", force=True, dry_run=True)["mended"]
            assert told[-1:] == standing.act(MANAGER, "reconcile", force=True)["mended"]
    assert ["had not moved yet" in told[0], "had moved already" in told[1]] == [True, True]
