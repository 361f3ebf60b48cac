"""Serves the console's pages: which address shows what, and who may read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.console.answers import HEADERS, HOST, page_answer, trouble_answer
from flywheel_mlflow.console.banner import SCRIPT
from flywheel_mlflow.console.callers import foreign_origin
from flywheel_mlflow.console.embedding import report_answer
from flywheel_mlflow.console.front import Front, asked
from flywheel_mlflow.decisions.ledger import Identity
from flywheel_mlflow.operations.reading.arriving import arrive
from flywheel_mlflow.operations.reading.freshness import state_mark
from flywheel_mlflow.operations.reading.gauges import gauges
from flywheel_mlflow.operations.reading.interfaces import croissant, dataset_card_text
from flywheel_mlflow.operations.reading.kinds import PAGES, PageKind
from flywheel_mlflow.operations.reading.reader import PageQuery
from flywheel_mlflow.reports.gauges import MEDIA_TYPE
from flywheel_mlflow.tables.addresses import PAGES as PLACE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from flywheel_mlflow.evidence.flywheel import Flywheel

#: Shows pages anew when something changed.
LIVE_SCRIPT = "live.js"
#: Pages of one worker that are made at a time; MLflow's own requests need threads too.
PAGES_AT_ONCE = 8
_OTHER_METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Answering = Callable[["Request", Identity], "Response"]


class PageRoutes:
    """Answers everything below ``/flywheel/``."""

    def __init__(self, front: Front, kinds: Sequence[PageKind] = PAGES) -> None:
        from anyio import CapacityLimiter

        self._front = front
        self._kinds = kinds
        self._room = CapacityLimiter(PAGES_AT_ONCE)

    def routes(self, prefix: str) -> list[BaseRoute]:
        """The routes below the server's static prefix, for the front of its router."""
        from starlette.routing import Route

        place = f"{prefix}{PLACE}"
        shown = [
            Route(f"{place}{kind.path}", self._serving(kind.path, partial(self._page, kind)), methods=["GET"])
            for kind in self._kinds
        ]
        rest = f"{place}/{{rest:path}}"
        return [
            Route(place, self.entrance, methods=["GET"]),
            Route(f"{place}/{SCRIPT}", self.script, methods=["GET"]),
            Route(f"{place}/{LIVE_SCRIPT}", self.live_script, methods=["GET"]),
            Route(f"{place}/state", self._serving("", self._state), methods=["GET"]),
            Route(f"{place}/at", self._serving("", self._arrive), methods=["GET"]),
            Route(f"{place}/drift/report", self._serving("", self._report), methods=["GET"]),
            Route(f"{place}/croissant/{{interface}}", self._serving("", self._croissant), methods=["GET"]),
            Route(f"{place}/metrics", self._serving("", self._metrics), methods=["GET"]),
            Route(f"{place}/dataset-card/{{interface}}", self._serving("", self._dataset_card), methods=["GET"]),
            *shown,
            # Without these MLflow would answer, in its own way, for what is below our own address.
            Route(rest, self._serving("", self._nothing), methods=["GET"]),
            Route(rest, self._serving("", self._only_read), methods=list(_OTHER_METHODS)),
        ]

    async def entrance(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """The address as people type it."""
        from starlette.responses import RedirectResponse

        return RedirectResponse(self._front.addresses.overview(), 307, HEADERS)

    async def script(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """The script of the link on MLflow's pages, which says nothing of any flywheel."""
        from starlette.responses import FileResponse

        return FileResponse(Path(__file__).with_name(SCRIPT), headers={"Cache-Control": "no-cache"})

    async def live_script(self, request: Request) -> Response:  # noqa: ARG002 - Starlette hands it over
        """The script of our own pages, which says nothing of any flywheel either."""
        from starlette.responses import FileResponse

        return FileResponse(Path(__file__).with_name(LIVE_SCRIPT), headers=HEADERS | {"Cache-Control": "no-cache"})

    def _serving(self, path: str, answer: Answering) -> Callable[[Request], object]:
        """An endpoint whose blocking work waits in a thread of its own."""

        async def serve(request: Request) -> Response:
            from anyio import to_thread

            return await to_thread.run_sync(partial(self._visit, path, answer, request), limiter=self._room)

        return serve

    def _visit(self, path: str, answer: Answering, request: Request) -> Response:
        front = self._front
        who = front.guarded(partial(self._let_in, path, request))
        return front.guarded(partial(answer, request, who), who) if isinstance(who, Identity) else who

    def _page(self, kind: PageKind, request: Request, who: Identity) -> Response:
        session = self._front.session(who)
        page = kind.make(self._front.reader(session, self._reached(request)), PageQuery(asked(request)))
        return page_answer(page, self._front.framing(who, session.now()), host=request.headers.get("host", ""))

    def _reached(self, request: Request) -> str:
        """The server's address as the reader reached it; a placeholder for a host that is no name with a port."""
        host = request.headers.get("host", "")
        named = f"{request.url.scheme}://{host}" if HOST.fullmatch(host) else "https://your-server"
        return f"{named}{self._front.addresses.prefix}"

    def _report(self, request: Request, who: Identity) -> Response:
        return report_answer(self._front.session(who), PageQuery(asked(request)), request.headers)

    def _croissant(self, request: Request, who: Identity) -> Response:
        from starlette.responses import Response

        reader = self._front.reader(self._front.session(who))
        server = f"{request.url.scheme}://{request.url.netloc}{reader.addresses.prefix}"
        document = croissant(reader, PageQuery(asked(request)), server)
        headers = HEADERS | _saved_as(f"{request.path_params['interface']}.croissant.json")
        return Response(document_json(document), headers=headers, media_type="application/ld+json")

    def _arrive(self, request: Request, who: Identity) -> Response:
        from starlette.responses import RedirectResponse

        reader = self._front.reader(self._front.session(who))
        return RedirectResponse(arrive(reader, PageQuery(asked(request))), 303, HEADERS)

    def _dataset_card(self, request: Request, who: Identity) -> Response:
        from starlette.responses import Response

        text = dataset_card_text(self._front.reader(self._front.session(who)), PageQuery(asked(request)))
        return Response(text, headers=HEADERS | _saved_as("README.md"), media_type="text/markdown")

    def _metrics(self, request: Request, who: Identity) -> Response:  # noqa: ARG002 - as all of these
        from starlette.responses import Response

        return Response(gauges(self._front.reader(self._front.session(who))), headers=HEADERS, media_type=MEDIA_TYPE)

    def _state(self, request: Request, who: Identity) -> Response:  # noqa: ARG002 - as all of these
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(state_mark(self._front.reader(self._front.session(who))), headers=HEADERS)

    def _nothing(self, request: Request, who: Identity) -> Response:  # noqa: ARG002 - as all of these
        told = InputError("the console has no page at this address", hint="start from the overview")
        return trouble_answer(told, self._front.framing(who), 404)

    def _only_read(self, request: Request, who: Identity) -> Response:
        told = InputError(f"pages do not take {request.method}", hint="start from the overview")
        answer = trouble_answer(told, self._front.framing(who), 405)
        answer.headers["Allow"] = "GET, HEAD"
        return answer

    def _let_in(self, path: str, request: Request) -> Identity | Response:
        """Who may read what is asked for; or the answer that turns them away.

        Raises:
            FlywheelError: the flywheel's files have faults, or the store failed.
        """
        front = self._front
        # Links lead here from everywhere; a script of another server's page says where it is from. MLflow would let
        # one from this very machine read what it gets.
        foreign = foreign_origin(request.headers) if "origin" in request.headers else None
        if foreign:
            return trouble_answer(foreign, front.framing(), 403)
        if front.served is None:
            who = front.visitor(request)
            return trouble_answer(front.no_flywheel(), front.framing(), 404) if isinstance(who, Identity) else who
        flywheel = front.served.flywheel()
        return front.visitor(request, shown_experiments(flywheel, path, request.path_params, asked(request)))


def _saved_as(name: str) -> dict[str, str]:
    """Browsers save the answer as a file of that name."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}"}


def shown_experiments(
    flywheel: Flywheel, path: str, parts: Mapping[str, str], asked_for: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The experiments, by name, of which a page shows more than the assembly recorded, and the assembly's own.

    ``parts`` are those of its path, ``asked_for`` what stands in the query: the KPI whose single samples are wanted,
    or the two iterations between which a number changed, which is looked for in the runs of every project.
    """
    wanted = asked_for or {}
    shown = [flywheel.name]
    named = dict.fromkeys((parts.get("project"), wanted.get("samples", "").partition(".")[0]))
    if path.startswith("/numbers") and "second" in wanted:
        named = dict.fromkeys(flywheel.contracts)
    shown += [f"{flywheel.name}/{project}" for project in named if project in flywheel.contracts]
    shown += [
        f"{flywheel.name}/{contract.id}"
        for contract in flywheel.contracts.values()
        if any(item.name == parts.get("interface") for item in contract.interfaces_out)
    ]
    if path.startswith("/feedback"):
        shown.append(f"{flywheel.name}/feedback")
    return tuple(shown)
