"""What a file of decisions says about themes, and which theme each decision is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.feedback.matching import KeywordIndex
from flywheel_mlflow.feedback.recurring import Theme
from flywheel_mlflow.feedback.tasks import MAX_MOVES
from flywheel_mlflow.promises.budgets import Category, CostText
from flywheel_mlflow.promises.contract import RelativePath
from flywheel_mlflow.promises.routes import Keyword
from flywheel_mlflow.promises.strict import Strict, Text


class ThemeChoice(Strict):
    """One decision: which theme, and what becomes of it.

    Ids of themes are nowhere in it: they depend on the events, the words a theme is known by do not.
    """

    project: Identifier = Field(description="The project whose theme it is.")
    words: tuple[Keyword, ...] = Field(
        min_length=1, max_length=20, description="Words that stand together in one of the theme's typical texts."
    )
    accept: RelativePath | None = Field(default=None, description="A task file, beside or below this file.")
    queue: Text | None = Field(default=None, description="Why it waits.")
    decline: Text | None = Field(default=None, description="Why nothing is done.")
    category: Category | None = Field(default=None, description="What the work is for; the task file's if left out.")
    cost: CostText | None = Field(default=None, description="What it is expected to cost: 3d, 12h, 500 EUR.")
    kpi: Identifier | None = Field(default=None, description="Shows whether it helped; the task file's if left out.")
    moves: tuple[Label, ...] = Field(
        default=(), max_length=MAX_MOVES, description="Findings it is meant to move; the task file's if left out."
    )

    @model_validator(mode="after")
    def _decides_once(self) -> Self:
        if sum(item is not None for item in (self.accept, self.queue, self.decline)) != 1:
            raise ValueError("say one of accept, queue and decline")
        if self.accept is None and (self.category or self.kpi or self.moves or self.cost):
            raise ValueError("category, cost, kpi and moves are said of what is accepted")
        if self.accept is not None and (Path(self.accept).is_absolute() or ".." in Path(self.accept).parts):
            raise ValueError("accept: the task file must lie beside or below this file")
        return self


class ThemeChoices(Strict):
    """A file of decisions about the themes of one iteration."""

    decisions: tuple[ThemeChoice, ...] = Field(min_length=1, max_length=1_000)


def matching_themes(choice: ThemeChoice, themes: Iterable[Theme]) -> tuple[Theme, ...]:
    """The themes of the choice's project in one of whose typical texts all of its words stand."""
    return tuple(theme for theme in themes if theme.project == choice.project and _says(theme.texts, choice.words))


def _says(texts: Sequence[str], words: Sequence[str]) -> bool:
    import pyarrow as pa

    return bool(KeywordIndex(words).hits(pa.array(texts, pa.string())).all(axis=0).any())
