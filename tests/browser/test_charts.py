"""Charts in a real browser: in the colours of the theme, in their place on every screen, on paper."""

from __future__ import annotations

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
