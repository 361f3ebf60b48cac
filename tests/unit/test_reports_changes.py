"""What moved since the previous iteration is judged by declared directions only."""

from __future__ import annotations

from collections.abc import Mapping

from reports_flywheel import small_assembly

from flywheel_mlflow.assembly.assembly import Assembly
from flywheel_mlflow.assembly.recorded import RecordedAssembly
from flywheel_mlflow.reports.changes import change_summary, changes, status_changes


def _since(metrics: Mapping[str, float], statuses: Mapping[str, str] | None = None) -> Assembly:
    """The small assembly after one that differs from it in exactly these numbers."""
    now = {name: float(metric.value) for name, metric in small_assembly().metrics.items() if metric.value is not None}
    now.pop("flywheel.bottleneck_count" if not metrics else "", None)
    return small_assembly(previous=RecordedAssembly(1, "run-1", "d" * 64, now | dict(metrics), statuses or {}))


def test_directions_decide() -> None:
    """Higher is better or worse as the contract says; without a direction a number only moved."""
    assembly = _since({"p01.retention": 0.2, "p02.accuracy": 0.7, "flywheel.layer_count": 1.0, "p02.rejected": 4.0})
    found = {change.name: change for change in changes(assembly)}
    assert {name: change.judgement for name, change in found.items()} == {
        "p02.rejected": "now unknown",
        "p01.retention": "worse",
        "p02.accuracy": "better",
        "flywheel.layer_count": "moved",
    }
    assert [change.name for change in changes(assembly)][:2] == ["p02.rejected", "p01.retention"]
    assert (found["p01.retention"].before, found["p01.retention"].difference) == ("0.2000", "-0.0263")
    assert (found["p02.rejected"].now, found["p02.rejected"].difference) == ("unknown", "")


def test_lower_can_be_better() -> None:
    """A KPI declared lower-is-better improves by falling."""
    assert small_assembly().metrics["p03.latency"].direction == "lower"
    (change,) = changes(_since({"flywheel.bottleneck_count": 3.0}))
    assert change.judgement == "better"


def test_new_numbers_are_not_improvements() -> None:
    """A number nobody stated before is newly known, neither better nor worse."""
    (change,) = changes(_since({}))
    assert (change.name, change.before, change.judgement) == ("flywheel.bottleneck_count", "unknown", "newly known")


def test_summary_counts() -> None:
    """The sentence counts by judgement, and says when there is nothing to compare with."""
    assembly = _since({"p01.retention": 0.2, "flywheel.layer_count": 1.0})
    assert change_summary(assembly, changes(assembly)) == (
        "Since iteration 1: 2 numbers moved: 1 worse, 1 without a declared direction."
    )
    first = small_assembly()
    assert changes(first) == ()
    assert change_summary(first, ()).startswith("First iteration")
    assert change_summary(assembly, ()) == "Since iteration 1: no number moved."


def test_stages_that_changed_are_named() -> None:
    """Only stages whose status differs are listed."""
    assembly = _since({}, {"collect": "blocked", "train": "at risk", "release": "completed"})
    assert [(item.stage, item.before, item.now) for item in status_changes(assembly)] == [
        ("Collection", "blocked", "completed")
    ]
    assert status_changes(small_assembly()) == ()
