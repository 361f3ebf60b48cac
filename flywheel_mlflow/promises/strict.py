"""What every file of promises is made of: models that take nothing they do not know, and plain values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Flag = Annotated[bool, Field(strict=True)]
# Strict: YAML's `target: yes` and `target: "5"` are slips of the pen, not 1.0 and 5.0.
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Strict(BaseModel):
    """A frozen model that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
