"""Makes the answers that browsers get: pages under headers that let them do nothing but be read and send forms back."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import (
    DocumentError,
    FlywheelError,
    Inconclusive,
    InputError,
    Refused,
    ServerError,
    ServerRefused,
    UnknownName,
)
from flywheel_mlflow.operations.deciding import is_trouble
from flywheel_mlflow.reports.dashboard_blocks import Form
from flywheel_mlflow.reports.pages.frame import Framing, Page, framed_policy, render_framed
from flywheel_mlflow.reports.pages.trouble import trouble_page
from flywheel_mlflow.tables.addresses import PAGES as PAGES_ADDRESS
from flywheel_mlflow.tables.cells import Cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

#: For every answer to a browser. Nothing of it is kept: who signs out, or loses a permission, sees it no more.
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
#: Asks the browser for name and password, in the words of MLflow's own server, so that one sign-in serves both.
CHALLENGE = {"WWW-Authenticate": 'Basic realm="mlflow"'}

_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")
_TITLES = {
    400: "This cannot be read",
    401: "Please sign in",
    403: "You may not see this",
    404: "There is no such page",
    405: "This is a page to read",
    409: "This was refused",
    413: "This is too long",
    415: "This is no form of the console",
    503: "The server is in trouble",
}
#: A name with its port, as a Host header has it and a policy can hold it; it can hold no IPv6 address.
HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?", re.ASCII)


def page_answer(
    page: Page, framing: Framing, status: int = 200, *, host: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """A page; ``host`` is the one it was asked of. Unless it tells of trouble it looks for changes of what it shows."""
    from starlette.responses import HTMLResponse

    embeds = any(section.embedded for section in page.sections)
    # Where a policy cannot name the one script, none runs: 'self' would let every file of this server be one.
    addresses, live = framing.addresses, status == 200 and HOST.fullmatch(host) is not None
    policy = framed_policy(
        frames=_reports(framing, host) if embeds else "'none'",
        scripts=f"{host}{addresses.live_script()}" if live else "'none'",
        asked=f"{host}{addresses.state()}" if live else "'none'",
    )
    told = HEADERS | {"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin", **(headers or {})}
    return HTMLResponse(render_framed(page, framing, live=live), status, told)


def trouble_answer(
    error: FlywheelError,
    framing: Framing,
    status: int,
    *,
    title: str = "",
    trail: tuple[Cell, ...] = (),
    typed: Mapping[str, str] | None = None,
    again: Form | None = None,
) -> Response:
    """The page that says what went wrong; without a ``title`` it has that of its status."""
    title = title or _TITLES.get(status, "Something went wrong")
    way_back = trail or (Cell("Overview", href=framing.addresses.overview()),)
    page = trouble_page(error, title, trail=way_back, typed=typed, again=again, reader=framing.reader)
    return page_answer(page, framing, status, headers=CHALLENGE if status == 401 else None)


def status_of(error: FlywheelError) -> int:
    """The HTTP status of an error: 503 says that asking again may help."""
    if isinstance(error, Refused | Inconclusive):
        return 409
    if isinstance(error, UnknownName) or (isinstance(error, ServerRefused) and error.code in _ABSENT):
        return 404
    if isinstance(error, DocumentError):
        return 500  # a document of ours, nobody's question
    if isinstance(error, InputError):
        return 400
    away = isinstance(error, ServerError) and not isinstance(error, ServerRefused)
    return 503 if away or is_trouble(error) else 500


def defect() -> FlywheelError:
    """What a reader learns of a defect; its trace is in the server's log."""
    return FlywheelError("the server made a mistake", hint="look into the server's log, and report it as a defect")


def _reports(framing: Framing, host: str) -> str:
    """Where reports come from, as narrow as it can be said.

    A report may send its own frame elsewhere, which no sandbox forbids; the page around it decides where to.
    """
    if not HOST.fullmatch(host):
        return "'self'"
    return f"{host}{framing.addresses.prefix}{PAGES_ADDRESS}/drift/report"
