"""What a comparison of two iterations found, and what it means: plain values in, plain values out.

Example::

    report = compare("acme", contracts, current, reference, settings=DriftSettings())
    report.verdict, [finding.text for finding in report.findings[:5]]
"""

from flywheel_mlflow.drift.allowances import Allowance, allowance_of
from flywheel_mlflow.drift.comparing import absent, compare, judge_kpis
from flywheel_mlflow.drift.distributions import (
    Comparison,
    Method,
    benjamini_hochberg,
    compare_values,
    detectable_shift,
)
from flywheel_mlflow.drift.findings import (
    ChangeOutcome,
    DataVerdict,
    FilterFound,
    Finding,
    Kind,
    KpiFound,
    KpiVerdict,
    SignalFound,
    Trend,
    Verdict,
)
from flywheel_mlflow.drift.history import Earlier, History, causes_of, quiet_differences
from flywheel_mlflow.drift.intentions import TaskChanges, TaskEffect, covers, whole_of
from flywheel_mlflow.drift.intervals import Rate, newcombe_difference, samples_needed, wilson_interval
from flywheel_mlflow.drift.kpis import compare_kpis
from flywheel_mlflow.drift.losses import KpiCase
from flywheel_mlflow.drift.paired import Paired, compare_pairs, mcnemar
from flywheel_mlflow.drift.report import DriftReport, Reference, drift_report_from_json, error_finding
from flywheel_mlflow.drift.schemas import SchemaFound, compare_schemas, reasons_not_compared
from flywheel_mlflow.drift.sides import (
    LoggedData,
    ProjectSide,
    Side,
    VersionRef,
    project_side,
    sides_of_evidence,
)
from flywheel_mlflow.drift.signals import DataFound, compare_data
from flywheel_mlflow.drift.suites import SuiteCase, suites_of
from flywheel_mlflow.drift.trend import sparkline, trend_of

__all__ = [
    "Allowance",
    "ChangeOutcome",
    "Comparison",
    "DataFound",
    "DataVerdict",
    "DriftReport",
    "Earlier",
    "FilterFound",
    "Finding",
    "History",
    "Kind",
    "KpiCase",
    "KpiFound",
    "KpiVerdict",
    "LoggedData",
    "Method",
    "Paired",
    "ProjectSide",
    "Rate",
    "Reference",
    "SchemaFound",
    "Side",
    "SignalFound",
    "SuiteCase",
    "TaskChanges",
    "TaskEffect",
    "Trend",
    "Verdict",
    "VersionRef",
    "absent",
    "allowance_of",
    "benjamini_hochberg",
    "causes_of",
    "compare",
    "compare_data",
    "compare_kpis",
    "compare_pairs",
    "compare_schemas",
    "compare_values",
    "covers",
    "detectable_shift",
    "drift_report_from_json",
    "error_finding",
    "judge_kpis",
    "mcnemar",
    "newcombe_difference",
    "project_side",
    "quiet_differences",
    "reasons_not_compared",
    "samples_needed",
    "sides_of_evidence",
    "sparkline",
    "suites_of",
    "trend_of",
    "whole_of",
    "wilson_interval",
]
