"""Tests of approvals."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from releases_ledger import ANA, BO, MAKER, NOON, STRANGER, LedgerBuilder, bundle_of, release_blueprint, release_plan

from flywheel_mlflow.base.signing import SigningKey, new_key
from flywheel_mlflow.decisions.approvals import JudgedApproval, ask_instead, judge_all, key_of, may_move, statement
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.decisions.releases import Basis
from flywheel_mlflow.promises.blueprint import Blueprint

SERVER_ANA = Identity("ana", AUTHENTICATED)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SigningKey]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: new_key(folder / name) for name in ("ana", "bo", "server", "foreign")}


@pytest.fixture(scope="module")
def keyed(keys: dict[str, SigningKey]) -> Blueprint:
    """The blueprint in which ana has a key and a server is known."""
    plan = release_plan(server_keys=[keys["server"].public_key])
    plan["people"][1]["public_key"] = keys["ana"].public_key
    return release_blueprint(plan)


def judged(story: LedgerBuilder, *, now: datetime = NOON + HOUR, basis: Basis | None = None) -> JudgedApproval:
    """The newest approval of release 1, judged."""
    release = story.release()
    return judge_all(release, story.ledger.events, blueprint=story.blueprint, basis=basis or story.basis(1), now=now)[
        -1
    ]


def registered(blueprint: Blueprint | None = None) -> LedgerBuilder:
    story = LedgerBuilder(blueprint) if blueprint else LedgerBuilder()
    story.register()
    return story


def only(found: JudgedApproval) -> str:
    """The one thing that speaks against it."""
    assert not found.counts
    (why,) = found.against
    return why


def test_a_reviewer_who_is_not_the_author_counts() -> None:
    """Nothing speaks against it; without key and seal the name is a claim."""
    story = registered()
    story.approve()
    found = judged(story)
    assert (found.counts, found.verified, found.forged, found.against) == (True, False, False, ())
    assert found.until == story.release().approvals[0].until


def test_the_author_does_not_approve() -> None:
    """Who made the release holds the role and is refused all the same."""
    story = registered()
    story.approve(actor=MAKER)
    found = judged(story)
    assert "nobody approves what they made" in only(found)
    assert not found.forged


def test_a_stranger_does_not_approve() -> None:
    """Neither somebody unknown nor somebody with another role."""
    story = registered()
    story.approve(actor=STRANGER)
    assert only(judged(story)) == "stranger does not hold the role reviewer"
    story.approve(role="guardian")
    assert only(judged(story)) == "ana does not hold the role guardian"
    story.approve(role="king", actor=BO)
    assert only(judged(story)) == "bo does not hold the role king"


def test_an_approval_expires() -> None:
    """It counts up to the moment it names, and not at it."""
    story = registered()
    event = story.approve(until=(NOON + HOUR).isoformat(), said={"until": NOON + HOUR})
    assert judged(story, now=NOON + HOUR - timedelta(microseconds=1)).counts
    assert "expired on 2026-03-01 13:00 UTC" in only(judged(story, now=NOON + HOUR))
    assert event.number == 1


def test_no_approval_outlives_the_days_of_the_blueprint() -> None:
    """An end far away is cut to the days that flywheel.yaml gives."""
    story = registered(release_blueprint(approval_days=2))
    far = NOON + timedelta(days=900)
    event = story.approve(until=far.isoformat(), said={"until": far})
    ends = event.at + timedelta(days=2)
    assert judged(story).until == ends
    assert judged(story, now=ends - timedelta(microseconds=1)).counts
    assert "expired" in only(judged(story, now=ends))


def test_a_date_in_the_future_does_not_lengthen_an_approval() -> None:
    """A clock may be minutes off; an approval dated next year counts for nothing until then."""
    story = registered()
    story.approve(at=NOON + timedelta(days=300))
    assert "which has not come yet" in only(judged(story))
    near = registered()
    near.approve(at=NOON + HOUR + timedelta(minutes=4))
    assert judged(near).counts


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bundle": bundle_of(7)}, "the bundle"),
        ({"gates": "other"}, "the gates or roles"),
        ({"reference": "release 4"}, "what it is compared with"),
        ({"drift": "other"}, "the drift comparison"),
    ],
)
def test_each_part_of_the_basis_voids_it(change: dict[str, str], told: str) -> None:
    """Bundle, gates, what it is compared with, and the drift comparison: any of them changed, and it counts no more."""
    story = registered()
    story.approve()
    why = only(judged(story, basis=replace(story.basis(1), **change)))
    assert why.startswith(f"void: {told}")


def test_a_changed_role_voids_it() -> None:
    """Who decides is part of the basis: another list of reviewers is another gate."""
    story = registered()
    story.approve()
    plan = release_plan()
    plan["roles"][0]["people"] = ["ana"]
    story.blueprint = release_blueprint(plan)
    assert "gates or roles" in only(judged(story))


def test_who_has_a_key_signs(keyed: Blueprint, keys: dict[str, SigningKey]) -> None:
    """Signed with it, the name is proven; unsigned, or signed by another key, it is a forgery."""
    story = registered(keyed)
    story.approve(key=keys["ana"])
    assert (judged(story).counts, judged(story).verified) == (True, True)
    for key in (None, keys["bo"], keys["server"]):
        story.approve(key=key)
        found = judged(story)
        assert "does not carry the signature" in only(found)
        assert (found.forged, found.verified) == (True, False)


def test_a_server_does_not_replace_the_signature(keyed: Blueprint, keys: dict[str, SigningKey]) -> None:
    """A stolen password is not enough where the person signs."""
    story = registered(keyed)
    story.approve(actor=SERVER_ANA, seal=keys["server"])
    assert judged(story).forged
    assert not judged(story).verified


@pytest.mark.parametrize(
    "said",
    [
        {"version": 2},
        {"role": "guardian"},
        {"reason": "it is bad"},
        {"until": NOON + timedelta(days=15)},
        {"basis": Basis(bundle_of(2), "g", "", "")},
        {"basis": Basis(bundle_of(1), "g", "", "")},
    ],
)
def test_a_signature_over_something_else_is_a_forgery(
    keyed: Blueprint, keys: dict[str, SigningKey], said: dict[str, Any]
) -> None:
    """A real signature of ana over another version, role, reason, end or basis does not serve."""
    story = registered(keyed)
    story.approve(key=keys["ana"], said=said)
    found = judged(story)
    assert "speaks of another release" in only(found)
    assert (found.forged, found.verified) == (True, False)


def test_an_old_signature_does_not_serve_a_new_basis(keyed: Blueprint, keys: dict[str, SigningKey]) -> None:
    """Whoever can write to the ledger cannot revive a void approval by writing it again with the basis of today."""
    story = registered(keyed)
    story.approve(key=keys["ana"])
    today = replace(story.basis(1), drift="a comparison made later")
    assert "void" in only(judged(story, basis=today))
    old = dict(story.ledger.events[-1].body)
    story.write("approved", old | {"basis": {**old["basis"], "drift": today.drift}}, actor=ANA)
    found = judged(story, basis=today)
    assert (found.counts, found.forged) == (False, True)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "7", "not JSON", '{"until":5}', '{"a":NaN}', "[" * 5_000])
def test_a_hostile_statement_is_a_forgery(text: str) -> None:
    """What was allegedly signed cannot be read: nothing is raised, and it does not count."""
    story = registered()
    story.approve(statement=text)
    assert judged(story).forged


def test_the_same_moment_in_another_zone_is_the_same_end() -> None:
    """The statement may name the end in the approver's own time zone."""
    story = registered()
    told = (NOON + HOUR * 5).isoformat().replace("17:00:00+00:00", "19:00:00+02:00")
    text = statement("f", 1, story.basis(1), role="reviewer", reason="it is good", until=datetime.fromisoformat(told))
    story.approve(statement=text, until=told)
    assert judged(story).counts
    assert judged(story).until == NOON + HOUR * 5


def test_a_server_vouches_for_a_name(keys: dict[str, SigningKey]) -> None:
    """A sealed approval is verified, a claimed one counts and is not, one that lacks the seal it claims is forged."""
    story = registered(release_blueprint(server_keys=[keys["server"].public_key]))
    story.approve(actor=SERVER_ANA, seal=keys["server"])
    assert (judged(story).counts, judged(story).verified) == (True, True)
    story.approve()
    assert (judged(story).counts, judged(story).verified) == (True, False)
    for seal in (None, keys["foreign"]):
        story.approve(actor=SERVER_ANA, seal=seal)
        assert "no known server sealed it" in only(judged(story))
        assert judged(story).forged


def test_a_seal_without_the_claim_vouches_for_nothing(keys: dict[str, SigningKey]) -> None:
    """A server that passes on what a client claims does not vouch for it."""
    story = registered(release_blueprint(server_keys=[keys["server"].public_key]))
    story.approve(seal=keys["server"])
    assert (judged(story).counts, judged(story).verified) == (True, False)


def test_everything_against_it_is_told() -> None:
    """An expired, void approval by the author names all three."""
    story = registered()
    story.approve(actor=MAKER)
    found = judged(story, now=NOON + timedelta(days=99), basis=replace(story.basis(1), drift="x"))
    assert len(found.against) == 3


def test_all_approvals_are_judged_in_order() -> None:
    """One judgement for each, oldest first, and of this release alone."""
    story = registered()
    story.register(2)
    story.approve()
    story.approve(2)
    story.approve(actor=BO)
    found = judge_all(story.release(), story.ledger.events, blueprint=story.blueprint, basis=story.basis(1), now=NOON)
    assert [item.approval.actor.name for item in found] == ["ana", "bo"]


def test_who_may_move_releases() -> None:
    """Those whose role says so; everybody where no role is named."""
    strict, open_ = release_blueprint(may_move=["guardian"]), release_blueprint(may_move=[])
    assert [may_move(strict, actor) for actor in (ANA, BO, STRANGER)] == [False, True, False]
    assert may_move(open_, STRANGER)
    assert key_of(strict, "ana") is None
    assert key_of(strict, "nobody") is None


def test_people_are_asked_by_name() -> None:
    """Who may not act learns who may; and where their own name comes from, unless a server proved it."""
    proven = Identity("eve", AUTHENTICATED)
    assert ask_instead(["ben"], proven) == "ask ben"
    assert ask_instead(["ben", "chen"], proven) == "ask one of ben, chen"
    assert ask_instead([], proven) == "name somebody for the role"
    assert ask_instead(["ben"], Identity("eve")) == (
        "ask ben; who acts is named by MLFLOW_TRACKING_USERNAME, else by the login"
    )
