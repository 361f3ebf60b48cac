"""Takes the console's forms: who sent this one, was it ours, what was decided, where that is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from flywheel_mlflow.base.errors import FlywheelError, InputError, Refused, UnknownName
from flywheel_mlflow.console.answers import HEADERS, status_of, trouble_answer
from flywheel_mlflow.console.callers import MAX_BODY_BYTES, authenticated, bounded_body, foreign_origin, wrong_type
from flywheel_mlflow.console.endpoints import serving
from flywheel_mlflow.console.front import NO_ACCOUNTS, Front
from flywheel_mlflow.console.tokens import Standing
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.acts.acting import perform
from flywheel_mlflow.operations.acts.forms import FORMS, fields_of, needed_by, read_form
from flywheel_mlflow.reports.dashboard_blocks import Field, Form
from flywheel_mlflow.tables.addresses import FORMS as PLACE
from flywheel_mlflow.tables.addresses import Addresses
from flywheel_mlflow.tables.cells import Cell, sentence

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

#: Acts of one worker that forms ask for at a time.
FORMS_AT_ONCE = 4
#: Findings that one explanation can name, and a few fields more.
MOST_FIELDS = 500
TOKEN = "token"  # noqa: S105 - the name of the field
FORM_TYPE = "application/x-www-form-urlencoded"
NOT_DONE = "Nothing was decided"
#: What the person typed; all else stood in the form, and stays as it is when the form is shown again.
_TYPED = ("reason", "mitigation", "evidence", "owner", "due", "until", "likelihood", "impact", "cost", "total")

Pairs = Sequence[tuple[str, str]]


def shown_on(name: str, addresses: Addresses, given: Mapping[str, Any], event: int | None) -> str:
    """The page that shows what a form decided; ``given`` are the act's arguments, ``event`` the number it got."""
    shows = FORMS[name].shows
    if shows == "releases":
        return addresses.releases(event=event)
    if shows == "risk":
        return addresses.risk(str(given["risk"]), event=event)
    if shows == "feedback":
        return addresses.feedback(given.get("iteration"), event=None if event is None else str(event))
    if shows == "priorities":
        return addresses.priorities(event=event)
    return addresses.release(int(given["version" if shows == "release" else "to"]), event=event)


class FormRoutes:
    """Answers ``forms/{act}``."""

    def __init__(self, front: Front) -> None:
        from anyio import CapacityLimiter

        self._front = front
        self._room = CapacityLimiter(FORMS_AT_ONCE)

    def routes(self, prefix: str) -> list[BaseRoute]:
        """The routes below the server's static prefix, for the front of its router."""
        from starlette.routing import Route

        return [Route(f"{prefix}{PLACE}/{{act}}", self.take, methods=["POST"])]

    async def take(self, request: Request) -> Response:
        """Do what a form asks; blocking work waits in a thread of its own."""
        from anyio import to_thread

        framing = self._front.framing()
        foreign = foreign_origin(request.headers)
        if foreign:
            return trouble_answer(foreign, framing, 403, title=NOT_DONE)
        wrong = wrong_type(request.headers, FORM_TYPE)
        if wrong:
            return trouble_answer(wrong, framing, 415, title=NOT_DONE)
        body = await bounded_body(request)
        if body is None:
            told = InputError(f"the form is longer than {MAX_BODY_BYTES} bytes", hint="go back, and shorten the reason")
            return trouble_answer(told, framing, 413, title=NOT_DONE)
        return await to_thread.run_sync(partial(self._take, request, body), limiter=self._room)

    def _take(self, request: Request, body: bytes) -> Response:
        front = self._front
        who = front.guarded(partial(self._sender, request))
        return front.guarded(partial(self._act, request, body, who), who) if isinstance(who, Identity) else who

    def _sender(self, request: Request) -> Identity | Response:
        """Who sends the form, once they may decide at all; or the answer that turns them away."""
        front = self._front
        if front.served is None:
            return trouble_answer(front.no_flywheel(), front.framing(), 404)
        if not front.authentication:
            told = Refused(
                "nothing can be decided by forms here",
                rule="who decides has signed in",
                value=NO_ACCOUNTS,
                hint="use the `flywheel` commands; docs/server.md tells how to start the server with accounts",
            )
            return trouble_answer(told, front.framing(), 403, title=NOT_DONE)
        found = authenticated(request, front.served.name)
        if isinstance(found, Refused):
            return trouble_answer(found, front.framing(Identity(str(found.value))), 403)
        return trouble_answer(found, front.framing(), 401) if isinstance(found, FlywheelError) else found

    def _act(self, request: Request, body: bytes, who: Identity) -> Response:
        from starlette.responses import RedirectResponse

        front, name = self._front, str(request.path_params["act"])
        if name not in FORMS:
            return trouble_answer(UnknownName("form", name, FORMS), front.framing(who), 404)
        session = front.session(who, sealed=True)
        tokens, typed = read_body(body)
        standing = front.judge(tokens, who, session.now())
        not_done = partial(self._not_done, name=name, typed=typed, who=who, came_from=page_before(request.headers))
        if standing is not Standing.GOOD:
            return not_done(_untrusted(standing), 403, now=session.now() if standing is Standing.EXPIRED else None)
        try:
            given = read_form(name, typed)
            with serving("take"):
                result = perform(session, name, given)
        except FlywheelError as error:
            status = 400 if isinstance(error, InputError) else status_of(error)
            return not_done(error, status, now=session.now())
        event = result.get("event")
        place = shown_on(name, front.addresses, given, event if isinstance(event, int) else None)
        return RedirectResponse(place, 303, HEADERS)

    def _not_done(
        self,
        error: FlywheelError,
        status: int,
        *,
        name: str,
        typed: Pairs,
        who: Identity,
        now: datetime | None,
        came_from: str,
    ) -> Response:
        """Why nothing was decided, with what was typed; ``now`` lets it be sent again."""
        front = self._front
        return trouble_answer(
            error,
            front.framing(who, now),
            status,
            title=NOT_DONE if status in (400, 403) else "",
            trail=way_back(front.addresses, name, typed, came_from),
            typed={sentence(key): value for key, value in typed if key in _TYPED},
            again=sent_again(front.addresses, name, typed) if now else None,
        )


def read_body(body: bytes) -> tuple[tuple[str, ...], Pairs]:
    """The tokens of a form, and its other fields in order.

    Raises:
        InputError: it is no form, or has too many fields.
    """
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError as error:
        raise InputError("the form cannot be read", hint="send it from a page of the console") from error
    return tuple(value for key, value in pairs if key == TOKEN), [pair for pair in pairs if pair[0] != TOKEN]


def page_before(headers: Mapping[str, str]) -> str:
    """The page of this server that a browser says the form was on, without scheme and host; empty where it does not."""
    try:
        found = urlsplit(headers.get("referer", ""))
    except ValueError:
        return ""
    if found.netloc.casefold() != headers.get("host", "").casefold() or ".." in unquote(found.path):
        return ""
    return f"{found.path}?{found.query}" if found.query else found.path


def _untrusted(standing: Standing) -> Refused:
    expired = standing is Standing.EXPIRED
    return Refused(
        "the page this form was on has been open for too long"
        if expired
        else "this form is none that was made for you",
        rule="forms are sent from a page of the console, by the person it was made for, within some hours",
        hint="look whether it still says what you decided on, then send it again" if expired else "open the page again",
    )


def way_back(addresses: Addresses, name: str, typed: Pairs, came_from: str) -> tuple[Cell, ...]:
    """The page the form was on: the one the browser names, else the one its fields lead to."""
    overview = Cell("Overview", href=addresses.overview())
    place = came_from if came_from.startswith(addresses.overview()) else ""
    if not place:
        try:
            place = shown_on(name, addresses, dict(typed), None)
        except (KeyError, ValueError):
            return (overview,)
    return (overview, Cell("Back to the page of the form", href=place))


def sent_again(addresses: Addresses, name: str, typed: Pairs) -> Form | None:
    """The form as it was sent, to be mended and sent once more; none where it lacks what only its own page can show."""
    if not set(needed_by(name)) <= {key for key, value in typed if value.strip() or key in _TYPED}:
        return None
    known = fields_of(name)
    fields = tuple(
        Field(
            key, sentence(key), kind="area" if key in ("reason", "mitigation") else "line", value=value, required=False
        )
        if key in _TYPED
        else Field(key, key, kind="hidden", value=value)
        for key, value in typed
        if key in known
    )
    others = ", ".join(f"{key} {value[:80]}" for key, value in typed if key in known and key not in _TYPED)
    why = f"As you sent it: {name}{f' ({others})' if others else ''}."
    return Form(addresses.act(name), "Send it again", "Send again", why, fields, grave=True)
