"""The collector, as far as it needs no store."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from flywheels import kpi_document

from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Kpi
from flywheel_mlflow.tracking.collector import _cycle_collector_paused
from flywheel_mlflow.tracking.run_evidence import _kpi


def test_the_cycle_collector_comes_back_whatever_happens() -> None:
    """A search that fails leaves Python's cycle collector as it was."""

    def search() -> None:
        with _cycle_collector_paused():
            assert not gc.isenabled()
            raise KeyError

    with pytest.raises(KeyError):
        search()
    assert gc.isenabled()


def test_a_cycle_collector_that_was_off_stays_off() -> None:
    """A caller who switched it off does not find it on."""
    gc.disable()
    try:
        with _cycle_collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def kpi(**more: Any) -> Kpi:
    return Kpi.model_validate(kpi_document("x", **more))


def test_an_unknown_kpi_does_not_take_another_ones_number() -> None:
    """Only a run that some other tool logged is read by paths; ours are read by the KPI's name."""
    assert _kpi(kpi(path="y"), {"y": 5.0}, adopted=False).value is None
    assert _kpi(kpi(path="y"), {"y": 5.0}, adopted=True).value == 5


def test_a_path_is_looked_up_by_its_whole_name() -> None:
    """Names of other tools hold slashes, dots and commas; the path comes before our own name for it."""
    metrics = {"eval/acc.mean": 0.5, "eval/n": 8.0, "x": 0.9, "results.acc,none": 0.7, "spread": 0.1}
    found = _kpi(kpi(path="eval/acc.mean", n_path="eval/n", stderr_path="spread"), metrics, adopted=True)
    assert found == KpiValue(0.5, 8, 0.1)
    assert _kpi(kpi(path='results["acc,none"]'), metrics, adopted=True).value == 0.7
    assert _kpi(kpi(path="nowhere"), metrics, adopted=True).value == 0.9


def test_a_standard_error_is_read_beside_its_kpi() -> None:
    """A number below nothing is none."""
    assert _kpi(kpi(), {"x": 0.5, "x.n": 8.0, "x.stderr": 0.1}, adopted=False) == KpiValue(0.5, 8, 0.1)
    assert _kpi(kpi(), {"x": 0.5, "x.stderr": -0.1}, adopted=False) == KpiValue(0.5)
