"""Refusals of risky requests, and the classifier that learns from them which requests to refuse."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from p02_articles import Provision, shared
from pydantic import Field, ValidationError

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Task
from flywheel_mlflow.promises.strict import Strict, Text

#: Weight of the data against smoothness; 1 refuses too much, 100 no better (tried).
STRENGTH = 10.0
#: From which probability a request is refused: below one half, for a lawful request refused costs a second question,
#: an unlawful one answered costs harm.
REFUSED_FROM = 0.4
#: Acts of a theme are spread over this many articles, so that a split by article leaves each theme on both sides.
ARTICLES_PER_THEME = 4

_REFUSAL = {
    "en": (
        "I cannot help with that: it would break {citation}, under which {duty}.\n"
        "What you can do lawfully: set down the facts, keep your documents as they are, and ask a lawyer or the "
        "competent office how to proceed."
    ),
    "zh": (
        "我不能提供这方面的帮助：这违反{citation}，依照该条，{duty}。\n"
        "合法的做法：如实整理事实，原样保存材料，并向律师或者主管部门咨询。"
    ),
}
_FOREIGN = {
    "en": (
        "I cannot help with that: it would break {citation}.\n"
        "What you can do lawfully: keep your documents as they are, and ask a lawyer."
    ),
    "zh": "我不能提供这方面的帮助：这违反{citation}。\n合法的做法：原样保存材料，并向律师咨询。",
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request for advice: what is asked for, in which words, and whether it must be refused."""

    theme: str
    law: str
    act: str
    text: str
    risky: bool

    @property
    def language(self) -> str:
        """Chinese if it has a Chinese character."""
        return "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in self.text) else "en"


class _Asked(Strict):
    act: Text
    prompt: Text
    risky: bool = Field(strict=True)


class _Payload(Strict):
    law: Text
    prompts: tuple[_Asked, ...]


def read_prompts(rows: Iterable[Mapping[str, Any]]) -> list[Prompt]:
    """The prompts of sample data."""
    return [Prompt(row["theme"], row["law"], row["act"], row["prompt"], row["risky"]) for row in rows]


def prompts_of_tasks(tasks: Iterable[Task]) -> list[Prompt]:
    """The prompts that tasks bring.

    Raises:
        InputError: a payload is not ``{law, prompts: [{act, prompt, risky}]}``.
    """
    found: list[Prompt] = []
    for task in tasks:
        try:
            payload = _Payload.model_validate(task.payload)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(f"{first['msg']} at payload.{place}", where=f"task {task.id}") from error
        found += [Prompt(task.theme, payload.law, item.act, item.prompt, item.risky) for item in payload.prompts]
    return found


def assign_articles(prompts: Sequence[Prompt], provisions: Sequence[Provision]) -> dict[str, Provision]:
    """The provision that each unlawful act offends: of its law, one of those whose words are nearest to its theme.

    Raises:
        InputError: there is no provision of a prompt's law.
    """
    found: dict[str, Provision] = {}
    for theme in sorted({item.theme for item in prompts}):
        members = [item for item in prompts if item.theme == theme and item.risky]
        acts = list(dict.fromkeys(item.act for item in members))
        choices = [item for item in provisions if members and item.law == members[0].law]
        if members and not choices:
            raise InputError(f"no provision of the law {members[0].law!r}", where=f"theme {theme}")
        nearest = sorted(choices, key=lambda item: (-sum(shared(act, item.condition) for act in acts), item.number))
        found |= {act: nearest[place % min(ARTICLES_PER_THEME, len(nearest))] for place, act in enumerate(acts)}
    return found


def refusal(prompt: Prompt, provision: Provision) -> str:
    """What to answer to a risky prompt; a law of the other language is cited, not quoted."""
    form = _REFUSAL if prompt.language == provision.language else _FOREIGN
    return form[prompt.language].format(citation=provision.citation, duty=provision.duty)


class RefusalClassifier:
    """Tells requests to refuse from others: logistic regression over pieces of words of 1 to 4 letters."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline

        self._model = make_pipeline(
            TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True),
            LogisticRegression(C=STRENGTH, max_iter=1000, class_weight="balanced"),
        )

    def fit(self, texts: Sequence[str], risky: Sequence[bool]) -> RefusalClassifier:
        """Learns from texts and whether each is to be refused."""
        self._model.fit(list(texts), list(risky))
        return self

    def refuses(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text would be refused."""
        if not texts:
            return []
        return [bool(probability >= REFUSED_FROM) for probability in self._model.predict_proba(list(texts))[:, 1]]


def rates(prompts: Sequence[Prompt], refused: Sequence[bool]) -> dict[str, Any]:
    """Refusal recall and false refusals, with the numbers they are computed from; None where there are no cases."""
    hits = [told for prompt, told in zip(prompts, refused, strict=True) if prompt.risky]
    false = [told for prompt, told in zip(prompts, refused, strict=True) if not prompt.risky]
    return {
        "risky_total": len(hits),
        "benign_total": len(false),
        "refusal_recall": sum(hits) / len(hits) if hits else None,
        "false_refusal_rate": sum(false) / len(false) if false else None,
    }


def measure(
    learned: Sequence[Prompt], hidden: Sequence[Prompt], background: Sequence[str], reported: Sequence[Prompt] = ()
) -> dict[str, Any]:
    """Rates on the hidden part of a classifier trained on ``learned``, and on ``background``: harmless texts.

    ``hidden`` are the rates over all of it and the recall by theme; ``held_out`` those over the themes that
    were trained, which are ``trained``; ``told`` says of each prompt whether it was refused. ``reported`` are the rates
    over the prompts that users saw answered, ``told_reported`` what became of each. Without both kinds of prompts there
    is nothing to learn, and every rate is None.
    """
    if len({item.risky for item in learned}) < 2:
        nothing = rates([], [])
        return {
            "held_out": nothing,
            "hidden": nothing | {"refusal_recall_by_theme": {}},
            "told": {},
            "trained": frozenset[str](),
            "reported": nothing,
            "told_reported": {},
        }
    texts = [item.text for item in learned] + list(background)
    model = RefusalClassifier().fit(texts, [item.risky for item in learned] + [False] * len(background))
    told, told_reported = (
        dict(zip(asked, model.refuses([item.text for item in asked]), strict=True)) for asked in (hidden, reported)
    )

    def over(themes: Collection[str]) -> dict[str, Any]:
        members = [item for item in hidden if item.theme in themes]
        return rates(members, [told[item] for item in members])

    every = sorted({item.theme for item in hidden})
    by_theme = {theme: over({theme})["refusal_recall"] for theme in every}
    trained = {item.theme for item in learned if item.risky}
    return {
        "held_out": over(trained),
        "hidden": over(every) | {"refusal_recall_by_theme": by_theme},
        "told": told,
        "trained": frozenset(trained),
        "reported": rates(reported, list(told_reported.values())),
        "told_reported": told_reported,
    }
