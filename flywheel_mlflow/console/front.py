"""What pages and forms of one server share: whom they let in, their frame, the session they get."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused
from flywheel_mlflow.console.answers import defect, status_of, trouble_answer
from flywheel_mlflow.console.callers import reading
from flywheel_mlflow.console.served import ROOT_VARIABLE
from flywheel_mlflow.console.tokens import FormTokens, Standing
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.reading.reader import Memory, Reader
from flywheel_mlflow.reports.pages.frame import Framing
from flywheel_mlflow.tables.addresses import Addresses

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from flywheel_mlflow.console.served import ServedFlywheel
    from flywheel_mlflow.tracking import Tracking

#: Who reads on a server without accounts; nobody can act there, so that no decision ever has this name.
NOBODY = Identity("nobody")
#: Far more than any page asks for.
MOST_ASKED = 32
NO_ACCOUNTS = "this server has no accounts, so nobody can be told apart"

Found = TypeVar("Found")

_log = logging.getLogger(__name__)


class Front:
    """The server as browsers meet it.

    ``served`` is None on a server that only guards; ``open_tracking`` opens a flywheel by name, for one person;
    ``prefix`` is the server's static prefix.
    """

    def __init__(
        self,
        served: ServedFlywheel | None,
        *,
        authentication: bool,
        open_tracking: Callable[[str, str], Tracking],
        prefix: str,
    ) -> None:
        self.served = served
        self.authentication = authentication
        self.addresses = Addresses(prefix)
        self.acts_off = "" if authentication else NO_ACCOUNTS
        key = served.key if served and authentication else None
        self.tokens = FormTokens(key, served.name) if served and key else None
        self._open = open_tracking
        self._memory = Memory()

    def framing(self, who: Identity | None = None, now: datetime | None = None) -> Framing:
        """The frame of a page for somebody; ``now``, in UTC, when it may hold forms."""
        name = self.served.name if self.served else "flywheel"
        reader = who.name if who and self.authentication else ""
        token = self.tokens.issue(reader, now) if self.tokens and reader and now else ""
        return Framing(name, self.addresses, reader, self.acts_off, token)

    def judge(self, tokens: Sequence[str], who: Identity, now: datetime) -> Standing:
        """What the token of a form is worth; there is exactly one."""
        if self.tokens is None or len(tokens) != 1:
            return Standing.FOREIGN
        return self.tokens.judge(tokens[0], who.name, now)

    def visitor(self, request: Request, experiments: Iterable[str] = ()) -> Identity | Response:
        """Who asks, once they may read the experiments, by name; or the answer that turns them away.

        Raises:
            FlywheelError: the store failed; nobody is then let in.
        """
        if not self.authentication:
            return NOBODY
        found = reading(request, self.served.name if self.served else "", experiments)
        if isinstance(found, Refused):
            return trouble_answer(found, self.framing(Identity(str(found.value))), 403)
        if isinstance(found, FlywheelError):
            return trouble_answer(found, self.framing(), 401)
        return found

    def no_flywheel(self) -> InputError:
        """What a server without a flywheel tells."""
        return InputError(
            f"this server shows no flywheel: it was started without {ROOT_VARIABLE}",
            hint=f"start it with {ROOT_VARIABLE} set to the folder that holds flywheel.yaml and projects/",
        )

    def session(self, who: Identity, *, sealed: bool = False) -> Session:
        """The flywheel as its files are now, on the server's own stores; ``sealed`` lets it write in the server's name.

        Raises:
            ServerError: the files have faults. InputError: there is no flywheel.
        """
        served = self.served
        if served is None:
            raise self.no_flywheel()
        flywheel = served.flywheel()
        return Session(flywheel, self._open(flywheel.name, who.name), who, seal=served.key if sealed else None)

    def reader(self, session: Session, server: str = "") -> Reader:
        """What pages are made from, for whoever is signed in; ``server`` is its address as they reached it."""
        return Reader(session, self.addresses, self.acts_off, self._memory, server)

    def guarded(self, step: Callable[[], Found], who: Identity | None = None) -> Found | Response:
        """What the step finds, or the page that says why it does not; of a defect only that there is one."""
        try:
            return step()
        except FlywheelError as error:
            return trouble_answer(error, self.framing(who), status_of(error))
        except Exception:  # noqa: BLE001 - whatever it is, a reader gets a page, and the log the trace
            _log.exception("a page of the console failed")
            return trouble_answer(defect(), self.framing(who), 500)


def asked(request: Request) -> Mapping[str, str]:
    """What stands in the address: the query, and the parts of the path, which nothing in the query can replace.

    Raises:
        InputError: the query cannot be read, or asks for one thing twice.
    """
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(request.url.query, keep_blank_values=True, max_num_fields=MOST_ASKED)
    except ValueError as error:
        raise InputError("the query cannot be read", hint="follow a link of the console") from error
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InputError("the query asks for the same thing twice", hint="follow a link of the console")
    return found | {name: str(value) for name, value in request.path_params.items()}
