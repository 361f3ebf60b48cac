"""The collector, as far as it needs no store."""

from __future__ import annotations

import gc

import pytest

from flywheel_mlflow.evidence import KpiValue
from flywheel_mlflow.tracking.collector import _cycle_collector_paused, _kpi


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


def test_an_unknown_kpi_does_not_take_another_ones_number() -> None:
    """Only a run that some other tool logged is read by paths; ours are read by the KPI's name."""
    assert _kpi("x", "x", {"y": 5.0}).value is None
    assert _kpi("x", "y", {"y": 5.0}).value == 5


def test_a_standard_error_is_read_beside_its_kpi() -> None:
    """A number below nothing is none."""
    assert _kpi("x", "x", {"x": 0.5, "x.n": 8.0, "x.stderr": 0.1}) == KpiValue(0.5, 8, 0.1)
    assert _kpi("x", "x", {"x": 0.5, "x.stderr": -0.1}) == KpiValue(0.5)
