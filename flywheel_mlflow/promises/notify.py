"""What `notify:` in flywheel.yaml says: the channels on which people are told, and what is told on each."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from flywheel_mlflow.base.names import Identifier
from flywheel_mlflow.promises.strict import Finite, Strict

EventName = Literal[
    "gate_verdict",
    "regression",
    "approval_waiting",
    "risk_overdue",
    "rollback_proposed",
    "audit_finding",
    "feedback_routed",
]
EVENTS: tuple[EventName, ...] = get_args(EventName)
#: The longest that acts may be told to wait for all channels together, in seconds.
MAX_WAIT_S = 10.0

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,127})\}")


def variable_named(text: str) -> str | None:
    """The environment variable that ``${NAME}`` refers to; None for any other text."""
    match = _REFERENCE.fullmatch(text)
    return match[1] if match else None


def _refers(text: str) -> str:
    # The text is not repeated: it may be the secret itself.
    if variable_named(text) is None:
        raise ValueError("must be ${NAME}, the name of an environment variable; secrets never stand in this file")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        sound = False
    if not sound or "@" in text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be an address such as https://mlflow.example.org, without credentials or options")
    return text.rstrip("/")


Secret = Annotated[str, AfterValidator(_refers)]


class Channel(Strict):
    """One way to tell people something."""

    id: Identifier
    kind: Literal["webhook", "apprise"] = Field(
        description="webhook: signed JSON to a service of yours. apprise: Slack, Teams, e-mail and the rest."
    )
    url: Secret = Field(description="${NAME} of the environment variable that holds the address.")
    key: Secret | None = Field(
        default=None, description="webhook: ${NAME} of the environment variable that holds the key that signs."
    )
    contact: Identifier | None = Field(
        default=None,
        description="apprise: tell the people concerned, each at their contact of this name, which replaces {contact} "
        "in the address; a room that all read if left out.",
    )
    events: tuple[EventName, ...] = Field(
        default=EVENTS, min_length=1, description="What is told here; everything if left out."
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if self.kind == "webhook" and self.key is None:
            raise ValueError("a webhook needs a key, with which receivers verify who sent it")
        if self.kind == "webhook" and self.contact is not None:
            raise ValueError("only an apprise channel has a contact; a webhook is told who is concerned")
        if self.kind == "apprise" and self.key is not None:
            raise ValueError("only a webhook has a key")
        twice = sorted(name for name, count in Counter(self.events).items() if count > 1)
        if twice:
            raise ValueError(f"events: named twice: {', '.join(twice)}")
        return self

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it needs, by name."""
        named = (variable_named(text) for text in (self.url, self.key) if text is not None)
        return tuple(name for name in named if name is not None)


class Notify(Strict):
    """Who is told what, and how."""

    channels: tuple[Channel, ...] = ()
    console: Annotated[str, AfterValidator(_web_address)] | None = Field(
        default=None, description="Where people reach the MLflow server with the console; messages then link to it."
    )
    wait_s: Finite = Field(
        default=3.0,
        gt=0,
        le=MAX_WAIT_S,
        description="The most seconds that an act waits for all channels together; what is not sent by then is told.",
    )

    @model_validator(mode="after")
    def _channels_differ(self) -> Self:
        twice = sorted(name for name, count in Counter(item.id for item in self.channels).items() if count > 1)
        if twice:
            raise ValueError(f"channels: named twice: {', '.join(twice)}")
        return self

    def channel(self, name: str) -> Channel | None:
        """The channel of that id."""
        return next((item for item in self.channels if item.id == name), None)
