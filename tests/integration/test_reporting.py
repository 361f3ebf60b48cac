"""The page of an iteration on real stores: where it is kept, what it says, what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from releases_bench import MANAGER, REVIEWER, ReleasesBench, releases_on
from servers.embedded import EmbeddedStore, copy_store
from servers.tracking import TrackingServerProcess

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.evidence.runs import Outcome
from flywheel_mlflow.operations.assembly.checking import check_iteration
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.operations.deciding import Session
from flywheel_mlflow.operations.reading.reporting import Reported, report_iteration
from flywheel_mlflow.tracking.assemblies import DASHBOARD_PAGE


@pytest.fixture
def home(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> ReleasesBench:
    """A flywheel on a store of its own, without anything in it."""
    return releases_on(tmp_path / "flywheel", embedded_store().uri)


def two_iterations(found: ReleasesBench, folder: Path) -> None:
    """Two assembled iterations."""
    for iteration in (1, 2):
        found.log(folder, iteration, quality=0.8 + iteration / 20)
        found.assemble(iteration)


@pytest.fixture(scope="module")
def standing(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """Two assembled iterations that tests only look at."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", copy_store(migrated_template, folder / "store").uri)
    two_iterations(found, folder)
    return found


def text(found: Reported) -> str:
    """The page without its white space at the ends of lines."""
    return " ".join(found.html.split())


def check_names(found: ReleasesBench, iteration: int) -> dict[str, Outcome]:
    """The outcome of every check of an assembly as it is on the server."""
    bench = found.bench
    return {item.name: item.outcome for item in check_iteration(bench.flywheel, bench.tracking, iteration).checks}


def test_the_page_is_kept_on_the_run(tmp_path: Path, tracking_server: TrackingServerProcess) -> None:
    """On each kind of server the artifact is the page, and the folder that was asked for has the same bytes."""
    found = releases_on(tmp_path / "flywheel", tracking_server.uri)
    two_iterations(found, tmp_path)
    ended = found.command("report", "--iteration", "2", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    recorded = found.bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    assert recorded.run_id in ended.out
    assert DASHBOARD_PAGE in ended.out
    artifact = Path(found.bench.client.download_artifacts(recorded.run_id, DASHBOARD_PAGE, str(tmp_path)))
    assert artifact.read_bytes() == (tmp_path / "out" / "dashboard.html").read_bytes()
    again = found.command("report", "--json")
    assert again.json["iteration"] == 2
    assert again.json["page"]["executive"]["verdict"]["text"] in ended.out


def test_the_page_changes_no_assembly(home: ReleasesBench, tmp_path: Path) -> None:
    """Checks, digest and the next assembly are the same with the page as without it."""
    two_iterations(home, tmp_path)
    tracking = home.bench.tracking
    recorded = tracking.assemblies.recorded(2)
    assert recorded is not None
    files = tracking.assemblies.files(recorded.run_id, tmp_path / "before")
    checks = check_names(home, 2)
    report_iteration(home.session(), 2)
    assert tracking.assemblies.files(recorded.run_id, tmp_path / "after") == files
    assert check_names(home, 2) == checks
    assert set(checks.values()) == {Outcome.PASSED}
    home.assemble(2)
    assert tracking.assemblies.recorded(2) == recorded


def test_a_dry_run_keeps_nothing(standing: ReleasesBench, tmp_path: Path) -> None:
    """The page is written where it was asked for, and the run has none."""
    found = report_iteration(standing.session(), 1, out=tmp_path / "out", dry_run=True)
    assert found.file is not None
    assert found.file.read_text(encoding="utf-8") == found.html
    listed = standing.bench.client.list_artifacts(found.run_id, "console")
    assert DASHBOARD_PAGE not in {item.path for item in listed}


def test_what_nobody_knows_is_unknown(standing: ReleasesBench) -> None:
    """Before any release and any comparison the page says so, and what to run."""
    first, second = (
        report_iteration(standing.session(), 1, dry_run=True),
        report_iteration(standing.session(), 2, dry_run=True),
    )
    assert "no iteration before" in text(first)
    assert "nobody has compared it with iteration 1 yet" in text(second)
    assert "flywheel drift --iteration 2" in text(second)
    assert "no release was made yet" in text(second)
    assert "No feedback of this iteration was taken in" in text(second)


def test_the_page_tells_drift_and_governance(home: ReleasesBench, tmp_path: Path) -> None:
    """The comparison's verdict, the release in production, an override in red, an overdue risk."""
    two_iterations(home, tmp_path)
    bench = home.bench
    drift_iteration(bench.flywheel, bench.tracking, 2, against=1)
    assert home.command("release", "create", "--iteration", "1").code == 0
    home.override(1, "staging")
    soon = datetime.now(UTC) + timedelta(hours=1)
    home.act(MANAGER, "risk-open", title="late <b>data</b>", owner=REVIEWER, due=soon, likelihood=5, impact=5)
    later = replace(home.session(), now=lambda: soon + timedelta(days=1))
    found = report_iteration(later, 2, dry_run=True)
    page = text(found)
    assert found.view.executive.verdict.text == "Not healthy"
    assert "Regression risk against iteration 1" in page
    assert "Open override: release 1 went to staging" in page
    assert "1 risk overdue" in page or "2 risks overdue" in page
    assert "late &lt;b&gt;data&lt;/b&gt;" in page


def test_changed_files_are_told(home: ReleasesBench, tmp_path: Path) -> None:
    """A deliverable somebody edited on the server makes the page say that these are not the assembly's files."""
    two_iterations(home, tmp_path)
    recorded = home.bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    chart = "reports/stage_scores.svg"
    home.bench.tracking.artifacts.put(recorded.run_id, {chart: "<svg><script>alert(1)</script></svg>"}, tmp_path / "x")
    found = report_iteration(home.session(), 2, dry_run=True)
    assert "not those that were assembled" in text(found)
    assert found.view.executive.verdict.text == "Not healthy"


def test_bad_input_is_told(standing: ReleasesBench, tmp_path: Path) -> None:
    """An iteration nobody assembled, or a folder that is a file, is no crash and leaves no page."""
    ended = standing.command("report", "--iteration", "9")
    assert (ended.code, "iteration 9 was never assembled" in ended.err) == (2, True)
    blocked = tmp_path / "file"
    blocked.write_text("here", encoding="utf-8")
    session: Session = standing.session()
    with pytest.raises(FlywheelError):
        report_iteration(session, 2, out=blocked)
    run = standing.bench.tracking.assemblies.recorded(2)
    assert run is not None
    assert DASHBOARD_PAGE not in {item.path for item in standing.bench.client.list_artifacts(run.run_id, "console")}
