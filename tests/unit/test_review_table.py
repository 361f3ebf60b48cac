"""The table of a review: what is written is read back, and what is none is refused with its line."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import DocumentError, InputError
from flywheel_mlflow.decisions.human_review import ReviewItem, ReviewPlan
from flywheel_mlflow.feedback.review_table import MAX_BYTES, read_table, write_table
from flywheel_mlflow.promises.review import Question

QUESTIONS = (
    Question(name="right", ask="Is it right?"),
    Question(name="tone", ask="Which tone?", answers=("=kind", "Plain", "rude"), good=("=kind", "Plain")),
)
PLAN = ReviewPlan("p01", 1, "p01_data@00", 9, QUESTIONS, tuple(ReviewItem(f"r{n}", "0") for n in range(3)))
HEADER = "review,item,shown,right,tone,comment\n"


def row(item: object, *cells: str, review: str = PLAN.id) -> str:
    return ",".join([review, str(item), "anything", *cells]) + "\n"


@given(
    st.dictionaries(
        st.sampled_from(["r0", "r1", "r2"]),
        st.fixed_dictionaries({}, optional={item.name: st.sampled_from(item.answers) for item in QUESTIONS}).filter(
            bool
        ),
    ),
    st.text(max_size=60),
    st.sampled_from(",;\t"),
)
def test_a_table_is_read_as_it_was_written(answers: dict[str, dict[str, str]], shown: str, separator: str) -> None:
    """Whatever is shown, answers come back, also from a spreadsheet that separates otherwise and sorts rows."""
    text = write_table(PLAN, {"r0": shown}, answers, {"r1": "a, b; c"})
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    again = io.StringIO(newline="")
    csv.writer(again, delimiter=separator, lineterminator="\n").writerows([header, *reversed(rows)])
    found = read_table(b"\xef\xbb\xbf" + again.getvalue().encode(), PLAN, name="table.csv")
    assert found.answers == answers
    assert found.comments == {"r1": "a, b; c"}


def test_a_formula_is_text() -> None:
    """What is shown cannot be run by a spreadsheet, and an answer that looks like a formula is still the answer."""
    text = write_table(PLAN, {"r0": "=1+1"}, {"r0": {"tone": "=kind"}}, {})
    assert '"\'=1+1"' in text
    assert '"\'=kind"' in text
    assert read_table(text.encode(), PLAN, name="x").answers == {"r0": {"tone": "=kind"}}


def test_answers_are_taken_without_case_and_width() -> None:
    """YES, spaces and full-width letters are the answer; an empty cell is no answer, and empty lines are nothing."""
    text = HEADER + row(1, " YES ", "ｐｌａｉｎ", "") + "\n" + row(3, "", "", "") + ",,,,,\n"
    found = read_table(text.encode(), PLAN, name="x")
    assert found.answers == {"r0": {"right": "yes", "tone": "Plain"}}


def test_every_fault_has_its_line() -> None:
    """Rows of other reviews, items and answers that are none, doubled rows and hidden marks: all told, none guessed."""
    text = HEADER + row(1, "maybe", "rude", "") + row(9, "yes", "", "") + row(2, "yes", "", '"two\nlines"')
    text += row(2, "no", "", "") + row(3, "yes", "", "x\u202ey", review="p02-00000000") + row("٣", "yes", "", "")
    text += row(3, "yes", "", "x\u202ey")
    with pytest.raises(DocumentError) as caught:
        read_table(text.encode(), PLAN, name="table.csv")
    told = [str(fault) for fault in caught.value.faults]
    assert told == [
        "table.csv:2: right: 'maybe' is no answer: yes, no",
        "table.csv:3: item: '9' is no item: they are 1 to 3",
        "table.csv:6: item: item 2 stands on line 4 already",
        f"table.csv:7: review: a row of p02-00000000, this is {PLAN.id}",
        "table.csv:8: item: '٣' is no item: they are 1 to 3",
        "table.csv:9: comment: U+202E hides or reverses text",
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty file"),
        (b"item,shown,right,tone,comment\n", "the column 'review' is missing"),
        (HEADER.replace("tone", "tone,mood").encode(), "no question is called 'mood'"),
        (HEADER.replace("right", "right,right").encode(), "the column 'right' stands twice"),
        ((HEADER + "a,b\n").encode(), "2 cells, the header has 6"),
        ((HEADER + row(1, "yes", "", '"open')).encode(), "not CSV"),
        (HEADER.encode() + "p,1,é".encode("latin-1"), "not UTF-8"),
        (HEADER.encode() + b"\0", "a character that is none"),
        (b"x" * (MAX_BYTES + 1), "bytes, at most"),
    ],
)
def test_what_is_no_table_is_refused(data: bytes, message: str) -> None:
    """A wrong header, a cut row, an open quote, another encoding or too many bytes are refused with a place."""
    with pytest.raises(InputError) as caught:
        read_table(data, PLAN, name="table.csv")
    assert message in caught.value.what
    assert caught.value.where is not None
    assert "table.csv" in caught.value.where


def test_many_faults_are_cut() -> None:
    """A thousand wrong cells are no wall of text."""
    text = HEADER + "".join(row(n, "yes", "", "") for n in range(100, 1100))
    with pytest.raises(DocumentError) as caught:
        read_table(text.encode(), PLAN, name="x")
    assert len(caught.value.faults) == 50
    assert "950 more are not shown" in (caught.value.hint or "")
