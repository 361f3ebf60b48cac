"""The benchmark of content drift, in its smallest form: it runs by hand, and must not rot meanwhile."""

from __future__ import annotations

import json
import random
from copy import deepcopy

import pytest

from benchmarks.content_drift import CHANGES, Plan, print_table, run
from benchmarks.content_edits import Change
from benchmarks.content_records import SHAPES, Draw, two_sides
from benchmarks.content_texts import CODE, FOREIGN, KINDS, Text, Texts, read_texts

SENTENCE = "the corpus holds `texts` of many kinds, version 2.5, and it reads them"
WORDS = [*SENTENCE.split(), "it's", "a\n* list", "Größe,", "naïve", "例え"]


def made_up(count: int) -> Texts:
    """Texts of every kind that depend on no machine."""
    draw = random.Random(5)  # noqa: S311 - sample text

    def text(kind: str, number: int) -> Text:
        words = " ".join(draw.choices(WORDS if kind in (CODE, FOREIGN) else WORDS[:-3], k=draw.randint(20, 250)))
        return Text(f"{kind} {number % 7}", f"{kind} No. {number}", f"{words} {number}")

    return Texts({kind: [text(kind, number) for number in range(count)] for kind in KINDS})


@pytest.fixture(scope="module")
def texts() -> Texts:
    return made_up(600)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_every_change_changes_something(change: Change, texts: Texts) -> None:
    """Each kind alters records of its shape; the number of rows stays, and every record is JSON with an id."""
    draw = Draw(change.name, texts.stock(random.Random(1)))  # noqa: S311 - sample text
    old, new = two_sides(change.shape, 100, draw)
    usual = deepcopy(new)
    changed = change.after(new, draw)
    assert changed != usual
    assert len(changed) == len(change.before(old, draw)) == 100
    assert all(json.loads(json.dumps(record))["id"] for record in changed)


def test_names_of_changes_are_unique() -> None:
    """A name means one kind, and its shape is one that can be made."""
    assert len({change.name for change in CHANGES}) == len(CHANGES) >= 30
    assert {change.shape for change in CHANGES} == set(SHAPES)


def test_smallest_run(texts: Texts, capsys: pytest.CaptureFixture[str]) -> None:
    """The product judges pairs and controls of every shape; a hundredfold scale is seen, nothing fails."""
    plan = Plan(kinds=("scale-100", "vector-zero-4"), rows=(40,), seeds=1, controls=7, detectors=("product",))
    results = run(plan, texts, progress=False)
    assert results.share("product", 40, "scale-100") == 1.0
    assert [item.fault for item in results.judged] == [""] * 11
    assert {item.shape for item in results.of("product", 40, "")} == {*SHAPES, "all"}
    document = json.loads(json.dumps(results.document()))
    assert document["detectors"]["product"]["40"]["controls"] == 9
    print_table(results)
    assert "| scale-100 | judged | scores 0..1 -> 0..100 | 100% |" in capsys.readouterr().out


def test_texts_of_this_machine() -> None:
    """What a machine has is read, what it lacks is named, and no text is there twice."""
    found = read_texts(30)
    assert set(found.pools) == set(KINDS)
    assert set(found.lacking) == {kind for kind, pool in found.pools.items() if len(pool) < 100}
    assert found.pools[CODE]  # Python itself is there
    assert all(len({text.body for text in pool}) == len(pool) for pool in found.pools.values())
