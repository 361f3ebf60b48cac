"""People's ways through the console in a real browser, in the order in which they go them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Dialog, Locator, Page, expect
from releases_bench import MANAGER, OTHER, REVIEWER
from servers.browser import NARROW, SignedIn
from servers.console import SHUT_OUT, TASK, VIEWER, ConsoleServer
from servers.plugin import ADMIN, password
from servers.plugin import signed_in as acting_as

from flywheel_mlflow.operations.assembly.drifting import drift_iteration

#: Its markup would be a script, were it not shown as the text it is.
REASON = "\"><script>alert(1)</script><img src=x onerror=alert(2)> & 'I read the drift'"


def sent(page: Page, title: str, **fields: str) -> None:
    """Fill the form of this title, and send it."""
    form = page.get_by_role("form", name=title)
    for label, value in fields.items():
        form.get_by_label(re.compile(label, re.IGNORECASE)).fill(value)
    form.get_by_role("button").click()


def aliases(console: ConsoleServer) -> dict[str, int]:
    """Where the server points."""
    with acting_as(ADMIN):
        return dict(console.plugin.bench().snapshot().aliases)


def test_the_verdict_and_what_waits_stand_first(signed_in: SignedIn) -> None:
    """At a desk and on a phone the first 400 pixels hold the verdict and what is next: for a reviewer what waits for
    them, for a manager whose word nobody waits for what waits for others.
    """
    others = f"Nothing waits for you, {VIEWER}. 1 decision waits for others."
    for width in (1440, 390):
        for who, next_act in ((REVIEWER, "Release 3 needs an approval to go to staging"), (VIEWER, others)):
            page = signed_in(who, width=width)
            page.goto("/flywheel/")
            for seen in (page.locator(".verdict"), page.locator(".inbox").get_by_text(next_act)):
                box = seen.bounding_box()
                assert box is not None
                assert box["y"] + box["height"] < 400
    reviewer = signed_in(REVIEWER)
    reviewer.goto("/flywheel/")
    reviewer.locator(".inbox").get_by_role("link").first.click()
    expect(reviewer).to_have_url(re.compile("/flywheel/releases/3"))


def test_an_owner_finds_project_and_tasks(signed_in: SignedIn) -> None:
    """Who belongs to a team sees on the overview how its projects are, one click from each and from its tasks."""
    page = signed_in(OTHER)
    page.goto("/flywheel/")
    own = page.get_by_role("list").filter(has=page.get_by_role("link", name="1 open task"))
    expect(own).to_contain_text("p01 Project p01: ✓ consumable")
    own.get_by_role("link", name="p01").click()
    expect(page.locator(".lead").first).to_contain_text("Ready for consumers")
    page.get_by_role("link", name="1 open task, the first for iteration 5: answer sooner").click()
    expect(page.locator("#feedback")).to_be_in_viewport()
    expect(page.locator("#feedback")).to_contain_text(TASK.id)
    # Nobody else's overview lists them.
    viewer = signed_in(VIEWER)
    viewer.goto("/flywheel/")
    expect(viewer.get_by_role("heading", name="Your projects")).to_have_count(0)


def test_a_manager_reads_the_overview(signed_in: SignedIn) -> None:
    """Somebody without a role sees on the first screen whether the flywheel is healthy, and reaches what is behind."""
    page = signed_in(VIEWER)
    page.goto("/flywheel/")
    expect(page.get_by_role("heading", name="Is the flywheel healthy?")).to_be_visible()
    page.get_by_label("governance").check()
    expect(page.get_by_role("heading", name="Releases", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Stages", exact=True, level=2)).to_be_hidden()
    for part in ("Iterations", "Projects", "Interfaces", "Drift", "Feedback", "Risks", "Releases", "Overview"):
        page.get_by_role("navigation", name="Console").get_by_role("link", name=part).click()
        expect(page.locator("[aria-current=page]")).to_have_text(part)
    expect(page.locator("footer")).to_contain_text(f"Signed in as {VIEWER}")


def test_a_reviewer_decides(signed_in: SignedIn, console: ConsoleServer) -> None:
    """A reviewer reads drift and verdict and approves, whose reason comes back as it was typed; a manager evaluates the
    gate, promotes, and rolls back.
    """
    reviewer = signed_in(REVIEWER)
    scripts: list[str] = []

    def refuse(dialog: Dialog) -> None:
        scripts.append(dialog.message)
        dialog.dismiss()

    reviewer.on("dialog", refuse)
    reviewer.goto("/flywheel/drift?iteration=3&against=2")
    expect(reviewer.locator("main")).to_contain_text("iteration 2")
    reviewer.get_by_role("link", name="Evidently's own report").click()
    report = reviewer.frame_locator("iframe.embedded").locator("body")
    expect(report).to_contain_text("iteration 3")
    reviewer.goto("/flywheel/releases/3")
    sent(reviewer, "Approve", reason=REASON)
    expect(reviewer).to_have_url(re.compile(r"/flywheel/releases/3\?event=\d+"))
    expect(reviewer.get_by_role("status")).to_contain_text(f"by {REVIEWER}")
    expect(reviewer.locator("main")).to_contain_text(REASON)
    expect(reviewer.locator("img[src=x]")).to_have_count(0)
    assert scripts == []

    manager = signed_in(MANAGER)
    for stage in ("staging", "production"):
        manager.goto("/flywheel/releases/3")
        sent(manager, f"Evaluate the gate to {stage}")
        expect(manager.get_by_role("status")).to_contain_text("PASS")
        sent(manager, f"Promote to {stage}")
        expect(manager.get_by_role("status")).to_contain_text(stage)
    assert aliases(console) == {"staging": 3, "production": 3}

    manager.goto("/flywheel/releases")
    manager.get_by_role("button", name="Work out a rollback").click()
    sent(manager, "Roll production back to release 2", reason="wrong answers were reported")
    expect(manager.get_by_role("status")).to_contain_text("by ana")
    assert aliases(console)["production"] == 2


def test_a_consumer_finds_previews_and_loads(signed_in: SignedIn, console: ConsoleServer, tmp_path: Path) -> None:
    """From the list to the data: the interface, its first rows, a file for dataset tools, and lines that load it."""
    page = signed_in(VIEWER)
    page.goto("/flywheel/")
    page.get_by_role("navigation", name="Console").get_by_role("link", name="Interfaces").click()
    page.get_by_role("link", name="p01_data", exact=True).first.click()
    rows = page.locator("#rows tbody tr")
    expect(rows).to_have_count(5)
    with page.expect_download() as saved:
        page.get_by_role("link", name="dataset card for the Hugging Face Hub").click()
    assert saved.value.suggested_filename == "README.md"
    lines = page.locator("#load pre").first.inner_text()
    assert console.plugin.uri in lines
    # As a program would: with the reader's own account.
    environ = os.environ | {
        "MLFLOW_TRACKING_USERNAME": VIEWER,
        "MLFLOW_TRACKING_PASSWORD": password(VIEWER),
        "XDG_CACHE_HOME": str(tmp_path),
    }
    program = f"{lines}\nprint(*data.to_pandas()['id'])"
    run = [sys.executable, "-c", program]
    done = subprocess.run(run, env=environ, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert [row.locator("th").inner_text() for row in rows.all()] == done.stdout.split()[:5]


def test_a_person_without_rights_is_refused(signed_in: SignedIn) -> None:
    """Who may not read sees nothing of the flywheel, and who has no role is told so in place of a button."""
    page = signed_in(SHUT_OUT)
    answer = page.goto("/flywheel/releases/3")
    assert answer is not None
    assert answer.status == 403
    expect(page.locator("main")).to_contain_text("READ")
    expect(page.get_by_role("button")).to_have_count(0)
    viewer = signed_in(VIEWER)
    viewer.goto("/flywheel/releases/3")
    expect(viewer.get_by_role("button", name="Approve")).to_have_count(0)
    expect(viewer.get_by_role("button", name="Promote")).to_have_count(0)


def test_nobody_is_let_in_without_an_account(signed_in: SignedIn) -> None:
    """Without a name and a password the server answers 401, and shows no page."""
    answer = signed_in().request.get("/flywheel/")
    assert answer.status == 401
    assert "healthy" not in answer.text()


def test_everything_is_reached_by_keyboard(signed_in: SignedIn) -> None:
    """The first tab leads past the navigation, and what has the focus is seen to have it."""
    page = signed_in(VIEWER, width=NARROW, dark=True)
    page.goto("/flywheel/")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("To the content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


@pytest.fixture
def blocked(console: ConsoleServer, tmp_path: Path) -> Iterator[int]:
    """A release whose quality fell, where the gate to staging asks about drift and said BLOCK; its version."""
    file = console.plugin.root / "flywheel.yaml"
    kept = file.read_text(encoding="utf-8")
    plan = yaml.safe_load(kept)
    plan["gates"][0]["criteria"].append({"id": "same", "kind": "drift", "demand": "Nothing drifted unexplained."})
    file.write_text(yaml.safe_dump(plan), encoding="utf-8")
    try:
        production = aliases(console)["production"]
        with acting_as(ADMIN):
            bench = console.plugin.bench()
            bench.log(tmp_path, 4, quality=0.6)
            bench.assemble(4)
            drift_iteration(bench.bench.flywheel, bench.bench.tracking, 4, against=production)
        version = int(console.plugin.done(MANAGER, "create", iteration=4)["version"])
        assert console.plugin.done(MANAGER, "gate", version=version, to="staging")["result"]["verdict"] == "BLOCK"
        yield version
    finally:
        file.write_text(kept, encoding="utf-8")


@dataclass
class Hand:
    """A reader's hand on a page, which counts its clicks; writing somewhere takes one."""

    page: Page
    clicks: int = 0

    def click(self, target: Locator) -> None:
        """Press something."""
        self.clicks += 1
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Click into a field and type."""
        self.click(target)
        self.page.keyboard.type(text)


def test_a_blocked_release_is_promoted_in_ten_clicks(signed_in: SignedIn, console: ConsoleServer, blocked: int) -> None:
    """From the overview a reviewer explains all findings, approves, evaluates and promotes; no step is out of order."""
    page = signed_in(REVIEWER)
    hand = Hand(page)
    page.goto("/flywheel/")
    hand.click(page.get_by_role("link", name=f"Release {blocked} needs an explanation to go to staging"))
    steps = page.locator(".step")
    expect(steps).to_have_count(5)
    # What comes later is not offered in the open, and says what it waits for.
    expect(steps.nth(2)).to_contain_text("Comes after: explain")
    expect(page.get_by_role("button", name="Approve")).to_be_hidden()
    expect(page.get_by_role("button", name="Promote")).to_have_count(0)
    current = page.locator("[aria-current=step]")
    hand.write(current.get_by_role("textbox"), "the new questions are harder")
    hand.click(current.get_by_role("button", name=re.compile("^Explain")))
    expect(current).to_contain_text("Approve")
    hand.write(current.get_by_role("textbox"), REASON)
    hand.click(current.get_by_role("button", name="Approve"))
    expect(current).to_contain_text("Evaluate")
    hand.click(current.get_by_role("button", name="Evaluate"))
    expect(page.get_by_role("status")).to_contain_text("PASS")
    hand.click(current.get_by_role("button", name="Promote"))
    expect(page.get_by_role("status")).to_contain_text("staging")
    assert aliases(console)["staging"] == blocked
    assert hand.clicks <= 10


def test_who_approves_too_early_is_warned(signed_in: SignedIn, console: ConsoleServer, blocked: int) -> None:
    """An approval before the explanations is behind a fold, and says there what becomes of it."""
    page = signed_in(REVIEWER)
    page.goto(f"/flywheel/releases/{blocked}")
    page.get_by_text("Approve it before that").click()
    expect(page.locator(".step details[open]")).to_contain_text("voids your approval")
    sent(page, "Approve", reason=REASON)
    expect(page.get_by_role("status")).to_contain_text(f"by {REVIEWER}")
    expect(page.locator("[aria-current=step]")).to_contain_text("Explain")
