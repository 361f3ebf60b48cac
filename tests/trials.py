"""Trial runs of the sample projects' pipelines, with inputs that stand in for their producers'."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.projects.pipeline import load_pipeline, run_pipeline
from flywheel_mlflow.operations.projects.project_run import project_run
from flywheel_mlflow.promises.contract import Kpi
from flywheel_mlflow.records.findings import ConstantSides, ConstantSignals, LengthPiles, SameTranslations
from flywheel_mlflow.records.near_duplicates import NearDuplicates
from flywheel_mlflow.records.undeclared_groups import UndeclaredGroups
from flywheel_mlflow.tracking import connect

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = ROOT / "projects"
#: Warnings about how records look.
RECORD_FINDINGS = {
    finding.name
    for finding in (ConstantSides, ConstantSignals, LengthPiles, NearDuplicates, SameTranslations, UndeclaredGroups)
}
#: What the privacy project publishes, as far as its consumers read it.
PRIVACY_CONTROLS = {"pii_rules": {"email": "tokenize", "phone": "mask", "ssn": "remove", "bank_account": "tokenize"}}


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one run of a pipeline.

    ``failed`` are the checks that did not pass, without record findings: made-up data have some of these by nature
    (docs/projects.md), and they have tests of their own; ``kpis`` the values by name, and ``short`` the names of those
    that miss their targets by more than their tolerance, or have no value; ``digests`` those of the interfaces
    it wrote; ``samples`` the outcome of each sample, by KPI.
    """

    consumable: bool
    reasons: tuple[str, ...]
    failed: frozenset[str]
    kpis: Mapping[str, float | None]
    short: frozenset[str]
    digests: Mapping[str, str]
    samples: Mapping[str, Mapping[str, float]]

    def missed(self, kpis: Iterable[Kpi]) -> frozenset[str]:
        """Those of ``kpis`` that miss their targets by more than their tolerance, or have no value."""
        return self.short & {kpi.name for kpi in kpis}


def run_trial(project: str, uri: str, *, iteration: int = 2, fault: str = "", tasks: Path | None = None) -> Trial:
    """Run the pipeline in a folder below ``projects`` against a store."""
    file = PROJECTS / project / "pipeline.py"
    pipeline = load_pipeline(file)
    done = run_pipeline(
        file, pipeline.build, pipeline.faults, iteration=iteration, fault=fault, tasks=tasks, tracking_uri=uri
    )
    entry = done.entry
    assert entry.evidence is not None
    return Trial(
        entry.consumable,
        tuple(entry.reasons),
        frozenset(check.name for check in done.findings if check.name.rpartition(".")[2] not in RECORD_FINDINGS),
        {item.kpi.name: item.value for item in entry.kpis},
        frozenset(item.kpi.name for item in entry.kpis if item.kpi.target is not None and item.attainment != 1.0),
        {name: version.digest for name, version in entry.evidence.interfaces_out.items()},
        _samples(uri, entry.evidence.run_id),
    )


def _samples(uri: str, run_id: str | None) -> dict[str, Mapping[str, float]]:
    """The samples a run logged, all of which must be readable."""
    assert run_id is not None
    tracking = connect(read_settings(ROOT, {}, tracking_uri=uri), _flywheel_name())
    with tempfile.TemporaryDirectory() as folder:
        found = tracking.profiles.samples(run_id, Path(folder))
    return {name: item.samples for name, item in found.items() if not isinstance(item, FlywheelError)}


@cache
def _flywheel_name() -> str:
    return load_flywheel(ROOT).name


def log_stand_in(
    project_id: str,
    interface: str,
    content: Iterable[Mapping[str, Any]] | Mapping[str, Any],
    *,
    uri: str,
    to: Path,
    iteration: int = 2,
) -> None:
    """Log an interface in its producer's name: records (JSONL) or one JSON document."""
    to.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Mapping):
        path = to / f"{interface}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    else:
        path = to / f"{interface}.jsonl"
        path.write_text("".join(json.dumps(record) + "\n" for record in content), encoding="utf-8")
    with project_run(project_id, iteration, root=ROOT, tracking_uri=uri) as run:
        run.log_metrics({kpi.name: 1.0 for kpi in run.contract.kpis if kpi.required})
        run.log_interface(interface, path)


def load_module(file: Path) -> ModuleType:
    """A module of a sample project, by its file; those beside it can be imported by it.

    Each is loaded once for all tests of a process: loaded anew it would have other classes than those that the modules
    beside it, and the pipeline, have imported already.
    """
    loaded = sys.modules.get(file.stem)
    if loaded is not None and loaded.__file__ == str(file):
        return loaded
    home = str(file.parent)
    if home not in sys.path:
        sys.path.insert(0, home)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def regenerated(project: str, folder: Path) -> dict[str, tuple[bytes, bytes]]:
    """By file: the shipped sample data of a project, and what its generator makes when run elsewhere."""
    data = PROJECTS / project / "data"
    folder.mkdir(exist_ok=True)
    for script in data.glob("*.py"):
        (folder / script.name).write_bytes(script.read_bytes())
    subprocess.run([sys.executable, str(folder / "generate.py")], check=True, cwd=folder)
    made = [path for path in folder.iterdir() if path.is_file() and path.suffix != ".py"]
    return {path.name: ((data / path.name).read_bytes(), path.read_bytes()) for path in sorted(made)}
