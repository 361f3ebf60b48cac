"""Decisions taken by a server with accounts: who acts is who signed in, and nobody writes the ledger beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Param
from mlflow.exceptions import MlflowException
from releases_bench import INTERFACE, MANAGER, REVIEWER, ReleasesBench
from servers.plugin import ACTS, ADMIN, PluginServer, signed_in
from workbench import fresh_name

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import Refused, ServerError
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.decisions.approvals import judge_all
from flywheel_mlflow.decisions.human_review import SUBMITTED, ReviewAnswers, ReviewItem, ReviewPlan
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity, unwitnessed
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.acts.acting import act_somewhere
from flywheel_mlflow.operations.deciding import LedgerSnapshot, Session
from flywheel_mlflow.operations.projects.resolving import resolve_interface
from flywheel_mlflow.operations.projects.starting import init_flywheel
from flywheel_mlflow.operations.releases.gating import read_decision_basis
from flywheel_mlflow.operations.releases.review_documents import keep_answers, keep_plan
from flywheel_mlflow.promises.review import Question
from flywheel_mlflow.tracking import connect

STRANGER = "eve"
API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def walked(accounts: PluginServer) -> ReleasesBench:
    """Release 1 made, approved, passed by its gates and in production, each by the person who may, by acts alone."""
    assert accounts.done(MANAGER, "create", iteration=1)["version"] == 1
    for to in ("staging", "production"):
        accounts.done(REVIEWER, "approve", version=1, role="reviewer", reason="it is good")
        ran = accounts.done(MANAGER, "gate", version=1, to=to)
        assert ran["result"]["verdict"] == "PASS", ran["rows"]
        accounts.done(MANAGER, "promote", version=1, to=to)
    with signed_in(ADMIN):
        return accounts.bench()


@pytest.fixture
def admin() -> Iterator[None]:
    """MLflow's own clients call as the administrator, who may do everything by MLflow's rules."""
    with signed_in(ADMIN):
        yield


def snapshot(bench: ReleasesBench) -> LedgerSnapshot:
    """The ledger as the administrator reads it."""
    with signed_in(ADMIN):
        return bench.snapshot()


def test_who_acted_is_who_signed_in(walked: ReleasesBench) -> None:
    """Every event has the name that signed in, as authenticated, under the seal of the server flywheel.yaml names."""
    found = snapshot(walked)
    assert found.ledger.faults == ()
    assert [event.actor for event in found.ledger.events[:2]] == [
        Identity(MANAGER, AUTHENTICATED),
        Identity(REVIEWER, AUTHENTICATED),
    ]
    assert {event.actor.level for event in found.ledger.events} == {AUTHENTICATED}
    rules = walked.bench.flywheel.blueprint.releases
    assert unwitnessed(found.ledger.events, rules.server_keys) == ()
    assert len(unwitnessed(found.ledger.events, ())) == len(found.ledger.events)
    assert found.aliases == {"staging": 1, "production": 1}


def test_an_approval_counts_as_verified(walked: ReleasesBench, admin: None) -> None:
    """The approver's name needs no signature: the server's seal proves it."""
    found, session = walked.snapshot(), walked.session()
    release = found.state.release(1)
    basis = read_decision_basis(session, found, 1).basis
    blueprint = walked.bench.flywheel.blueprint
    judged = judge_all(release, found.ledger.events, blueprint=blueprint, basis=basis, now=session.now())
    assert [(item.approval.actor.name, item.verified, item.forged) for item in judged] == [(REVIEWER, True, False)] * 2


def test_consumers_resolve_what_the_server_released(walked: ReleasesBench, admin: None) -> None:
    """The interface pinned by the release in production is found, with the data behind the server's proxy."""
    found = resolve_interface(walked.bench.tracking, INTERFACE)
    assert found.release == 1
    assert found.address is not None
    assert found.address.startswith("mlflow-artifacts:/")


def test_the_client_asks_the_server_by_itself(accounts: PluginServer, walked: ReleasesBench) -> None:
    """`act_somewhere` goes to the plugin, whatever name the caller gives itself, and raises what the server refuses."""
    with signed_in(STRANGER):
        settings = replace(read_settings(accounts.root, {}, tracking_uri=accounts.uri), actor=MANAGER)
        session = Session(walked.bench.flywheel, connect(settings, walked.name), Identity(MANAGER))
        with pytest.raises(Refused, match="eve may not retire releases") as caught:
            act_somewhere(session, "retire", {"version": 1, "reason": "a test"})
    assert "may_move" in caught.value.rule


def test_a_claimed_name_is_ignored(accounts: PluginServer, walked: ReleasesBench) -> None:
    """The header that names the actor on a server without accounts says nothing here."""
    answer = accounts.call(
        "POST",
        f"{ACTS}/approve",
        who=STRANGER,
        headers={"X-Flywheel-Actor": REVIEWER},
        json={"version": 1, "role": "reviewer", "reason": "let me in"},
    )
    assert answer.status_code == 409
    assert answer.json()["error"]["value"] == STRANGER


def test_people_without_a_role_decide_nothing(accounts: PluginServer, walked: ReleasesBench) -> None:
    """Somebody who may read everything, and stands nowhere in flywheel.yaml, is refused by rule; so is the admin."""
    before = len(snapshot(walked).ledger.events)
    for who in (STRANGER, ADMIN):
        for name, arguments in (
            ("approve", {"version": 1, "role": "reviewer", "reason": "x"}),
            ("reject", {"version": 1, "role": "reviewer", "reason": "x"}),
            ("retire", {"version": 1, "reason": "x"}),
        ):
            answer = accounts.act(who, name, **arguments)
            assert answer.status_code == 409, answer.text
            assert answer.json()["error"]["rule"]
    assert len(snapshot(walked).ledger.events) == before


def test_nobody_acts_without_signing_in(accounts: PluginServer, walked: ReleasesBench) -> None:
    """No credentials, wrong ones, and ones of another kind get 401 and are asked for better ones; `about` is public."""
    body: dict[str, Any] = {"version": 1, "reason": "x"}
    wrong = requests.post(accounts.uri + f"{ACTS}/retire", json=body, auth=(MANAGER, "not the password"), timeout=60)
    other = accounts.call("POST", f"{ACTS}/retire", json=body, headers={"Authorization": "Bearer x"})
    for answer in (accounts.act(None, "retire", **body), wrong, other):
        assert answer.status_code == 401, answer.text
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="mlflow"'
        assert "not authenticated" in answer.json()["error"]["what"]
    about = accounts.call("GET", "/ajax-api/2.0/flywheel/about")
    assert about.json() == {
        "plugin": "flywheel",
        "version": about.json()["version"],
        "flywheel": walked.name,
        "authentication": True,
        "console": "/flywheel/",
        "format_version": 1,
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:9"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
    ],
)
def test_what_pages_of_others_can_send_is_refused(
    headers: dict[str, str], status: int, accounts: PluginServer, walked: ReleasesBench
) -> None:
    """A call from another origin, or of a type that forms have, does nothing even with the right password."""
    sent = {"Content-Type": "application/json"} | headers
    body = '{"version": 1, "to": "staging", "dry_run": true}'
    answer = accounts.call("POST", f"{ACTS}/gate", who=MANAGER, headers=sent, data=body)
    assert answer.status_code == status, answer.text


def test_pages_of_this_server_may_call(accounts: PluginServer, walked: ReleasesBench) -> None:
    """The server's own origin is no foreign one."""
    headers = {"Origin": accounts.uri, "Sec-Fetch-Site": "same-origin"}
    answer = accounts.call("POST", f"{ACTS}/reconcile", who=MANAGER, headers=headers, json={"dry_run": True})
    assert (answer.status_code, answer.json()) == (200, {"dry_run": True, "mended": []})


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[1]", 400),
        (b'{"version": 1, "version": 2}', 400),
        (b'{"version": NaN}', 400),
        (b'{"version": "1", "to": "staging"}', 400),
        (b'{"version": 1, "to": "staging", "extra": 1}', 400),
        (b"\xff\xfe", 400),
        (b"[" * 50_000, 400),
        (b'{"to": "' + b"x" * 70_000 + b'"}', 413),
    ],
)
def test_bad_bodies_are_told(body: bytes, status: int, accounts: PluginServer, walked: ReleasesBench) -> None:
    """Whatever is no JSON object of an act's arguments is an answer with what is wrong, never a crash."""
    headers = {"Content-Type": "application/json"}
    answer = accounts.call("POST", f"{ACTS}/gate", who=MANAGER, headers=headers, data=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["what"]


def test_unknown_acts_and_methods(accounts: PluginServer, walked: ReleasesBench) -> None:
    """An act nobody knows is told with those that exist; nothing is done by a request of another method."""
    answer = accounts.act(MANAGER, "destroy")
    assert answer.status_code == 400
    assert "promote" in answer.json()["error"]["hint"]
    before = len(snapshot(walked).ledger.events)
    for method in ("GET", "PUT", "DELETE"):
        body = {"version": 1, "reason": "x"}
        assert accounts.call(method, f"{ACTS}/retire", who=MANAGER, params=body, json=body).status_code in (
            403,
            404,
            405,
        )
    assert len(snapshot(walked).ledger.events) == before


def writes(run_id: str, experiment: str, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Everything by which somebody could write the ledger, or a release, by hand."""
    tag = {"key": "flywheel.kind", "value": "x"}
    param = {"key": "event.000099", "value": "{}"}
    metric = {"key": "x", "value": 1.0, "timestamp": 1, "step": 0}
    return [
        ("POST", "/runs/log-parameter", {"run_id": run_id, **param}),
        ("POST", "/runs/log-parameter", {"run_uuid": run_id, "run_id": run_id, **param}),
        ("POST", "/runs/log-batch", {"run_id": run_id, "params": [param]}),
        ("POST", "/runs/log-batch", {"run_id": run_id, "tags": [tag]}),
        ("POST", "/runs/set-tag", {"run_id": run_id, **tag}),
        ("POST", "/runs/delete-tag", {"run_id": run_id, "key": "flywheel.kind"}),
        ("POST", "/runs/log-metric", {"run_id": run_id, **metric}),
        ("POST", "/runs/update", {"run_id": run_id, "run_name": "mine"}),
        ("POST", "/runs/delete", {"run_id": run_id}),
        ("POST", "/runs/create", {"experiment_id": experiment}),
        ("POST", "/experiments/delete", {"experiment_id": experiment}),
        ("POST", "/experiments/update", {"experiment_id": experiment, "new_name": "elsewhere"}),
        ("POST", "/experiments/update", {"experiment_id": "0", "new_name": f"{name}/ledger"}),
        ("POST", "/experiments/create", {"name": f"{name}/ledger"}),
        (
            "POST",
            "/experiments/set-experiment-tag",
            {"experiment_id": experiment, "key": "flywheel.name", "value": "x"},
        ),
        ("POST", "/model-versions/create", {"name": name, "source": f"runs:/{run_id}/x", "run_id": run_id}),
        ("POST", "/registered-models/create", {"name": name}),
        ("POST", "/registered-models/rename", {"name": "another", "new_name": name}),
    ]


@pytest.mark.parametrize("index", range(len(writes("", "", ""))))
@pytest.mark.parametrize("prefix", ["/api/2.0/mlflow", "/ajax-api/2.0/mlflow"])
def test_nobody_writes_the_ledger_by_hand(
    index: int, prefix: str, accounts: PluginServer, walked: ReleasesBench
) -> None:
    """Not even the administrator writes into the ledger's runs, or makes a release beside it."""
    before = snapshot(walked)
    method, path, body = writes(before.place.first_run, before.place.experiment_id, walked.name)[index]
    answer = accounts.call(method, prefix + path, who=ADMIN, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), answer.text
    assert "flywheel" in answer.json()["message"]
    assert snapshot(walked) == before


def test_an_administrator_removes_what_lies_beside_the_ledger(accounts: PluginServer, walked: ReleasesBench) -> None:
    """A run that got there past the guard stops nobody; the administrator may delete it, and not the ledger's own."""
    found = snapshot(walked)
    database = f"sqlite:///{accounts.root.parent / 'mlflow.db'}"
    stray = MlflowClient(tracking_uri=database).create_run(found.place.experiment_id).info.run_id
    refused = accounts.act(MANAGER, "promote", version=1, to="production")
    assert "does not hold together" not in refused.text
    answers = [
        accounts.call("POST", f"{API}/runs/delete", who=who, json={"run_id": run_id}).status_code
        for who, run_id in ((STRANGER, stray), (ADMIN, found.place.first_run), (ADMIN, stray))
    ]
    assert answers == [403, 403, 200]
    assert snapshot(walked) == found


def test_anonymous_and_strangers_meet_mlflow_first(accounts: PluginServer, walked: ReleasesBench) -> None:
    """Whom MLflow's own accounts turn away learns nothing from the guard."""
    body = {"name": walked.name, "alias": "production", "version": "1"}
    anonymous = accounts.call("POST", f"{API}/registered-models/alias", json=body)
    stranger = accounts.call("POST", f"{API}/registered-models/alias", who=STRANGER, json=body)
    assert (anonymous.status_code, stranger.status_code) == (401, 403)
    assert "release" not in anonymous.text + stranger.text


def test_plain_clients_go_on(accounts: PluginServer, walked: ReleasesBench) -> None:
    """Somebody without any role logs runs of their own, and reads releases, ledger and aliases."""
    with signed_in(STRANGER):
        client = MlflowClient(tracking_uri=accounts.uri)
        experiment = client.create_experiment(f"{walked.name}-of-eve")
        run_id = client.create_run(experiment).info.run_id
        client.log_batch(run_id, params=[Param("event.000000", "{}")])
        client.log_metric(run_id, "loss", 0.5)
        client.set_tag(run_id, "flywheel.kind", "mine")
        client.set_terminated(run_id)
        client.delete_run(run_id)
        assert dict(client.get_registered_model(walked.name).aliases) == {"staging": "1", "production": "1"}
        assert len(walked.snapshot().ledger.events) > 5
        with pytest.raises(MlflowException, match="Permission denied"):
            client.set_registered_model_alias(walked.name, "production", "1")


@pytest.mark.parametrize("part", ["/p77", "/p77/deeper", "/feedback-of-mine", " "])
def test_experiments_of_the_flywheel_are_made_by_administrators(accounts: PluginServer, part: str) -> None:
    """Nobody becomes a project's owner by being the first to ask for its experiment, nor by a rename."""
    flywheel = load_flywheel(accounts.root).name
    with signed_in(STRANGER):
        client = MlflowClient(tracking_uri=accounts.uri)
        with pytest.raises(MlflowException, match="flywheel init") as caught:
            client.create_experiment(f"{flywheel}{part}")
        assert caught.value.error_code == "PERMISSION_DENIED"
        mine = client.create_experiment(f"{fresh_name()}{part}".strip())
        with pytest.raises(MlflowException, match="found by its name"):
            client.rename_experiment(mine, f"{flywheel}{part}")


def test_an_administrator_makes_all_experiments(accounts: PluginServer) -> None:
    """`flywheel init` as the administrator makes what is missing, and then a project's owner needs a grant alone."""
    flywheel = load_flywheel(accounts.root)
    with signed_in(ADMIN):
        for _ in range(2):
            init_flywheel(flywheel, accounts.bench().bench.tracking)
        names = {item.name for item in accounts.bench().bench.client.search_experiments()}
    upstream = {item.id for item in flywheel.contracts.values() if not item.is_assembly}
    assert {flywheel.name, f"{flywheel.name}/feedback", *(f"{flywheel.name}/{name}" for name in upstream)} <= names


def test_whoever_may_not_read_the_model_cannot_act(accounts: PluginServer, walked: ReleasesBench) -> None:
    """A person whom MLflow denies the registered model is turned away before any rule of the flywheel."""
    grant = {"username": STRANGER, "resource_type": "registered_model", "resource_id": walked.name}
    path = "/api/3.0/mlflow/users/permissions"
    given = accounts.call("POST", f"{path}/grant", who=ADMIN, json=grant | {"permission": "DENY"})
    assert given.status_code == 200, given.text
    answer = accounts.act(STRANGER, "gate", version=1, to="staging", dry_run=True)
    accounts.call("POST", f"{path}/revoke", who=ADMIN, json=grant)
    assert answer.status_code == 403, answer.text
    assert "may not read" in answer.json()["error"]["what"]


def test_the_files_of_the_flywheel_are_read_again(accounts: PluginServer, walked: ReleasesBench) -> None:
    """A fault in flywheel.yaml stops decisions and is told; mended, the new rules hold without a restart."""
    path = accounts.root / "flywheel.yaml"
    text = path.read_text()
    try:
        path.write_text(text + "\nsurprise: 1\n")
        broken = accounts.act(MANAGER, "reconcile", dry_run=True)
        path.write_text(text.replace(f"name: {walked.name}", "name: another"))
        renamed = accounts.act(MANAGER, "reconcile", dry_run=True)
        known = walked.bench.flywheel.blueprint.releases.server_keys[0]
        path.write_text(text.replace(known, new_key(accounts.root.parent / "other.key").public_key))
        keyless = accounts.act(MANAGER, "reconcile", dry_run=True)
    finally:
        path.write_text(text)
    for answer, word in ((broken, "surprise"), (renamed, "another"), (keyless, "public key")):
        assert answer.status_code == 500, answer.text
        assert word in answer.json()["error"]["what"]
    assert accounts.act(MANAGER, "reconcile", dry_run=True).status_code == 200


def test_a_server_error_is_raised_as_one(accounts: PluginServer, walked: ReleasesBench) -> None:
    """A client that did not sign in gets the server's answer as an error with what to set."""
    settings = read_settings(accounts.root, {}, tracking_uri=accounts.uri)
    with signed_in(ADMIN):
        tracking = connect(settings, walked.name)
    with pytest.raises(ServerError, match="not authenticated") as caught:
        act_somewhere(Session(walked.bench.flywheel, tracking, Identity(MANAGER)), "reconcile", {"dry_run": True})
    assert "MLFLOW_TRACKING_USERNAME" in str(caught.value.hint)


def test_rollback_by_the_server(accounts: PluginServer, walked: ReleasesBench) -> None:
    """A second release is overridden into production and rolled back by acts; the stages follow, the audit is clean."""
    assert accounts.done(MANAGER, "create", iteration=2)["version"] == 2
    until = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    for to in ("staging", "production"):
        accounts.done(MANAGER, "override", version=2, to=to, reason="a test", until=until, second=REVIEWER)
        accounts.done(REVIEWER, "override-confirm", version=2, reason="a test")
        accounts.done(MANAGER, "promote", version=2, to=to)
    assert accounts.done(REVIEWER, "rollback", reason="worse")["version"] == 1
    with signed_in(ADMIN):
        found = walked.snapshot()
        assert found.aliases == {"staging": 2, "production": 1}
        assert {item.version: item.stage for item in walked.bench.tracking.releases.versions()} == {
            1: "Production",
            2: "Staging",
        }
        assert walked.findings() == {}


def test_answers_about_data_are_of_who_signed_in(walked: ReleasesBench, accounts: PluginServer, admin: None) -> None:
    """Whoever may write runs can keep answers in any name; the server lets only that person stand by them."""
    asked = Question(name="right", ask="Is it right?")
    plan = ReviewPlan("p01", 1, f"{INTERFACE}@00", 2, (asked,), (ReviewItem("r0", "0"), ReviewItem("r1", "0")))
    session = walked.session(ADMIN)
    keep_plan(session, plan)
    digest = sha256_text(plan.text)
    document = ReviewAnswers(plan.id, digest, REVIEWER, {"r0": {"right": "yes"}})
    given = {"run_id": keep_answers(session, plan, document), "digest": sha256_text(document.text)}
    for who in (STRANGER, MANAGER):
        assert "these are the answers of ben" in accounts.act(who, "human-review-submit", **given).text
    done = accounts.done(REVIEWER, "human-review-submit", **given)
    event = walked.snapshot().ledger.events[done["event"]]
    assert (event.kind, event.actor) == (SUBMITTED, Identity(REVIEWER, AUTHENTICATED))
    assert (event.body["subject"], event.body["items"], event.body["plan"]) == (plan.subject, 1, digest)
    foreign = replace(document, answers={"r0": {"right": "perhaps"}})
    wrong = {"run_id": keep_answers(session, plan, foreign), "digest": sha256_text(foreign.text)}
    assert "not about the items and questions" in accounts.act(REVIEWER, "human-review-submit", **wrong).text
