"""Pages that show themselves anew, in a real browser whose clock the test winds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from releases_bench import MANAGER, REVIEWER
from servers.browser import SignedIn
from servers.console import ConsoleServer

from flywheel_mlflow.reports.pages.frame import LOOK_AGAIN_S

Opened = Callable[..., Page]


@pytest.fixture
def opened(signed_in: SignedIn) -> Opened:
    """Opens a page that has looked once what the state is, and whose next look comes when the test says so."""

    def open_page(path: str) -> Page:
        page = signed_in(REVIEWER)
        page.clock.install()
        with page.expect_response(re.compile("/flywheel/state$")):
            page.goto(path)
        page.evaluate("window.first = true")
        return page

    return open_page


def look(page: Page) -> None:
    """Let the time pass until the page has looked again."""
    with page.expect_response(re.compile("/flywheel/state$")):
        page.clock.fast_forward(1000 * LOOK_AGAIN_S)


def decide(console: ConsoleServer) -> None:
    """Somebody else opens a risk."""
    fields = {"title": "it is late", "owner": MANAGER, "due": "2099-01-01T00:00:00Z", "likelihood": 1, "impact": 1}
    console.plugin.done(MANAGER, "risk-open", **fields)


def test_a_page_follows_what_others_decide(opened: Opened, console: ConsoleServer) -> None:
    """A page without news stays as it is; once somebody decided something it is made anew and shows that."""
    page = opened("/flywheel/risks")
    rows = page.locator("#open table").first.locator("tbody tr")
    before = rows.count()
    look(page)
    assert page.evaluate("window.first")
    decide(console)
    page.clock.fast_forward(1000 * LOOK_AGAIN_S)
    expect(rows).to_have_count(before + 1)
    assert page.evaluate("window.first") is None


def test_a_form_that_is_filled_is_left_alone(opened: Opened, console: ConsoleServer) -> None:
    """Who types a reason keeps page and reason, and is told that there is news."""
    page = opened("/flywheel/releases/3")
    reason = page.locator("textarea:visible").first
    reason.fill("half a sen")
    reason.blur()
    decide(console)
    look(page)
    expect(page.locator("#news")).to_contain_text("Something changed")
    assert page.evaluate("window.first")
    expect(reason).to_have_value("half a sen")
    reason.fill("")
    reason.blur()
    page.clock.fast_forward(1000 * LOOK_AGAIN_S)
    expect(page.locator("#news")).to_be_empty()


def test_it_can_be_switched_off(opened: Opened, console: ConsoleServer) -> None:
    """Who wants pages to stand still says so once, on any page; nothing is asked any more."""
    page = opened("/flywheel/risks")
    page.get_by_label("Show this page anew when something changes").uncheck()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    decide(console)
    page.clock.fast_forward(3000 * LOOK_AGAIN_S)
    page.goto("/flywheel/releases")
    expect(page.get_by_label("Show this page anew when something changes")).not_to_be_checked()
    assert not [url for url in asked if url.endswith("/state")]
