"""Tests of record findings: each is made to fail, is quiet on sound data, and is the same under any cut."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.evidence.runs import Check, CheckSeverity, Outcome
from flywheel_mlflow.promises.expectations import MAX_DEPTH, parse_expectation
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records import measure
from flywheel_mlflow.records.blocks import blocks_of, parts_of
from flywheel_mlflow.records.findings import piles_of
from flywheel_mlflow.records.partials import PartialResult, Plan, places
from flywheel_mlflow.records.reading import reader_for
from flywheel_mlflow.records.sources import find_files
from flywheel_mlflow.records.undeclared_groups import is_group

Record = dict[str, Any]
WORDS = [f"{one}{two}" for one in ("ba", "ko", "mi", "tu", "re", "lo") for two in ("n", "dar", "stel", "q", "fim", "x")]


def sound(count: int = 300) -> list[Record]:
    """Records as they should be: nothing constant, no pile, no copies, groups of three in one split."""
    draw = random.Random(3)  # noqa: S311 - data, no secret

    def text(least: int, most: int) -> str:
        return " ".join(draw.choices(WORDS, k=draw.randint(least, most)))

    return [
        {
            "id": f"r{number}",
            "content": {
                "question": text(8, 20),
                "chosen": text(30, 90),
                "rejected": text(30, 90),
                "translation": {"de": text(6, 12), "en": text(6, 12)},
            },
            "metadata": {"document_id": f"doc-{number // 3}", "language": ("de", "en")[number % 2]},
            "quality_signals": {"score": draw.random(), "verified": True},
            "split": "test" if number // 3 % 5 == 0 else "train",
        }
        for number in range(count)
    ]


def _each(change: Callable[[Record, int], None]) -> Callable[[list[Record]], None]:
    def change_all(rows: list[Record]) -> None:
        for number, row in enumerate(rows):
            change(row, number)

    return change_all


def _cut(row: Record, number: int) -> None:
    row["content"]["chosen"] = (row["content"]["chosen"] * 3)[:512] if number % 5 == 0 else row["content"]["chosen"]


def _almost_copy(rows: list[Record]) -> None:
    for number in range(0, 40, 2):
        rows[number]["content"]["chosen"] = " ".join(WORDS * 4)
        copy = rows[number]["content"] = rows[number]["content"] | {"chosen": " ".join(WORDS[number % 30 :] * 6)}
        rows[number + 100]["content"] = copy | {"question": f"{copy['question']} really"}


FAULTS: dict[str, Callable[[list[Record]], None]] = {
    "constant_signals": _each(lambda row, _: row["quality_signals"].update(score=0.5)),
    "constant_sides": _each(lambda row, _: row["content"].update(rejected="I cannot help with that.")),
    "length_piles": _each(_cut),
    "undeclared_groups": _each(lambda row, number: row.update(split=("train", "test")[number % 2])),
    "same_translations": lambda rows: rows[7]["content"].update(
        translation={"de": "ein Satz mit sechs eigenen Worten", "en": "Ein Satz mit sechs  eigenen Worten"}
    ),
    "near_duplicates": _almost_copy,
}


def write(path: Path, rows: list[Record]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def promise(**more: Any) -> InterfaceOut:
    base = {"name": "data", "title": "D", "format": "jsonl", "schema": "free", "role": "training"}
    return InterfaceOut.model_validate(base | more)


def findings(path: Path, rows: list[Record], **more: Any) -> dict[str, Check]:
    """Every check on the rows by its name, those that are quiet too."""
    measured = measure(write(path / "data.jsonl", rows), promise(**more))
    return {check.name.removeprefix("data."): check for check in (*measured.checks, *measured.quiet)}


def test_sound_data_have_no_finding(tmp_path: Path) -> None:
    """On data without a fault every finding looks at something, passes, and is not listed among the checks."""
    found = findings(tmp_path, sound())
    assert {name: found[name].outcome for name in FAULTS} == dict.fromkeys(FAULTS, Outcome.PASSED)
    listed = measure(tmp_path / "data.jsonl", promise()).checks
    assert not {check.name for check in listed} & {f"data.{name}" for name in FAULTS}


@pytest.mark.parametrize("name", FAULTS)
def test_each_finding_fails_on_its_fault_alone(tmp_path: Path, name: str) -> None:
    """A fault is a warning of the finding it is made for, and of no other."""
    rows = sound()
    FAULTS[name](rows)
    found = findings(tmp_path, rows)
    assert [other for other in FAULTS if found[other].outcome is not Outcome.PASSED] == [name]
    assert (found[name].outcome, found[name].severity) == (Outcome.FAILED, CheckSeverity.WARNING)


def test_findings_say_what_they_saw(tmp_path: Path) -> None:
    """Messages name the field and the count, and places where there are any."""
    rows = sound()
    for change in FAULTS.values():
        change(rows)
    found = findings(tmp_path, rows)
    assert found["constant_signals"].message == "1 of 1 signals have one value: quality_signals.score (300 rows)"
    assert "content.rejected (300 rows)" in found["constant_sides"].message
    assert "rows of content.chosen have 512 characters: cut there?" in found["length_piles"].message
    assert "declare group_key: metadata.document_id" in found["undeclared_groups"].message
    (example,) = found["same_translations"].details["examples"]
    assert example == {"place": "data.jsonl, line 8", "id": "r7"}
    assert found["near_duplicates"].details["examples"][0]["like"].startswith("data.jsonl, line ")


def test_what_there_is_too_little_of_is_skipped(tmp_path: Path) -> None:
    """Few rows, no pairs, no groups and data nobody trains on are no pass."""
    plain = [{"id": number, "content": "short", "quality_signals": {"score": 1}} for number in range(20)]
    found = findings(tmp_path, plain, role="reference")
    assert {name: found[name].outcome for name in FAULTS} == dict.fromkeys(FAULTS, Outcome.SKIPPED)
    declared = findings(tmp_path, sound(), group_key="metadata.document_id")
    assert declared["undeclared_groups"].outcome is Outcome.SKIPPED


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.document_id", True), ("metadata.page", True), ("source.url", True), ("user_id", True),
        ("metadata.docid", True), ("metadata.language", False), ("metadata.topic", False), ("content.user", False),
        ("quality_signals.seed", False), ("id", False), ("split", False),
    ],
)  # fmt: skip
def test_fields_that_are_called_like_groups(path: str, expected: bool) -> None:
    """Documents, pages and users are groups; categories, contents and signals are none."""
    assert is_group(path) is expected


def test_piles_stand_out_of_what_lies_near() -> None:
    """A limit makes a pile; lengths that vary, and formats of one length, make none."""
    draw = random.Random(1)  # noqa: S311 - data, no secret
    lengths = [int(draw.lognormvariate(6, 0.7)) for _ in range(2000)]

    def piles(values: list[int]) -> list[tuple[int, int]]:
        return list(piles_of({value: values.count(value) for value in set(values)}))

    assert piles(lengths) == []
    cut = [min(value, 512) for value in lengths]
    assert piles(cut) == [(512, cut.count(512))]
    assert piles([*lengths, *[512] * 200]) == [(512, 200 + lengths.count(512))]
    assert piles([64] * 500) == []
    assert piles([*[64] * 500, *[65] * 400, *[66] * 100]) == []


@pytest.mark.parametrize("part_bytes", [4_000, 60_000])
def test_any_cut_gives_the_same_findings(tmp_path: Path, part_bytes: int) -> None:
    """With every fault in the data, findings and their examples are the same whatever is merged first."""
    rows = sound()
    for change in FAULTS.values():
        change(rows)
    path = write(tmp_path / "data.jsonl", rows)
    expected = ("length(content.question) > 50", "metadata.language in ['de']")
    whole = measure(path, promise(expect=expected))
    (file,) = find_files(path, "jsonl")
    reader = reader_for(file, "jsonl")
    plan = Plan("data", "free", role="training", expect=expected)
    partials = []
    for part in parts_of(reader, part_bytes):
        partials.append(PartialResult(plan))
        for block in blocks_of(reader, part):
            partials[-1].observe((0, part[0]), block)
    draw = random.Random(5)  # noqa: S311 - an order, no secret
    draw.shuffle(partials)
    while len(partials) > 1:
        partials[draw.randrange(len(partials) - 1)].merge(partials.pop())
    (merged,) = partials
    place_of = places(merged.rows_of, [reader])
    told = [check.result(place_of) for check in (*merged.checks, *merged.findings)]
    assert canonical_json(told) == canonical_json(whole.checks)


HOLDS = [
    ("score >= 0 and score <= 1", {"score": 0.5}, True),
    ("score >= 0 and score <= 1", {"score": 2}, False),
    ("score >= 0 and score <= 1", {"score": None}, None),
    ("score < 0 or label == 'yes'", {"score": None, "label": "yes"}, True),
    ("label in ['yes', \"no\"]", {"label": "no"}, True),
    ("label not in ['yes', 'no']", {"label": "no"}, False),
    ("not label == 'yes'", {"label": "no"}, True),
    ("label is null", {"label": None}, True),
    ("label is not null", {"label": None}, False),
    ("length(text) > 3", {"text": "word"}, True),
    ("length(turns) >= 2", {"turns": range(1)}, False),
    ("length(score) > 3", {"score": 7}, None),
    ("score == '1'", {"score": 1}, False),
    ("score != '1'", {"score": 1}, True),
    ("flag == true", {"flag": True}, True),
    ("flag == 1", {"flag": True}, False),
    ("flag < true", {"flag": False}, False),
    ("(a == 1 or b == 1) and c == 1", {"a": 0, "b": 1, "c": 1}, True),
    ("a == 1 or b == 1 and c == 1", {"a": 1, "b": 1, "c": 0}, True),
    ("metadata.min-len <= length(content.text)", {"metadata.min-len": 4, "content.text": "word"}, True),
    ("a == -1.5e3", {"a": -1500}, True),
]


@pytest.mark.parametrize(("text", "row", "expected"), HOLDS)
def test_what_holds(text: str, row: Record, expected: bool | None) -> None:
    """An expectation is true, false, or open where fields are missing; kinds are never mixed up."""
    expectation = parse_expectation(text)
    assert set(expectation.fields) <= set(row)
    assert expectation.holds(row) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "score", "score >", "score > 0 and", "score = 1", "1 == 1", "score in []", "score in [label]", "(score > 1",
        "score > 1)", "length(1) > 1", "length score > 1", "__import__('os').system('x') == 1", "score > 1; x == 1",
        "a is b", "and == 1", "score == 'open", f"{'(' * (MAX_DEPTH + 2)}a == 1{')' * (MAX_DEPTH + 2)}", "a ** 2 > 1",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """Anything that is no comparison of fields is refused, where the contract is read."""
    with pytest.raises(ValueError, match=r"character|reads no field|cannot read"):
        parse_expectation(text)
    with pytest.raises(ValueError, match="expect"):
        promise(expect=[text])


def test_rows_that_are_not_as_expected(tmp_path: Path) -> None:
    """Rows against the contract's rules are counted by rule and named; nobody's fields are an error."""
    rows = sound(60)
    rows[4]["metadata"]["language"] = "xx"
    rules = ["metadata.language in ['de', 'en']", "length(content.question) >= 5"]
    found = findings(tmp_path, rows, expect=rules)["expectations"]
    assert (found.outcome, found.severity) == (Outcome.FAILED, CheckSeverity.WARNING)
    assert found.message == "1 rows are not: metadata.language in ['de', 'en']"
    (example,) = found.details["examples"]
    assert example == {"place": "data.jsonl, line 5", "id": "r4", "expected": (rules[0],)}
    assert findings(tmp_path, sound(60), expect=rules)["expectations"].outcome is Outcome.PASSED
    nobody = findings(tmp_path, rows, expect=["metadata.colour == 'red'"])["expectations"]
    assert (nobody.outcome, nobody.message) == (Outcome.ERROR, "no row has the fields of: metadata.colour == 'red'")
    assert "expectations" not in findings(tmp_path, rows)
