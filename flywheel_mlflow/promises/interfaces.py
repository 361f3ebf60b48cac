"""What a contract says of the interfaces a project makes and reads."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from flywheel_mlflow.base.names import Identifier, Label
from flywheel_mlflow.promises.expectations import ExpectationText, Suite
from flywheel_mlflow.promises.fields import FieldNeed, FieldPath
from flywheel_mlflow.promises.personal_data import NameSearch, PersonalDataExemption
from flywheel_mlflow.promises.strict import Finite, Flag, Strict, Text


class ContentPolicy(Strict):
    """What of an interface's data the drift report looks into: all of it unless this says otherwise."""

    judged: Flag = Field(default=True, description="false: nothing of the content is kept or compared; say why.")
    fields: tuple[FieldPath, ...] = Field(default=(), description="The fields looked into, with all below them.")
    why: Text | None = Field(default=None, description="Why the rest need not be looked into.")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if (self.fields or not self.judged) and not self.why:
            raise ValueError("say why what is left out need not be looked into: why: ...")
        return self


class InterfaceOut(Strict):
    """A named output that others build on."""

    name: Identifier
    title: Label = Field(description="What it is, in a few words.")
    format: Literal["jsonl", "parquet", "opaque"] = Field(
        description="jsonl or parquet: records that are read and measured; opaque: files that only get a digest."
    )
    record_schema: Literal["record", "free", "opaque"] = Field(
        default="record",
        alias="schema",
        description="record: the seven-field record; free: rows with the fields listed; opaque: not looked into.",
    )
    fields: tuple[FieldNeed, ...] = Field(
        default=(), description="Fields every row has, beyond those of the schema; with a type: `content: string`."
    )
    role: Literal["training", "evaluation", "reference", "control"] = Field(
        default="reference",
        description="training data must not contain rows of an evaluation interface, whichever project made it.",
    )
    allowed_contamination: Finite = Field(
        default=0.0, ge=0, le=1, description="Of evaluation data: the share that may stand in any training interface."
    )
    group_key: FieldPath | None = Field(
        default=None, description="The field whose values must not appear in two splits (an article, a seed, a page)."
    )
    expect: tuple[ExpectationText | Suite, ...] = Field(
        default=(),
        description="What holds of every row, `length(content) > 20 and label in ['yes', 'no']`; or a suite of another "
        "library.",
    )
    shares_ids_with: tuple[Identifier, ...] = Field(
        default=(),
        description="Interfaces whose records may have the same ids, beside those that this one is made of.",
    )
    media: tuple[FieldPath, ...] = Field(
        default=(),
        description="Fields that name files in the interface's folder: a path, an object with path and, where it "
        "states them, sha256 and size, or a list of such. Every one is followed.",
    )
    content: ContentPolicy = Field(
        default=ContentPolicy(), description="What of the data the drift report looks into; all of it by default."
    )
    personal_data_exempt: tuple[PersonalDataExemption, ...] = Field(
        default=(), description="Fields in which personal data is right, each with the reason."
    )
    personal_names: NameSearch | None = Field(
        default=None, description="Looks for names and street addresses with a language model (extra `pii`)."
    )
    required: Flag = Field(default=True, description="A run without a version of it leaves the project not consumable.")
    consumers: Literal["any"] | tuple[Identifier, ...] = Field(
        default="any", description="The projects that may consume it."
    )

    @property
    def expected_rows(self) -> tuple[str, ...]:
        """What is expected of every row."""
        return tuple(item for item in self.expect if isinstance(item, str))

    @property
    def suites(self) -> tuple[Suite, ...]:
        """The suites of other libraries that are run over it."""
        return tuple(item for item in self.expect if isinstance(item, Suite))

    @model_validator(mode="after")
    def _opaque_is_opaque(self) -> Self:
        if (self.format == "opaque") != (self.record_schema == "opaque"):
            raise ValueError("format opaque and schema opaque go together")
        asked = self.fields or self.group_key or self.media or self.expect or self.personal_names
        if self.format == "opaque" and asked:
            raise ValueError(
                "an opaque interface has no fields, no group key, no media, no names and nothing to expect"
            )
        if self.format == "opaque" and not all(item.is_whole for item in self.personal_data_exempt):
            raise ValueError("an opaque interface is not looked into: exempt it as a whole, field: '*', without kinds")
        return self


class InterfaceIn(Strict):
    """An interface of another project that this one reads."""

    name: Identifier
    fields: tuple[FieldNeed, ...] = Field(
        default=(), description="The fields this project cannot do without; with a type: `content: string`."
    )
    from_iteration: Literal["same", "previous"] = Field(
        default="same",
        description="previous: feedback that reaches this project one iteration later, so no circle waits on itself.",
    )
    required: Flag = True
