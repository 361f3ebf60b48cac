"""Comparisons of recorded iterations: what is found, what is kept on the run, what a page holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from drift_cases import compared, logged, profile, side
from releases_bench import ReleasesBench
from workbench import Bench, flywheel_command, records, write_records

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.drift import (
    DriftReport,
    KpiFound,
    KpiVerdict,
    Verdict,
    drift_report_from_json,
    error_finding,
)
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.monitoring import render_html
from flywheel_mlflow.operations.assembly.assembling import assemble_iteration
from flywheel_mlflow.operations.assembly.checking import check_iteration
from flywheel_mlflow.operations.assembly.drifting import DriftFound, drift_iteration
from flywheel_mlflow.operations.reading.reader import Memory
from flywheel_mlflow.operations.reading.verdicts import Recorded, judge_recorded

SOURCES = {"flywheel_mlflow/__init__.py": ""}
HOSTILE = "</script><script>document.title='PWNED'</script>"


PASS_RATE = "p04.verification_pass_rate"


def log_turn(bench: Bench, iteration: int, folder: Path, *, length: int, right: int, samples: bool = True) -> None:
    """A run of p04: 200 records whose signal starts at ``length``, ``right`` of 60 answers verified."""
    rows = records(200)
    for number, row in enumerate(rows):
        row["quality_signals"] = {"length": length + number % 20}
    outcomes = {f"q{number}": float(number < right) for number in range(60)}
    with bench.open("p04", iteration) as run:
        run.log_document({"verification_pass_rate": right / 60, "synthesized_count": 60, "num_books": 2})
        run.log_interface("teaching_corpus", write_records(folder / f"data-{iteration}.jsonl", rows))
        if samples:
            run.log_samples("verification_pass_rate", outcomes)


@pytest.fixture
def two_turns(local_bench: Bench, tmp_path: Path) -> Bench:
    """Two assembled iterations; in the second a signal of p04's corpus moved, and a third of its answers is wrong."""
    for iteration, length, right in ((1, 60, 60), (2, 75, 40)):
        log_turn(local_bench, iteration, tmp_path, length=length, right=right)
        assemble_iteration(local_bench.flywheel, local_bench.tracking, iteration, sources=SOURCES)
    return local_bench


def kept(bench: Bench, found: DriftFound, name: str) -> str:
    """A file of a comparison as it lies on the run."""
    place = f"drift/{found.report.reference.run_id}/{name}"
    return Path(bench.client.download_artifacts(found.run_id, place)).read_text(encoding="utf-8")


def test_a_comparison_is_kept_on_the_run(two_turns: Bench) -> None:
    """JSON, HTML and Markdown, a tag with the verdict, counts as metrics; a second time nothing is doubled."""
    found = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1)
    assert found.report.verdict is Verdict.BLOCK
    assert {item.subject for item in found.report.findings} == {
        "p04.verification_pass_rate",
        "teaching_corpus/quality_signals.length",
    }
    text = kept(two_turns, found, "drift.json")
    assert drift_report_from_json(text) == found.report
    assert "BLOCK" in kept(two_turns, found, "drift.md")
    assert "p04.verification_pass_rate" in kept(two_turns, found, "drift.html")
    run = two_turns.run(found.run_id)
    assert run.data.tags[f"flywheel.drift.{found.report.reference.run_id[:8]}"] == "BLOCK"
    assert run.data.metrics["drift.drifted_signals"] == 1
    again = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1)
    assert kept(two_turns, again, "drift.json") == text
    assert check_iteration(two_turns.flywheel, two_turns.tracking, 2).checks  # other folders of the run do no harm


def test_a_schema_change_inside_a_list_is_told(local_bench: Bench, tmp_path: Path) -> None:
    """Recorded, assembled and read back, a field gone inside a list blocks; the numbers of the assembly say so too."""
    for iteration, turn in ((1, {"role": "user", "text": "a"}), (2, {"speaker": "user", "text": "a"})):
        rows = [row | {"content": {"messages": [turn, turn]}} for row in records(40)]
        with local_bench.open("p04", iteration) as run:
            run.log_document({"verification_pass_rate": 1.0, "synthesized_count": 40, "num_books": 2})
            run.log_interface("teaching_corpus", write_records(tmp_path / f"data-{iteration}.jsonl", rows))
        assemble_iteration(local_bench.flywheel, local_bench.tracking, iteration, sources=SOURCES)
    report = drift_iteration(local_bench.flywheel, local_bench.tracking, 2, against=1).report
    (finding,) = (item for item in report.findings if item.kind == "schema")
    assert (finding.subject, finding.verdict) == ("teaching_corpus/schema change", Verdict.BLOCK)
    assert "content.messages[].role is gone" in finding.text
    assert "content.messages[].speaker was added" in finding.text
    recorded = local_bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    assert recorded.metrics["flywheel.changed_schema_count"] == 1
    checks = check_iteration(local_bench.flywheel, local_bench.tracking, 2).checks
    assert not [check.name for check in checks if check.outcome == "failed"]


@pytest.fixture
def five_turns(local_bench: Bench, tmp_path: Path) -> Bench:
    """Five assembled iterations of p04, in each fewer answers are right; 1 was assembled once more after 3."""
    for iteration, right in ((1, 60), (2, 58), (3, 56), (1, 10), (4, 50), (5, 30)):
        log_turn(local_bench, iteration, tmp_path, length=60, right=right, samples=False)
        assemble_iteration(local_bench.flywheel, local_bench.tracking, iteration, sources=SOURCES)
    return local_bench


def values_of(bench: Bench, iteration: int) -> Recorded:
    """What the newest assembly of an iteration recorded of the pass rate."""
    found = bench.tracking.assemblies.recorded(iteration)
    assert found is not None
    return Recorded(iteration, found.run_id, {PASS_RATE: KpiValue(found.metrics[PASS_RATE])})


def judged(kpis: Iterable[KpiFound]) -> tuple[KpiVerdict, int]:
    """The verdict on the pass rate, and how many values it was held against."""
    return next((item.verdict, item.history) for item in kpis if item.subject == PASS_RATE)


def test_history_ends_with_the_reference(five_turns: Bench) -> None:
    """Noise is judged by the iterations up to the reference as they then stood; the trend shows the later ones too."""
    for against, first_value in ((3, 1.0), (4, 10 / 60)):
        report = drift_iteration(five_turns.flywheel, five_turns.tracking, 5, against=against).report
        assert judged(report.kpis)[1] == against - 1  # differences between quiet neighbours
        trend = next(item for item in report.trend if item.subject == PASS_RATE)
        assert trend.iterations == (1, 2, 3, 4, 5)
        assert trend.values[0] == pytest.approx(first_value)
    back = drift_iteration(five_turns.flywheel, five_turns.tracking, 2, against=5, dry_run=True).report
    assert judged(back.kpis)[1] == 0


def test_a_verdict_is_the_same_wherever_it_is_asked(five_turns: Bench) -> None:
    """What nobody kept is judged with the history `flywheel drift` takes, near and far, forward and back."""
    session = ReleasesBench(five_turns).session()
    for before, after in ((2, 5), (3, 5), (1, 4), (5, 2)):
        drift = drift_iteration(five_turns.flywheel, five_turns.tracking, after, against=before, dry_run=True)
        told = judge_recorded(session, values_of(five_turns, before), values_of(five_turns, after), Memory())
        assert not told.kept
        assert judged(told.kpis) == judged(drift.report.kpis)


def test_earlier_assemblies_are_found_whatever_was_assembled_since(five_turns: Bench) -> None:
    """The newest valid assembly of each iteration before one: read in pages, now or at a moment."""
    store = five_turns.tracking.assemblies
    newest = {turn: store.recorded(turn) for turn in range(1, 6)}
    assert store.earlier(6, most=20) == tuple(newest.values())
    assert store.earlier(5, most=2) == (newest[3], newest[4])
    assert store.earlier(4, most=1) == (newest[3],)
    assert store.earlier(9, most=1) == (newest[5],), "iterations may be missing"
    assert store.earlier(1, most=3) == store.earlier(3, most=0) == ()
    assert newest[3] is not None
    first, second = store.earlier(3, most=5, ended_before=newest[3].ended)
    assert second == newest[2]
    assert first != newest[1], "iteration 1 was assembled again later"


def test_samples_are_compared_one_by_one(two_turns: Bench) -> None:
    """Both runs logged the outcome of each sample, so McNemar's test judged them."""
    found = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1, dry_run=True)
    (kpi,) = (item for item in found.report.kpis if item.subject == "p04.verification_pass_rate")
    assert "McNemar" in kpi.method
    assert "20 lost, 0 won" in kpi.text
    assert found.artifacts == ()


def test_whole_data_give_the_same_verdict(two_turns: Bench) -> None:
    """Reading the data instead of their samples finds the same here, where the samples are the data."""
    part = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1, dry_run=True)
    whole = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1, full=True, dry_run=True)
    assert whole.report.full
    assert whole.report.distributions == part.report.distributions


def test_the_assembly_holds_its_own_comparison(two_turns: Bench, tmp_path: Path) -> None:
    """Report, note, metrics and JSON of the second iteration say what got worse; its checks still pass."""
    out = tmp_path / "out"
    settled = assemble_iteration(two_turns.flywheel, two_turns.tracking, 2, sources=SOURCES, out=out)
    assert settled.unchanged
    report = drift_report_from_json((out / "reports/drift.json").read_text())
    assert report.verdict is Verdict.BLOCK
    assert settled.assembly.metrics.value("flywheel.regressed_kpi_count") == report.regressed_kpis == 1
    assert "## Drift and regressions" in (out / "reports/p10_report.md").read_text()
    assert "Drift against iteration 1" in two_turns.run(settled.run_id).data.tags["mlflow.note.content"]
    assert [check.name for check in settled.checks if check.name == "evaluate_flywheel"]
    assert not [check for check in settled.contradictions if check.name in ("evaluate_flywheel", "no_stale_artifact")]


def test_a_broken_profile_is_an_error_not_a_crash(two_turns: Bench) -> None:
    """Somebody wrote into a profile: the verdict is no pass, and says which file."""
    found = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1, dry_run=True)
    run_id = two_turns.collect(2).evidence["p04"].run_id
    assert run_id is not None
    folder = Path(two_turns.client.download_artifacts(run_id, "flywheel/profiles"))
    address = two_turns.run(run_id).info.artifact_uri.removeprefix("file://")
    (Path(address) / "flywheel/profiles/teaching_corpus.json").write_text('{"rows": "many"}')
    broken = drift_iteration(two_turns.flywheel, two_turns.tracking, 2, against=1, dry_run=True)
    assert folder.exists()
    assert found.report.errors == 0
    assert broken.report.errors == 1
    assert "not a profile of format 1" in str([item.text for item in broken.report.findings])


def test_what_was_never_assembled_is_refused(two_turns: Bench) -> None:
    """An iteration needs an assembly, and another one to compare it with."""
    for iteration, against in ((3, 1), (2, 3), (2, 2)):
        with pytest.raises(InputError):
            drift_iteration(two_turns.flywheel, two_turns.tracking, iteration, against=against)


@pytest.fixture(scope="module")
def hostile_page() -> str:
    """The page of a report whose labels come from somebody who means harm."""
    return render_html(hostile_report())


def hostile_report() -> DriftReport:
    """A report with markup wherever somebody else's text can stand."""
    current = side(
        2, kpis={"hit_rate": 0.2}, digests={"corpus": "b"}, data={"corpus": logged(profile(x=[HOSTILE] * 60))}
    )
    reference = side(1, digests={"corpus": "a"}, data={"corpus": logged(profile(x=["a", "b"] * 30))})
    return compared(current, reference, errors=[error_finding(HOSTILE, HOSTILE, HOSTILE)])


def test_a_page_holds_no_markup_of_others(hostile_page: str) -> None:
    """Labels are data in the page, and a page of thousands of rows stays below six megabytes."""
    assert "<script>document.title" not in hostile_page
    assert len(hostile_page.encode()) < 6_000_000


def test_a_page_loads_nothing(hostile_page: str) -> None:
    """No element names another address, and the page forbids itself to load any."""
    assert "Content-Security-Policy" in hostile_page
    assert 'src="http' not in hostile_page


def test_a_page_draws_in_a_browser(hostile_page: str, tmp_path: Path) -> None:
    """A browser shows the verdict and Evidently's tables, runs nobody's script, and asks nobody for anything."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    path, log = tmp_path / "drift.html", tmp_path / "net.json"
    path.write_text(hostile_page, encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000", f"--log-net-log={log}"]
    options += [
        "--disable-background-networking",
        "--disable-component-update",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [browser, *options, "--dump-dom", path.as_uri()], capture_output=True, text=True, check=False, timeout=600
    )
    drawn = done.stdout
    assert "<title>BLOCK" in drawn
    assert "PWNED</title>" not in drawn
    assert drawn.count("worse") > hostile_page.count("worse")  # drawn by scripts that ran
    # The browser asks its maker for updates on its own; what a page asks for has an origin.
    found = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    asked = [item["url"] for item in found if item.get("initiator", "not an origin") != "not an origin"]
    assert [url for url in asked if not url.startswith(("data:", "blob:", path.as_uri()))] == []


#: Shows a page in a frame as wide as a phone or a laptop, and says how wide it and its tables turn out.
FRAME = """<iframe src="drift.html" style="border:0;width:{width}px;height:900px" onload="setTimeout(() => {{
  const page = this.contentDocument, tables = [...page.querySelectorAll('table')];
  const cut = tables.filter(table => table.getBoundingClientRect().right > {width});
  document.title = [page.documentElement.scrollWidth, tables.length, cut.length].join(' ');
}}, 4000)"></iframe>"""


@pytest.mark.parametrize("width", [360, 1200])
def test_a_page_fits_a_phone_and_a_laptop(width: int, tmp_path: Path) -> None:
    """Neither the page nor any of its tables is wider than the window: nothing has to be guessed beyond an edge."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium on this machine; on Debian: apt-get install chromium")
    (tmp_path / "drift.html").write_text(render_html(hostile_report()), encoding="utf-8")
    wrapper = tmp_path / "frame.html"
    wrapper.write_text(FRAME.format(width=width), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=12000", "--window-size=1300,1000"]
    options += ["--hide-scrollbars", "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"]
    done = subprocess.run(
        [browser, *options, "--dump-dom", wrapper.as_uri()], capture_output=True, text=True, check=False, timeout=600
    )
    title = re.search(r"<title>(\d+) (\d+) (\d+)</title>", done.stdout)
    assert title is not None, done.stdout[:500]
    wide, tables, cut = (int(number) for number in title.groups())
    assert (wide, cut) == (width, 0)
    assert tables >= 2


def test_evidently_says_what_we_say() -> None:
    """Each comparison is a test of Evidently's report, and fails there exactly where it blocks here."""
    from flywheel_mlflow.monitoring.importing import load_metrics
    from flywheel_mlflow.monitoring.tables import tables_of

    tables = tables_of(hostile_report())
    widgets = load_metrics().snapshot_widgets(tables)
    states = [test["state"] for widget in widgets for test in (widget.params or {}).get("tests", [])]
    assert sorted(states) == sorted(row.status.lower() for table in tables for row in table.rows)
    assert "fail" in states


def test_the_command_exits_with_the_verdict(repository: Path, tmp_path: Path) -> None:
    """Published figures twice: nothing changed, so 0; JSON for machines; what is wrong is 2."""
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    said = []
    for iteration in ("1", "2"):
        ended = flywheel_command("assemble", "-i", iteration, "--log", "published", root=repository, uri=uri)
        assert ended.code == 0, ended.err
        said.append(ended.err)
    assert "drift against" not in said[0]
    assert "drift against iteration 1: PASS" in said[1]
    passed = flywheel_command("drift", "-i", "2", "--against", "1", "--json", root=repository, uri=uri)
    assert (passed.code, passed.json["verdict"]) == (0, "PASS")
    shown = flywheel_command("drift", "--dry-run", root=repository, uri=uri)
    assert shown.out.startswith("PASS: iteration 2 against iteration 1")
    for arguments in (["--against", "production"], ["--against", "x"], ["--against", "2"], ["--against", "0"]):
        assert flywheel_command("drift", "-i", "2", *arguments, root=repository, uri=uri).code == 2
