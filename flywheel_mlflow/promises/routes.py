"""What a rule of ``routing`` in ``flywheel.yaml`` may say about feedback, and the words it says it with."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator

from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.promises.contract import GapType
from flywheel_mlflow.promises.strict import Strict, Text

Source = Literal["application", "evaluation", "platform", "governance", "human"]
Scope = Literal["single_sample", "task_family", "project", "chain"]
Severity = Literal["low", "medium", "high"]

SOURCES: tuple[str, ...] = get_args(Source)
GAP_TYPES: tuple[str, ...] = get_args(GapType)
SCOPES: tuple[str, ...] = get_args(Scope)
SEVERITIES: tuple[str, ...] = get_args(Severity)

#: As a route's ``to``: the project that makes the interface the event names, or the one it says it is about. Events
#: that name none pass such a route by.
PRODUCER = "producer"
SUBJECT = "project"
KNOWN_FROM_EVENT = frozenset({PRODUCER, SUBJECT})
#: The queue of events that no rule takes.
UNROUTABLE = "unroutable"

#: The conditions on columns of an event, each a list of allowed values.
FIELDS = ("source", "type", "scope", "severity", "project", "stage", "interface", "reporter")

#: One keyword in UTF-8. Longer ones are sentences, which no second event repeats; shorter ones than three bytes (two
#: letters, but not one Chinese character) would be in every text.
MAX_KEYWORD_BYTES = 120
MIN_KEYWORD_BYTES = 3


def _keyword(value: str) -> str:
    if not any(char.isalnum() for char in value):
        raise ValueError("a keyword needs a letter or a digit")
    # Full-width letters take three bytes each, and one when they are compared.
    size = len(unicodedata.normalize("NFKC", value).casefold().encode("utf-8", "replace"))
    if not MIN_KEYWORD_BYTES <= size <= MAX_KEYWORD_BYTES:
        raise ValueError(f"a keyword has {MIN_KEYWORD_BYTES} to {MAX_KEYWORD_BYTES} bytes")
    return value


Keyword = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_keyword)]


def _flat(value: object) -> object:
    """Keywords may be written in rows, so that a long list stays readable: the rows are joined."""
    if not isinstance(value, list | tuple):
        return value
    return tuple(word for item in value for word in (item if isinstance(item, list | tuple) else (item,)))


_ROWS = {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}}
Keywords = Annotated[
    tuple[Keyword, ...], BeforeValidator(_flat), Field(max_length=200), WithJsonSchema(_ROWS, mode="validation")
]


class Condition(Strict):
    """What an event must show; all that is said here must hold together.

    Keywords are found in the event's text whatever their case or width (NFKC, case-folded): whole
    words where letters have spaces between words, anywhere in scripts that write without.
    """

    source: tuple[Source, ...] = ()
    type: tuple[GapType, ...] = ()
    scope: tuple[Scope, ...] = ()
    severity: tuple[Severity, ...] = ()
    project: tuple[Identifier, ...] = Field(default=(), description="The project the event says it is about.")
    stage: tuple[Identifier, ...] = ()
    interface: tuple[Identifier, ...] = Field(default=(), description="The interface the event or its records name.")
    reporter: tuple[Text, ...] = Field(default=(), description="Who reported it, by the exact name.")
    any_words: Keywords = Field(default=(), description="At least one of these is in the text.")
    all_words: Keywords = Field(default=(), description="Every one of these is in the text.")
    no_words: Keywords = Field(default=(), description="None of these is in the text.")
    made_by: tuple[Identifier, ...] = Field(
        default=(), description="Projects, one of which makes the interface the event or its records name."
    )
    built_on: tuple[Identifier, ...] = Field(
        default=(), description="Interfaces, from one of which the named interface is made, over any number of steps."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        said = {name for name in type(self).model_fields if getattr(self, name)}
        if not said - {"no_words"}:
            raise ValueError("a condition that everything meets: say at least one field, word or origin")
        return self


class Route(Strict):
    """Where feedback of one kind goes, by which signs it is known, and why it goes there."""

    id: Identifier
    match: Text = Field(description="What the feedback is about, for people.")
    when: tuple[Condition, ...] = Field(
        default=(),
        description="Signs, any of which suffices; without any, every event that names the target.",
    )
    to: Identifier = Field(
        description="A project; `producer`: the one that makes the interface the event or its records name; "
        "`project`: the one the event is about."
    )
    why: Text

    @model_validator(mode="after")
    def _does_not_take_everything(self) -> Self:
        if not self.when and self.to not in KNOWN_FROM_EVENT:
            raise ValueError("without a sign this route would take everything: give it one under `when`")
        return self
