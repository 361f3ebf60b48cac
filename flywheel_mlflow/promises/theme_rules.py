"""What ``themes`` in ``flywheel.yaml`` says about how feedback is compared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from flywheel_mlflow.promises.strict import Finite, Strict

Folder = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class EmbedderRule(Strict):
    """The model by whose vectors texts are compared, beside their letters."""

    path: Folder = Field(
        description="A folder with a model of model2vec or sentence-transformers; relative to this file, or absolute."
    )
    distance: Finite = Field(
        gt=0,
        le=2,
        description="The cosine distance up to which this model takes two texts for alike; each model has its own.",
    )
    digest: Sha256 | None = Field(
        default=None, description="Refuse another model than the one with this digest, as `feedback themes` shows it."
    )


class ThemeRules(Strict):
    """How themes are found."""

    embedder: EmbedderRule | None = Field(default=None, description="Left out: texts are compared by letters alone.")
