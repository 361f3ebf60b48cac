"""What somebody can do behind the flywheel's back on a plain MLflow server, and how it is found.

docs/releases-attacks.md lists these attacks; each test's docstring says which one it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from releases_bench import (
    INTERFACE,
    MANAGER,
    OTHER,
    REVIEWER,
    ReleasesBench,
    releases_on,
    write_directly,
    write_params,
)
from servers.spoiling import artifact_file, params_of, set_params, spoilt_file, spoilt_params
from servers.tracking import TrackingServerProcess
from workbench import Ended

from flywheel_mlflow.base.canonical import canonical_json, digest_of, plain
from flywheel_mlflow.base.errors import InputError, Refused
from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.decisions.approvals import statement
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.operations.releases.auditing import audit
from flywheel_mlflow.operations.releases.gating import read_decision_basis
from flywheel_mlflow.tracking import tags

LEASE = 120
Params = dict[str, str]


@pytest.fixture(scope="module")
def server(sqlite_server: TrackingServerProcess) -> TrackingServerProcess:
    """The server behind whose back things happen."""
    return sqlite_server


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, server: TrackingServerProcess) -> Iterator[ReleasesBench]:
    """Release 1 was in production, 2 is, 3 is an approved candidate; chen signs. Every attack is taken back."""
    folder = tmp_path_factory.mktemp("standing")
    key = new_key(folder / "chen.pem").public_key
    people = [{"id": MANAGER}, {"id": REVIEWER}, {"id": OTHER, "public_key": key}]
    found = releases_on(folder / "flywheel", server.uri, people=people)
    for iteration in (1, 2, 3):
        found.release(folder, iteration)
    for version in (1, 2):
        found.through(version, "staging", "production")
    found.act(REVIEWER, "approve", version=3, role="reviewer", reason="read it all")
    found.pass_gate(3, "staging")
    assert found.findings(full=True) == {}
    yield found
    assert found.findings(full=True) == {}


@contextmanager
def _appended(found: ReleasesBench, server: TrackingServerProcess) -> Iterator[None]:
    """Whatever the block appends to the ledger is gone when it ends."""
    with spoilt_params(server, found.ledger_run(), lambda params: params):
        yield


def _refuses_to_act(found: ReleasesBench) -> None:
    """On a ledger that does not hold nobody decides, moves, approves or mends."""
    for who, act, arguments in (
        (MANAGER, "promote", {"version": 3, "to": "staging"}),
        (MANAGER, "rollback", {"reason": "why"}),
        (MANAGER, "gate", {"version": 3, "to": "staging"}),
        (REVIEWER, "approve", {"version": 3, "role": "reviewer", "reason": "why"}),
        (MANAGER, "reconcile", {"force": True}),
        (MANAGER, "create", {"iteration": 3}),
    ):
        with pytest.raises(Refused, match="the ledger does not hold together"):
            found.act(who, act, **arguments)


def _checks(ended: Ended) -> dict[str, bool | None]:
    return {check["name"]: check["holds"] for check in ended.json["checks"]}


def test_alias_by_hand(standing: ReleasesBench) -> None:
    """An alias moved or deleted by hand: `alias-moved`; nothing is promoted over it; `reconcile` puts it back."""
    client: Any = standing.bench.client  # MLflow leaves some of these calls untyped
    for where in ("3", "1", None):
        if where:
            client.set_registered_model_alias(standing.name, "production", where)
        else:
            client.delete_registered_model_alias(standing.name, "production")
        assert set(standing.findings()) == {"alias-moved"}
        with pytest.raises(Refused, match="an alias moves by the ledger alone"):
            standing.act(MANAGER, "rollback", reason="why")
        assert standing.command("audit").code == 1
        standing.act(MANAGER, "reconcile")
        assert standing.snapshot().aliases["production"] == 2
        assert standing.findings() == {}


def test_stage_by_hand(standing: ReleasesBench) -> None:
    """A model-registry stage set by hand: `stage-set`; `reconcile` sets it back."""
    registry: Any = standing.bench.client._get_registry_client()  # type: ignore[no-untyped-call]
    for version, stage in ((3, "Production"), (2, "Archived"), (1, "None")):
        registry.transition_model_version_stage(standing.name, str(version), stage)
        assert set(standing.findings()) == {"stage-set"}
        standing.act(MANAGER, "reconcile")
        assert standing.findings() == {}


def test_version_deleted(tmp_path: Path, server: TrackingServerProcess) -> None:
    """The version in production deleted: `version-deleted` and `alias-moved`; `reconcile` registers it again."""
    found = releases_on(tmp_path / "flywheel", server.uri)
    found.log(tmp_path, 1)
    found.assemble(1)
    for version in found.alike(1, 2):
        found.through(version, "staging")
        found.override(version, "production")
        found.act(MANAGER, "promote", version=version, to="production")
    found.bench.client.delete_model_version(found.name, "2")
    assert set(found.findings()) == {"version-deleted", "alias-moved"}
    ended = found.command("resolve", INTERFACE)
    assert (ended.code, "there is no release in production" in ended.err) == (1, True)
    with pytest.raises(Refused, match="was deleted"):
        found.act(MANAGER, "rollback", reason="why", to=2)
    assert "again as release 3" in found.act(MANAGER, "reconcile")["mended"][0]
    assert found.findings(full=True) == {}
    assert found.command("resolve", INTERFACE).code == 0


def test_version_by_hand(tmp_path: Path, server: TrackingServerProcess) -> None:
    """A model version registered by hand: `version-unrecorded`; it can neither be judged nor promoted."""
    found = releases_on(tmp_path / "flywheel", server.uri)
    run_id = found.log(tmp_path, 1)
    found.act(
        MANAGER,
        "risk-open",
        title="a",
        owner="ana",
        due=datetime.now(UTC) + timedelta(days=9),
        likelihood=1,
        impact=1,
    )
    found.bench.client.create_model_version(found.name, f"runs:/{run_id}/flywheel", run_id=run_id)
    found.bench.client.set_registered_model_alias(found.name, "production", "1")
    assert set(found.findings()) == {"version-unrecorded", "alias-moved"}
    with pytest.raises(InputError, match="unknown release"):
        found.act(MANAGER, "promote", version=1, to="staging")


@pytest.mark.parametrize("name", ["metrics.json", "interfaces.json", "manifest.json"])
@pytest.mark.parametrize("gone", [False, True], ids=["edited", "gone"])
def test_bundle(standing: ReleasesBench, server: TrackingServerProcess, name: str, gone: bool) -> None:
    """A file of a bundle edited or deleted: `bundle-changed`, `verify` says BLOCK, and the gate does not read it."""
    release = standing.snapshot().state.release(3)
    path = artifact_file(server, release.run_id, f"{release.place}/{name}")
    with spoilt_file(path, ": ", None if gone else ":  "):
        assert set(standing.findings()) == {"bundle-changed"}
        ended = standing.command("verify", "3", "--json")
        assert (ended.code, _checks(ended)["bundle"]) == (1, False)
        with pytest.raises(InputError, match="not the one that was registered"):
            standing.act(MANAGER, "gate", version=3, to="staging")


def _edited(key: Callable[[Params], str], *, mended: bool = False) -> Callable[[Params], Params]:
    """Params in which one event has another author; ``mended`` gives it the digest of what it says now."""

    def spoil(params: Params) -> Params:
        name = key(params)
        event = json.loads(params[name])
        event["actor"] = "eve"
        if mended:
            event["digest"] = digest_of({key: value for key, value in event.items() if key != "digest"})
        return params | {name: canonical_json(event)}

    return spoil


def _middle(params: Params) -> str:
    return sorted(params)[len(params) // 2]


def _without(key: Callable[[Params], str]) -> Callable[[Params], Params]:
    return lambda params: {name: text for name, text in params.items() if name != key(params)}


@pytest.mark.parametrize(
    "spoil",
    [
        _edited(_middle),
        _edited(_middle, mended=True),
        _edited(max),
        _edited(min, mended=True),
        _without(_middle),
        _without(min),
        lambda params: params | {_middle(params): "no event"},
        lambda params: params | {"event.000500": params[max(params)]},
        lambda params: params | {_middle(params): params[max(params)]},
    ],
    ids=["middle", "middle-mended", "newest", "first-mended", "deleted", "first-deleted", "nonsense", "gap", "swapped"],
)
def test_ledger_in_the_database(
    tracking_server: TrackingServerProcess, tmp_path: Path, spoil: Callable[[Params], Params]
) -> None:
    """An event edited, deleted or added in the database: `ledger`, whatever the store, and nobody acts on it."""
    found = _small(tracking_server, tmp_path)
    with spoilt_params(tracking_server, found.ledger_run(), spoil):
        assert "ledger" in found.findings()
        with pytest.raises(Refused, match="the ledger does not hold together"):
            found.act(MANAGER, "risk-open", **RISK)
        ended = found.command("release", "history")
        assert (ended.code, "Traceback" in ended.err) == (0, False)
    assert found.findings() == {}


RISK = {
    "title": "a",
    "owner": "ana",
    "due": datetime.now(UTC) + timedelta(days=9),
    "likelihood": 1,
    "impact": 1,
}
_SMALL: dict[str, ReleasesBench] = {}


def _small(server: TrackingServerProcess, folder: Path) -> ReleasesBench:
    """A ledger of a few events, made once on each server."""
    if server.uri not in _SMALL:
        found = releases_on(folder.parent / f"small-{len(_SMALL)}", server.uri)
        for _ in range(4):
            found.act(MANAGER, "risk-open", **RISK)
        _SMALL[server.uri] = found
    return _SMALL[server.uri]


def test_ledger_edited(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """An event edited in the database: every act is refused, `verify` says BLOCK, an earlier export still holds."""
    with spoilt_params(server, standing.ledger_run(), _edited(_middle)):
        _refuses_to_act(standing)
        ended = standing.command("verify", "3", "--json")
        assert (ended.code, _checks(ended)["ledger chain"]) == (1, False)
        assert standing.command("resolve", INTERFACE).code == 0


def test_ledger_cut(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """The newest verdict cut off the ledger: the model version still bears it, `ledger-cut`."""
    standing.act(MANAGER, "gate", version=3, to="staging")
    good = params_of(server, standing.ledger_run())
    with spoilt_params(server, standing.ledger_run(), _without(max)):
        assert set(standing.findings()) == {"ledger-cut"}
    assert params_of(server, standing.ledger_run()) == good


def test_promotion_cut(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """The end of a promotion cut off the ledger: `open-move`, and `reconcile` writes it again."""
    with _appended(standing, server):
        standing.act(MANAGER, "promote", version=3, to="staging")
        params = params_of(server, standing.ledger_run())
        set_params(server, standing.ledger_run(), _without(max)(params))
        assert set(standing.findings()) == {"open-move"}
        standing.act(MANAGER, "reconcile", force=True)
        assert standing.findings() == {}
    assert set(standing.findings()) == {"alias-moved", "stage-set"}
    standing.act(MANAGER, "reconcile")


def test_ledger_run_deleted(standing: ReleasesBench) -> None:
    """The ledger's run deleted in the UI: `ledger`, nobody acts, consumers still resolve; restoring it heals."""
    run_id = standing.ledger_run()
    standing.bench.client.delete_run(run_id)
    try:
        assert set(standing.findings()) == {"ledger"}
        _refuses_to_act(standing)
        assert standing.command("release", "history").code == 0
        assert standing.command("resolve", INTERFACE).code == 0
    finally:
        standing.bench.client.restore_run(run_id)


def test_ledger_replaced(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """A copy of the ledger with other events, and the model's tag pointed there: the true one is found, `ledger`."""
    client, name, run_id = standing.bench.client, standing.name, standing.ledger_run()
    run = client.get_run(run_id)
    forged = client.create_run(run.info.experiment_id)
    texts = params_of(server, run_id)
    place = standing.snapshot().place
    write_params(standing.bench, type(place)(place.experiment_id, forged.info.run_id), _without(max)(texts))
    try:
        client.set_registered_model_tag(name, "flywheel.ledger_run", forged.info.run_id)
        assert "ledger" in standing.findings()
        _refuses_to_act(standing)
        client.delete_run(run_id)
        assert "ledger" in standing.findings()
    finally:
        client.restore_run(run_id)
        client.set_registered_model_tag(name, "flywheel.ledger_run", run_id)
        set_params(server, forged.info.run_id, {})
        assert set(standing.findings()) == {"stray-run"}
        client.delete_run(forged.info.run_id)


@pytest.mark.parametrize("texts", ["garbage", "a true event", "nothing"])
def test_run_beside_the_ledger(standing: ReleasesBench, texts: str) -> None:
    """A run put beside the ledger, whatever it holds: `stray-run`; it stops nobody, and can be deleted."""
    client, place = standing.bench.client, standing.snapshot().place
    first = standing.snapshot().ledger.events[0].text
    stray = client.create_run(place.experiment_id).info.run_id
    params = {"garbage": {"event.000000": "{}"}, "a true event": {"event.000000": first}, "nothing": {}}[texts]
    write_params(standing.bench, type(place)(place.experiment_id, stray), params)
    assert set(standing.findings()) == {"stray-run"}
    assert standing.act(MANAGER, "gate", version=3, to="staging", dry_run=True)["result"]["verdict"]
    assert standing.act(MANAGER, "reconcile")["mended"] == []
    client.delete_run(stray)
    assert standing.findings() == {}


@pytest.mark.parametrize("where", ["model", "version"])
@pytest.mark.parametrize("value", ["true", "false"])
def test_marked_as_a_prompt(standing: ReleasesBench, where: str, value: str) -> None:
    """MLflow's mark of a prompt on the model or a version, so that its client finds no release: `release-hidden`."""
    registry: Any = standing.bench.client._get_registry_client()  # type: ignore[no-untyped-call]
    key = "mlflow.prompt.is_prompt"
    if where == "model":
        registry.set_registered_model_tag(standing.name, key, value)
    else:
        registry.set_model_version_tag(standing.name, "1", key, value)
    try:
        assert "release-hidden" in standing.findings()
        assert standing.snapshot().state.current["production"] == 2
    finally:
        if where == "model":
            registry.delete_registered_model_tag(standing.name, key)
        else:
            registry.delete_model_version_tag(standing.name, "1", key)


@pytest.mark.parametrize("part", ["", "/p01", "/ledger"])
def test_experiment_renamed(standing: ReleasesBench, part: str) -> None:
    """An experiment of the flywheel renamed, so that it is not found any more: `experiment-renamed`."""
    client, name = standing.bench.client, f"{standing.name}{part}"
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    client.rename_experiment(experiment.experiment_id, f"elsewhere-{standing.name}")
    try:
        found = standing.findings()
        assert "experiment-renamed" in found
        assert name in str(found)
        assert "was renamed" in standing.command("doctor").out
    finally:
        client.rename_experiment(experiment.experiment_id, name)


def test_model_deleted(tmp_path: Path, server: TrackingServerProcess) -> None:
    """The registered model deleted while its ledger is there: `model-gone`, and not "no release yet" alone."""
    found = releases_on(tmp_path / "flywheel", server.uri)
    found.release(tmp_path, 1)
    found.bench.client.delete_registered_model(found.name)
    assert set(found.findings()) == {"model-gone"}
    assert found.command("audit").code == 1


def test_shadow_event(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """A param named almost as an event's, logged by anybody to speak in its place: it is not read."""
    before = standing.snapshot()
    number = len(before.ledger.events) - 1
    with _appended(standing, server):
        write_params(standing.bench, before.place, {f"event.{number:07d}": before.ledger.events[0].text})
        assert standing.snapshot().ledger == before.ledger


@pytest.mark.parametrize("tag", [f"{tags.PIN_PREFIX}{INTERFACE}", "flywheel.bundle", "flywheel.left_out"])
def test_version_tags(standing: ReleasesBench, tag: str) -> None:
    """A tag of the version in production edited: `pins-changed`; what cannot be read is not handed to a consumer."""
    client, version = standing.bench.client, "2"
    good = client.get_model_version(standing.name, version).tags[tag]
    try:
        client.set_model_version_tag(standing.name, version, tag, good.replace(":", ";") if ":" in good else "0" * 64)
        assert set(standing.findings()) == {"pins-changed"}
        if tag.endswith(INTERFACE):
            ended = standing.command("resolve", INTERFACE)
            assert (ended.code, "flywheel audit" in ended.err) == (1, True)
    finally:
        client.set_model_version_tag(standing.name, version, tag, good)


def _approval(found: ReleasesBench) -> dict[str, Any]:
    """The body of an approval of release 3 as `flywheel approve` writes it."""
    basis = read_decision_basis(found.session(), found.snapshot(), 3).basis
    until = datetime.now(UTC) + timedelta(days=3)
    words = statement(found.name, 3, basis, role="reviewer", reason="fine", until=until)
    return {
        "version": 3,
        "role": "reviewer",
        "reason": "fine",
        "basis": plain(basis),
        "until": until.isoformat(),
        "statement": words,
    }


@pytest.mark.parametrize(
    ("who", "codes"),
    [
        (Identity(OTHER), {"forged-approval"}),
        (Identity(REVIEWER, AUTHENTICATED), {"forged-approval", "unsealed-event"}),
        (Identity(MANAGER), {"wrong-approval"}),
        (Identity("eve"), {"wrong-approval"}),
    ],
    ids=["unsigned", "authenticated", "author", "stranger"],
)
def test_forged_approval(
    standing: ReleasesBench, server: TrackingServerProcess, who: Identity, codes: set[str]
) -> None:
    """An approval written into the ledger by hand: unsigned in the name of somebody with a key, claiming a server's
    word, by the author, by a stranger. Found, `verify` says BLOCK, and it counts for nothing at the gate.
    """
    with _appended(standing, server):
        write_directly(standing.bench, standing.snapshot(), [("approved", _approval(standing))], who=who)
        assert set(standing.findings()) == codes
        ended = standing.command("verify", "3", "--json")
        assert (ended.code, _checks(ended)[f"approval of {who.name} as reviewer"]) == (1, False)
        shown = standing.command("release", "show", "3", "--json").json["approvals"]
        assert [bool(judged["against"]) for judged in shown] == [False, True]


def test_a_reviewer_leaves(standing: ReleasesBench) -> None:
    """Taking somebody out of a role accuses nobody: what they did is judged by the roles that the bundles hold."""
    wheel = standing.bench.flywheel
    roles = tuple(item.model_copy(update={"people": (OTHER,)}) for item in wheel.blueprint.roles)
    changed = replace(wheel, blueprint=wheel.blueprint.model_copy(update={"roles": roles}))
    told = audit(replace(standing.session(), flywheel=changed))
    assert not [item for item in told.findings if item.code.endswith("approval")]
    assert told.outlived == ()


def test_a_manager_leaves(standing: ReleasesBench) -> None:
    """Moves of somebody who may not move releases any more are no stranger's: they might when they did."""
    wheel = standing.bench.flywheel
    roles = tuple(
        item.model_copy(update={"people": (OTHER,)}) if item.id == "release_manager" else item
        for item in wheel.blueprint.roles
    )
    changed = replace(wheel, blueprint=wheel.blueprint.model_copy(update={"roles": roles}))
    assert not [
        item for item in audit(replace(standing.session(), flywheel=changed)).findings if item.code == "stranger"
    ]


@pytest.mark.parametrize("who", [Identity("eve"), Identity("ana", AUTHENTICATED)], ids=["no role", "unsealed"])
def test_forged_explanation(standing: ReleasesBench, server: TrackingServerProcess, who: Identity) -> None:
    """Drift explained by hand, without a role or with a word of a server nobody sealed: `wrong-explanation`."""
    body = {"version": 3, "drift": "0" * 64, "subjects": ["p01"], "reason": "trust me"}
    with _appended(standing, server):
        write_directly(standing.bench, standing.snapshot(), [("drift_explained", body)], who=who)
        assert "wrong-explanation" in standing.findings()


def test_forged_verdict(standing: ReleasesBench, server: TrackingServerProcess) -> None:
    """A PASS written into the ledger by hand: no run backs it, `gate-report-gone`."""
    with _appended(standing, server):
        standing.pass_gates([3], "staging")
        assert "gate-report-gone" in standing.findings()


@pytest.mark.parametrize(
    ("who", "by", "codes"),
    [
        (MANAGER, None, {"move-without-permission"}),
        (MANAGER, 0, {"move-without-permission"}),
        ("eve", None, {"move-without-permission", "stranger"}),
    ],
)
def test_forged_promotion(
    standing: ReleasesBench, server: TrackingServerProcess, who: str, by: int | None, codes: set[str]
) -> None:
    """A promotion written into the ledger, with alias and stage moved to match: no decision allowed it,
    `move-without-permission`; by somebody without the role, `stranger` too.
    """
    current = standing.snapshot().state.current["production"]
    with _appended(standing, server):
        number = len(standing.snapshot().ledger.events)
        start: dict[str, object] = {
            "version": 3,
            "to": "production",
            "from": current,
            "by": by,
            "reason": "",
            "lease_s": LEASE,
        }
        events: list[tuple[str, dict[str, object]]] = [("promotion_started", start), ("promoted", {"move": number})]
        write_directly(standing.bench, standing.snapshot(), events, who=Identity(who))
        standing.act(MANAGER, "reconcile")
        assert standing.snapshot().aliases["production"] == 3
        assert set(standing.findings()) == codes
    standing.act(MANAGER, "reconcile")
    assert standing.snapshot().aliases["production"] == current


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("promoted", {"move": 0}),
        ("registered", {"version": 1, "iteration": 1, "run_id": "0", "bundle": "0", "place": "0"}),
        ("approved", {"version": 9}),
        ("promotion_started", {"version": 9, "to": "staging", "from": None, "by": None, "lease_s": LEASE}),
        ("rejected", {"version": "3"}),
    ],
)
def test_contradiction(
    standing: ReleasesBench, server: TrackingServerProcess, kind: str, body: dict[str, object]
) -> None:
    """An event that contradicts those before it, or lacks what it needs: `disputed-event`, and it changes nothing."""
    before = standing.snapshot().state
    with _appended(standing, server):
        write_directly(standing.bench, standing.snapshot(), [(kind, body)])
        after = standing.snapshot().state
        assert (after.releases, after.current, after.moves) == (before.releases, before.current, before.moves)
        assert set(standing.findings()) == {"disputed-event"}


@pytest.mark.parametrize("gone", [False, True], ids=["edited", "gone"])
def test_gate_report(standing: ReleasesBench, server: TrackingServerProcess, gone: bool) -> None:
    """The report behind a verdict edited or deleted: `gate-report-changed`, `gate-report-gone`."""
    gate = standing.snapshot().state.release(3).last_gate("staging")
    assert gate is not None
    path = artifact_file(server, gate.run_id, "gate.json")
    with spoilt_file(path, "verdict", None if gone else "Verdict"):
        assert set(standing.findings()) == {"gate-report-gone" if gone else "gate-report-changed"}


@pytest.mark.parametrize("gone", [False, True], ids=["edited", "gone"])
def test_data(standing: ReleasesBench, server: TrackingServerProcess, tmp_path: Path, gone: bool) -> None:
    """The data of the release in production changed or gone: `data-changed`, `data-gone`; `pull` hands nothing out."""
    found = standing.command("resolve", INTERFACE, "--json").json
    run_id, _, place = found["uri"].removeprefix("runs:/").partition("/")
    with spoilt_file(artifact_file(server, run_id, place), "record", None if gone else "recipe"):
        assert set(standing.findings()) == {"data-gone" if gone else "data-changed"}
        ended = standing.command("pull", INTERFACE, "--out", tmp_path / "out")
        assert ended.code == (4 if gone else 1), ended.err
        assert not (tmp_path / "out" / INTERFACE / "data.jsonl").exists()
    assert standing.command("pull", INTERFACE, "--out", tmp_path / "again").code == 0


@pytest.mark.parametrize("what", ["description", "author", "iteration", "verdict"])
def test_what_the_registry_says_of_a_version(standing: ReleasesBench, what: str) -> None:
    """Description or tags of a version rewritten, which consumers read: `description-changed`, `tag-changed`."""
    client, name = standing.bench.client, standing.name
    before = client.get_model_version(name, "3")
    gate = standing.snapshot().state.release(3).last_gate("staging")
    assert gate is not None
    if what == "description":
        client.update_model_version(name, "3", "the best of all")
        assert set(standing.findings()) == {"description-changed"}
        client.update_model_version(name, "3", before.description)
        return
    keys = {"author": tags.AUTHOR, "iteration": tags.ITERATION, "verdict": f"{tags.GATE_PREFIX}staging"}
    client.set_model_version_tag(name, "3", keys[what], f"BLOCK (event {gate.number - 1}, run none)")
    assert set(standing.findings()) == {"tag-changed"}
    if what == "verdict":
        client.delete_model_version_tag(name, "3", keys[what])
    else:
        client.set_model_version_tag(name, "3", keys[what], before.tags[keys[what]])


@pytest.mark.parametrize("what", ["number", "status"])
def test_what_the_run_page_says(standing: ReleasesBench, what: str) -> None:
    """A number or a stage's status on the page of the released assembly: `run-page-changed`."""
    client, run_id = standing.bench.client, standing.snapshot().state.release(2).run_id
    run = client.get_run(run_id).data
    key = next(key for key in run.tags if key.startswith("flywheel.status."))
    if what == "number":
        client.log_metric(run_id, "flywheel.project_count", 99)
    else:
        client.set_tag(run_id, key, "splendid")
    assert set(standing.findings()) == {"run-page-changed"}
    if what == "number":
        client.log_metric(run_id, "flywheel.project_count", run.metrics["flywheel.project_count"])
    else:
        client.set_tag(run_id, key, run.tags[key])
