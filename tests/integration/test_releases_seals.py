"""A server that seals decisions, the same database reached past it, and clocks that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from releases_bench import MANAGER, OTHER, REVIEWER, ReleasesBench, releases_on, write_directly
from servers.embedded import EmbeddedStore

from flywheel_mlflow.base.errors import Refused
from flywheel_mlflow.base.signing import SigningKey, new_key
from flywheel_mlflow.decisions.gate_facts import Verdict
from flywheel_mlflow.operations.acts.acting import act_somewhere, perform
from flywheel_mlflow.operations.releases.auditing import audit
from flywheel_mlflow.operations.releases.verifying import verify_release

Made = tuple[ReleasesBench, SigningKey]


@pytest.fixture
def sealed(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> Made:
    """Release 1 of a flywheel that names a server's key; the session with the key is the server's."""
    key = new_key(tmp_path / "server.pem")
    rules = {"may_move": ["release_manager"], "server_keys": [key.public_key]}
    found = releases_on(tmp_path / "flywheel", embedded_store().uri, releases=rules)
    found.log(tmp_path, 1)
    found.assemble(1)
    return found, key


def by_server(found: ReleasesBench, key: SigningKey, who: str, act: str, **arguments: Any) -> dict[str, Any]:
    """An act as the server does it: sealed."""
    return perform(found.session(who, seal=key), act, arguments)


def test_a_decision_past_the_server_is_refused_and_counts_for_nothing(sealed: Made) -> None:
    """Whoever reaches the sealed database beside the server is told so; what is forced into it decides nothing."""
    found, key = sealed
    by_server(found, key, MANAGER, "create", iteration=1)
    with pytest.raises(Refused, match="a server seals the decisions") as caught:
        found.act(REVIEWER, "approve", version=1, role="reviewer", reason="past the server")
    assert "MLFLOW_TRACKING_URI" in str(caught.value.hint)
    assert audit(found.session()).verdict is Verdict.PASS
    said = {"version": 1, "role": "reviewer", "reason": "forged"}
    write_directly(found.bench, found.snapshot(), [("rejected", said), ("retired", said)])
    assert found.snapshot().state.release(1).rejected is None
    assert found.snapshot().state.release(1).retired is None
    assert len(found.findings()["unsealed-event"]) == 2
    assert verify_release(found.session(), 1).verdict is Verdict.BLOCK
    shown = found.command("release", "history").out
    assert shown.count("counts for nothing, no server sealed it") == 2
    by_server(found, key, REVIEWER, "approve", version=1, role="reviewer", reason="it is good")
    assert len(found.snapshot().state.release(1).approvals) == 1


def test_a_risk_and_a_task_past_the_server_count_for_nothing(sealed: Made) -> None:
    """Not only releases: whatever is folded from the ledger leaves out what no server sealed."""
    found, key = sealed
    by_server(found, key, MANAGER, "create", iteration=1)
    risk = {"title": "t", "owner": "ana", "likelihood": 5, "impact": 5, "mitigation": "", "projects": []}
    due = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    body = risk | {"due": due, "cause": "person"}
    queued = {"theme": "t1", "title": "t", "reason": "r", "iteration": 1}
    write_directly(found.bench, found.snapshot(), [("risk_opened", body), ("theme_queued", queued)])
    assert found.snapshot().risks == {}


def test_keys_without_any_seal_are_inconclusive(sealed: Made) -> None:
    """flywheel.yaml names a server and nothing it sealed is there: `audit` and `verify` do not say PASS."""
    found, _ = sealed
    found.act(MANAGER, "create", iteration=1)
    assert audit(found.session()).verdict is Verdict.INCONCLUSIVE
    assert verify_release(found.session(), 1).verdict is Verdict.INCONCLUSIVE


def test_an_export_says_signed_where_the_ledger_ended(sealed: Made, tmp_path: Path) -> None:
    """The server signs the end; without it the export verifies as INCONCLUSIVE."""
    from flywheel_mlflow.operations.releases.exporting import export_release
    from flywheel_mlflow.operations.releases.verifying import verify_export

    found, key = sealed
    by_server(found, key, MANAGER, "create", iteration=1)
    rules = found.bench.flywheel.blueprint
    for name, session in (("signed", found.session(seal=key)), ("bare", found.session())):
        sign = partial(act_somewhere, session, "sign-head", {"version": 1})
        export_release(session, 1, tmp_path / name, sign=sign)
    assert verify_export(tmp_path / "signed", rules).verdict is Verdict.PASS
    assert verify_export(tmp_path / "bare", rules).verdict is Verdict.INCONCLUSIVE


@pytest.fixture
def plain(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> ReleasesBench:
    """Releases 1 and 2, 2 in production after 1."""
    found = releases_on(tmp_path / "flywheel", embedded_store().uri)
    for iteration in (1, 2):
        found.release(tmp_path, iteration)
        found.through(iteration, "staging", "production")
    return found


def at(found: ReleasesBench, when: datetime, act: str, **arguments: Any) -> dict[str, Any]:
    """An act of ana's on a machine whose clock says ``when``."""
    return perform(found.session(now=lambda: when), act, arguments)


def test_a_clock_that_is_behind_decides_nothing(plain: ReleasesBench) -> None:
    """A rollback on a machine in 2020: refused, with the clock to set."""
    with pytest.raises(Refused, match="this machine's clock says 2020-01-01") as caught:
        at(plain, datetime(2020, 1, 1, tzinfo=UTC), "rollback", reason="the past")
    assert "set this machine's clock" in str(caught.value.hint)
    assert plain.snapshot().aliases["production"] == 2


def test_a_clock_that_was_ahead_is_found_and_corrected(plain: ReleasesBench) -> None:
    """A rollback dated 2035: found, it stops decisions, and the way out that is named works."""
    at(plain, datetime(2035, 1, 1, tzinfo=UTC), "rollback", reason="the future")
    assert "false-time" in plain.findings()
    with pytest.raises(Refused, match="reconcile --force") as caught:
        plain.act(MANAGER, "rollback", reason="back again", to=2)
    assert "never runs backwards" in caught.value.rule
    assert "dated ahead" in " ".join(plain.act(MANAGER, "reconcile", force=True)["mended"])
    assert plain.findings() == {}
    plain.act(MANAGER, "rollback", reason="back again", to=2)
    who = plain.command("release", "who", "--at", (datetime.now(UTC) + timedelta(hours=1)).isoformat(), "--json").json
    assert who["move"]["version"] == 2


def test_an_event_forged_into_the_past_counts_where_it_stands(plain: ReleasesBench) -> None:
    """A move written by hand and dated 2020 does not change what was in production then, and is found."""
    from dataclasses import replace

    from releases_bench import write_params

    from flywheel_mlflow.decisions.ledger import write_event

    snapshot = plain.snapshot()
    event = write_event(
        snapshot.ledger,
        at=datetime(2020, 1, 1, tzinfo=UTC),
        actor=replace(plain.session().actor, name=OTHER),
        kind="gate",
        body={"note": "backdated"},
        seal=None,
    )
    write_params(plain.bench, snapshot.place, {f"event.{event.number:06d}": event.text})
    assert plain.snapshot().ledger.counted[-1].at == snapshot.ledger.counted[-1].at
    assert "false-time" in plain.findings()


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clocks_that_differ_by_minutes_decide(plain: ReleasesBench, minutes: int) -> None:
    """Two machines are never quite alike: within five minutes the ledger's order decides."""
    at(plain, datetime.now(UTC) + timedelta(minutes=minutes), "rollback", reason="soon")
    plain.act(MANAGER, "rollback", reason="back again", to=2)
    assert plain.findings() == {}
    times = [event.at for event in plain.snapshot().ledger.events]
    assert times == sorted(times)
