"""Tests of the pages of interfaces: schema, card, versions, readers, impact, drawings."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from console_cases import AT, LINKS, links, pairs, section, shown, texts
from dashboard_cases import HOSTILE, facts
from drift_cases import card
from hypothesis import given, settings
from hypothesis import strategies as st
from reports_flywheel import contracts, healthy_assembly

from flywheel_mlflow.assembly.documents import Version
from flywheel_mlflow.drift.wording import Tone
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.profiles import Profile, Signal
from flywheel_mlflow.reports.dashboard_facts import DashboardFacts
from flywheel_mlflow.reports.pages.interface import (
    InterfaceFacts,
    interface_page,
    promised_interface_page,
)
from flywheel_mlflow.reports.pages.interface_data import PastVersion, ShownRows
from flywheel_mlflow.reports.pages.interfaces import interfaces_page, promised_interfaces_page
from flywheel_mlflow.reports.signals import BARS, MOST_DRAWN, histogram, signal_charts


def linked(**changed: Any) -> DashboardFacts:
    """The facts of the small flywheel as the server has them."""
    return replace(facts(**changed), links=LINKS)


def about(name: str, **changed: Any) -> InterfaceFacts:
    """What the page of an interface is made of, with some of it changed."""
    plain = InterfaceFacts(name, contracts(), linked(), (), card_unknown="no card", profile_unknown="no profile")
    return replace(plain, **changed)


def past(turn: int, digest: str, change: str | None = "patch") -> PastVersion:
    """A version as an iteration recorded it."""
    version = Version(
        uri="runs:/x/corpus", digest=digest * 32, schema_digest="5" * 32, fields=(), rows=100 * turn, bytes=None
    )
    return PastVersion(turn, version, change, f"run-{turn}")


def test_every_interface_is_listed() -> None:
    """With its version, the class of its change, and who reads it in the tone of the worst; what is unknown is said."""
    page = interfaces_page(linked(), AT)
    shown(page)
    rows = {row[0].text: row for row in section(page, "interfaces").tables[0].rows}
    assert set(rows) == {"corpus", "model_data", "preferences", "traces", "release_gate"}
    assert rows["corpus"][0].href == AT.interface("corpus")
    assert rows["corpus"][5].text == "a" * 12
    assert rows["corpus"][8].tone is Tone.BAD
    assert "1 stale" in rows["corpus"][8].text
    assert (rows["preferences"][5].text, rows["preferences"][7].text) == ("no version", "unknown")
    assert rows["traces"][6].text == "opaque"
    assert section(page, "lineage").drawing is not None


def test_all_versions_there_is_good() -> None:
    """The first line counts the versions, and is good only when none is missing."""
    assert interfaces_page(linked(), AT).lead[0].tone is Tone.ATTENTION
    counted = interfaces_page(linked(assembly=healthy_assembly()), AT).lead[0]
    assert counted.text.startswith("4 of 5")


def test_before_the_first_assembly_contracts_alone_speak() -> None:
    """An empty flywheel lists interfaces with who is declared to read them, and says what to run."""
    one = promised_interface_page("corpus", contracts()["p01"], contracts(), AT)
    assert ["p02", "id, licence"] in texts(section(one, "consumers"))
    for page in (promised_interfaces_page(contracts(), AT), one):
        assert "flywheel assemble" in shown(page).text


def test_an_interface_is_told_whole() -> None:
    """Version, first rows, how to load it, versions, schema with who needs each field, signals, card, readers."""
    page = interface_page(about("corpus"), AT)
    shown(page)
    names = ["version", "rows", "load", "versions", "schema", "profile", "card", "consumers", "impact", "commands"]
    assert [item.id for item in page.sections] == names
    told = pairs(section(page, "version"))
    assert told["Made by"].href == AT.project("p01")
    assert told["Logged by run"].href == AT.ui_run("2", "run-p01")
    assert told["Rows"].text == "1,200"


def test_a_field_somebody_needs_and_lacks_stands_out() -> None:
    """The schema shows who needs a field; one that is needed and not there is a row of its own, and in the lead."""
    page = interface_page(about("corpus"), AT)
    rows = {row[0].text: row for row in section(page, "schema").tables[0].rows}
    assert rows["id"][4].text == "p02"
    assert (rows["licence"][2].text, rows["licence"][2].tone) == ("not there", Tone.BAD)
    assert "p02 cannot use it: licence is missing." in [cell.text for cell in page.lead]
    readers = {row[0].text: row for row in section(page, "consumers").tables[0].rows}
    assert (readers["p02"][3].text, readers["p03"][3].text) == ("lacks licence", "yes")
    assert readers["p02"][4].text == "stale"


def test_a_change_hits_who_reads_it() -> None:
    """The impact names every project downstream, those of the same iteration before those a turn later."""
    found = section(interface_page(about("corpus"), AT), "impact")
    assert "3 in the same iteration, 0 later" in found.tables[0].caption
    assert {row[0] for row in texts(found)} == {"p02", "p03", "p10"}
    later = section(interface_page(about("release_gate"), AT), "impact")
    assert [row[:2] for row in texts(later)] == [["p03", "1 iteration later"]]


def test_the_data_card_is_shown() -> None:
    """Source, licence, hazards, and each filter with rows in, rows out and the share it drops; no card is said."""
    filled = card(short=(200, 150), doubled=(150, 0)).model_copy(update={"hazards": ("one region only",)})
    found = section(interface_page(about("corpus", card=filled), AT), "card")
    assert pairs(found)["Hazard"].tone is Tone.ATTENTION
    assert [row[2:5] for row in texts(found)] == [["200", "150", "0.2500"], ["150", "0", "1.0000"]]
    none = section(interface_page(about("corpus"), AT), "card")
    assert (none.notes[0].text, none.notes[0].tone) == ("Unknown: no card.", Tone.UNKNOWN)


def test_versions_are_told_over_the_iterations() -> None:
    """Newest first, with what the version rule says, the same data as such, and a gap where nothing was logged."""
    versions = (past(1, "a", "first"), PastVersion(2, None, None, None), past(3, "b", "major"), past(4, "b"))
    found = section(interface_page(about("corpus", versions=versions), AT), "versions")
    rows = found.tables[0].rows
    assert [row[0].text for row in rows] == ["4", "3", "2", "1"]
    assert [row[2].text for row in rows] == ["the same data", "MAJOR", "", "first version"]
    assert rows[0][5].href == AT.ui_run("2", "run-4")
    assert found.drawing is not None
    assert "iteration 2: no version; iteration 3: MAJOR" in found.drawing.svg
    assert "iteration 4: the same data" in found.drawing.svg


def test_an_interface_of_another_time_is_said() -> None:
    """One that the iteration did not know, and one that nobody promises any more, are told as that."""
    later = contracts()["p01"].model_copy(
        update={
            "interfaces_out": (InterfaceOut.model_validate({"name": "fresh", "title": "Fresh", "format": "jsonl"}),)
        }
    )
    page = interface_page(about("fresh", contracts={"p01": later}), AT)
    assert page.lead[0].tone is Tone.UNKNOWN
    shown(page)
    gone = interface_page(about("corpus", contracts={}), AT)
    assert any("No contract promises it any more" in cell.text for cell in gone.lead)
    shown(gone)


def signal(name: str, **more: Any) -> Signal:
    """A signal of three numbers between 1 and 3 unless told otherwise."""
    plain = Signal(name, 3, 1, 1.0, 3.0, 2.0, ((385, 1), (417, 1), (433, 1)), (), 0, 3, (1.0, 2.0, 3.0))
    return replace(plain, **more)


def test_first_rows_are_shown_as_they_were_masked() -> None:
    """Fields are columns, values that are no text are JSON, long ones are cut, and what was masked is said."""
    row = {"id": "a1", "content": "x" * 400, "metadata": {"lang": "en"}, "score": 0.5}
    page = interface_page(about("corpus", rows=ShownRows((row,), ("email", "iban"))), AT)
    found = section(page, "rows")
    assert found.notes[0].text == "Masked, as the check of personal data found it: email, iban."
    assert found.tables[0].columns == ("id", "content", "metadata", "score")
    (cells,) = texts(found)
    assert [cells[0], *cells[2:]] == ["a1", '{"lang": "en"}', "0.5"]
    assert len(cells[1]) == 300
    shown(page)


def test_rows_that_are_not_shown_say_why() -> None:
    """Neither a card that forbids it nor a changed file is silent; a record that is not there is said too."""
    forbidden = section(interface_page(about("corpus", rows=ShownRows(why="its data card forbids it")), AT), "rows")
    assert (forbidden.notes[0].text, forbidden.tables) == ("Not shown: its data card forbids it.", ())
    changed = section(interface_page(about("corpus", rows=ShownRows(why="changed", changed=True)), AT), "rows")
    assert changed.notes[0].tone is Tone.BAD
    missing = section(interface_page(about("corpus", rows=ShownRows(), record="q9"), AT), "rows")
    assert missing.title == "Record q9"
    assert missing.tables[0].empty == "its first file has no record with the id q9."
    assert links(missing)["The first rows"] == AT.interface("corpus")


def test_a_version_is_loaded_by_lines_to_copy() -> None:
    """The lines name the interface, the flywheel, the server and the iteration; they are Python."""
    page = interface_page(about("corpus", server="http://ml.example:5000/ml"), AT)
    python, shell = section(page, "load").snippets
    compile(python.lines, "snippet", "exec")
    assert '"corpus", flywheel="small-flywheel", tracking_uri="http://ml.example:5000/ml", iteration=2' in python.lines
    assert "flywheel pull corpus --out data" in shell.lines
    assert not section(interface_page(about("answers"), AT), "load").snippets
    assert "import flywheel_mlflow\n" in shown(page).text


def test_signals_are_drawn_with_their_numbers() -> None:
    """Every signal has a histogram in the drawing and a row in the table; texts are counted."""
    words = signal("kind", minimum=None, maximum=None, mean=None, bins=(), categories=(("good", 2), ("bad", 1)))
    page = interface_page(about("corpus", profile=Profile(4, (words, signal("length")))), AT)
    found = section(page, "profile")
    (charts,) = found.charts
    assert [chart.title.text for chart in charts.items] == ["kind", "length"]
    assert charts.items[1].drawing.svg.startswith("<svg")
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in found.tables[0].rows}
    assert rows["kind"][-1] == "good (2), bad (1)"
    assert (rows["length"][0], rows["length"][2], rows["length"][5]) == ("3", "1", "3")
    shown(page)


def test_a_profile_without_signals_is_not_drawn() -> None:
    """Rows that state no signal have no drawing, and the page says so; many signals are cut to what can be seen."""
    empty = section(interface_page(about("corpus", profile=Profile(4, ())), AT), "profile")
    assert not empty.charts
    many = signal_charts(Profile(4, tuple(signal(f"s{number}") for number in range(MOST_DRAWN + 9))))
    assert len(many) == MOST_DRAWN


@given(
    st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=40).map(sorted),
    st.lists(st.integers(-1500, 1500), max_size=40, unique=True),
)
def test_a_histogram_loses_no_value(ends: list[float], bins: list[int]) -> None:
    """Whatever the range, all counts of the profile are in the bars."""
    found = signal("x", minimum=ends[0], maximum=ends[-1], bins=tuple((index, 2) for index in bins))
    counts = histogram(found)
    assert sum(counts) == 2 * len(bins)
    assert len(counts) in (1, BARS)


def test_extremes_of_a_float_are_drawn() -> None:
    """A range that is larger than any number is one bar, not an error."""
    wide = signal("x", minimum=-1.7e308, maximum=1.7e308)
    assert math.isinf(1.7e308 + 1.7e308)
    assert histogram(wide) == [3]
    assert len(signal_charts(Profile(4, (wide,)))) == 1


@settings(max_examples=20)
@given(st.text(max_size=60))
def test_any_text_leaves_the_pages_well_formed(text: str) -> None:
    """Whatever stands in signals and texts, page and drawing stay what they are."""
    odd = signal(text, bins=(), categories=((text, 1), (text * 2, 1)), minimum=None, maximum=None, mean=None)
    shown(interface_page(about("corpus", profile=Profile(1, (odd,)), card_unknown=text), AT))


def test_hostile_cards_are_text() -> None:
    """A card and a signal that are scripts are read as text, in the page and in the drawing."""
    hostile = card().model_copy(update={"source": HOSTILE, "hazards": (HOSTILE,), "licence": HOSTILE})
    page = interface_page(about("corpus", card=hostile, profile=Profile(1, (signal(HOSTILE),))), AT)
    assert shown(page).text.count("<script>alert(1)") >= 3
    assert "<script" not in section(page, "profile").charts[0].items[0].drawing.svg
