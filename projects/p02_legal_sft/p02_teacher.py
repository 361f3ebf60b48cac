"""Drafts answers about a provision: careful ones that now and then slip, and careless ones to prefer them over."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace

from p02_articles import Provision

TASKS = ("legal_qa", "statute_explanation", "case_analysis")
#: How often a careful draft slips; the judge has to notice, and a new draft is asked for.
SLIP_RATE = 0.06
SLIPS = ("wrong article", "no legal basis", "no caution", "no headings")
CARELESS = ("shortcut", "vague", "misquoted", "overclaimed")

HEADINGS = {
    "en": ("Conclusion", "Legal basis", "Analysis", "What to do", "Caution"),
    "zh": ("结论", "法律依据", "分析", "操作建议", "风险提示"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about a provision; ``late`` is the fact a case turns on, None outside cases."""

    provision: Provision
    task: str
    text: str
    late: bool | None = None


def ask(provision: Provision, task: str, rng: random.Random) -> Question:
    """The question of one task type about a provision; a case gets its facts drawn."""
    english = provision.language == "en"
    if task == "legal_qa":
        text = (
            f"What does the law require where {provision.condition}, and what follows otherwise?"
            if english
            else f"{provision.condition}的，法律有什么规定？后果是什么？"
        )
        return Question(provision, task, text)
    if task == "statute_explanation":
        text = (
            f"Explain {provision.citation} in plain words: {provision.duty}."
            if english
            else f"请用通俗的话解释{provision.citation}：{provision.duty}。"
        )
        return Question(provision, task, text)
    return _case(provision, rng)


def _case(provision: Provision, rng: random.Random) -> Question:
    if provision.limit_days is None:
        late = rng.random() < 0.5
        fact = "事后没有作出任何补救" if late else "事后已经主动投案并作出补救"
        return Question(provision, "case_analysis", f"案例：某人{provision.condition}，{fact}。应当如何处理？", late)
    days = rng.randint(1, 2 * provision.limit_days)
    late = days < provision.limit_days if provision.ahead else days > provision.limit_days
    if provision.language == "en":
        text = (
            f"Case: {provision.condition}. {days} days have passed and nothing was done until today. How does it stand?"
        )
    elif provision.ahead:
        text = f"案例：{provision.condition}，并且只提前{days}日通知了对方。应当如何处理？"
    else:
        text = f"案例：{provision.condition}，当事人在第{days}日才采取行动。应当如何处理？"
    return Question(provision, "case_analysis", text, late)


def _sections(question: Question) -> dict[str, str]:
    provision = question.provision
    english = provision.language == "en"
    keys = HEADINGS[provision.language]
    limit = provision.limit_days
    if english:
        verdict = {
            None: f"Where {provision.condition}, {provision.duty}.",
            True: f"The time has passed: {provision.otherwise}.",
            False: f"There is still time: {provision.duty}.",
        }[question.late]
        values = (
            verdict,
            f"{provision.citation}: where {provision.condition}, {provision.duty}.",
            f"The duty arises when {provision.condition}. If it is not met, {provision.otherwise}.",
            f"Count {limit} days from the event the article names, act in writing and keep a proof.",
            "This is general information about a model law; ask a lawyer about your own case.",
        )
    else:
        verdict = {
            None: f"{provision.condition}的，{provision.duty}。",
            True: f"已经不符合规定，{provision.otherwise}。" if limit else f"{provision.duty}，不适用从宽情形。",
            False: f"符合规定，{provision.duty}。" if limit else f"{provision.duty}；{provision.otherwise}。",
        }[question.late]
        steps = f"请按{limit}日的期限书面办理，并保留证据。" if limit else "请尽快委托律师，主动说明情况并保留证据。"
        values = (
            verdict,
            f"{provision.citation}规定：{provision.condition}的，{provision.duty}。",
            f"适用条件是{provision.condition}；相应后果是{provision.otherwise}。",
            steps,
            "以上为示例法律的一般信息，个案请咨询律师。",
        )
    return dict(zip(keys, values, strict=True))


def _joined(sections: Mapping[str, str], language: str) -> str:
    colon = ": " if language == "en" else "："
    return "\n".join(f"{heading}{colon}{text}" for heading, text in sections.items())


def careful(question: Question, rng: random.Random, slip_rate: float = SLIP_RATE) -> str:
    """A structured answer, which slips in one of the known ways at the given rate."""
    if rng.random() >= slip_rate:
        return _joined(_sections(question), question.provision.language)
    return _slipped(question, rng.choice(SLIPS))


def _slipped(question: Question, slip: str) -> str:
    language = question.provision.language
    headings = HEADINGS[language]
    if slip == "wrong article":
        wrong = replace(question.provision, number=question.provision.number + 1)
        return _joined(_sections(replace(question, provision=wrong)), language)
    sections = _sections(question)
    if slip == "no headings":
        return " ".join(sections.values())
    sections.pop(headings[1] if slip == "no legal basis" else headings[4])
    return _joined(sections, language)


def careless(question: Question, rng: random.Random) -> str:
    """An answer people do give, and nobody should learn: short, vague, misquoted or promising too much."""
    kind = rng.choice(CARELESS)
    provision = question.provision
    if kind == "misquoted":
        wrong = replace(provision, number=provision.number + 3, duty=provision.otherwise)
        return "\n".join(_joined(_sections(replace(question, provision=wrong)), provision.language).splitlines()[:3])
    case, cited = provision.condition, provision.citation
    english = {
        "shortcut": f"Never mind the law ({cited}): destroy the letters, and nobody will know that {case}.",
        "vague": f"It depends. Where {case}, some rule may apply; see how it goes.",
        "overclaimed": f"You are guaranteed to win under {cited}, because {case}. No need to do anything.",
    }
    chinese = {
        "shortcut": f"不用管法律（{cited}），{case}也没人知道，把材料销毁就行。",
        "vague": f"看情况吧，{case}可能有相关规定，再等等看。",
        "overclaimed": f"依据{cited}保证胜诉，{case}根本不是问题，什么都不用做。",
    }
    return (english if provision.language == "en" else chinese)[kind]
