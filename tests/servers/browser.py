"""A real browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect, sync_playwright

from servers.console import ConsoleServer
from servers.plugin import password

#: Names under which systems install it.
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
#: In containers Chromium is root and has no GPU; the small /dev/shm of some ends it.
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
#: How long it is waited for what a page should show, which on a busy machine takes many times its second.
PATIENCE_MS = 120_000
#: Pixels of a wide screen, and of the narrowest phone.
WIDE, NARROW = 1280, 360

#: ``signed_in("ben", width=NARROW, dark=True)`` is a blank page of a browser in which ben signs in; ``signed_in()``
#: one in which nobody does.
SignedIn = Callable[..., Page]


def find_browser() -> str | None:
    """The program; None where the machine has none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@contextmanager
def running_browser(program: str) -> Iterator[Browser]:
    """The browser, until the block ends."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def pages_of(browser: Browser, console: ConsoleServer) -> Iterator[SignedIn]:
    """Opens blank pages for people of the console, each with a memory of its own, until the block ends."""
    contexts = []

    def open_page(who: str | None = None, *, width: int = WIDE, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=console.plugin.uri,
            http_credentials={"username": who, "password": password(who)} if who else None,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        return context.new_page()

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()
