"""Tests of what a project run may hand in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flywheels import READY, contract, kpi_document, version
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError, UnknownName
from flywheel_mlflow.base.storable import check_key, number
from flywheel_mlflow.evidence.runs import (
    Check,
    CheckSeverity,
    ConsumedInterface,
    Costs,
    EvidenceKind,
    KpiValue,
    Outcome,
    ProjectEvidence,
)
from flywheel_mlflow.operations.projects.gathering import Gathering, as_check

PROMISE = contract(
    "p01",
    interfaces_in=[{"name": "p00_data"}],
    kpis=[
        kpi_document("rate", path="counts.rate", n_path="counts.rows", stderr_path="counts.error", required=True),
        kpi_document("speed"),
    ],
    costs={"review_hours": "effort.hours"},
)
HOSTILE_NAMES = ["", " ", "../x", "a/../b", "a/./b", "./a", "a//b", "/a", "a/", ".hidden", "a\x00", "a\nb", "x" * 300]
HOSTILE_NAMES += ["a;b", "a\\b", "ä", "🚀", "a\u202eb", "a\ud800", "a%2e", "a'b", "`a`"]


def evidence(gathering: Gathering) -> ProjectEvidence:
    return gathering.evidence(iteration=1, kind=EvidenceKind.MEASURED, run_id="r", code_version="")


def given_document(**more: Any) -> Gathering:
    gathering = Gathering(PROMISE)
    gathering.add_document({"counts": {"rate": 0.5, "rows": 20}} | more, place="m.json")
    return gathering


def test_the_evidence_is_what_was_handed_in() -> None:
    """KPIs by their paths, sample sizes, costs, checks, interfaces and inputs, each where it belongs."""
    gathering = given_document(effort={"hours": 2.5}, speed=7, counts={"rate": 0.5, "rows": 20, "error": 0.01})
    gathering.add_checks([READY, Check("b", Outcome.SKIPPED)])
    gathering.add_interface(version("p01_data"))
    gathering.add_input(ConsumedInterface("p00_data", "a" * 32))
    found = evidence(gathering)
    assert found.kpis == {"rate": KpiValue(0.5, 20, 0.01), "speed": KpiValue(7)}
    assert found.costs == Costs(2.5, None)
    assert (found.checks.passed, found.checks.required) == (1, {"ready": Outcome.PASSED})
    assert list(found.interfaces_out) == ["p01_data"]
    assert found.interfaces_in == (ConsumedInterface("p00_data", "a" * 32),)
    assert gathering.passed_checks() == ("ready",)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (float("nan"), "is nan"),
        (float("inf"), "is inf"),
        (-float("inf"), "is -inf"),
        (np.float64("nan"), "is nan"),
        (10**400, "too large"),
        (True, "not a number but bool"),
        (np.bool_(True), "not a number but"),
        ("3", "not a number but str"),
        ([1], "not a number but list"),
        (1j, "not a number but complex"),
        (None, "not a number but NoneType"),
    ],
)
def test_what_is_no_finite_number_is_no_metric(value: Any, words: str) -> None:
    """NaN, infinities, truth values and text are refused by name, and nothing of them is kept."""
    gathering = Gathering(PROMISE)
    with pytest.raises(InputError, match=words) as caught:
        gathering.add_metrics({"speed": value})
    assert "speed" in caught.value.what
    assert (gathering.metrics, gathering.document) == ({}, {})


def test_a_sample_is_right_wrong_or_a_number() -> None:
    """True and false count as 1 and 0, those of numpy too; texts and NaN are refused by the sample's name."""
    gathering = Gathering(PROMISE)
    samples: dict[str, Any] = {"a": True, "b": np.bool_(False), "c": 0.5, "d": np.float32(1)}
    gathering.add_samples("rate", samples)
    assert gathering.samples["rate"].samples == {"a": 1.0, "b": 0.0, "c": 0.5, "d": 1.0}
    for value in ("yes", float("nan")):
        with pytest.raises(InputError, match="sample 'e' is"):
            Gathering(PROMISE).add_samples("rate", {"e": value})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [(3, 3), (0, 0), (2.5, 2.5), (np.int64(3), 3), (np.float32(0.5), 0.5), (np.float64(2), 2.0)],
)
def test_numbers_of_other_libraries_become_plain_ones(given_value: Any, kept: float) -> None:
    """What a pipeline computes with numpy counts like Python's numbers; whole ones stay whole."""
    gathering = Gathering(PROMISE)
    gathering.add_metrics({"speed": given_value, "rate": 1})
    assert type(gathering.metrics["speed"]) is type(kept)
    assert evidence(gathering).kpis["speed"] == KpiValue(kept)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_name_that_could_leave_its_place_is_refused(name: str) -> None:
    """Paths upward, control characters and 300 characters are refused for metrics, parameters and tags alike."""
    gathering = Gathering(PROMISE)
    for add in (gathering.add_metrics, gathering.add_params, gathering.add_tags):
        with pytest.raises(InputError):
            add({name: 1})
    assert not gathering.metrics | gathering.params | gathering.tags


@given(st.text("aB9_-. :/\n\u00e4", max_size=12))
def test_a_key_that_passes_is_a_path_in_its_shortest_form(name: str) -> None:
    """MLflow refuses any other, at the end of a run, when it is too late."""
    try:
        check_key("metric", name)
    except InputError:
        return
    parts = name.split("/")
    assert "" not in parts
    assert not {".", ".."} & set(parts)
    assert name.isascii()


@pytest.mark.parametrize(
    ("add", "name"),
    [
        ("add_metrics", "checks.passed"),
        ("add_metrics", "cost.review_hours"),
        ("add_tags", "flywheel.valid"),
        ("add_tags", "mlflow.note.content"),
    ],
)
def test_our_own_names_are_not_the_callers(add: str, name: str) -> None:
    """Nobody marks a run valid, or counts checks, but the product."""
    with pytest.raises(InputError, match="kept for the flywheel"):
        getattr(Gathering(PROMISE), add)({name: 1})


def test_text_is_kept_whole_or_refused() -> None:
    """Parameters and tags longer than MLflow keeps, or with characters stores refuse, are errors, never cut."""
    gathering = Gathering(PROMISE)
    gathering.add_params({"a": "x" * 6000, "b": None})
    gathering.add_tags({"a": "x" * 8000})
    assert gathering.params["b"] == "None"
    for add, value in (
        (gathering.add_params, "x" * 6001),
        (gathering.add_tags, "x" * 8001),
        (gathering.add_params, "a\x00b"),
        (gathering.add_tags, "a\ud800"),
    ):
        with pytest.raises(InputError):
            add({"c": value})


def test_a_missing_required_kpi_names_the_place_to_write_it() -> None:
    """The error tells KPI, path and document; an optional KPI is merely unknown."""
    gathering = Gathering(PROMISE)
    gathering.add_document({"counts": {"rows": 3}}, place="m.json")
    with pytest.raises(InputError, match=r"KPI rate is required, and there is no value at counts\.rate") as caught:
        evidence(gathering)
    assert caught.value.where == "m.json"
    assert caught.value.what.endswith("; there are: counts.rows")
    assert evidence(given_document()).kpis["speed"] == KpiValue(None)


@pytest.mark.parametrize("name", ["rate", "counts.rate"])
def test_a_kpi_can_be_logged_by_its_name_or_its_path(name: str) -> None:
    """What the pipeline calls it is enough."""
    gathering = Gathering(PROMISE)
    gathering.add_metrics({name: 0.25, "counts.rows": 8})
    assert evidence(gathering).kpis["rate"] == KpiValue(0.25, 8)


def test_a_size_or_error_of_no_number_is_unknown_and_said() -> None:
    """What lm-evaluation-harness writes, "N/A", costs the detail and not the KPI; the missing detail is named."""
    gathering = Gathering(PROMISE)
    gathering.add_document({"counts": {"rate": 0.5, "rows": "N/A"}}, place="m.json")
    assert evidence(gathering).kpis["rate"] == KpiValue(0.5)
    assert any("rate n_path: nothing at counts.rows" in line for line in gathering.missing_paths())


@pytest.mark.parametrize("size", [-1, 2.5, "many", True, float("nan")])
def test_a_sample_size_is_a_count(size: Any) -> None:
    """A negative, broken or textual sample size is refused."""
    gathering = Gathering(PROMISE)
    document = {"counts": {"rate": 1, "rows": size}}
    if size != size:  # noqa: PLR0124 - NaN, which no document may hold in the first place
        with pytest.raises(InputError, match="cannot be kept"):
            gathering.add_document(document, place="m.json")
        return
    gathering.add_document(document, place="m.json")
    with pytest.raises(InputError, match=r"counts\.rows"):
        evidence(gathering)


@pytest.mark.parametrize("value", ["0.5", True, [0.5], {"mean": 0.5}])
def test_a_kpi_that_is_no_number_is_refused(value: Any) -> None:
    """A value of another kind at the KPI's path is an error, not unknown."""
    gathering = Gathering(PROMISE)
    gathering.add_document({"counts": {"rate": value}}, place="m.json")
    with pytest.raises(InputError, match=r"counts\.rate is not a number"):
        evidence(gathering)


@pytest.mark.parametrize("value", [float("nan"), {1.5, "a"}, object(), "\ud800", b"x"])
def test_a_document_is_plain(value: Any) -> None:
    """What JSON cannot hold is refused when it is handed in, wherever it hides; nothing is half taken."""
    gathering = Gathering(PROMISE)
    with pytest.raises(InputError, match="cannot be kept") as caught:
        gathering.add_document({"fine": 1, "deep": [{"x": value}]}, place="m.json")
    assert caught.value.where == "m.json"
    assert gathering.document == {}
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(InputError, match="too deeply"):
        gathering.add_document({"x": endless}, place="m.json")


def test_a_value_given_twice_must_be_the_same() -> None:
    """Two documents may agree; if they differ the second is refused and the first stays."""
    gathering = given_document(speed=7)
    gathering.add_metrics({"speed": 7})
    with pytest.raises(InputError, match="already given with another value"):
        gathering.add_metrics({"speed": 8})
    gathering.add_metrics({"a.b": 1})
    with pytest.raises(InputError, match="already given with another value"):
        gathering.add_metrics({"a.b": 2})
    with pytest.raises(InputError, match="already given with another value"):
        gathering.add_document({"new": 1, "speed": 8}, place="n.json")
    assert gathering.metrics == {"speed": 7, "a.b": 1}
    assert "new" not in gathering.document


def test_checks_have_names_of_their_own() -> None:
    """A name given twice, in one call or two, is refused; so are details that are not plain."""
    gathering = Gathering(PROMISE)
    gathering.add_checks([READY])
    with pytest.raises(InputError, match="'ready' was logged twice"):
        gathering.add_checks([Check("ready", Outcome.FAILED)])
    with pytest.raises(InputError, match="'b' was logged twice"):
        gathering.add_checks([Check("b", Outcome.PASSED), Check("b", Outcome.FAILED)])
    for bad in (Check("", Outcome.PASSED), Check("x" * 300, Outcome.PASSED), Check("a\x1b", Outcome.PASSED)):
        with pytest.raises(InputError):
            gathering.add_checks([bad])
    for check in (Check("c", Outcome.PASSED, details={"x": float("nan")}), Check("c", Outcome.PASSED, "\ud800")):
        with pytest.raises(InputError, match="cannot be kept"):
            gathering.add_checks([check])


def test_interfaces_and_inputs_are_those_of_the_contract() -> None:
    """One version of each promised interface; inputs the contract names; anything else is unknown."""
    gathering = Gathering(PROMISE)
    gathering.add_interface(version("p01_data"))
    with pytest.raises(InputError, match="logged twice"):
        gathering.add_interface(version("p01_data", "b"))
    with pytest.raises(UnknownName, match="unknown interface 'other'"):
        gathering.add_interface(version("other"))
    with pytest.raises(UnknownName, match="unknown input interface 'other'"):
        gathering.add_input(ConsumedInterface("other", "a" * 32))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [(True, Outcome.PASSED), (False, Outcome.FAILED), ("skipped", Outcome.SKIPPED), (Outcome.ERROR, Outcome.ERROR)],
)
def test_an_outcome_is_one_of_four(outcome: bool | str, expected: Outcome) -> None:
    """True, False and the four words are understood; anything else lists what is."""
    assert as_check("c", outcome).outcome is expected
    assert as_check("c", outcome, severity="warning").severity is CheckSeverity.WARNING
    for bad in ({"outcome": "ok"}, {"outcome": ""}, {"outcome": True, "severity": "fatal"}):
        with pytest.raises(InputError, match="not a valid") as caught:
            as_check("c", **bad)
        assert "passed" in (caught.value.hint or "")


@given(st.integers() | st.floats())
def test_a_number_is_kept_or_refused_but_never_changed(value: float) -> None:
    """Whatever passes equals what was given."""
    try:
        assert number("x", value) == value
    except InputError:
        assert not -1e308 < value < 1e308


def test_a_kpi_given_twice_with_different_values_is_refused() -> None:
    """Of a KPI at its path and the same KPI by name, neither is dropped without a word."""
    run = Gathering(contract("p01", kpis=[kpi_document("quality", path="scores.quality")]))
    run.add_document({"scores": {"quality": 0.5}}, place="metrics.json")
    run.add_metrics({"quality": 0.9})
    with pytest.raises(InputError, match="among the metrics"):
        run.evidence(iteration=1, kind=EvidenceKind.MEASURED, run_id=None, code_version="")


def test_a_path_that_leads_nowhere_is_told() -> None:
    """KPIs, sizes, standard errors and costs without a place are named; null is an answer, a number by name too."""
    gathering = Gathering(PROMISE)
    gathering.add_document({"counts": {"rate": None}}, place="m.json")
    told = gathering.missing_paths()
    assert told == (
        "rate n_path: nothing at counts.rows",
        "rate stderr_path: nothing at counts.error",
        "speed: nothing at speed",
        "costs review_hours: nothing at effort.hours",
    )
    gathering.add_metrics({"speed": 5, "counts.rows": 3})
    assert gathering.missing_paths() == (told[1], told[3])
    slipped = Gathering(PROMISE)
    slipped.add_document({"counts": {"rate": 1}, "effort": {"houres": 2.5}}, place="m.json")
    assert slipped.missing_paths()[-1] == f"{told[3]}; did you mean effort.houres?"
