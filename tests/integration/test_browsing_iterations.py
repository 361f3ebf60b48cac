"""The pages about iterations, projects and interfaces on real stores: always current, kept where nothing can change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from console_cases import cells, links, pairs, section, shown, texts
from releases_bench import INTERFACE, ReleasesBench, releases_on
from servers.embedded import EmbeddedStore, copy_store
from servers.proxy import CountingProxy
from servers.tracking import TrackingServerProcess
from workbench import bench_on

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.operations.assembly.drifting import drift_iteration
from flywheel_mlflow.operations.assembly.iterations import MOST_ASSEMBLIES, newest_assemblies
from flywheel_mlflow.operations.assembly.localising import localise
from flywheel_mlflow.operations.reading.comparing import compare
from flywheel_mlflow.operations.reading.interfaces import interface, interfaces
from flywheel_mlflow.operations.reading.iterations import iteration, iterations
from flywheel_mlflow.operations.reading.numbers import one_number
from flywheel_mlflow.operations.reading.overview import overview
from flywheel_mlflow.operations.reading.projects import project, projects
from flywheel_mlflow.operations.reading.reader import Memory, PageQuery, Reader
from flywheel_mlflow.reports.dashboard_blocks import Section
from flywheel_mlflow.reports.pages.frame import Page
from flywheel_mlflow.tables.addresses import Addresses

AT = Addresses("/ml")
Making = Callable[[Reader, PageQuery], Page]
EVERY: tuple[tuple[Making, dict[str, str]], ...] = (
    (overview, {}),
    (iterations, {}),
    (iteration, {"iteration": "2"}),
    (iteration, {"iteration": "1"}),
    (compare, {}),
    (projects, {}),
    (project, {"project": "p01"}),
    (project, {"project": "p10"}),
    (interfaces, {}),
    (interface, {"interface": INTERFACE}),
    (one_number, {"name": "p01.quality"}),
    (one_number, {"name": "mean_stage_score"}),
)


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    at: datetime

    def __call__(self) -> datetime:
        return self.at


def reader_of(found: ReleasesBench, clock: Clock | None = None) -> Reader:
    """Somebody who reads pages, with an empty memory."""
    session = found.session() if clock is None else replace(found.session(), now=clock)
    return Reader(session, AT, "", Memory())


def ask(reader: Reader, make: Making, **asked: str) -> Page:
    """A page, rendered and read back on the way."""
    page = make(reader, PageQuery(asked))
    shown(page)
    return page


def two_iterations(found: ReleasesBench, folder: Path) -> None:
    """Two assembled iterations, the second worse than the first, and compared."""
    for turn, quality in ((1, 0.9), (2, 0.6)):
        found.log(folder, turn, quality=quality)
        found.assemble(turn)
    drift_iteration(found.bench.flywheel, found.bench.tracking, 2, against=1)


@pytest.fixture(scope="module")
def standing(migrated_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ReleasesBench:
    """Two iterations that tests only look at."""
    folder = tmp_path_factory.mktemp("standing")
    found = releases_on(folder / "flywheel", copy_store(migrated_template, folder / "store").uri)
    two_iterations(found, folder)
    return found


@pytest.fixture
def home(tmp_path: Path, embedded_store: Callable[[], EmbeddedStore]) -> ReleasesBench:
    """A flywheel on a store of its own, without anything in it."""
    return releases_on(tmp_path / "flywheel", embedded_store().uri)


def test_an_empty_flywheel_has_every_page(home: ReleasesBench) -> None:
    """Before the first assembly every page says what to run, and what is asked for by name is unknown."""
    reader = reader_of(home)
    for make in (overview, iterations, compare, projects, interfaces):
        assert "Nothing was assembled yet" in shown(ask(reader, make)).text
    assert "p01" in ask(reader, project, project="p01").title
    assert INTERFACE in ask(reader, interface, interface=INTERFACE).title
    for make, name in ((project, "project"), (interface, "interface")):
        with pytest.raises(UnknownName):
            ask(reader, make, **{name: "nobody"})
    with pytest.raises(UnknownName):
        ask(reader, iteration, iteration="1")


@pytest.mark.parametrize(("make", "asked"), EVERY)
def test_every_page_is_made(standing: ReleasesBench, make: Making, asked: dict[str, str]) -> None:
    """Every page of a flywheel with two iterations is a whole page, the second time the same."""
    reader = reader_of(standing, Clock(datetime.now(UTC)))
    assert ask(reader, make, **asked) == ask(reader, make, **asked)


def test_what_is_not_there_is_unknown(standing: ReleasesBench) -> None:
    """Names and numbers nobody knows are refused with the ones that exist; no number is no number."""
    reader = reader_of(standing)
    parts = ((iteration, "iteration"), (project, "project"), (interface, "interface"), (one_number, "name"))
    for make, asked in parts:
        with pytest.raises(UnknownName, match="99"):
            ask(reader, make, **{asked: "99"})
    with pytest.raises(UnknownName):
        ask(reader, compare, first="1", second="99")
    for value in ("0", "-1", "two", "1" * 40, "\N{SUPERSCRIPT TWO}"):
        with pytest.raises(InputError):
            ask(reader, iteration, iteration=value)
    for value in ("yesterday", "9999-99-99", "<script>"):
        with pytest.raises(InputError):
            ask(reader, iterations, older=value)


def test_the_pages_lead_to_real_runs(standing: ReleasesBench) -> None:
    """What a page links to in MLflow is what the server has: the runs of the assembly and of the project."""
    client, reader = standing.bench.client, reader_of(standing)
    recorded = standing.bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    run = client.get_run(recorded.run_id)
    origin = pairs(section(ask(reader, iteration, iteration="2"), "origin"))
    assert origin["Assembly run"].href == AT.ui_run(run.info.experiment_id, run.info.run_id)
    behind = pairs(section(ask(reader, project, project="p01"), "evidence"))["Run"]
    assert behind.href == AT.ui_run(client.get_run(behind.text).info.experiment_id, behind.text)


def test_the_kept_comparison_judges(standing: ReleasesBench) -> None:
    """The KPIs of two iterations that were compared have drift's own verdicts; otherwise they are computed."""
    reader = reader_of(standing)
    kept = ask(reader, compare, first="1", second="2")
    assert ["p01.quality", "worse"] in [row[:2] for row in texts(section(kept, "kpis"))]
    assert "kept on the run" in section(kept, "kpis").notes[0].text
    computed = ask(reader, compare, first="2", second="1")
    assert ["p01.quality", "better"] in [row[:2] for row in texts(section(computed, "kpis"))]
    assert "computed here" in section(computed, "kpis").notes[0].text
    assert "Nobody has compared them by `flywheel drift` yet" in links(section(computed, "origin"))


def test_samples_that_flipped_are_named(home: ReleasesBench, tmp_path: Path) -> None:
    """Asked for the samples of a KPI, the comparison names those that were lost and won, with what failed."""
    before = {f"q{number}": 1.0 for number in range(30)} | {"q30": 0.0}
    for turn, samples in ((1, before), (2, before | {"q7": 0.0, "q8": 0.0, "q30": 1.0})):
        home.log(tmp_path, turn, quality=sum(samples.values()) / len(samples), samples=samples)
        home.assemble(turn)
    reader = reader_of(home)
    assert not section(ask(reader, compare), "samples").tables
    lost, won = section(ask(reader, compare, samples="p01.quality"), "samples").tables
    assert [[cell.text for cell in row] for row in lost.rows] == [
        ["q7", "1", "0", "q7 was wrong"],
        ["q8", "1", "0", "q8 was wrong"],
    ]
    assert [row[0].text for row in won.rows] == ["q30"]
    for name in ("p01.nothing", "p99.quality", "quality", "p01"):
        with pytest.raises(UnknownName):
            ask(reader, compare, samples=name)


def test_releases_are_compared_as_they_were_made(home: ReleasesBench, tmp_path: Path) -> None:
    """A release stands for the assembly that it was made of, also when its iteration was assembled again."""
    first, second = (home.release(tmp_path, turn, quality=quality) for turn, quality in ((1, 0.9), (2, 0.6)))
    home.log(tmp_path, 1, quality=0.7)
    home.assemble(1)
    reader = reader_of(home)
    page = ask(reader, compare, first=f"r{first}", second=f"r{second}")
    assert page.title == f"Release {first}, iteration 1 and release {second}, iteration 2"
    (row,) = section(page, "kpis").tables[0].rows
    assert [row[0].text, row[3].text, row[4].text] == ["p01.quality", "0.9000", "0.6000"]
    again = ask(reader, compare, first=f"r{first}", second="1")
    assert section(again, "kpis").tables[0].rows[0][4].text == "0.7000"
    for value in ("r9", "r", "rr1", "r0", "r1x"):
        with pytest.raises((InputError, UnknownName)):
            ask(reader, compare, first=value, second="2")


def test_a_number_names_who_changed_it(standing: ReleasesBench) -> None:
    """Between two iterations the page finds the suspects of `flywheel explain --between`; of one iteration none."""
    reader = reader_of(standing)
    asked = {"name": "p01.quality", "first": "1", "second": "2"}
    (cards,) = section(ask(reader, one_number, **asked), "suspects").cards
    found = localise(reader.session.flywheel, reader.session.tracking, "p01.quality", 1, 2)
    assert [card.title.text for card in cards.items] == [item.project for item in found.suspects] == ["p01"]
    same = section(ask(reader, one_number, **(asked | {"first": "2"})), "suspects")
    assert "cannot be compared with itself" in same.notes[0].text


def test_a_version_has_its_past(standing: ReleasesBench) -> None:
    """The page of an interface has its versions of both iterations, its profile, and says that there is no card."""
    found = ask(reader_of(standing), interface, interface=INTERFACE)
    rows = section(found, "versions").tables[0].rows
    assert [row[0].text for row in rows] == ["2", "1"]
    assert rows[0][1].text != rows[1][1].text
    assert section(found, "profile").charts
    assert section(found, "card").notes[0].tone is Tone.UNKNOWN
    earlier = ask(reader_of(standing), interface, interface=INTERFACE, iteration="1")
    assert [row[0].text for row in section(earlier, "versions").tables[0].rows] == ["1"]


def test_first_rows_are_shown_where_nothing_forbids_it(home: ReleasesBench, tmp_path: Path) -> None:
    """Rows come from the very data that were logged, one by its id; a card can forbid it, an unreadable one does."""
    home.log(tmp_path, 1)
    home.assemble(1)
    reader = reader_of(home)
    rows = texts(section(ask(reader, interface, interface=INTERFACE), "rows"))
    assert len(rows) == 5
    one = section(ask(reader, interface, interface=INTERFACE, record=rows[3][0]), "rows")
    assert texts(one) == [rows[3]]
    run_id = pairs(section(ask(reader, project, project="p01"), "evidence"))["Run"].text
    artifacts = Path(home.bench.tracking.artifacts.address(run_id).removeprefix("file://"))
    cards = artifacts / "flywheel" / "cards"
    cards.mkdir(exist_ok=True)
    for card, why in (
        ({"source": "made", "licence": "CC0-1.0", "preview": False}, "its data card forbids it"),
        ({"source": 1}, "cannot be read"),
    ):
        (cards / f"{INTERFACE}.json").write_text(json.dumps(card))
        found = section(ask(reader, interface, interface=INTERFACE), "rows")
        assert not found.tables
        assert why in found.notes[0].text


def test_changed_data_are_not_shown(home: ReleasesBench, tmp_path: Path) -> None:
    """A file whose digest is another than the logged one has no preview, and it is told in red."""
    home.log(tmp_path, 1)
    home.assemble(1)
    run_id = pairs(section(ask(reader_of(home), project, project="p01"), "evidence"))["Run"].text
    artifacts = Path(home.bench.tracking.artifacts.address(run_id).removeprefix("file://"))
    (data,) = (artifacts / "interfaces" / INTERFACE).glob("*.jsonl")
    data.write_text(data.read_text() + data.read_text())
    found = section(ask(reader_of(home), interface, interface=INTERFACE), "rows")
    assert not found.tables
    assert found.notes[0].tone is Tone.BAD


def test_a_new_assembly_is_seen_at_once(home: ReleasesBench, tmp_path: Path) -> None:
    """Pages whose reader remembers the past show an iteration the moment it is assembled, and its re-assembly; who is
    suspected follows the evidence.
    """
    two_iterations(home, tmp_path)
    reader = reader_of(home)

    def suspected() -> Section:
        return section(ask(reader, one_number, name="p01.quality", first="1", second="2"), "suspects")

    first = suspected()
    assert suspected() == first
    home.log(tmp_path, 2, quality=0.3)
    assert "0.9 → 0.3" in str(suspected())
    assert "0.9 → 0.3" not in str(first)
    assert "Iteration 2" in ask(reader, overview).subtitle
    home.log(tmp_path, 3)
    home.assemble(3)
    assert "Iteration 3" in ask(reader, overview).subtitle
    before = pairs(section(ask(reader, iteration, iteration="1"), "origin"))["Assembly run"].text
    home.log(tmp_path, 1, quality=0.7)
    home.assemble(1)
    after = pairs(section(ask(reader, iteration, iteration="1"), "origin"))["Assembly run"].text
    assert after != before
    assert "Iteration 3" in ask(reader, overview).subtitle


def test_deleted_assemblies_leave(home: ReleasesBench, tmp_path: Path) -> None:
    """An assembly is gone from its page and from the lists the moment it is deleted, and back when it is restored."""
    two_iterations(home, tmp_path)
    reader = reader_of(home)
    newest, oldest = newest_assemblies(reader.session.tracking)
    home.bench.client.delete_run(oldest.run_id)
    with pytest.raises(UnknownName):
        ask(reader, iteration, iteration="1")
    assert newest_assemblies(reader.session.tracking) == (newest,)
    home.bench.client.restore_run(oldest.run_id)
    home.bench.client.delete_run(newest.run_id)
    assert [item.iteration for item in newest_assemblies(reader.session.tracking)] == [1]


def test_changed_files_are_told_and_not_remembered(home: ReleasesBench, tmp_path: Path) -> None:
    """Files that were changed on the server are told at every request, until they are what was assembled again."""
    two_iterations(home, tmp_path)
    recorded = home.bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    place = Path(home.bench.tracking.artifacts.address(recorded.run_id).removeprefix("file://"))
    report = place / "reports" / "report.md"
    whole = report.read_text()
    report.write_text(whole + "and more\n")
    reader = reader_of(home)
    for _ in range(2):
        origin = pairs(section(ask(reader, iteration, iteration="2"), "origin"))
        assert origin["Its files"].tone is Tone.BAD
    report.write_text(whole)
    assert pairs(section(ask(reader, iteration, iteration="2"), "origin"))["Its files"].tone is Tone.GOOD


def test_broken_files_beside_the_data_are_said(home: ReleasesBench, tmp_path: Path) -> None:
    """Checks, card and profile that cannot be read are unknown with the reason, and the page is there."""
    two_iterations(home, tmp_path)
    reader = reader_of(home)
    run_id = pairs(section(ask(reader, project, project="p01"), "evidence"))["Run"].text
    folder = Path(home.bench.tracking.artifacts.address(run_id).removeprefix("file://")) / "flywheel"
    (folder / "checks.json").write_text('[{"name": 1}]')
    (folder / "profiles" / f"{INTERFACE}.json").write_text("{")
    (folder / "cards").mkdir(exist_ok=True)
    (folder / "cards" / f"{INTERFACE}.json").write_text('{"source": "<script>"}')
    checks = section(ask(reader, project, project="p01"), "checks")
    assert checks.notes[0].tone is Tone.UNKNOWN
    assert ["ready", "passed"] in texts(checks)
    page = ask(reader, interface, interface=INTERFACE)
    for name in ("card", "profile"):
        assert section(page, name).notes[0].tone is Tone.UNKNOWN
    assert cells(section(page, "schema"))


def test_older_iterations_are_a_page_further(standing: ReleasesBench) -> None:
    """Asked for what was assembled before a moment, the list starts there; before the first there is none."""
    reader = reader_of(standing)
    recorded = standing.bench.tracking.assemblies.recorded(2)
    assert recorded is not None
    assert recorded.ended is not None
    page = ask(reader, iterations, older=recorded.ended.isoformat())
    assert [row[0].text for row in section(page, "iterations").tables[0].rows] == ["1"]
    with pytest.raises(UnknownName):
        ask(reader, iterations, older="2001-01-01")


def test_a_page_asks_a_bounded_number_of_times(tmp_path: Path, tracking_server: TrackingServerProcess) -> None:
    """More iterations and more runs cost no more requests, on each kind of server; what cannot change is asked once."""
    found = releases_on(tmp_path / "flywheel", tracking_server.uri)
    two_iterations(found, tmp_path)
    with CountingProxy(tracking_server.uri).running() as proxy:
        reader = reader_of(ReleasesBench(bench_on(found.bench.flywheel, proxy.url)))
        counts: list[dict[str, int]] = []
        for _ in range(2):
            for make, asked in EVERY:  # what is kept is read
                make(reader, PageQuery(asked))
            counts.append({})
            for number, (make, asked) in enumerate(EVERY):
                proxy.reset()
                make(reader, PageQuery(asked))
                counts[-1][f"{number} {make.__name__}"] = len(proxy.exchanges)
            for turn in (3, 4):
                found.log(tmp_path, turn)
                found.assemble(turn)
    assert counts[1].keys() == counts[0].keys()
    for name, count in counts[1].items():
        assert count <= counts[0][name] + 2, name  # an iteration that is not the newest any more is looked up
    assert max(counts[1].values()) < 40
    assert MOST_ASSEMBLIES < 50
