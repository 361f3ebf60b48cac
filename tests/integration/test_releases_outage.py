"""The server dies in the middle of a promotion: it comes back and nothing is written twice, or it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from releases_bench import MANAGER, ReleasesBench, reconnected, releases_on
from servers.mortal import MortalServer, mortal_server
from servers.proxy import CountingProxy, Dropped, Meddler

from flywheel_mlflow.base.errors import ServerUnreachable
from flywheel_mlflow.operations import deciding
from flywheel_mlflow.operations.releases.moving import promote

PARAM, ALIAS, STAGE = "/runs/log-parameter", "/registered-models/alias", "/model-versions/transition-stage"


class Fate(Meddler):
    """Lets something happen once, at the n-th request to a path: before the server hears of it, or before its answer
    leaves; the client hears nothing either way.
    """

    def __init__(self, path: str, *, nth: int, late: bool, event: Callable[[], None]) -> None:
        self._path = path
        self._left = nth
        self._late = late
        self._event = event
        self.struck = False

    def before(self, method: str, path: str) -> None:  # noqa: ARG002 - as Meddler has it
        """It happens before the server hears of it."""
        if path.endswith(self._path):
            self._left -= 1
            if not self._late:
                self._strike()

    def after(self, method: str, path: str) -> None:  # noqa: ARG002 - as Meddler has it
        """It happens when the server has done it."""
        if path.endswith(self._path) and self._late:
            self._strike()

    def _strike(self) -> None:
        if self._left == 0 and not self.struck:
            self.struck = True
            self._event()
            raise Dropped


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalServer]:
    """A server for this file alone: the others' must stay up."""
    with mortal_server(tmp_path_factory.mktemp("mortal")) as found:
        yield found


@pytest.fixture(scope="module")
def standing(server: MortalServer, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """Two releases that were in staging and may go back there."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", server.uri)
    found.log(folder, 1)
    found.assemble(1)
    for version in found.alike(1, 2):
        found.override(version, "staging")
        found.act(MANAGER, "promote", version=version, to="staging")
    return found


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client tries once more by itself, at once; the pauses between our own tries are the tests'."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")


@contextmanager
def _fated(found: ReleasesBench, fate: Fate) -> Iterator[ReleasesBench]:
    with CountingProxy(found.bench.uri, fate).running() as proxy:
        yield reconnected(found, proxy.url)


def _other(found: ReleasesBench) -> int:
    """The release that is not in staging, and may go there once more."""
    other = 3 - found.snapshot().aliases["staging"]
    found.override(other, "staging")
    return other


def _kinds(found: ReleasesBench) -> list[str]:
    return [event.kind for event in found.snapshot().ledger.events]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "nth", "late"),
    [(PARAM, 1, True), (ALIAS, 1, False), (PARAM, 2, True)],
    ids=["the start is written, its answer lost", "before the alias moves", "the end is written, its answer lost"],
)
def test_comes_back(standing: ReleasesBench, server: MortalServer, path: str, nth: int, late: bool) -> None:
    """A promotion outlives a restart of the server, and writes its start and its end once."""
    target, before = _other(standing), _kinds(standing)
    pauses: list[float] = []

    def restart(seconds: float) -> None:
        pauses.append(seconds)
        server.start()

    fate = Fate(path, nth=nth, late=late, event=server.kill)
    with _fated(standing, fate) as behind:
        moved = promote(replace(behind.session(), sleep=restart), target, "staging")
    assert fate.struck
    assert pauses == list(deciding.PAUSES_S[: len(pauses)])
    assert moved.version == target == standing.snapshot().aliases["staging"]
    assert _kinds(standing) == [*before, "promotion_started", "promoted"]
    assert standing.findings() == {}


@pytest.mark.parametrize(("path", "nth"), [(PARAM, 1), (ALIAS, 1), (STAGE, 1), (PARAM, 2)])
def test_lost_answers(standing: ReleasesBench, path: str, nth: int) -> None:
    """A request whose answer is lost is sent again and done once."""
    target, before = _other(standing), _kinds(standing)
    fate = Fate(path, nth=nth, late=True, event=lambda: None)
    with _fated(standing, fate) as behind:
        behind.act(MANAGER, "promote", version=target, to="staging")
    assert fate.struck
    assert _kinds(standing) == [*before, "promotion_started", "promoted"]
    assert standing.findings() == {}


@pytest.mark.slow
def test_stays_away(standing: ReleasesBench, server: MortalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server staying away an act gives up after the pauses it has, exit code 4; what it left is mended."""
    server.start()
    pauses: list[float] = []
    fate = Fate(ALIAS, nth=1, late=False, event=server.kill)
    with _fated(standing, fate) as behind, pytest.raises(ServerUnreachable) as raised:
        promote(replace(behind.session(), sleep=pauses.append), _other(standing), "staging")
    assert raised.value.exit_code == 4
    assert "the move is open (event" in (raised.value.hint or "")
    assert "`flywheel reconcile`" in (raised.value.hint or "")
    assert pauses == list(deciding.PAUSES_S)

    monkeypatch.setattr(deciding, "PAUSES_S", (0.01, 0.01))
    ended = standing.command("promote", "1", "--to", "staging")
    assert (ended.code, "no MLflow server answers" in ended.err) == (4, True)
    server.start()
    assert set(standing.findings()) == {"open-move"}
    ended = standing.command("promote", str(_other(standing)), "--to", "staging")
    assert (ended.code, "one move at a time" in ended.err) == (1, True)
    standing.act(MANAGER, "reconcile", force=True)
    assert standing.findings() == {}
