"""Tests of reading what lm-evaluation-harness writes, and of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flywheels import kpi_document
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError, RecordError
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.importers.lm_eval import kpi_values
from flywheel_mlflow.importers.samples import read_samples
from flywheel_mlflow.promises.contract import Kpi

#: The shape of a results file of the harness 0.4.
RESULTS: dict[str, Any] = {
    "results": {
        "asdiv": {"alias": "asdiv", "acc,none": 0.92, "acc_stderr,none": "N/A"},
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.5,
            "exact_match_stderr,strict-match": 0.05,
            "exact_match,flexible-extract": 0.75,
            "exact_match_stderr,flexible-extract": 0.04,
        },
        "mmlu": {"alias": "mmlu", " ": " "},
        "odd": {"acc,none": "high"},
        "bare": {"acc,none": 0.5, "acc_stderr,none": "high"},
        "nan": {"acc,none": "NaN"},
    },
    "n-samples": {
        "asdiv": {"original": 2305, "effective": 100},
        "bare": {"effective": "all"},
        "gsm8k": {"original": 1319, "effective": 200},
    },
    "higher_is_better": {"asdiv": {"acc": True}},
}


def kpi(path: str) -> Kpi:
    return Kpi.model_validate(kpi_document("x", path=path))


def read(path: str) -> KpiValue | None:
    return kpi_values(RESULTS, [kpi(path)], place="results.json").get("x")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("asdiv.acc", KpiValue(0.92, 100)),
        ('asdiv["acc,none"]', KpiValue(0.92, 100)),
        ("asdiv.acc,none", KpiValue(0.92, 100)),
        ('results.asdiv["acc,none"]', KpiValue(0.92, 100)),
        ('gsm8k["exact_match,strict-match"]', KpiValue(0.5, 200, 0.05)),
        ("gsm8k.exact_match,flexible-extract", KpiValue(0.75, 200, 0.04)),
        ("bare.acc", KpiValue(0.5)),
        ("nan.acc", KpiValue(None)),
        ("mmlu.acc", None),
        ("asdiv", None),
        ("nowhere.acc", None),
        ("n-samples.asdiv.effective", None),
    ],
)
def test_value_size_and_error_come_together(path: str, value: KpiValue | None) -> None:
    """A task and a metric are enough; what is no number is unknown, and what is not there is not made up."""
    assert read(path) == value


def test_filters_are_not_guessed() -> None:
    """Of two filters the contract names one; a text is no number."""
    with pytest.raises(InputError, match="several filters") as caught:
        read("gsm8k.exact_match")
    assert "gsm8k.exact_match,strict-match" in str(caught.value.hint)
    with pytest.raises(InputError, match="not a number"):
        read("odd.acc")


def sampled(folder: Path, *lines: str | dict[str, Any], path: str = "x") -> dict[str, float]:
    """The samples of a file of these lines, for a KPI of that path."""
    file = folder / "samples.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return read_samples(file, kpi(path))


def harness(doc: int, name: str = "none", **more: Any) -> dict[str, Any]:
    """A line as the harness writes it."""
    return {"doc_id": doc, "doc": {"q": "?"}, "target": "1", "resps": [["1"]], "filtered_resps": ["1"]} | {
        "filter": name,
        "metrics": ["acc"],
        "acc": 1.0,
        **more,
    }


def test_outcomes_are_truth_values_or_numbers(tmp_path: Path) -> None:
    """True, 1 and 1.0 are right; a number between is kept; ids may be numbers."""
    lines: list[dict[str, Any]] = [
        {"id": "a", "outcome": True},
        {"id": 2, "outcome": 0},
        {"id": "c", "outcome": 0.25, "more": "x"},
    ]
    assert sampled(tmp_path, *lines) == {"a": 1.0, "2": 0.0, "c": 0.25}


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.floats(-9, 9), min_size=1
    )
)
def test_what_was_written_is_read(tmp_path_factory: pytest.TempPathFactory, values: dict[str, float]) -> None:
    """Every id and outcome comes back."""
    lines = [{"id": name, "outcome": value} for name, value in values.items()]
    assert sampled(tmp_path_factory.mktemp("samples"), *lines) == values


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"outcome": 1}, "no id"),
        ({"id": None, "outcome": 1}, "no id"),
        ({"id": True, "outcome": 1}, "neither|no text"),
        ({"id": 1.5, "outcome": 1}, "no text"),
        ({"id": "", "outcome": 1}, "is empty"),
        ({"id": "a\u202eb", "outcome": 1}, "control characters"),
        ({"id": "q", "outcome": None}, "no outcome"),
        ({"id": "q"}, "no outcome"),
        ({"id": "q", "outcome": "yes"}, "not a number but str"),
        ({"id": "q", "outcome": [1]}, "not a number but list"),
        ('{"id": "q", "outcome": NaN}', "nan"),
        ('{"id": "q", "outcome": 1e999}', "inf"),
        ({"id": "first", "outcome": 1}, "that of line 1 too"),
        ("[1]", "must be an object"),
        ("{", "not JSON"),
        ("", "empty line"),
        (harness(1, acc="x"), "not a number"),
        ({"doc_id": 1, "f1": 1.0, "filter": "none"}, "no metric 'x'"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str | dict[str, Any], message: str) -> None:
    """A file with one bad line is refused with file and line; nothing is left out silently."""
    with pytest.raises(RecordError, match=message) as caught:
        sampled(tmp_path, {"id": "first", "outcome": 1}, line, path="acc" if "acc" in line else "x")
    assert caught.value.where == f"{tmp_path / 'samples.jsonl'}, line 2"


def test_no_sample_is_no_file_of_samples(tmp_path: Path) -> None:
    """An empty file and a missing one are refused."""
    with pytest.raises(RecordError, match="no sample"):
        sampled(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_samples(tmp_path / "other.jsonl", kpi("x"))


def test_samples_of_the_harness_are_read_as_they_are(tmp_path: Path) -> None:
    """The id holds the question's digest, so that another version of the data set does not pair."""
    lines = [harness(0, doc_hash="f" * 64), harness(1, acc=0.0, doc_hash="e" * 64)]
    assert sampled(tmp_path, *lines, path="asdiv.acc") == {f"0:{'f' * 16}": 1.0, f"1:{'e' * 16}": 0.0}
    assert sampled(tmp_path, harness(0), path='asdiv["acc,none"]') == {"0": 1.0}


def test_an_infinite_likelihood_beside_the_outcome_is_no_fault(tmp_path: Path) -> None:
    """The harness writes the log-likelihood of an impossible answer as -Infinity."""
    lines = [json.dumps(harness(0, resps=[[float("-inf"), False]])), json.dumps(harness(1, acc=0.0, ppl=float("nan")))]
    assert sampled(tmp_path, *lines, path="acc") == {"0": 1.0, "1": 0.0}


def test_one_filter_of_the_harness_is_chosen(tmp_path: Path) -> None:
    """A file holds every question once for each filter: the KPI's path says which counts."""
    lines = [harness(0, "strict"), harness(0, "loose", acc=0.0)]
    assert sampled(tmp_path, *lines, path='t["acc,loose"]') == {"0": 0.0}
    with pytest.raises(RecordError, match="several filters: loose, strict"):
        sampled(tmp_path, *lines, path="t.acc")
