"""Outcome rows are read as they are: each unit once, nothing guessed; what they say becomes advice."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.decisions.experiments import ExperimentKind, fold_experiments
from flywheel_mlflow.decisions.ledger import Identity, Ledger, write_event
from flywheel_mlflow.experiments.analysis import Advice, Analysis, Word, analyse, planned
from flywheel_mlflow.experiments.moments import Moments
from flywheel_mlflow.experiments.outcome_files import outcomes_of, outcomes_text, read_units, write_units
from flywheel_mlflow.experiments.outcomes import Outcomes, read_outcomes
from flywheel_mlflow.promises.experiments import Experiment

NONE = np.zeros(0, np.uint64)


def declared(**more: Any) -> Experiment:
    """An experiment about a rate, with a guardrail."""
    document: dict[str, Any] = {
        "id": "rerank",
        "project": "p01",
        "hypothesis": "Reranked answers are taken more often.",
        "control": "a",
        "treatments": ["b"],
        "primary": {"name": "taken", "kind": "rate", "smallest_effect": 0.05, "baseline": 0.3},
        "guardrails": [{"name": "seconds", "direction": "lower", "tolerance": 0.5}],
    }
    return Experiment.model_validate(document | more)


def row(unit: object, variant: object = "a", **more: Any) -> dict[str, Any]:
    """An outcome row."""
    return {"unit": unit, "variant": variant, "taken": True, "seconds": 1.5} | more


def written(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """The rows as JSONL."""
    path.write_text("".join(json.dumps(item) + "\n" for item in rows), encoding="utf-8")
    return path


def rate(n: int, share: float) -> Moments:
    """The moments of a rate."""
    return Moments(n, share, n * share * (1 - share))


def mean(n: int, value: float, spread: float = 1.0) -> Moments:
    """The moments of a mean."""
    return Moments(n, value, n * spread * spread)


def outcomes(taken: Mapping[str, Moments], seconds: Mapping[str, Moments]) -> Outcomes:
    """Outcomes with these moments."""
    rows = {name: item.n for name, item in taken.items()}
    return Outcomes(rows, {"taken": dict(taken), "seconds": dict(seconds)}, {"taken": 0, "seconds": 0}, {})


def judged(analysis: Analysis, metric: str, treatment: str = "b") -> Word:
    """What became of a metric."""
    return next(item.word for item in analysis.judged if (item.metric, item.treatment) == (metric, treatment))


LEVEL = {"a": mean(4_000, 2.0), "b": mean(4_000, 2.0)}


def test_rows_are_added_up_by_variant(tmp_path: Path) -> None:
    """JSON Lines and Parquet give the same sums; true and 1 are the same answer."""
    rows = [row("u1"), row("u2", "b", taken=0, seconds=3), row(3, "b", taken=1, seconds=4.0)]
    found, units = read_outcomes(declared(), written(tmp_path / "rows.jsonl", rows), NONE)
    assert found.rows == {"a": 1, "b": 2}
    assert found.moments["taken"]["b"] == Moments(2, 0.5, 0.5)
    assert len(units) == 3
    table = pa.table(
        {"unit": ["u1", "u2", "3"], "variant": ["a", "b", "b"], "taken": [1, 0, 1], "seconds": [1.5, 3.0, 4.0]}
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    again, same = read_outcomes(declared(), tmp_path / "rows.parquet", NONE)
    assert again == found
    assert sorted(same.tolist()) == sorted(units.tolist())


def test_a_unit_counts_once(tmp_path: Path) -> None:
    """Of several rows of a unit the first counts, within a file and over files, whatever their variant."""
    first, known = read_outcomes(declared(), written(tmp_path / "1.jsonl", [row("u1"), row("u1", "b")]), NONE)
    assert first.rows == {"a": 1, "b": 0}
    assert first.left_out == {"of a unit that has a row already": 1}
    second, units = read_outcomes(declared(), written(tmp_path / "2.jsonl", [row("u1"), row("u2", "b")]), known)
    assert second.rows == {"a": 0, "b": 1}
    assert len(units) == 1


def test_what_is_no_number_is_missing(tmp_path: Path) -> None:
    """Texts, lists, nulls and answers that are neither 0 nor 1 are missing, never 0; the row counts otherwise."""
    rows = [
        row("u1", taken="yes"),
        row("u2", taken=2, seconds=None),
        row("u3", seconds=True),
        row("u4", seconds=[1]),
        row("u5"),
    ]
    found, _ = read_outcomes(declared(), written(tmp_path / "rows.jsonl", rows), NONE)
    assert found.rows["a"] == 5
    assert found.missing == {"taken": 2, "seconds": 3}
    assert found.moments["taken"]["a"].n == 3
    assert found.moments["seconds"]["a"].mean == 1.5


def test_rows_of_nobody_are_left_out_and_counted(tmp_path: Path) -> None:
    """A row without a unit, or of a variant nobody declared, does not count; where none does, the file is refused."""
    bad = [row(""), row(None), row(True), row("u1", "c"), row("u2", ["a"])]
    with pytest.raises(InputError, match="no row counts: 3 without a unit, 2 of no variant"):
        read_outcomes(declared(), written(tmp_path / "bad.jsonl", bad), NONE)
    found, _ = read_outcomes(declared(), written(tmp_path / "some.jsonl", [*bad, row("u9")]), NONE)
    assert found.left_out == {"without a unit": 3, "of no variant of the experiment": 2}
    with pytest.raises(InputError, match=r"jsonl or \.parquet"):
        read_outcomes(declared(), written(tmp_path / "rows.csv", [row("u1")]), NONE)


def test_outcomes_come_back_as_they_were_kept(tmp_path: Path) -> None:
    """Sums and units survive their files; what is something else is refused."""
    found, units = read_outcomes(declared(), written(tmp_path / "rows.jsonl", [row("u1"), row("u2", "b")]), NONE)
    assert outcomes_of(outcomes_text(found), declared()) == found
    assert read_units(write_units(units, tmp_path / "units.parquet")).tolist() == sorted(units.tolist())
    for text in ("{}", "[]", outcomes_text(found).replace('"n": 1', '"n": -1'), outcomes_text(found).replace("b", "c")):
        with pytest.raises(InputError):
            outcomes_of(text, declared())
    pq.write_table(pa.table({"unit": [1.5]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="no units"):
        read_units(tmp_path / "other.parquet")


def test_nothing_is_advised_before_there_is_something() -> None:
    """No outcome, or too few, is to wait for, and no metric has a word."""
    nothing = analyse(declared(), [])
    assert (nothing.advice, nothing.split) == (Advice.WAIT, None)
    few = {"a": rate(100, 0.3), "b": rate(100, 0.4)}
    assert judged(analyse(declared(), [outcomes(few, few)]), "taken") is Word.OPEN


def test_better_ships() -> None:
    """A treatment whose primary metric is better ships, once its guardrail is shown to hold."""
    taken = {"a": rate(4_000, 0.30), "b": rate(4_000, 0.38)}
    found = analyse(declared(), [outcomes(taken, LEVEL)])
    assert (found.advice, found.variant) == (Advice.SHIP, "b")
    assert judged(found, "seconds") is Word.WITHIN
    unsure = {"a": mean(4_000, 2.0, 30), "b": mean(4_000, 2.0, 30)}
    assert analyse(declared(), [outcomes(taken, unsure)]).advice is Advice.WAIT


def test_a_guardrail_stops() -> None:
    """A treatment that harms a guardrail never ships, however good it is otherwise."""
    taken = {"a": rate(4_000, 0.30), "b": rate(4_000, 0.50)}
    slower = {"a": mean(4_000, 2.0), "b": mean(4_000, 3.0)}
    found = analyse(declared(), [outcomes(taken, slower)])
    assert (found.advice, found.variant) == (Advice.STOP, None)
    assert "seconds is worse" in found.why


def test_worse_stops_and_too_small_is_kept() -> None:
    """A worse primary metric ends it; one that cannot be worth having keeps the control."""
    worse = {"a": rate(4_000, 0.38), "b": rate(4_000, 0.30)}
    assert analyse(declared(), [outcomes(worse, LEVEL)]).advice is Advice.STOP
    same = {"a": rate(40_000, 0.3), "b": rate(40_000, 0.3)}
    found = analyse(declared(), [outcomes(same, {name: mean(40_000, 2.0) for name in "ab"})])
    assert found.advice is Advice.KEEP
    assert judged(found, "taken") is Word.TOO_SMALL


def test_a_broken_split_says_nothing_else() -> None:
    """Where units were not split as declared, even a better treatment is not to be believed."""
    taken = {"a": rate(4_000, 0.30), "b": rate(3_000, 0.45)}
    found = analyse(declared(), [outcomes(taken, LEVEL)])
    assert found.advice is Advice.STOP
    assert "split is broken" in found.why


def test_the_better_of_two_treatments_ships() -> None:
    """Each treatment is compared with the control, under one error for both; the one that gains most ships."""
    three = declared(treatments=["b", "c"])
    taken = {"a": rate(4_000, 0.30), "b": rate(4_000, 0.37), "c": rate(4_000, 0.42)}
    found = analyse(three, [outcomes(taken, {name: mean(4_000, 2.0) for name in "abc"})])
    assert (found.advice, found.variant) == (Advice.SHIP, "c")
    assert (planned(three) or 0) > (planned(declared()) or 0) * 1.5


def test_nothing_is_planned_without_a_baseline() -> None:
    """Without a baseline or a spread the number of rows is unknown."""
    assert planned(declared(primary={"name": "taken", "kind": "rate", "smallest_effect": 0.05})) is None


@pytest.mark.parametrize(
    "more",
    [
        {"treatments": ["a"]},
        {"split": {"a": 0.5, "c": 0.5}},
        {"split": {"a": 0.5, "b": 0.4}},
        {"primary": {"name": "taken", "kind": "rate", "smallest_effect": 0}},
        {"primary": {"name": "taken", "kind": "rate", "smallest_effect": 0.1, "baseline": 3}},
        {"guardrails": [{"name": "taken"}]},
        {"alpha": 0.7},
    ],
)
def test_a_declaration_makes_sense(more: dict[str, Any]) -> None:
    """Variants have names of their own, shares add up, a metric stands once, effects are worth having."""
    with pytest.raises(ValidationError):
        declared(**more)


@given(
    st.lists(
        st.tuples(st.sampled_from([*ExperimentKind, "approved"]), st.dictionaries(st.text(max_size=9), st.integers())),
        max_size=5,
    )
)
def test_events_that_say_nothing_change_nothing(bodies: list[tuple[str, dict[str, int]]]) -> None:
    """The ledger is input too: an event without what it needs is passed over."""
    from datetime import UTC, datetime

    ledger = Ledger()
    for kind, body in bodies:
        event = write_event(
            ledger, at=datetime(2026, 1, 1, tzinfo=UTC), actor=Identity("ana"), kind=kind, body=body, seal=None
        )
        ledger = ledger.followed_by(event)
    assert fold_experiments(ledger.counted) == {}
