"""Every page of the console in a real browser: accessible, readable on a phone, and asking nobody else for anything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request
from releases_bench import REVIEWER
from servers.browser import NARROW, WIDE, SignedIn, pages_of
from servers.console import VIEWER, ConsoleServer

PATHS = (
    "/",
    "/iterations",
    "/iterations/3",
    "/compare?first=r2&second=3&samples=p01.quality",
    "/projects",
    "/projects/p01",
    "/numbers/p01.quality?first=2&second=3",
    "/interfaces",
    "/interfaces/p01_data",
    "/drift?iteration=3&against=2",
    "/feedback",
    "/risks",
    "/releases",
    "/releases/2",
    "/release-diff?first=1&second=2",
    "/nowhere",
)
#: Pages that hold more for somebody who may decide.
DECIDING = ("/", "/drift?iteration=3&against=2", "/releases/3")


@pytest.fixture(scope="module")
def reading(browser: Browser, console: ConsoleServer) -> Iterator[SignedIn]:
    """Opens pages for the whole module."""
    with pages_of(browser, console) as found:
        yield found


@pytest.mark.parametrize(("path", "who"), [(path, VIEWER) for path in PATHS] + [(path, REVIEWER) for path in DECIDING])
def test_page(reading: SignedIn, console: ConsoleServer, path: str, who: str) -> None:
    """axe-core finds no fault in a page, light and dark; it fits a wide screen and a phone, and fetches nothing."""
    page = reading(who)
    asked: list[str] = []
    told: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            asked.append(request.url.removeprefix(console.plugin.uri).split("?", maxsplit=1)[0])

    def hear(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text and "/flywheel/drift/report" not in message.text:
            told.append(message.text)

    page.on("request", note)
    page.on("console", hear)
    page.goto(f"/flywheel{path}")
    # What is folded is read too; Evidently's report is Evidently's.
    page.evaluate("document.querySelectorAll('details:not(.embedding)').forEach(item => { item.open = true })")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        faults = axe_faults(page)
        assert not faults, (scheme, faults)
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    own = f"/flywheel{path}".split("?", maxsplit=1)[0]
    script = {"/flywheel/live.js", "/flywheel/state"} if path != "/nowhere" else set()
    assert set(asked) <= {own, "/flywheel/drift/report", "/favicon.ico"} | script
    assert not told
    page.close()


def test_axe_sees_faults(reading: SignedIn) -> None:
    """The judge of accessibility finds a picture without words, a field without a label, and grey on grey."""
    page = reading(VIEWER)
    page.set_content(
        "<!doctype html><html lang=en><title>t</title><main><h1>t</h1><img src='data:,'><input>"
        "<p style='color:#999;background:#aaa'>hard to read</p></main></html>"
    )
    assert {"image-alt", "label", "color-contrast"} <= set(axe_faults(page))
    page.close()


def axe_faults(page: Page) -> list[str]:
    """The rules of axe-core that a page breaks, the report inside it left out: that one is Evidently's."""
    found = Axe().run(page, context={"exclude": [["iframe.embedded"]]}, options={"iframes": False})
    return [violation["id"] for violation in found.response["violations"]]
