"""People's answers about data: who is drawn, whose answers count, and what they say to a gate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from flywheels import contract
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from releases_ledger import ANA, BO, MAKER, LedgerBuilder, release_blueprint, release_plan

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.base.signing import new_key
from flywheel_mlflow.decisions.gate_facts import Answer, Verdict
from flywheel_mlflow.decisions.human_review import (
    SUBMITTED,
    ReviewAnswers,
    ReviewedProject,
    ReviewItem,
    ReviewPlan,
    against,
    answers_fit,
    answers_from_json,
    draw,
    fold_submissions,
    judge_reviews,
    outcome_of,
    plan_from_json,
    submission_statement,
    unsettled,
)
from flywheel_mlflow.decisions.ledger import AUTHENTICATED, Identity
from flywheel_mlflow.promises.blueprint import needs_human_review
from flywheel_mlflow.promises.criteria import Criterion
from flywheel_mlflow.promises.review import Question, Review

PASS, BLOCK = Verdict.PASS, Verdict.BLOCK
RIGHT = Question(name="right", ask="Is it right?")
PLAN = ReviewPlan("p01", 1, "p01_data@00", 40, (RIGHT,), tuple(ReviewItem(f"r{n}", "0") for n in range(4)))


def criterion(**more: Any) -> Criterion:
    demand = {"items": 10, "reviewers": 2, "agreement": 0.6} | more.pop("review", {})
    document = {"id": "looked", "kind": "human_review", "demand": "People look.", "role": "reviewer", "limit": 0.8}
    return Criterion.model_validate(document | {"review": demand} | more)


def answers(wrong: str, *, of: int = 20, start: int = 0) -> dict[str, dict[str, str]]:
    """Somebody's answers to the first items; ``wrong`` names those that are no good."""
    bad = {int(number) for number in wrong.split()}
    return {f"r{n}": {"right": "no" if n in bad else "yes"} for n in range(start, of)}


def reviewed(*given: Mapping[str, Mapping[str, str]], items: int = 20, pool: int = 400) -> ReviewedProject:
    names = tuple(f"r{n}" for n in range(items))
    people = dict(zip(("ana", "bo", "cy"), given, strict=False))
    return ReviewedProject("p01", questions=(RIGHT,), pool=pool, items=names, answers=people)


def judge(review: ReviewedProject, **more: Any) -> Answer:
    return judge_reviews(criterion(**more), [review])


def test_people_who_agree_decide() -> None:
    """Enough items, two people who agree, little wrong: a pass; much wrong: a block; both with the share and size."""
    found = judge(reviewed(answers("3 7"), answers("3 7")))
    assert (found.verdict, found.value, found.n) == (PASS, 0.9, 20)
    found = judge(reviewed(answers("1 2 3 4 5 6 7"), answers("1 2 3 4 5 6 7")))
    assert (found.verdict, found.value) == (BLOCK, 0.65)
    assert "p01: 20 of 10 items finished by ana, bo, nothing wrong in 65.0%, 80.0% is demanded" in found.text


def test_one_who_finds_something_wrong_is_enough() -> None:
    """An item is good where nobody found anything wrong, in any question."""
    other = Question(name="safe", ask="Is it safe?")
    review = ReviewedProject(
        "p01",
        questions=(RIGHT, other),
        pool=2,
        items=("a", "b"),
        answers={
            "ana": {"a": {"right": "yes", "safe": "yes"}, "b": {"right": "yes", "safe": "yes"}},
            "bo": {"a": {"right": "yes", "safe": "yes"}, "b": {"right": "yes", "safe": "no"}},
        },
    )
    found = outcome_of(review, reviewers=2)
    assert (found.finished, found.good, found.people) == (2, 1, ("ana", "bo"))
    assert found.by_question == {"right": None, "safe": 0.0}
    assert found.agreement == 0.0


@pytest.mark.parametrize(
    ("review", "message"),
    [
        (ReviewedProject("p01", "nobody has submitted answers yet"), "p01: nobody has submitted answers yet"),
        (reviewed(), "0 of 10 items finished, 2 different people for each"),
        (reviewed(answers("3")), "0 of 10 items finished by ana"),
        (reviewed(answers("3"), answers("3", of=9)), "9 of 10 items finished by ana, bo"),
        (reviewed(answers("3"), answers("3", start=1)), "0 of 10 items finished"),
        (reviewed(answers("3", of=8), answers("3", of=8), items=8), "finished by ana, bo; only 8 were drawn"),
        (reviewed(answers("3"), answers("9")), "do not agree, least about right: Krippendorff's alpha is -0.0263"),
        (reviewed(answers(""), answers("")), "Krippendorff's alpha is unknown: where nobody sees a difference"),
    ],
)  # fmt: skip
def test_too_little_is_never_a_pass(review: ReviewedProject, message: str) -> None:
    """Nobody, one person, too few items, items picked out of the draw, no agreement, unknown agreement: no verdict."""
    found = judge(review)
    assert found.verdict is None
    assert message in found.text
    assert unsettled(criterion(), [review]) == ("p01",)


def test_no_project_is_no_pass() -> None:
    """A release in which nobody needs review shows nothing."""
    assert judge_reviews(criterion(), []).verdict is None


def test_all_of_little_data_is_enough() -> None:
    """Where there are fewer items than demanded, all of them are."""
    few = reviewed(answers("1", of=5), answers("1", of=5), items=5, pool=5)
    assert judge(few, limit=0.8).verdict is PASS


def test_the_other_coefficient_can_tell_where_all_is_good() -> None:
    """Gwet's AC1 passes data in which both find nothing, and still sees reviewers who do not agree."""
    by_ac1 = criterion(review={"coefficient": "ac1"})
    assert judge_reviews(by_ac1, [reviewed(answers(""), answers(""))]).verdict is PASS
    found = judge_reviews(by_ac1, [reviewed(answers("1 2 3 4"), answers("5 6 7 8"))])
    assert found.verdict is None
    assert "Gwet's AC1" in found.text


def test_a_sample_says_less_than_all() -> None:
    """With a confidence the share must hold for all items: a small sample cannot tell, unless it is all there is."""
    one_wrong = (answers("3"), answers("3"))
    assert judge(reviewed(*one_wrong)).verdict is PASS
    found = judge(reviewed(*one_wrong), confidence=0.95)
    assert found.verdict is None
    assert "of all 400 it is 76.4% to 99.1% (95%)" in found.text
    assert judge(reviewed(*one_wrong, pool=20), confidence=0.95).verdict is PASS
    bad = answers("0 1 2 3 4 5 6 7 8 9 10 11")
    assert judge(reviewed(bad, bad), confidence=0.95).verdict is BLOCK


def test_the_worst_project_decides() -> None:
    """A block before an unknown before a pass, and the reason comes first."""
    good, bad = reviewed(answers("3"), answers("3")), reviewed(answers("0 1 2 3 4"), answers("0 1 2 3 4"))
    unknown = ReviewedProject("p03", "nobody has submitted answers yet")
    found = judge_reviews(criterion(), [good, unknown, replace(bad, project="p02")])
    assert found.verdict is BLOCK
    assert [part.split(":")[0] for part in found.text.split("; ")] == ["p02", "p03", "p01"]
    assert (found.value, found.n) == (None, 0)
    assert judge_reviews(criterion(), [good, unknown]).verdict is None


@given(st.sets(st.text(max_size=5), max_size=40), st.integers(1, 20), st.integers(0, 20), st.randoms())
def test_a_larger_draw_begins_with_the_smaller(names: set[str], count: int, more: int, random: Any) -> None:
    """Whatever the order of the pool, the first of a draw are the same; another subject is another draw."""
    pool = [(name, name) for name in names]
    small, size = draw("data@1", pool, count)
    random.shuffle(pool)
    large, _ = draw("data@1", pool, count + more)
    assert size == len(names)
    assert large[: len(small)] == small
    assert len(small) == min(count, len(names))


def test_another_version_is_another_draw() -> None:
    """Which items are drawn depends on the version, so that nobody can make only these good."""
    pool = [(f"r{n}", n) for n in range(200)]
    assert set(draw("data@1", pool, 20)[0]) != set(draw("data@2", pool, 20)[0])


def test_documents_come_back() -> None:
    """A review and answers are read as they were written; other texts are refused."""
    document = ReviewAnswers(PLAN.id, "0" * 64, "ana", {"r0": {"right": "yes"}}, {"r0": "fine"})
    assert plan_from_json(PLAN.text, name="x") == PLAN
    assert answers_from_json(document.text, name="x") == document
    assert replace(PLAN, iteration=2).id == PLAN.id != replace(PLAN, items=PLAN.items[:3]).id
    for read in (plan_from_json, answers_from_json):
        for text in ("", "[]", '{"review": 1}', document.text.replace('"ana"', "3"), PLAN.text.replace("40", '"40"')):
            with pytest.raises(DocumentError):
                read(text, name="x")


def test_answers_nobody_was_asked_for_do_not_fit() -> None:
    """Other items, questions or answers than those of the review, and none at all."""
    whole = ReviewAnswers(PLAN.id, "0", "ana", {"r0": {"right": "yes"}})
    assert answers_fit(PLAN, whole)
    for given_answers in ({}, {"r9": {"right": "yes"}}, {"r0": {"tone": "yes"}}, {"r0": {"right": "Yes"}}):
        assert not answers_fit(PLAN, replace(whole, answers=given_answers))


def body(**more: Any) -> dict[str, Any]:
    return {
        "project": "p01",
        "subject": "p01_data@00",
        "asked": PLAN.asked,
        "review": PLAN.id,
        "plan_run_id": "run-p",
        "plan": "1" * 64,
        "run_id": "run-a",
        "digest": "2" * 64,
        "items": 4,
    } | more


def test_the_newest_submission_of_a_person_stands() -> None:
    """One of a person for a subject and its questions; what lacks something decides nothing."""
    told = LedgerBuilder()
    told.write(SUBMITTED, body(), actor=ANA)
    told.write(SUBMITTED, body(run_id="run-b"), actor=BO)
    told.write(SUBMITTED, body(run_id="run-c"), actor=ANA)
    told.write(SUBMITTED, body(asked="other"), actor=ANA)
    for lacking in ({"items": 0}, {"digest": None}, {"signature": {"public_key": 1}}, {"signature": "x"}):
        told.write(SUBMITTED, body(**lacking), actor=ANA)
    found = fold_submissions(told.ledger.events)
    assert [(item.actor.name, item.run_id, item.asked == PLAN.asked) for item in found] == [
        ("bo", "run-b", True),
        ("ana", "run-c", True),
        ("ana", "run-a", False),
    ]


def test_whose_answers_count(tmp_path: Any) -> None:
    """Role, authorship, a signature where one is due, and a seal where one is claimed or demanded."""
    key, foreign, server = (new_key(tmp_path / name) for name in ("ana", "foreign", "server"))
    plan = release_plan(server_keys=[server.public_key])
    plan["people"][1]["public_key"] = key.public_key
    blueprint = release_blueprint(plan)
    words = submission_statement("tiny", "p01", "p01_data@00", "2" * 64)

    def why(actor: Identity, signer: Any = None, *, sealed: bool = False, role: str = "reviewer", **more: Any) -> str:
        told = LedgerBuilder(blueprint)
        signature = {"signature": plain(signer.sign(words))} if signer else {}
        event = told.write(SUBMITTED, body(**signature), actor=actor, seal=server if sealed else None)
        (item,) = fold_submissions([event])
        return against(item, event, criterion(role=role, **more), author="maker", flywheel="tiny", blueprint=blueprint)

    assert why(BO) == why(ANA, key) == ""
    assert "not signed" in why(ANA)
    assert "not signed" in why(ANA, foreign)
    assert "does not hold the role guardian" in why(ANA, key, role="guardian")
    assert "made the release" in why(MAKER)
    vouched = Identity("bo", AUTHENTICATED)
    assert "no known server sealed" in why(vouched)
    assert why(vouched, sealed=True, verified=True) == ""
    assert why(ANA, key, verified=True) == ""
    assert "nobody vouches" in why(BO, verified=True)


def test_who_needs_people() -> None:
    """A contract that says so, or one that names a control point which demands it."""
    plan = release_plan()
    assert needs_human_review(release_blueprint(plan), contract("p01", review={"human": True}))
    assert not needs_human_review(release_blueprint(plan), contract("p01"))
    plan["gates"][0]["criteria"].append(plain(criterion()))
    plan["control_points"][0]["criteria"] = ["looked"]
    assert needs_human_review(release_blueprint(plan), contract("p01"))
    assert not needs_human_review(release_blueprint(plan), contract("p01", review={"human": False}))


def test_a_gate_that_asks_nobody_has_the_digest_it_had() -> None:
    """Approvals rest on the digest of the gates: the new demand is in it only where a gate makes it."""
    assert '"review":' not in canonical_json(release_blueprint().gates)
    assert '"review":{' in canonical_json(criterion())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"role": None}, "needs a role and a limit"),
        ({"limit": None}, "needs a role and a limit"),
        ({"limit": 0.0}, "needs a role and a limit"),
        ({"review": None}, "says under `review`"),
        ({"kind": "checks"}, "says under `review`"),
        ({"review": {"agreement": None}}, "need an agreement"),
        ({"review": {"reviewers": 1}}, "need an agreement"),
        ({"review": {"items": 0}}, "greater than or equal to 1"),
    ],
)
def test_a_demand_that_cannot_be_met_or_missed_is_refused(change: dict[str, Any], message: str) -> None:
    """A criterion without role, limit or demand, and agreement of one person with nobody."""
    document = plain(criterion())
    inner = change.get("review")
    merged = change if inner is None else {"review": document["review"] | inner}
    with pytest.raises(ValidationError, match=message):
        Criterion.model_validate(document | merged)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"name": "comment"}, "is taken"),
        ({"name": "feedback"}, "is taken"),
        ({"answers": ["yes", "YES "]}, "the same but for case"),
        ({"answers": ["yes"]}, "at least 2"),
        ({"good": ["fine"]}, "not among the answers: fine"),
        ({"good": ["yes", "no"]}, "nothing can be found wrong"),
        ({"answers": ["a" * 65, "b"], "good": ["b"]}, "at most 64"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(question: dict[str, Any], message: str) -> None:
    """Names that are taken, answers that are the same, and questions of which every answer is good."""
    with pytest.raises(ValidationError, match=message):
        Question.model_validate({"name": "right", "ask": "Is it right?"} | question)


def test_a_question_asked_twice_is_refused() -> None:
    """Two questions of one name would be one."""
    with pytest.raises(ValidationError, match="two have the same name"):
        Review(human=True, questions=(RIGHT, RIGHT))


def test_records_are_those_of_an_interface() -> None:
    """`records_of` names what the project makes, and what can be looked at."""
    with pytest.raises(ValidationError, match="no interface_out with records"):
        contract("p01", review={"human": True, "records_of": "p02_data"})
    assert contract("p01", review={"human": True, "records_of": "p01_data"}).review.records_of == "p01_data"
