"""Where a contract lets personal data be, and where names are looked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.promises.fields import FieldPath
from flywheel_mlflow.promises.strict import Strict, Text

#: The check of each interface's records that finds raw personal data and secrets, as it is named behind the interface.
PERSONAL_DATA_CHECK = "raw_personal_data"
WHOLE_INTERFACE = "*"


class PersonalDataExemption(Strict):
    """A field that may hold personal data, and why that is right."""

    field: Literal["*"] | FieldPath = Field(
        description="The field, with all below it; * is the whole interface, the only way for one that is opaque."
    )
    reason: Text = Field(description="Why personal data may be there; it is kept with every result.")
    kinds: tuple[Identifier, ...] = Field(default=(), description="What it may hold, as `email`; anything if left out.")

    @property
    def is_whole(self) -> bool:
        """Whether it exempts all that the interface may hold."""
        return self.field == WHOLE_INTERFACE and not self.kinds

    def covers(self, path: str, kind: str) -> bool:
        """Whether it exempts a hit of that kind at a path without list indices."""
        here = self.field in (WHOLE_INTERFACE, path) or path.startswith(f"{self.field}.")
        return here and (not self.kinds or kind in self.kinds)


class NameSearch(Strict):
    """Names of people and street addresses are looked for by a language model; they have no form to know them by."""

    model: Annotated[
        str,
        StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*$", max_length=250),
    ] = Field(
        description="A model of spaCy that is installed, as `en_core_web_lg`, or a folder of the project with one."
    )
    fields: tuple[FieldPath, ...] = Field(
        default=(), description="The fields looked at, with all below them; all texts if left out."
    )
    rows: Annotated[int, Field(strict=True, ge=1, le=2000)] = Field(
        default=500, description="Sampled rows that are looked at: a model takes some 10 ms a text."
    )
