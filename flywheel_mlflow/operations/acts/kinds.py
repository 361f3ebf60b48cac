"""What an act is, and where each is declared: command, form, endpoint and Python find it by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from flywheel_mlflow.operations.acts.arguments import Act
from flywheel_mlflow.operations.deciding import Session

Taken = TypeVar("Taken", bound=Act)


@dataclass(frozen=True, slots=True)
class Form:
    """How people do an act in a browser.

    ``shows`` is the page on which they then see what was decided; ``needs`` are arguments that the command may leave
    out, and the form may not.
    """

    shows: Literal["release", "target", "releases", "risk", "feedback", "priorities"]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActKind:
    """One kind of act: what it takes, what does it, its form if it has one, what is said while it works.

    ``notifies``: people are told what it brings about.
    """

    takes: type[Act]
    does: Callable[[Session, Any], Any]
    form: Form | None
    working: str
    notifies: bool


#: Every act by the name under which the server's plugin offers it.
ACTS: dict[str, ActKind] = {}


def act(
    takes: type[Taken],
    name: str,
    *,
    form: Form | None = None,
    working: str = "writing the decision",
    notifies: bool = False,
) -> Callable[[Callable[[Session, Taken], Any]], Callable[[Session, Taken], Any]]:
    """Declare the function that does an act; command, form, endpoint and Python find it by its name.

    Making a release and overriding a gate have no form: they are rare, and need more thought than a button asks for.
    """

    def declare(does: Callable[[Session, Taken], Any]) -> Callable[[Session, Taken], Any]:
        ACTS[name] = ActKind(takes, does, form, working, notifies)
        return does

    return declare
