"""Takes runs that some other tool logged as a project's evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.paths import quote_path
from flywheel_mlflow.base.storable import is_finite
from flywheel_mlflow.evidence.flywheel import Flywheel
from flywheel_mlflow.operations.projects.evaluating import judged_interfaces
from flywheel_mlflow.operations.projects.gathering import RESERVED_METRICS
from flywheel_mlflow.operations.projects.project_run import check_iteration_number, refuse_assembly
from flywheel_mlflow.operations.projects.run_inputs import evidence_of
from flywheel_mlflow.operations.projects.starting import init_project
from flywheel_mlflow.promises.contract import COMPUTED_NAMES
from flywheel_mlflow.promises.units import share_scale

if TYPE_CHECKING:
    from flywheel_mlflow.tracking import Adopted, Tracking


def adopt_runs(
    flywheel: Flywheel,
    tracking: Tracking,
    project: str,
    iteration: int,
    *,
    experiment: str,
    filter_string: str,
    dry_run: bool = False,
) -> Adopted:
    """Tag the runs of ``experiment`` that match MLflow's ``filter_string`` as a project's evidence.

    ``project`` is a project's folder or id.

    Raises:
        UnknownName: no such project or experiment.
        InputError: nothing matches, or the project is the assembly layer, whose evidence is its own checks.
        ServerRefused: MLflow cannot read the filter.
    """
    contract = flywheel.contract(flywheel.project_of(project))
    refuse_assembly(contract)
    present = evidence_of(tracking, contract, check_iteration_number(iteration))
    return tracking.adopter.adopt(
        experiment,
        filter_string,
        contract,
        iteration,
        present=present,
        judged=lambda found: judged_interfaces(flywheel, tracking, contract, iteration, found),
        dry_run=dry_run,
    )


@dataclass(frozen=True, slots=True)
class SuggestedContract:
    """A contract that was written from a run: where, from which run, and which metric each KPI reads."""

    path: Path
    run_id: str
    kpis: Mapping[str, str]


def suggest_contract(
    root: Path, tracking: Tracking, folder: Path, *, experiment: str, filter_string: str
) -> SuggestedContract:
    """Write a contract to start from into ``folder``, with a KPI for each metric of the newest run that matches.

    Which way is better, and the unit, are guessed from the names and marked so: no run says them.

    Raises:
        UnknownName: no such experiment.
        InputError: nothing matches, the run has no metrics, or a contract is there already.
        StorageError: the folder cannot be written.
    """
    run_id, metrics = tracking.adopter.newest_metrics(experiment, filter_string)
    wanted = {name: value for name, value in metrics.items() if is_finite(value) and not _is_ours(name, metrics)}
    if not wanted:
        raise InputError(f"the run {run_id} has no metric that could be a KPI", hint="choose another run")
    names = _kpi_names(wanted)
    path = init_project(folder, root, kpis=_kpis_block(names, metrics, run_id))
    return SuggestedContract(path, run_id, names)


_STDERR = re.compile(r"_stderr\b")
#: Words in the name of a metric of which less is better.
_LESS_IS_BETTER = frozenset(
    {"cer", "cost", "duration", "err", "error", "errors", "failures", "hallucination", "latency", "loss", "mae", "mse"}
    | {"ms", "perplexity", "rmse", "runtime", "seconds", "time", "toxicity", "wer"}
)
#: Units that names of metrics end in or begin with.
_UNITS = frozenset({"hours", "minutes", "ms", "seconds", "tokens"})


def _is_ours(name: str, metrics: Mapping[str, float]) -> bool:
    """Whether a metric is the flywheel's own, the machine's, or the standard error of another one."""
    return name.startswith((*RESERVED_METRICS, "system/")) or _without_stderr(name) in metrics.keys() - {name}


def _without_stderr(name: str) -> str:
    return _STDERR.sub("", name, count=1) if "_stderr" in name else name


def _kpi_names(metrics: Iterable[str]) -> dict[str, str]:
    """The metrics by the name of the KPI that reads each."""
    found: dict[str, str] = {}
    for metric in sorted(metrics):
        base = re.sub(r"[^a-z0-9]+", "_", metric.lower()).strip("_")[:50] or "kpi"
        base = base if base[0].isalpha() else f"kpi_{base}"
        base = f"{base}_value" if base in COMPUTED_NAMES else base
        tries = (base, *(f"{base}_{number}" for number in range(2, len(found) + 3)))
        found[next(name for name in tries if name not in found)] = metric
    return found


def _kpis_block(names: Mapping[str, str], metrics: Mapping[str, float], run_id: str) -> str:
    stderrs = {_without_stderr(name): name for name in metrics if _without_stderr(name) != name}
    lines = ["kpis:", f"  # From run {run_id}. Directions and units are guessed from the names: look at each."]
    for name, metric in names.items():
        words = re.split(r"[^a-z]+", metric.lower())
        shares = (word for word in words if share_scale(word) == 1 and 0 <= metrics[metric] <= 1)
        unit = next((word for word in words if word in _UNITS), None) or next(shares, "value")
        lines += [
            f"  - name: {name}",
            f"    path: {json.dumps(quote_path([metric]), ensure_ascii=False)}",
            f"    direction: {'lower' if _LESS_IS_BETTER & set(words) else 'higher'}   # guessed",
            f"    unit: {unit}   # guessed",
        ]
        lines += [f"    stderr_path: {json.dumps(quote_path([stderrs[metric]]))}"] if metric in stderrs else []
    return "\n".join(lines)
