"""The browser and the server that the walks through the console use, each started once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from servers.browser import PROGRAMS, SignedIn, find_browser, pages_of, running_browser
from servers.console import ConsoleServer, running_console

# Read before the isolation of the first test clears it.
REQUIRE_BROWSER = os.environ.get("FLYWHEEL_REQUIRE_BROWSER") == "1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this folder is marked `browser`, and `integration`: the folder is the claim."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's program; skips where the machine has none, fails where FLYWHEEL_REQUIRE_BROWSER=1 demands one."""
    program = find_browser()
    if program is None:
        reason = f"none of {', '.join(PROGRAMS)} on this machine; on Debian: apt-get install chromium"
        if REQUIRE_BROWSER:
            pytest.fail(f"{reason}; FLYWHEEL_REQUIRE_BROWSER=1 forbids to skip", pytrace=False)
        pytest.skip(reason)
    return program


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser. Not for the whole session: while it is there nothing else of this thread can use asyncio."""
    with running_browser(chromium) as found:
        yield found


@pytest.fixture(scope="session")
def console(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsoleServer]:
    """A server with accounts, three releases, a task, and a comparison of iteration 3 with the one in production."""
    with running_console(tmp_path_factory.mktemp("browser"), compared=True) as server:
        yield server


@pytest.fixture
def signed_in(browser: Browser, console: ConsoleServer) -> Iterator[SignedIn]:
    """Opens pages of the console: ``signed_in("ben").goto("/flywheel/")``."""
    with pages_of(browser, console) as found:
        yield found
