"""Charts in a real browser: in the colours of the theme, in their place on every screen, on paper."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from servers.browser import NARROW, WIDE, SignedIn
from servers.console import VIEWER


def colours(page: Page, selector: str, name: str) -> set[str]:
    """The computed colours of all elements that a selector finds."""
    found: list[str] = page.eval_on_selector_all(
        selector, "(items, name) => items.map(item => getComputedStyle(item)[name])", name
    )
    return set(found)


def test_charts_follow_theme_screen_and_paper(signed_in: SignedIn) -> None:
    """Scores and KPIs are drawn with the release in production, in each theme's own colours, within any screen."""
    page = signed_in(VIEWER)
    page.goto("/flywheel/")
    charts = page.locator("#kpis .charts svg")
    expect(charts.first).to_be_visible()
    expect(page.locator("#kpis .mark.now").first).to_contain_text("R2")
    expect(page.get_by_role("img", name="by iteration: 1:").first).to_be_visible()
    lines = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
        lines[scheme] = colours(page, "#kpis .series", "stroke")
        assert len(lines[scheme]) == 1
        assert colours(page, "#kpis .chart text", "fill") & colours(page, "body", "background-color") == set()
    assert lines["light"] != lines["dark"]
    for width in (WIDE, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        for box in (item.bounding_box() for item in charts.all()):
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
    page.emulate_media(media="print")
    assert colours(page, "#kpis .series", "stroke") == {"rgb(0, 0, 0)"}


def test_two_releases_are_compared(signed_in: SignedIn) -> None:
    """From one page two iterations or releases are chosen, each change is drawn, and its samples are a click away."""
    page = signed_in(VIEWER)
    page.goto("/flywheel/compare")
    choice = page.get_by_role("form", name="Compare two iterations")
    choice.get_by_label("Before").select_option("r1")
    choice.get_by_label("After").select_option("3")
    choice.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Release 1, iteration 1 and iteration 3")
    row = page.get_by_role("row", name="p01.quality")
    expect(row.get_by_role("img")).to_be_visible()
    expect(page.get_by_role("columnheader", name="change, and how sure").get_by_role("img")).to_be_visible()
    samples = page.get_by_role("form", name="Samples of a KPI")
    samples.get_by_label("KPI").select_option("p01.quality")
    samples.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("#samples$"))
    expect(page.locator("#samples")).to_contain_text("p01.quality: 0 lost, 2 won, 98 the same.")
    expect(page.get_by_role("row", name="q81")).to_contain_text("q81 was wrong")


def test_a_number_leads_to_who_changed_it(signed_in: SignedIn) -> None:
    """From a chart on the overview one click leads to the number, one to its suspects, and one to their project."""
    page = signed_in(VIEWER)
    page.goto("/flywheel/")
    page.locator("#kpis figcaption").get_by_role("link", name="p01.quality").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("p01.quality")
    page.get_by_role("button", name="Find suspects").click()
    expect(page).to_have_url(re.compile("#suspects$"))
    suspect = page.locator("#suspects .finding").first
    expect(suspect).to_contain_text("of the suspicion")
    suspect.get_by_role("link", name="p01").click()
    expect(page).to_have_url(re.compile("/flywheel/projects/p01"))


def test_histograms_follow_the_theme(signed_in: SignedIn) -> None:
    """Signals and versions of an interface are drawn on the page's own background, light and dark."""
    page = signed_in(VIEWER, dark=True)
    page.goto("/flywheel/interfaces/p01_data")
    for selector, name in ((".histogram .bar", "fill"), (".timeline path", "fill")):
        page.emulate_media(color_scheme="dark")
        dark = colours(page, selector, name)
        page.emulate_media(color_scheme="light")
        light = colours(page, selector, name)
        assert dark
        assert dark.isdisjoint(light)
    assert page.locator("#profile img, #versions img").count() == 0
