"""Where a contract lets personal data be."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from flywheel_mlflow.base.names import Identifier

#: The check of each interface's records that finds raw personal data and secrets, as it is named behind the interface.
PERSONAL_DATA_CHECK = "raw_personal_data"
WHOLE_INTERFACE = "*"


class PersonalDataExemption(BaseModel):
    """A field that may hold personal data, and why that is right."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*)$", max_length=250)] = (
        Field(
            description="The field, with all below it; * is the whole interface, the only way for one that is opaque."
        )
    )
    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Why personal data may be there; it is kept with every result."
    )
    kinds: tuple[Identifier, ...] = Field(default=(), description="What it may hold, as `email`; anything if left out.")

    @property
    def is_whole(self) -> bool:
        """Whether it exempts all that the interface may hold."""
        return self.field == WHOLE_INTERFACE and not self.kinds

    def covers(self, path: str, kind: str) -> bool:
        """Whether it exempts a hit of that kind at a path without list indices."""
        here = self.field in (WHOLE_INTERFACE, path) or path.startswith(f"{self.field}.")
        return here and (not self.kinds or kind in self.kinds)
