"""The table in which a reviewer answers without MLflow's pages: written as CSV, and read back strictly."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from flywheel_mlflow.base.errors import DocumentError, Fault, InputError
from flywheel_mlflow.base.names import unshowable
from flywheel_mlflow.decisions.human_review import ReviewPlan
from flywheel_mlflow.feedback.exporting import csv_cell

#: Columns beside those of the questions: which review, the place in its draw, what is looked at, words of the reviewer.
REVIEW, ITEM, SHOWN, COMMENT = "review", "item", "shown", "comment"
#: Bytes of a table: the largest review with the longest cells.
MAX_BYTES = 64 * 1024 * 1024
#: Characters of a comment.
MAX_COMMENT = 2_000
#: Faults told at once.
MAX_FAULTS = 50
_SEPARATORS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class FilledTable:
    """The answers of a table by item and question, and the comments by item; what was left empty is in neither."""

    answers: Mapping[str, Mapping[str, str]]
    comments: Mapping[str, str]


def write_table(
    plan: ReviewPlan, shown: Mapping[str, str], given: Mapping[str, Mapping[str, str]], comments: Mapping[str, str]
) -> str:
    """The table of a review: a row for each item with what is shown of it, and the answers that are known already."""
    names = [question.name for question in plan.questions]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([REVIEW, ITEM, SHOWN, *names, COMMENT])
    for place, item in enumerate(plan.items, start=1):
        known = given.get(item.id, {})
        cells = [plan.id, str(place), csv_cell(shown.get(item.id, ""))]
        writer.writerow([*cells, *(csv_cell(known.get(name, "")) for name in names), csv_cell(comments.get(item.id))])
    return stream.getvalue()


def read_table(data: bytes, plan: ReviewPlan, *, name: str) -> FilledTable:
    """The answers in a table that :func:`write_table` wrote and somebody filled in.

    Spreadsheets may have separated columns by semicolons or tabs and left rows in another order. What is shown is not
    read. ``name`` is the file's, for errors.

    Raises:
        DocumentError: every row with an item or answer that is none, each with its line; nothing is guessed.
        InputError: it is no such table, or too large.
    """
    rows = _rows(_text(data, name), plan, name)
    answers: dict[str, dict[str, str]] = {}
    comments: dict[str, str] = {}
    lines: dict[str, int] = {}
    faults: list[Fault] = []
    for line, row in rows:
        item, wrong = _item(row, plan)
        if wrong or item in lines:
            told = wrong or f"item {row[ITEM]} stands on line {lines[item]} already"
            faults.append(Fault(name, line, ITEM if row[REVIEW].strip() == plan.id else REVIEW, told))
            continue
        lines[item] = line
        found, wrong_cells = _answers(row, plan)
        faults += [Fault(name, line, column, message) for column, message in wrong_cells]
        if found:
            answers[item] = found
        if row[COMMENT].strip():
            comments[item] = " ".join(row[COMMENT].split())
    if faults:
        more = f"; {len(faults) - MAX_FAULTS} more are not shown" if len(faults) > MAX_FAULTS else ""
        raise DocumentError(faults[:MAX_FAULTS], hint=f"correct these cells, and submit the table again{more}")
    return FilledTable(answers, comments)


def _text(data: bytes, name: str) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(f"{len(data):,} bytes, at most {MAX_BYTES:,} are read", where=name)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError("not UTF-8", where=f"{name}, line {line}", hint="save it as CSV UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError("a character that is none", where=f"{name}, line {line}", hint="save it as CSV UTF-8")
    return text


def _rows(text: str, plan: ReviewPlan, name: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows below the header with the line each begins on, by column."""
    needed = [REVIEW, ITEM, *(question.name for question in plan.questions), COMMENT]
    first = text.partition("\n")[0]
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if header is None:
                header = [cell.strip() for cell in cells]
                _check_header(header, needed, name)
            elif any(cell.strip() for cell in cells):
                if len(cells) != len(header):
                    raise InputError(
                        f"{len(cells)} cells, the header has {len(header)}",
                        where=f"{name}, line {line}",
                        hint="a text with separators stands in quotes",
                    )
                yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"not CSV: {error}", where=f"{name}, line {line}", hint="is a quote not closed?") from error
    if header is None:
        raise InputError("an empty file", where=name, hint="flywheel human-review export writes the table")


def _check_header(header: list[str], needed: list[str], name: str) -> None:
    missing = [column for column in needed if column not in header]
    strange = [column for column in header if column not in (*needed, SHOWN)]
    twice = sorted({column for column in header if header.count(column) > 1})
    for told in (
        missing and f"the column {missing[0]!r} is missing",
        strange and f"no question is called {strange[0][:80]!r}",
        twice and f"the column {twice[0]!r} stands twice",
    ):
        if told:
            hint = "flywheel human-review export writes the table of this review"
            raise InputError(told, where=f"{name}, line 1", hint=hint)


def _item(row: Mapping[str, str], plan: ReviewPlan) -> tuple[str, str]:
    """The item of a row, or what is wrong."""
    review, place = row[REVIEW].strip(), row[ITEM].strip()
    if review != plan.id:
        return "", f"a row of {review[:80] or 'no review'}, this is {plan.id}"
    if not (place.isascii() and place.isdecimal() and len(place) <= 4 and 1 <= int(place) <= len(plan.items)):
        return "", f"{place[:40]!r} is no item: they are 1 to {len(plan.items)}"
    return plan.items[int(place) - 1].id, ""


def _answers(row: Mapping[str, str], plan: ReviewPlan) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The answers of a row, and what is wrong by column."""
    found: dict[str, str] = {}
    faults = [(COMMENT, message) for message in comment_faults(row[COMMENT])]
    for question in plan.questions:
        given = row[question.name].strip()
        # What `csv_cell` and spreadsheets put in front of a text that looks like a formula.
        answer = question.answer(given) or question.answer(given.removeprefix("'"))
        if answer is not None:
            found[question.name] = answer
        elif given:
            faults.append((question.name, f"{given[:80]!r} is no answer: {_listed(question.answers)}"))
    return found, faults


def comment_faults(text: str) -> Iterator[str]:
    """What is wrong with a comment."""
    if len(text) > MAX_COMMENT:
        yield f"{len(text):,} characters, at most {MAX_COMMENT:,} are kept"
    hidden = next(unshowable(" ".join(text.split())), None)
    if hidden is not None:
        yield f"U+{ord(hidden):04X} hides or reverses text"


def _listed(answers: Iterable[str]) -> str:
    return ", ".join(answers)
