"""The views of MLflow's tables: what they hold, and that they fit into the tags that hold them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports_flywheel import contracts

from flywheel_mlflow.evidence.provenance import own_direction
from flywheel_mlflow.tracking.views import (
    ASSEMBLY_VIEWS,
    MOST_KPIS,
    SAVED_VIEW,
    View,
    _is_older,
    experiment_note,
    project_views,
    view_address,
    view_tags,
)

#: MLflow refuses longer tags of an experiment.
MAX_EXPERIMENT_TAG = 20_000


def test_a_view_is_what_mlflow_saves() -> None:
    """The tag is MLflow's own envelope: name, two times, and the state of the table as text."""
    for key, text in view_tags(ASSEMBLY_VIEWS).items():
        found = json.loads(text)
        assert key.startswith(SAVED_VIEW)
        assert set(found) == {"name", "createdAt", "updatedAt", "state"}
        state = json.loads(found["state"])
        assert state["columnOrder"][-len(state["selectedColumns"]) :] == state["selectedColumns"]
        assert set(state["columnWidths"]) == set(state["columnOrder"])


def test_equal_views_are_equal_text() -> None:
    """The state holds no clock: what nobody changed is not written again."""
    view = ASSEMBLY_VIEWS[0]
    (text,) = view_tags([view]).values()
    assert not _is_older(text, next(iter(view_tags([view]).values())))
    assert _is_older(text, next(iter(view_tags([View(view.key, view.name, ("other",), ())]).values())))
    assert _is_older(None, text)


@pytest.mark.parametrize("found", ["", "{}", "no JSON", "[]", '{"createdAt": 1, "updatedAt": 2, "state": "theirs"}'])
def test_what_others_wrote_is_not_older(found: str) -> None:
    """A view that is not one of ours, or that somebody saved over, is left alone."""
    assert not _is_older(found, next(iter(view_tags(ASSEMBLY_VIEWS).values())))


def test_a_projects_view_has_its_first_kpis() -> None:
    """Checks and KPIs by the names of their metrics, no more than a table can show, within MLflow's limit of a tag."""
    contract = contracts()["p01"]
    (view,) = project_views(contract)
    assert [name for name in view.metrics if not name.startswith("checks.")] == [kpi.name for kpi in contract.kpis]
    many = contract.model_copy(update={"kpis": contract.kpis * 50})
    (view,) = project_views(many)
    assert len(view.metrics) == 2 + MOST_KPIS
    assert all(len(text) < MAX_EXPERIMENT_TAG for text in view_tags([view]).values())


def test_columns_are_metrics_that_are_written() -> None:
    """The columns of the assembly's view are metrics the flywheel computes, the counts of trouble among them."""
    metrics = set(ASSEMBLY_VIEWS[0].metrics)
    assert "lower" in map(own_direction, metrics)
    assert all(name.startswith("flywheel.") for name in metrics)


@given(st.text(alphabet="[]()<>`*_ab\\", min_size=1))
def test_a_title_stays_a_title(title: str) -> None:
    """Nothing in the title of a project makes a link or a tag; the link of the view follows it."""
    note = experiment_note(title, "7", ASSEMBLY_VIEWS[:1])
    before, _, link = note.rpartition(": [")
    assert link == f"Iterations](./{view_address('7')})"
    assert before.count("\\") >= sum(title.count(char) for char in "[]<>`*_\\")
