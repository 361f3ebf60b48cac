"""What a person sees of the flywheel on MLflow's own pages, in a real browser on a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser, Page, expect
from releases_bench import MANAGER, ReleasesBench, releases_on
from servers.browser import PATIENCE_MS, SignedIn
from servers.console import VIEWER, ConsoleServer
from servers.plugin import ADMIN
from servers.plugin import signed_in as acting_as
from servers.tracking import running_tracking_server

from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.views import ASSEMBLY_VIEWS, GATES, SAVED_VIEW, view_address

#: MLflow draws only the columns that fit into the window.
WIDTH = 4200


@dataclass(frozen=True, slots=True)
class Shown:
    """A flywheel on a server with two iterations, a release and its verdict; its assembly's experiment."""

    home: ReleasesBench
    uri: str
    experiment: str
    version: int

    def run(self, iteration: int) -> str:
        """The run of an iteration."""
        recorded = self.home.bench.tracking.assemblies.recorded(iteration)
        assert recorded is not None
        return recorded.run_id

    def address(self, place: str) -> str:
        """The address of a page of MLflow's user interface."""
        return f"{self.uri}/{place.removeprefix('./')}"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("ui")
    with running_tracking_server(folder, backend=f"sqlite:///{folder / 'mlflow.db'}") as server:
        home = releases_on(folder / "flywheel", server.uri)
        home.log(folder, 1, quality=0.7)
        home.assemble(1)
        version = home.release(folder, 2)
        home.act(MANAGER, "gate", version=version, to="staging")
        experiment = home.bench.client.get_experiment_by_name(home.name)
        assert experiment is not None
        yield Shown(home, server.uri, str(experiment.experiment_id), version)


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": WIDTH, "height": 1000})
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


def opened(page: Page, address: str) -> Page:
    """The page at an address; MLflow's pages are one document, which must be loaded anew."""
    page.goto("about:blank")
    page.goto(address)
    return page


def expect_cells(page: Page, column: str, texts: list[str]) -> None:
    """A column of MLflow's table of runs, from top to bottom, once the view is in force."""
    found = page.locator(f'.ag-row [col-id="{column}"]')
    expect(found).to_contain_text(texts)


def test_the_experiment_opens_on_the_flywheels_columns(shown: Shown, window: Page) -> None:
    """The link of `flywheel assemble` shows one line an iteration, with iteration, validity and the main numbers."""
    page = opened(window, shown.address(view_address(shown.experiment)))
    expect_cells(page, "tags.`flywheel.iteration`", ["2", "1"])
    expect_cells(page, "tags.`flywheel.valid`", ["true", "true"])
    stored = [shown.home.bench.run(shown.run(turn)).data.metrics["flywheel.mean_stage_score"] for turn in (2, 1)]
    expect_cells(page, "metrics.`flywheel.mean_stage_score`", [f"{value:.17g}"[:6] for value in stored])
    headings = page.locator('.ag-header-cell[col-id^="metrics."]')
    # MLflow has no column for a number that no run knows.
    known = shown.home.bench.run(shown.run(2)).data.metrics
    expected = [name for name in ASSEMBLY_VIEWS[0].metrics if name in known]
    expect(headings).to_have_count(len(expected))
    places = [(box["x"], item.inner_text().strip()) for item in headings.all() if (box := item.bounding_box())]
    assert [text for _, text in sorted(places)] == expected


def test_views_are_offered_by_name(shown: Shown, window: Page) -> None:
    """Whoever opens the experiment without the link finds the views of the flywheel in MLflow's own list of views."""
    page = opened(window, shown.address(f"#/experiments/{shown.experiment}/runs?workflowType=machine_learning"))
    page.get_by_role("button", name="Views").click()
    for view in ASSEMBLY_VIEWS:
        expect(page.get_by_text(view.name, exact=True).first).to_be_visible()


def test_the_gates_have_a_view_of_their_own(shown: Shown, window: Page) -> None:
    """One line a verdict, with release, stage and outcome."""
    page = opened(window, shown.address(view_address(shown.experiment, GATES)))
    verdict = shown.home.snapshot().state.release(shown.version).gates[-1].verdict
    expect_cells(page, "tags.`flywheel.verdict`", [verdict])
    expect_cells(page, "tags.`flywheel.version`", [str(shown.version)])
    expect_cells(page, "attributes.`Run Name`", [f"gate: release {shown.version} to staging: {verdict}"])


def test_the_note_of_an_iteration_leads_on(shown: Shown, window: Page) -> None:
    """Its run page shows the verdict and links that work: all iterations, the report, the comparison with the last."""
    page = opened(
        window,
        shown.address(f"#/experiments/{shown.experiment}/runs/{shown.run(2)}?workflowType=machine_learning"),
    )
    link = page.get_by_role("link", name="Compare with iteration 1")
    expect(link).to_be_visible()
    assert page.get_by_role("link", name="All iterations").get_attribute("href") == (
        f"./{view_address(shown.experiment)}"
    )
    report = page.get_by_role("link", name="Report").get_attribute("href")
    compared = link.get_attribute("href")
    assert report is not None
    assert compared is not None
    opened(window, shown.address(report))
    expect(page.get_by_role("heading", name="iteration 2")).to_be_visible()
    opened(window, shown.address(compared))
    expect(page.get_by_role("heading", name="Comparing 2 Runs")).to_be_visible()
    expect(page.get_by_text("iteration-001").first).to_be_visible()
    # Which of the flywheel's numbers are drawn without scrolling is MLflow's choice.
    expect(page.get_by_text(re.compile(r"^flywheel\.\w+")).locator("visible=true").first).to_be_visible()


def test_children_stand_in_the_order_of_the_flywheel(shown: Shown, window: Page) -> None:
    """The run page of an iteration lists its stages by their titles, the first stage first."""
    page = opened(
        window,
        shown.address(f"#/experiments/{shown.experiment}/runs/{shown.run(1)}?workflowType=machine_learning"),
    )
    titles = [f"iteration-001 {stage.title}" for stage in shown.home.bench.flywheel.blueprint.stages]
    links = page.get_by_role("link", name="iteration-001 ")
    expect(links.first).to_be_visible()
    assert [text.strip().rstrip(",") for text in links.all_inner_texts()] == titles


def test_a_version_shows_what_it_is_and_leads_to_bundle_and_verdict(shown: Shown, window: Page) -> None:
    """The page of a model version has description, tags, and links to its bundle and to the verdicts of its gates."""
    page = opened(
        window, shown.address(f"#/models/{shown.home.name}/versions/{shown.version}?workflowType=machine_learning")
    )
    bundle = page.get_by_role("link", name="Bundle")
    expect(bundle).to_be_visible()
    expect(page.get_by_text("p01_data", exact=True).first).to_be_visible()
    expect(page.get_by_text("flywheel.author").first).to_be_visible()
    verdicts = page.get_by_role("link", name="Verdicts of its gates").get_attribute("href")
    manifest = bundle.get_attribute("href")
    assert verdicts is not None
    assert manifest is not None
    opened(window, shown.address(manifest))
    digest = shown.home.snapshot().state.release(shown.version).bundle
    expect(page.get_by_text("manifest.json").first).to_be_visible()
    opened(window, shown.address(verdicts))
    assert digest in unquote(verdicts)
    expect_cells(page, "attributes.`Run Name`", [f"gate: release {shown.version} to staging"])


def test_a_projects_experiment_has_its_kpis_as_columns(shown: Shown, window: Page) -> None:
    """The view of a project shows checks and KPIs, one line a run."""
    experiment = shown.home.bench.client.get_experiment_by_name(f"{shown.home.name}/p01")
    assert experiment is not None
    page = opened(window, shown.address(view_address(str(experiment.experiment_id))))
    expect_cells(page, "metrics.`quality`", ["0.9", "0.7"])
    expect_cells(page, "tags.`flywheel.evidence`", ["measured", "measured"])


def test_a_view_that_a_person_changed_stays(shown: Shown, tmp_path: Path) -> None:
    """Views nobody touched follow this package, one that was saved over in the user interface is left alone."""
    client, key = shown.home.bench.client, SAVED_VIEW + GATES
    kept = json.loads(client.get_experiment(shown.experiment).tags[key])
    theirs = json.dumps(kept | {"state": "{}", "updatedAt": kept["createdAt"] + 1})
    client.set_experiment_tag(shown.experiment, key, theirs)
    shown.home.bench.tracking.assemblies.experiment()
    assert client.get_experiment(shown.experiment).tags[key] == theirs
    client.set_experiment_tag(shown.experiment, key, json.dumps(kept | {"state": "{}"}))
    client.set_experiment_tag(shown.experiment, tags.NOTE, "what we are up to")
    shown.home.bench.tracking.assemblies.experiment()
    found = client.get_experiment(shown.experiment).tags
    assert json.loads(found[key])["state"] == ASSEMBLY_VIEWS[1].state()
    assert found[tags.NOTE] == "what we are up to"


def test_mlflows_pages_lead_to_the_console(signed_in: SignedIn, console: ConsoleServer) -> None:
    """On every page of MLflow one link leads to the page of ours that belongs to it: overview, iteration, project,
    release, two compared; and an unknown one to the overview.
    """
    with acting_as(ADMIN):
        bench = console.plugin.bench().bench
        runs = [found.run_id for turn in (2, 3) if (found := bench.tracking.assemblies.recorded(turn))]
        of = {item.name: item.experiment_id for item in bench.client.search_experiments()}
        gate = console.plugin.bench().snapshot().state.release(2).gates[-1].run_id
        evidence = bench.collect(3).evidence["p01"].run_id
    assembly, project = of[console.name], of[f"{console.name}/p01"]
    mode = "?workflowType=machine_learning"
    expected = {
        "#/": "/flywheel/",
        f"#/experiments/{assembly}/runs{mode}": "/flywheel/iterations",
        f"#/experiments/{project}/runs{mode}": "/flywheel/projects/p01",
        f"#/experiments/{project}/overview/usage{mode}": "/flywheel/projects/p01",
        f"#/experiments/{assembly}/runs/{runs[1]}{mode}": "/flywheel/iterations/3",
        f"#/experiments/{project}/runs/{evidence}{mode}": "/flywheel/projects/p01",
        f"#/experiments/{assembly}/runs/{gate}{mode}": "/flywheel/releases/2",
        f"#/models/{console.name}{mode}": "/flywheel/releases",
        f"#/models/{console.name}/versions/2{mode}": "/flywheel/releases/2",
        f"#/compare-runs?runs={json.dumps(runs[::-1])}&experiments=[]": "/flywheel/compare?first=2&second=3",
        "#/experiments/99/runs/0000": "/flywheel/",
        "#/prompts": "/flywheel/",
    }
    page = signed_in(VIEWER)
    for place, leads_to in expected.items():
        opened(page, f"{console.plugin.uri}/{place}")
        link = page.get_by_role("link", name="Flywheel console")
        expect(link).to_be_visible()
        link.click()
        expect(page).to_have_url(f"{console.plugin.uri}{leads_to}")


def test_the_link_follows_mlflows_own_navigation(signed_in: SignedIn, console: ConsoleServer) -> None:
    """MLflow changes its address without loading a page: the link knows the page that is shown now."""
    page = signed_in(VIEWER)
    page.goto("/#/experiments?workflowType=machine_learning")
    page.get_by_role("link", name=f"{console.name}/p01", exact=True).click()
    expect(page).to_have_url(re.compile(r"/experiments/\d+"))
    page.get_by_role("link", name="Flywheel console").click()
    expect(page).to_have_url(f"{console.plugin.uri}/flywheel/projects/p01")


def test_an_iteration_assembled_again_stands_once(tmp_path: Path, window: Page) -> None:
    """The view of iterations shows the assembly that counts; elsewhere the other one is called superseded."""
    with running_tracking_server(tmp_path, backend=f"sqlite:///{tmp_path / 'mlflow.db'}") as server:
        home = releases_on(tmp_path / "flywheel", server.uri)
        for quality in (0.7, 0.9):
            home.log(tmp_path, 1, quality=quality)
            home.assemble(1)
        experiment = home.bench.client.get_experiment_by_name(home.name)
        assert experiment is not None
        page = opened(window, f"{server.uri}/{view_address(experiment.experiment_id).removeprefix('./')}")
        names = page.locator('.ag-row [col-id="attributes.`Run Name`"]')
        expect(names).to_have_text([re.compile("iteration-001$")])
        opened(page, f"{server.uri}/#/experiments/{experiment.experiment_id}/runs?workflowType=machine_learning")
        expect(names).to_contain_text(["iteration-001", "iteration-001 superseded"])
