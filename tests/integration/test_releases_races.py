"""Many processes decide at once, on servers with two workers: one wins, the others are told why, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from releases_bench import MANAGER, ReleasesBench, releases_on
from releases_crew import Crew, Job, Outcome, running_crew
from servers.postgresql import PostgresCluster
from servers.tracking import running_tracking_server
from stress import repetitions

from flywheel_mlflow.operations.deciding import LedgerSnapshot
from flywheel_mlflow.tracking import ledger as ledger_store

PROCESSES = 8
ROUNDS = repetitions(3, 20)
#: Small enough to be crossed within a test.
SEGMENT = 10
DUE = (datetime.now(UTC) + timedelta(days=9)).isoformat()


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """Processes that act at once."""
    with running_crew(tmp_path_factory.mktemp("crew")) as found:
        yield found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def two_workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of two processes, on each kind of store."""
    folder = tmp_path_factory.mktemp("two-workers")
    backend = f"sqlite:///{folder / 'mlflow.db'}"
    if request.param == "postgresql":
        cluster = request.getfixturevalue("postgresql_cluster")
        assert isinstance(cluster, PostgresCluster)
        backend = cluster.create_database("races")
    with running_tracking_server(folder, backend=backend, workers=2) as server:
        yield server.uri


@pytest.fixture
def fresh(two_workers: str, tmp_path: Path) -> ReleasesBench:
    """A flywheel without any release."""
    return releases_on(tmp_path / "flywheel", two_workers)


def _jobs(found: ReleasesBench, act: str, *arguments: Mapping[str, object], **patches: object) -> list[Job]:
    root, uri = found.bench.flywheel.root, found.bench.uri
    return [Job(root, uri, MANAGER, act, item, patches) for item in arguments]


def _won(outcomes: tuple[Outcome, ...]) -> list[Outcome]:
    return [item for item in outcomes if item.answer is not None]


def _stages(found: ReleasesBench) -> dict[str, list[int]]:
    stages: dict[str, list[int]] = {}
    for view in found.bench.tracking.releases.versions():
        stages.setdefault(view.stage, []).append(view.version)
    return stages


def _agrees(snapshot: LedgerSnapshot) -> bool:
    return not (snapshot.ledger.faults or snapshot.state.disputed or snapshot.state.open_move) and all(
        snapshot.aliases.get(name) == version for name, version in snapshot.state.current.items()
    )


@pytest.mark.slow
def test_promotions(fresh: ReleasesBench, crew: Crew, tmp_path: Path) -> None:
    """Of eight processes that promote eight versions at once exactly one wins, round after round; each loser is told
    the rule, and aliases, ledger and the model registry's stages say the same.
    """
    fresh.log(tmp_path, 1)
    fresh.assemble(1)
    versions = fresh.alike(1, PROCESSES)
    fresh.pass_gates(versions, "staging")
    for version in versions:
        fresh.act(MANAGER, "promote", version=version, to="staging")
    for _ in range(ROUNDS):
        before = fresh.snapshot()
        current = before.state.current["production"]
        fresh.pass_gates([version for version in versions if version != current], "production")
        outcomes = crew.do(_jobs(fresh, "promote", *({"version": item, "to": "production"} for item in versions)))
        snapshot = fresh.snapshot()
        winners = _won(outcomes)
        assert len(winners) == 1, [item.told for item in outcomes]
        assert winners[0].answer is not None
        assert winners[0].answer["version"] == snapshot.aliases["production"] != current
        losers = [item for item in outcomes if item.answer is None]
        assert {item.error for item in losers} == {"Refused"}, [item.told for item in losers]
        assert all(item.rule and "try:" in item.told for item in losers)
        # Nobody is told that an alias was moved by hand just because another's move came between two readings.
        assert not [item.told for item in losers if "by the ledger alone" in item.rule]
        assert _agrees(snapshot), (snapshot.aliases, snapshot.state, snapshot.ledger.faults)
        assert _stages(fresh)["Production"] == [snapshot.aliases["production"]]
        moves = [move for move in snapshot.state.moves if move.to == "production"]
        assert len(moves) == len([move for move in before.state.moves if move.to == "production"]) + 1
    assert not {"ledger", "open-move", "alias-moved", "stage-set"} & set(fresh.findings())


def test_first_releases(fresh: ReleasesBench, crew: Crew, tmp_path: Path) -> None:
    """Of eight processes that make the very first release one makes it, and there is one ledger."""
    fresh.log(tmp_path, 1)
    fresh.assemble(1)
    outcomes = crew.do(_jobs(fresh, "create", *([{"iteration": 1}] * PROCESSES)))
    answers = [item.answer for item in outcomes if item.answer is not None]
    assert len(answers) == PROCESSES, [item.told for item in outcomes]
    assert [answer["existed"] for answer in answers].count(False) == 1
    assert len({answer["version"] for answer in answers}) == 1
    snapshot = fresh.snapshot()
    assert _agrees(snapshot)
    assert [event.kind for event in snapshot.ledger.events] == ["registered"]
    assert [view.version for view in fresh.bench.tracking.releases.versions()] == [answers[0]["version"]]
    assert fresh.findings() == {}


def test_appends(fresh: ReleasesBench, crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """What eight processes write at once is all there, each event once and in an unbroken chain, also where a segment
    of the ledger ends and the next one begins.
    """
    modules = ("flywheel_mlflow.operations.deciding", "flywheel_mlflow.tracking.ledger")
    patches = {f"{module}.SEGMENT_EVENTS": SEGMENT for module in modules}
    monkeypatch.setattr(ledger_store, "SEGMENT_EVENTS", SEGMENT)
    titles = [f"risk {number}" for number in range(3 * PROCESSES)]
    for start in range(0, len(titles), PROCESSES):
        risks = ({"title": title, "owner": "ana", "due": DUE} for title in titles[start : start + PROCESSES])
        jobs = _jobs(fresh, "risk-open", *(item | {"likelihood": 1, "impact": 1} for item in risks), **patches)
        outcomes = crew.do(jobs)
        assert len(_won(outcomes)) == PROCESSES, [item.told for item in outcomes]
    snapshot = fresh.snapshot()
    assert snapshot.ledger.faults == ()
    assert sorted(risk.title for risk in snapshot.risks.values()) == sorted(titles)
    seals = [event.number for event in snapshot.ledger.events if event.kind == "sealed"]
    assert seals == [SEGMENT - 1, 2 * SEGMENT - 1]
    assert len(fresh.bench.tracking.ledger.segments) == 3


def test_a_segment_made_while_runs_are_listed(fresh: ReleasesBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of runs that is older than the events it comes with hides no segment; one that is gone is a fault."""
    for module in ("flywheel_mlflow.operations.deciding", "flywheel_mlflow.tracking.ledger"):
        monkeypatch.setattr(f"{module}.SEGMENT_EVENTS", SEGMENT)
    for number in range(SEGMENT):
        fresh.act(MANAGER, "risk-open", title=f"risk {number}", owner="ana", due=DUE, likelihood=1, impact=1)
    store = fresh.bench.tracking.ledger
    newest = store.segments[-1]
    monkeypatch.setattr(store, "_runs", lambda place, *, deleted: _without(newest, store, place, deleted=deleted))
    assert fresh.snapshot().ledger.faults == ()
    assert store.segments[-1] == newest
    fresh.bench.client.delete_run(newest)
    (fault,) = fresh.snapshot().ledger.faults
    assert f"run {newest} was deleted" in fault.what


def _without(
    run_id: str, store: ledger_store.LedgerStore, place: ledger_store.LedgerPlace, *, deleted: bool
) -> list[object]:
    listed = ledger_store.LedgerStore._runs(store, place, deleted=deleted)
    return [run for run in listed if run.info.run_id != run_id]
