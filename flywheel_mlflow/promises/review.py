"""What a contract asks people about its data, and what a gate demands of their answers."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.promises.strict import Finite, Flag, Strict

#: What MLflow keeps of a label schema (3.17.2): options of a question, their characters, characters of the instruction.
MAX_ANSWERS, MAX_ANSWER, MAX_ASKED = 10, 64, 1_000
#: Items of one review, and questions about each: more is looked at by nobody.
MAX_ITEMS, MAX_QUESTIONS = 1_000, 10
#: MLflow's own question, and the columns of the table that reviewers fill in.
_TAKEN = frozenset({"feedback", "review", "item", "shown", "comment"})

Answer = Annotated[Label, StringConstraints(max_length=MAX_ANSWER)]


def same_answer(text: str) -> str:
    """An answer as answers are compared: without case, outer spaces and the width of its characters."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


class Question(Strict):
    """A question with the answers to choose from."""

    name: Identifier = Field(description="What the answers are called in MLflow.")
    ask: Annotated[str, StringConstraints(min_length=1, max_length=MAX_ASKED)] = Field(
        description="The question, as reviewers read it."
    )
    answers: tuple[Answer, ...] = Field(
        default=("yes", "no"), min_length=2, max_length=MAX_ANSWERS, description="The answers to choose from."
    )
    good: tuple[Answer, ...] = Field(default=("yes",), min_length=1, description="Those that find nothing wrong.")

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if self.name in _TAKEN:
            raise ValueError(f"name: {self.name} is taken; choose another one")
        if len({same_answer(item) for item in self.answers}) != len(self.answers):
            raise ValueError("answers: two are the same but for case, spaces or width")
        if strange := [item for item in self.good if item not in self.answers]:
            raise ValueError(f"good: not among the answers: {', '.join(strange)}")
        if len(set(self.good)) == len(self.answers):
            raise ValueError("good: every answer is, so nothing can be found wrong")
        return self

    def answer(self, text: str) -> str | None:
        """The answer that a text gives, None where it is none of them."""
        wanted = same_answer(text)
        return next((item for item in self.answers if same_answer(item) == wanted), None)


class Review(Strict):
    """What must happen besides automatic checks."""

    human: Flag
    controls: tuple[Identifier, ...] = Field(default=(), description="Control points and boundaries of flywheel.yaml.")
    records_of: Identifier | None = Field(
        default=None,
        description="The interface whose records people look at. Left out: the traces of the project's run.",
    )
    questions: tuple[Question, ...] = Field(
        default=(), max_length=MAX_QUESTIONS, description="What reviewers are asked about each of them."
    )

    @model_validator(mode="after")
    def _asks_each_once(self) -> Self:
        names = [item.name for item in self.questions]
        if len(set(names)) != len(names):
            raise ValueError("questions: two have the same name")
        return self


def questions_digest(questions: tuple[Question, ...]) -> str:
    """sha256 of questions, 64 hex digits: answers count for exactly these."""
    return digest_of(list(questions))


class ReviewDemand(Strict):
    """What a gate demands of people's answers about each project."""

    items: Annotated[int, Field(strict=True, ge=1, le=MAX_ITEMS)] = Field(
        default=50, description="So many items, the first of the draw, must be finished; all where there are fewer."
    )
    reviewers: Annotated[int, Field(strict=True, ge=1, le=10)] = Field(
        default=2, description="An item is finished when so many different people answered every question."
    )
    agreement: Annotated[Finite, Field(gt=-1, le=1)] | None = Field(
        default=None, description="The least agreement between reviewers about whether something is wrong."
    )
    coefficient: Literal["alpha", "ac1"] = Field(
        default="alpha", description="alpha: Krippendorff's. ac1: Gwet's, which can tell where nearly all is good."
    )

    @model_validator(mode="after")
    def _can_agree(self) -> Self:
        if (self.agreement is None) != (self.reviewers == 1):
            raise ValueError("two or more reviewers need an agreement (0.667 is usual), one has nobody to agree with")
        return self
