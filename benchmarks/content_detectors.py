"""What looks for changes between two sides: the product's drift report, and Evidently's preset beside it.

A detector takes the files of both sides by the name of their interface, with the schema of each, and returns whether it
saw a change, with the names of what it saw.
"""

from __future__ import annotations

import functools
import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from benchmarks.drift_samples import contract
from flywheel_mlflow.drift import DriftReport, LoggedData, ProjectSide, Side, Verdict, VersionRef, compare
from flywheel_mlflow.evidence.runs import KpiValue
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.promises.thresholds import DriftSettings
from flywheel_mlflow.records import Measurement, measure

Files = Mapping[str, Path]
Schemas = Mapping[str, Literal["record", "free"]]
Detector = Callable[[Files, Files, Schemas], tuple[bool, list[str]]]

PROJECT, KPI = "data", "kpi_0"


def _contract(schemas: Schemas) -> Contract:
    """A contract that promises the interfaces and says nothing else about them; its one KPI never moves."""
    interfaces = tuple(
        InterfaceOut.model_validate({"name": name, "title": name, "format": "jsonl", "schema": schema})
        for name, schema in schemas.items()
    )
    return contract(PROJECT, 1, []).model_copy(update={"interfaces_out": interfaces})


def _seen(report: DriftReport) -> tuple[bool, list[str]]:
    """What stops a release; what could not be told or is merely new does not count."""
    subjects = sorted({item.subject for item in report.findings if item.verdict is Verdict.BLOCK})
    return bool(subjects), subjects


@functools.lru_cache(maxsize=16)
def _measured(path: Path, name: str, schema: str) -> Measurement:
    """The old side is the same for many changes. Files must not change while they are remembered."""
    spec = InterfaceOut.model_validate({"name": name, "title": name, "format": "jsonl", "schema": schema})
    return measure(path, spec, workers=1)


def _side(iteration: int, files: Files, schemas: Schemas) -> Side:
    """One side as the drift report gets it: versions, and what a run logs about the data."""
    measured = {name: _measured(path, name, schemas[name]) for name, path in files.items()}
    versions = {
        name: VersionRef(
            item.version.digest,
            f"run-{iteration}",
            fields=item.version.fields,
            records_digest=item.version.records_digest,
        )
        for name, item in measured.items()
    }
    data = {
        name: LoggedData(profile=item.profile, content=item.content, card=item.card) for name, item in measured.items()
    }
    project = ProjectSide(run_id=f"run-{iteration}", kpis={KPI: KpiValue(1.0)}, versions=versions)
    return Side(iteration, f"assembly-{iteration}", f"digest-{iteration}", {PROJECT: project}, data)


def product(old: Files, new: Files, schemas: Schemas) -> tuple[bool, list[str]]:
    """The product's drift report with its default settings, by the functions of its core."""
    contracts = {PROJECT: _contract(schemas)}
    sides = _side(2, new, schemas), _side(1, old, schemas)
    return _seen(compare("bench", contracts, *sides, settings=DriftSettings()))


def product_by_store(old: Files, new: Files, schemas: Schemas) -> tuple[bool, list[str]]:
    """The same as users have it: two iterations logged and assembled on a store of their own, then compared."""
    import flywheel_mlflow

    document = _contract(schemas).model_dump(mode="json", by_alias=True, exclude_unset=True)
    interfaces = [{"name": n, "title": n, "format": "jsonl", "schema": s} for n, s in schemas.items()]
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        home = root / "projects" / PROJECT
        home.mkdir(parents=True)
        flywheel = {
            "name": "content-drift",
            "title": "Content drift",
            "teams": [{"id": "team", "title": "Team", "responsibilities": ["data"]}],
            "layers": [{"id": "layer", "title": "Layer", "responsibilities": ["data"]}],
            "stages": [
                {
                    "id": "stage",
                    "title": "Stage",
                    "goal": "Compare.",
                    "milestone": {"id": "compared", "title": "Compared", "owner": "team"},
                }
            ],
        }
        (root / "flywheel.yaml").write_text(yaml.safe_dump(flywheel), encoding="utf-8")
        (home / "project.yaml").write_text(yaml.safe_dump(document | {"interfaces_out": interfaces}), encoding="utf-8")
        wheel = flywheel_mlflow.open_flywheel(root)
        for iteration, files in ((1, old), (2, new)):
            with wheel.project_run(PROJECT, iteration=iteration) as run:
                run.log_check("check", True)
                run.log_metrics({KPI: 1.0})
                for name, path in files.items():
                    run.log_interface(name, path)
            wheel.assemble(iteration)
        return _seen(wheel.drift(2, against=1))


def _flat(value: Any, path: str, row: dict[str, Any]) -> None:
    """One row of a table: a column for each leaf and each number of a list; other lists become their text."""
    if isinstance(value, dict):
        for key, inner in value.items():
            _flat(inner, f"{path}.{key}" if path else key, row)
    elif isinstance(value, list) and value and all(isinstance(item, float) for item in value):
        row |= {f"{path}.{place}": item for place, item in enumerate(value)}
    elif isinstance(value, list):
        row[path] = json.dumps(value, ensure_ascii=False)
        row[f"{path}.count"] = len(value)
    else:
        row[path] = value


def _frame(path: Path) -> Any:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            row: dict[str, Any] = {}
            _flat(json.loads(line), "", row)
            row.pop("id", None)
            rows.append(row)
    return pd.DataFrame(rows)


def evidently(old: Files, new: Files, schemas: Schemas) -> tuple[bool, list[str]]:
    """Evidently's ``DataDriftPreset`` with its defaults on flattened records; columns are typed as it guesses them.

    Columns of one side alone, or without any value on a side, make it fail; they are left out, and named as seen.
    """
    from flywheel_mlflow.monitoring.importing import load_metrics

    load_metrics()
    subjects: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import Dataset, Report
        from evidently.presets import DataDriftPreset

        for name in schemas:
            before, now = _frame(old[name]).dropna(axis=1, how="all"), _frame(new[name]).dropna(axis=1, how="all")
            subjects += [f"{name}/{column}" for column in before.columns.symmetric_difference(now.columns)]
            shared = [column for column in before.columns if column in now.columns]
            done = Report([DataDriftPreset()], include_tests=True).run(
                Dataset.from_pandas(now[shared]), Dataset.from_pandas(before[shared])
            )
            subjects += [
                f"{name}/{test.metric_config.params['column']}"
                for test in done.tests_results
                if test.status.value == "FAIL" and "column" in test.metric_config.params
            ]
    return bool(subjects), sorted(subjects)


DETECTORS: dict[str, Detector] = {"product": product, "evidently": evidently}
