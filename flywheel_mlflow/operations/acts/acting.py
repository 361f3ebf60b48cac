"""Every act on the ledger by name, as plain input and output: command line, server and notebooks share it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import FlywheelError, InputError, UnknownName
from flywheel_mlflow.operations.acts import feedback_acts, release_acts  # noqa: F401 - they declare the acts
from flywheel_mlflow.operations.acts.act_errors import error_from
from flywheel_mlflow.operations.acts.arguments import Act
from flywheel_mlflow.operations.acts.kinds import ACTS as ACTS  # noqa: PLC0414 - with the acts declared
from flywheel_mlflow.operations.acts.kinds import ActKind
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.tracking import Tracking

_LOG = logging.getLogger(__name__)

#: In the answer of an act: what people could not be told, one line each; nothing where they were.
UNSENT = "unsent"


def perform(session: Session, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act here; its result as plain values.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read. And whatever the act raises.
    """
    kind, asked = _kind(name), read_act(name, arguments)
    result = plain(kind.does(session, asked))
    answer = result if isinstance(result, dict) else {"result": result}
    if kind.notifies and not asked.dry_run and session.flywheel.blueprint.notify.channels:
        from flywheel_mlflow.operations.notifying import notify_after

        unsent = _guarded(partial(notify_after, session))
        answer |= {UNSENT: list(unsent)} if unsent else {}
    return answer


def read_act(name: str, arguments: Mapping[str, Any]) -> Act:
    """What an act is asked to do.

    Raises:
        UnknownName: no act is called so. InputError: arguments that cannot be read, each with what is wrong with it.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    try:
        return _kind(name).takes.model_validate_json(canonical_json(given).encode("utf-8"), strict=True)
    except ValidationError as error:
        told = "; ".join(_fault(item["loc"], item["msg"], item["input"]) for item in error.errors()[:5])
        raise InputError(f"cannot {name}: {told}", hint="see the command's --help") from error
    except (TypeError, ValueError, RecursionError) as error:
        # NaN, half a character, a value that JSON has no form for.
        raise InputError(
            f"cannot {name}: its arguments are no plain values", hint="see the command's --help"
        ) from error


def _fault(place: Sequence[int | str], message: str, given: object) -> str:
    # A text that is too long is not shown, its length is.
    value = f", not {len(given)}" if isinstance(given, str) and message.startswith("String should have at") else ""
    return f"{'.'.join(map(str, place))}: {message.removeprefix('Value error, ')}{value}"


def _kind(name: str) -> ActKind:
    if name not in ACTS:
        raise UnknownName("act", name, ACTS)
    return ACTS[name]


def act_somewhere(session: Session, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Do an act: by the server when its plugin serves this flywheel, which then vouches for who acts; else here."""
    if serves(session.tracking, session.flywheel.name):
        if name == "rollback":
            arguments = {**arguments, "looked_at": _looked_at(session, arguments)}
        return _remote(session.tracking, name, arguments)
    return perform(session, name, arguments)


def _looked_at(session: Session, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The data by reference that are compared here, on the machine of whoever asks: the server opens no addresses."""
    from flywheel_mlflow.operations.releases.pinned_data import references_of

    return references_of(session, arguments.get("to"), full=bool(arguments.get("full")))


def serves(tracking: Tracking, flywheel: str) -> bool:
    """Whether the server's plugin does the acts of this flywheel."""
    about = tracking.server.about
    return about is not None and about.get("flywheel") == flywheel


def _remote(tracking: Tracking, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    sent = {key: value for key, value in plain(dict(arguments)).items() if value is not None}
    status, answer = tracking.server.act(name, sent)
    if status == 200:
        return answer
    raise error_from(answer, status)


def tell_people(
    session: Session, step: Callable[[str], None], *, audit: bool = False, full: bool = False
) -> tuple[str, ...]:
    """Tell people what they should know by now; what they could not be told, one line each. Nothing here raises.

    ``audit`` tells what an audit finds too, a ``full`` one also what it finds in the data of every release. It takes as
    long as an act may wait.
    """
    if not session.flywheel.blueprint.notify.channels:
        return ()
    step("telling people")
    arguments = {"audit": audit, "full": full, "patient": False}
    return _guarded(lambda: unsent_of(act_somewhere(session, "notify-send", arguments)))


def unsent_of(answer: Mapping[str, Any]) -> tuple[str, ...]:
    """What people could not be told, from the answer of an act, also of one that a server did."""
    return tuple(str(line) for line in answer.get(UNSENT) or ())


def _guarded(tell: Callable[[], tuple[str, ...]]) -> tuple[str, ...]:
    """What could not be told; whatever goes wrong, what was done before stands, and has not failed."""
    try:
        return tell()
    except FlywheelError as error:
        return (f"nobody was told: {error.what}",)
    except Exception:  # noqa: BLE001 - see above
        _LOG.exception("nobody was told")
        return ("nobody was told: the tool failed, and its log says where",)
