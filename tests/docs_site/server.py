"""The page of the server's addresses, from its routes and from what each act takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from starlette.routing import Route

from docs_site.files import keys_of
from docs_site.markdown import code, page, prose, table
from flywheel_mlflow.console.feedback_route import FeedbackRoute
from flywheel_mlflow.console.forms import FormRoutes
from flywheel_mlflow.console.pages import PageRoutes
from flywheel_mlflow.console.routes import ActRoutes
from flywheel_mlflow.operations.acts.acting import ACTS
from flywheel_mlflow.operations.reading.kinds import PAGES
from flywheel_mlflow.tables.addresses import PAGES as CONSOLE

if TYPE_CHECKING:
    from flywheel_mlflow.console.front import Front
    from flywheel_mlflow.console.routes import Opener

#: What answers at the addresses that are no page of the console; a test holds that none is missing.
ANSWERS = {
    "/ajax-api/2.0/flywheel/about": "plugin, version, flywheel, whether there are accounts; public",
    "/ajax-api/2.0/flywheel/acts/{name}": "does one of the acts below for whoever calls",
    "/ajax-api/2.0/flywheel/feedback": "takes events of feedback in ([how](../feedback.md#from-applications))",
    "/ajax-api/2.0/flywheel/forms/{act}": "takes a form of the console",
    "/flywheel": "leads to the overview",
    "/flywheel/banner.js": "the script of the link on MLflow's own pages",
    "/flywheel/live.js": "the script by which an open page notices that something changed",
    "/flywheel/state": "a mark of the state, another one when something changed",
    "/flywheel/at": "leads from a run of MLflow to its page of the console",
    "/flywheel/drift/report": "the whole Evidently report of a comparison",
    "/flywheel/croissant/{interface}": "the data's Croissant document",
    "/flywheel/metrics": "the state as numbers, in Prometheus' text format",
    "/flywheel/dataset-card/{interface}": "the data's card, as Markdown",
}
#: Only there so that MLflow does not answer in its own way.
REST = "/flywheel/{rest:path}"


def server_page() -> str:
    """Addresses, then the acts with their arguments."""
    rows, pages = [], []
    for route in routes():
        methods = ", ".join(sorted((route.methods or set()) - {"HEAD"}))
        if route.path in page_paths():
            pages.append((code(f"{methods} {_shown(route.path)}"), _what(page_paths()[route.path])))
        elif route.path != REST:
            rows.append((code(f"{methods} {_shown(route.path)}"), ANSWERS[route.path]))
    acts = []
    for name, kind in sorted(ACTS.items()):
        schema = kind.takes.model_json_schema()
        own = {"properties": {key: item for key, item in schema["properties"].items() if key != "dry_run"}} | {
            "required": schema.get("required", []),
            "$defs": schema.get("$defs", {}),
        }
        form = "a command, a form or a request" if kind.form else "a command or a request"
        acts += [f"### {name}", f"{prose(kind.takes.__doc__)} By {form}.", keys_of(own, linked=False)]
    return page(
        "Addresses of the server",
        "What `mlflow server --app-name flywheel` answers beside MLflow's own API.",
        "Who may ask what, and what the answers mean: [the server that enforces](../server.md).",
        "An example:",
        '```bash\ncurl -X POST "$MLFLOW_TRACKING_URI/ajax-api/2.0/flywheel/acts/gate" \\\n'
        '  -H \'Content-Type: application/json\' -d \'{"version": 1, "to": "staging"}\'\n```',
        "## For programs",
        table(("address", "answers with"), rows),
        "## Pages of the console",
        table(("address", "shows"), pages),
        "## Acts",
        "The body is a JSON object with these keys. Every act takes `dry_run: true`, which checks and writes nothing.",
        *acts,
    )


def routes() -> tuple[Route, ...]:
    """Every route the plugin puts before MLflow's own."""
    nobody = cast("Front", None)
    opener = cast("Opener", None)
    acts = ActRoutes(None, authentication=False, open_tracking=opener, console="")
    feedback = FeedbackRoute(None, authentication=False, open_tracking=opener)
    found: list[Any] = [
        *acts.routes(""),
        *feedback.routes(""),
        *FormRoutes(nobody).routes(""),
        *PageRoutes(nobody).routes(""),
    ]
    return tuple(found)


def page_paths() -> dict[str, Any]:
    """What makes the page at each address of the console."""
    return {f"{CONSOLE}{kind.path}": kind.make for kind in PAGES}


def _shown(path: str) -> str:
    return path.replace(":path}", "}")


def _what(make: Any) -> str:
    return prose((make.__doc__ or "").split("\n\n", maxsplit=1)[0])
