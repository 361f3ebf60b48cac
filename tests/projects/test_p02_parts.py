"""The parts of the legal factory: articles, judge, refusals."""

from __future__ import annotations

import random
from typing import Any

import pytest
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.tasks import Task

FOLDER = PROJECTS / "p02_legal_sft"
articles = load_module(FOLDER / "p02_articles.py")
teacher = load_module(FOLDER / "p02_teacher.py")
judging = load_module(FOLDER / "p02_judge.py")
refusals = load_module(FOLDER / "p02_refusals.py")
samples = load_module(FOLDER / "p02_samples.py")

CHINESE = {
    "law": "示例民法典",
    "number": 3,
    "domain": "civil",
    "language": "zh",
    "text": "第3条 租赁合同中，承租人逾期支付费用的，应当自收到通知之日起15日内补交；逾期的，出租人可以解除合同。",
}
ENGLISH = {
    "law": "Model Labour Act",
    "number": 4,
    "domain": "labour",
    "language": "en",
    "text": "Article 4. Where an employer orders overtime, the employer shall grant time off within 20 days of the "
    "overtime; failing that, the worker may refuse further overtime.",
}


def draws(seed: object) -> random.Random:
    """A seeded generator."""
    return random.Random(str(seed))  # noqa: S311 - no secret


def provision(article: dict[str, Any] = CHINESE) -> Any:
    """What an article lays down."""
    return articles.parse(article)


def test_articles_of_both_languages_are_read() -> None:
    """Condition, duty, consequence and time limit are found in both forms."""
    chinese, english = provision(CHINESE), provision(ENGLISH)
    assert (chinese.condition, chinese.otherwise, chinese.limit_days) == (
        "租赁合同中，承租人逾期支付费用",
        "出租人可以解除合同",
        15,
    )
    assert (english.condition, english.otherwise, english.limit_days) == (
        "an employer orders overtime",
        "the worker may refuse further overtime",
        20,
    )
    assert (chinese.citation, english.citation) == ("《示例民法典》第3条", "Model Labour Act, Article 4")


@pytest.mark.parametrize(
    "text",
    [
        "第3条 本法所称书面形式，包括数据电文。",
        "第4条 甲方违约的，应当赔偿；逾期的，合同终止。",
        "Article 3. In this Act, a day is a day.",
    ],
)
def test_what_lays_nothing_down_is_no_provision(text: str) -> None:
    """Definitions, and texts that carry another article's number, are left out."""
    assert articles.parse({**CHINESE, "text": text}) is None


@pytest.mark.parametrize("article", [CHINESE, ENGLISH])
@pytest.mark.parametrize("task", ["legal_qa", "statute_explanation", "case_analysis"])
def test_a_careful_answer_meets_every_criterion(article: dict[str, Any], task: str) -> None:
    """An answer without a slip has the full score, and a careless one less."""
    found = provision(article)
    rng = draws("judge")
    question = teacher.ask(found, task, rng)
    assert judging.score(teacher.careful(question, rng, 0.0), found) == judging.ACCEPTED_SCORE
    assert all(judging.score(teacher.careless(question, rng), found) < 3 for _ in range(10))


@pytest.mark.parametrize(
    ("slip", "criterion"),
    [
        ("wrong article", "citation_present"),
        ("no legal basis", "legal_basis_present"),
        ("no caution", "safe_response"),
        ("no headings", "structured_answer"),
    ],
)
def test_the_judge_notices_every_slip(slip: str, criterion: str) -> None:
    """Each known way to slip fails the criterion that guards against it."""
    question = teacher.ask(provision(), "legal_qa", draws("slip"))
    assert not judging.judge(teacher._slipped(question, slip), provision())[criterion]


def test_an_unsafe_phrase_is_noticed_in_an_otherwise_good_answer() -> None:
    """Advice to destroy papers fails safety, whatever else the answer does right."""
    question = teacher.ask(provision(), "legal_qa", draws("safe"))
    answer = teacher.careful(question, draws("careful"), 0.0) + "\n另外，把材料销毁。"
    assert not judging.judge(answer, provision())["safe_response"]
    assert judging.review(answer, question.text, provision())["risk_control"] == 1


def test_a_number_from_nowhere_costs_accuracy() -> None:
    """The review marks down an answer with a number that is neither in the article nor in the question."""
    question = teacher.ask(provision(), "legal_qa", draws("number"))
    answer = teacher.careful(question, draws("careful"), 0.0)
    assert judging.review(answer, question.text, provision())["accuracy_proxy"] > 4
    assert judging.review(answer.replace("15", "99"), question.text, provision())["accuracy_proxy"] == 1


def test_a_case_turns_on_its_days() -> None:
    """A case is late exactly when more days passed than the article gives."""
    for number in range(20):
        question = teacher.ask(provision(), "case_analysis", draws(number))
        days = int(question.text.split("第")[-1].split("日")[0])
        assert question.late == (days > 15)


def test_a_question_whose_every_draft_slips_gives_no_sample() -> None:
    """The judge is not talked round: a teacher that always slips makes nothing."""
    assert samples.make_sample(teacher.ask(provision(), "legal_qa", draws(1)), draws(2), 1.0) is None


def prompt(text: str, *, risky: bool = True, theme: str = "overtime", act: str = "") -> Any:
    """A request under the labour act."""
    return refusals.Prompt(theme, "Model Labour Act", act or text, text, risky)


def test_a_refusal_cites_what_the_request_offends() -> None:
    """The nearest article of the theme's law is cited, and quoted only in its own language."""
    given = [prompt("hide the overtime"), prompt("隐瞒加班")]
    offended = refusals.assign_articles(given, [provision(CHINESE), provision(ENGLISH)])
    assert {item.article for item in offended.values()} == {"Model Labour Act 4"}
    english, chinese = (refusals.refusal(item, offended[item.act]) for item in given)
    assert "grant time off" in english
    assert "Model Labour Act, Article 4" in chinese
    assert "grant time off" not in chinese


def test_a_law_without_provisions_is_refused() -> None:
    """A theme under a law nobody has is the data's fault, and named."""
    with pytest.raises(InputError, match="no provision of the law"):
        refusals.assign_articles([prompt("hide it")], [provision(CHINESE)])


def test_rates_without_cases_are_unknown() -> None:
    """No risky prompt, no recall: unknown, not 0 and not 1."""
    assert refusals.rates([prompt("a", risky=False)], [True]) == {
        "risky_total": 0,
        "benign_total": 1,
        "refusal_recall": None,
        "false_refusal_rate": 1.0,
    }
    assert refusals.measure([prompt("a")], [prompt("b")], [])["hidden"]["refusal_recall"] is None


def task(payload: dict[str, Any]) -> Task:
    """A task with a payload."""
    return Task(id="t1", project="p02", iteration=3, theme="overtime", request="refuse", payload=payload)


def test_tasks_bring_prompts() -> None:
    """The prompts of a task carry its theme."""
    asked = [{"act": "hide overtime", "prompt": "How do I hide overtime?", "risky": True}]
    (found,) = refusals.prompts_of_tasks([task({"law": "Model Labour Act", "prompts": asked})])
    assert (found.theme, found.act, found.risky, found.language) == ("overtime", "hide overtime", True, "en")


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({}, "payload.law"),
        ({"law": "x", "prompts": [{"act": "a", "prompt": "p", "risky": "yes"}]}, "payload.prompts.0.risky"),
        ({"law": "x", "prompts": [], "run": "this"}, "payload.run"),
    ],
)
def test_a_faulty_task_is_refused_with_the_place(payload: dict[str, Any], place: str) -> None:
    """A payload that is not what this project understands is refused, and says where."""
    with pytest.raises(InputError, match=place) as caught:
        refusals.prompts_of_tasks([task(payload)])
    assert caught.value.where == "task t1"
