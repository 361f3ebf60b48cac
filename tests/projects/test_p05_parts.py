"""The parts of the report index: blocks, personal data, retrieval, answers, tasks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import PROJECTS, load_module

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Task

FOLDER = PROJECTS / "p05_rag"
pages = load_module(FOLDER / "p05_pages.py")
index = load_module(FOLDER / "p05_index.py")
answers = load_module(FOLDER / "p05_answers.py")
inputs = load_module(FOLDER / "p05_inputs.py")
pipeline = load_module(FOLDER / "pipeline.py")

TABLE = (
    "Income statement      2023      2024\nRevenue              785.6     899.4\nNet profit            66.4      62.7"
)
PAGE = f"""Acme | Annual Report 2024

Income

The rea-
sons follow. All is well.

{TABLE}

Figure 1: Sales.

- 3 -"""


def rules(tmp_path: Path, value: Any) -> Any:
    """The rules in a document of privacy controls."""
    path = tmp_path / "privacy_controls.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return pages.personal_rules(path)


def small_index(synonyms: Mapping[str, tuple[str, ...]] | None = None) -> Any:
    """An index over two reports."""
    other = PAGE.replace("Acme", "Zenith").replace("899.4", "111.1")
    return index.build_index([*pages.split_page("a-p03", PAGE), *pages.split_page("z-p03", other)], synonyms)


def test_a_page_is_split_into_typed_blocks() -> None:
    """Header and page number go, the rest is told apart by its form, and broken words are joined."""
    blocks = pages.split_page("a-p03", PAGE)
    assert [block.kind for block in blocks] == ["heading", "text", "table_like", "chart_like"]
    assert blocks[1].lines == ("The reasons follow.", "All is well.")
    assert {block.context for block in blocks} == {"Acme | Annual Report 2024 | Income"}


def test_a_row_of_a_table_names_its_columns() -> None:
    """A quoted row says which year each value is of; a row with a value too few is left out."""
    assert pages.table_lines(TABLE)[0] == "Revenue: 2023 785.6; 2024 899.4"
    assert len(pages.table_lines(f"{TABLE}\nOther  1  2  3")) == 2


@given(st.text())
def test_any_text_is_split_without_an_error(text: str) -> None:
    """No page text breaks the splitter, and every block carries the page's name."""
    assert all(block.page == "p" for block in pages.split_page("p", text))


def test_blocks_with_personal_data_are_left_out(tmp_path: Path) -> None:
    """A block a privacy rule speaks of is not indexed, in full-width digits neither."""
    known = rules(tmp_path, {"rules": [{"kind": "patient_id", "pattern": r"PT-\d{6}"}]})
    blocks = pages.split_page("p", "H\n\nT\n\nSee PT-１２３４５６.\n\nWrite to a.b@firm.example.\n\nAll clear.")
    assert [block.text for block in pages.without_personal_data(blocks, known)] == ["T", "All clear."]


@pytest.mark.parametrize(
    "value", [{}, {"rules": []}, {"rules": [{"kind": "x"}]}, [], {"rules": [{"kind": "x", "pattern": "("}]}]
)
def test_controls_without_usable_rules_are_refused(tmp_path: Path, value: Any) -> None:
    """Privacy controls that say nothing are an error, never permission."""
    with pytest.raises(InputError):
        rules(tmp_path, value)


def test_the_right_report_is_found_and_cited() -> None:
    """Of two reports with the same words the one of the company asked about is quoted."""
    given = answers.answer(small_index(), "What was the revenue of Zenith in 2024?")
    assert (given.cited, given.text) == ("z-p03", "Revenue: 2023 785.6; 2024 111.1")


def test_a_question_in_unknown_words_finds_nothing() -> None:
    """Without a known word there is no answer, rather than any answer."""
    assert answers.answer(small_index(), "headcount?") == answers.Answer((), "", "")


def test_a_synonym_makes_users_words_known() -> None:
    """What users call something is found once a task says what it means."""
    said = {"top line": ("revenue",)}
    assert answers.answer(small_index(said), "Top line of Acme?").text.startswith("Revenue")
    assert not answers.answer(small_index(), "Top line of Acme?").text.startswith("Revenue")


def test_an_empty_index_answers_nothing() -> None:
    """No blocks, no hits, no error."""
    assert index.build_index([]).search("revenue") == []


def test_a_reloaded_index_answers_alike(tmp_path: Path) -> None:
    """What a consumer loads from the files is the index that was measured."""
    made = small_index({"top line": ("revenue",)})
    index.save_index(made, tmp_path)
    again = index.load_index(tmp_path)
    for question in ("Top line of Acme?", "net profit Zenith"):
        assert answers.answer(again, question) == answers.answer(made, question)


def test_scans_change_no_answer() -> None:
    """The slow index gives the same answers: only its time differs."""
    made = small_index()
    assert replace(made, scans=2).search("revenue Acme") == made.search("revenue Acme")


def test_rates_without_outcomes_are_unknown() -> None:
    """No question asked means no rate, not a rate of zero or one."""
    assert answers.rate([], "retrieval_ok") is None
    assert answers.latency_ms(small_index(), []) is None


def test_outcomes_tell_page_citation_and_words_apart() -> None:
    """Each of the three expectations can be missed alone."""
    asked = {"query": "revenue of Acme in 2024", "expected_pages": ["a-p03"], "answer_must_include": ["999"]}
    (outcome,) = answers.evaluate(small_index(), [asked])
    assert (outcome.retrieval_ok, outcome.citation_ok, outcome.keyword_ok) == (True, True, False)
    (outcome,) = answers.evaluate(small_index(), [{**asked, "expected_pages": ["a-p09"]}])
    assert (outcome.retrieval_ok, outcome.citation_ok) == (False, False)
    assert answers.repair_hint(small_index(), outcome) == "not in the index: a-p09"


DOCUMENTS = [
    {"kind": "notice", "page": "a-p13", "text": "Acme\n\nEvents"},
    {"kind": "press", "page": "a-p14", "text": "Acme\n\nPress"},
    {"kind": "glossary", "page": "g", "text": "Glossary\n\nTop line: revenue.\n\nBottom line: net profit."},
]


def task(payload: dict[str, Any]) -> Task:
    return Task(id="t", project="p05", iteration=3, theme="words", request="Do it.", payload=payload)


def test_tasks_add_up() -> None:
    """Synonyms and pages of several tasks are all taken."""
    added = inputs.extension_of(
        [task({"synonyms": {"capex": ["equipment"]}}), task({"synonyms": {"capex": ["property"]}})], DOCUMENTS
    )
    assert (added.synonyms, added.pages) == ({"capex": ("equipment", "property")}, ())


def test_a_task_asks_for_kinds_of_documents() -> None:
    """Glossaries add their words, other kinds their pages; what nobody asks for stays out."""
    added = inputs.extension_of([task({"kinds": ["notice", "glossary"]})], DOCUMENTS)
    assert added.synonyms == {"Top line": ("revenue",), "Bottom line": ("net profit",)}
    assert [page["page"] for page in added.pages] == ["a-p13"]


@pytest.mark.parametrize(
    "payload",
    [
        {"other": 1},
        {"synonyms": ["x"]},
        {"synonyms": {"x": []}},
        {"synonyms": {"x": [1]}},
        {"pages": [{"page": "x"}]},
        {"kinds": "notice"},
    ],
)
def test_a_payload_nobody_understands_is_refused(payload: dict[str, Any]) -> None:
    """A task is hostile until parsed: its fault is told with the task's id."""
    with pytest.raises(InputError, match="understands"):
        inputs.extension_of([task(payload)], DOCUMENTS)


def test_a_kind_nobody_publishes_is_refused() -> None:
    """A task that asks for a kind of document there is none of says which there are."""
    with pytest.raises(InputError, match="no documents of the kind 'diary'") as caught:
        inputs.extension_of([task({"kinds": ["diary"]})], DOCUMENTS)
    assert caught.value.hint == "there are glossary, notice, press"


def test_feedback_nobody_gave_is_unknown() -> None:
    """Without feedback the share of known words is None; with it, it is counted."""
    assert inputs.known_words(small_index(), None)["known_rate"] is None
    assert inputs.known_words(small_index(), [{"content": "revenue zebra"}])["known_rate"] == 0.5


def test_a_control_plane_without_a_list_says_nothing(tmp_path: Path) -> None:
    """No list of regressed versions is unknown; a list is compared by name and digest."""
    path = tmp_path / "plane.json"
    path.write_text("{}")
    assert inputs.regressed_inputs(path, {"a": "1"}) is None
    path.write_text('{"regressed_versions": [{"interface": "a", "digest": "1"}]}')
    assert inputs.regressed_inputs(path, {"a": "1", "b": "1"}) == ["a"]
    assert inputs.regressed_inputs(path, {"a": "2"}) == []


@dataclass
class Notes:
    """Stands where a workspace stands, and keeps what was found."""

    data: Path
    found: dict[str, bool] = field(default_factory=dict)

    def check(self, name: str, passed: bool, *_message: str, **_details: Any) -> None:
        self.found[name] = passed


def test_an_index_without_pages_and_files_fails_its_checks(tmp_path: Path) -> None:
    """Missing files and an empty index are found, each by its own check."""
    notes = Notes(tmp_path)
    pipeline._check_index(notes, index.build_index([]), tmp_path, ())
    assert notes.found == {
        "required_files_exist": False,
        "page_index_non_empty": False,
        "no_personal_data_in_index": True,
    }


def test_answers_that_are_empty_or_change_fail_their_checks(tmp_path: Path) -> None:
    """No answer, no right page, and another answer after reloading: each fails the check that is there for it."""
    asked = {"id": "q", "query": "headcount", "expected_pages": ["a-p03"], "answer_must_include": ["1"]}
    empty = answers.evaluate(small_index(), [asked])
    other = answers.evaluate(small_index(), [{**asked, "query": "revenue of Acme"}])
    notes = Notes(tmp_path)
    pipeline._check_answers(notes, empty, other)
    assert set(notes.found.values()) == {False}
    pipeline._check_answers(notes, other, other)
    assert set(notes.found.values()) == {True}
    pipeline._check_answers(notes, (), ())
    assert set(notes.found.values()) == {False}


def test_a_source_that_does_not_compile_is_found(tmp_path: Path) -> None:
    """The check compiles what lies in the folder; the shipped sources do."""
    (tmp_path / "bad.py").write_text("def (")
    assert pipeline._broken_sources(tmp_path) == ["bad.py"]
    assert pipeline._broken_sources(FOLDER) == []
