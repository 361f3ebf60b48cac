"""Plotly figures of what a flywheel found: pure functions from our values to pictures, for notebooks.

An unknown value is a gap or is said in words, never a zero. Colours are told apart by people who are colour-blind,
and nothing is said by colour alone.
"""

from __future__ import annotations

from flywheel_mlflow.figures.drift import change, distributions, effects, p_values, worst_findings
from flywheel_mlflow.figures.iterations import bottlenecks, kpi_changes, numbers, stage_scores
from flywheel_mlflow.figures.releases import approvals, criteria, differences, timeline

__all__ = [
    "approvals",
    "bottlenecks",
    "change",
    "criteria",
    "differences",
    "distributions",
    "effects",
    "kpi_changes",
    "numbers",
    "p_values",
    "stage_scores",
    "timeline",
    "worst_findings",
]
