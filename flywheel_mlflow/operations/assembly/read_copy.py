"""Compares what people read of an assembly in MLflow with the assembly: the checked copy is the read copy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from flywheel_mlflow.assembly import deliverables
from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.base.documents import parse_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.consistency.view import parse
from flywheel_mlflow.evidence.runs import ProjectEvidence
from flywheel_mlflow.operations.assembly.assembling import assembly_digest
from flywheel_mlflow.operations.projects.mlflow_names import OWN_FOLDER
from flywheel_mlflow.operations.scratch import scratch_folder
from flywheel_mlflow.tracking import Tracking, tags
from flywheel_mlflow.tracking.assemblies import STATUS_PREFIX, ShownRun

#: Whom MLflow names as a run's maker when the client did not say.
_NOBODY = ("", "unknown")
_COMPARED = "drift."


@dataclass(frozen=True, slots=True)
class Notes:
    """The notes an assembly's runs can have: one of ``parent``, and by stage id that of the stage's run."""

    parent: frozenset[str]
    stages: Mapping[str, str] = field(default_factory=dict)


def copy_faults(tracking: Tracking, run_id: str, files: Mapping[str, str], notes: Notes | None) -> tuple[str, ...]:
    """What the pages of an assembly's runs show otherwise than its files say.

    Args:
        tracking: the server.
        run_id: the assembly's run.
        files: its deliverables as they are stored, which are looked at elsewhere.
        notes: what its notes must be; None where nobody can say.

    Raises:
        ServerError: the run is gone, or the server is away.
    """
    shown, children = tracking.assemblies.shown(run_id)
    named = deliverables.by_name(files)
    try:
        numbers = parse_json(named.get(deliverables.METRICS, ""), name=deliverables.METRICS)["metrics"]
        stages = {str(item["stage_id"]): item for item in parse(deliverables.RUNS, named.get(deliverables.RUNS, ""))}
        metrics = {name: float(item["value"]) for name, item in numbers.items() if item["value"] is not None}
        statuses = {STATUS_PREFIX + name: str(item["status"]) for name, item in stages.items()}
    except (DocumentError, KeyError, TypeError, ValueError, AttributeError):
        return ("its numbers or stages cannot be read from its files",)
    labels = {tags.KIND: tags.KIND_ASSEMBLY, tags.ASSEMBLY_DIGEST: assembly_digest(files)}
    labels |= statuses
    found = [*_numbers("", shown, metrics), *_labels("", shown, labels), *_maker("", shown)]
    found += [f"tag {key} names no stage" for key in shown.tags if key.startswith(STATUS_PREFIX) and key not in labels]
    if shown.params and tags.ENTRY_POINT not in shown.tags:
        found.append(f"params that no assembly logs: {', '.join(sorted(shown.params))}")
    if notes is not None and shown.tags.get(tags.NOTE) not in notes.parent:
        found.append("the note is another one")
    return (*found, *_stages(shown, children, stages, notes))


def _stages(
    shown: ShownRun, children: Iterable[ShownRun], stages: Mapping[str, Mapping[str, object]], notes: Notes | None
) -> Iterator[str]:
    left = dict(stages)
    for child in children:
        name = child.tags.get(tags.STAGE, "")
        item = left.pop(name, None)
        if item is None:
            yield f"run {child.run_id} shows a stage {name!r} that the assembly does not have, or has already"
            continue
        where = f"stage {name}: "
        if not child.is_active:
            yield f"{where}its run {child.run_id} is deleted"
        score = item["score"]
        yield from _numbers(where, child, {"score": float(score)} if isinstance(score, int | float) else {})
        labels = {tags.STATUS: str(item["status"]), tags.ITERATION: shown.tags.get(tags.ITERATION, "")}
        yield from _labels(where, child, labels)
        yield from _maker(where, child)
        if notes is not None and child.tags.get(tags.NOTE) != notes.stages.get(name):
            yield f"{where}the note is another one"
    for name in left:
        yield f"stage {name}: its run is gone"


def _numbers(where: str, run: ShownRun, wanted: Mapping[str, float]) -> Iterator[str]:
    # Comparisons made later log their counts beside the assembly's numbers.
    for name in sorted({*(name for name in run.metrics if not name.startswith(_COMPARED)), *wanted}):
        shown, value = run.metrics.get(name), wanted.get(name)
        if shown != value:
            yield f"{where}metric {name} is {_told(shown)}, assembled was {_told(value)}"


def _told(value: float | None) -> str:
    return "missing" if value is None else f"{value:g}"


def _labels(where: str, run: ShownRun, wanted: Mapping[str, str]) -> Iterator[str]:
    for key, value in wanted.items():
        if run.tags.get(key) != value:
            yield f"{where}tag {key} is {run.tags.get(key, 'missing')[:60]!r}, written was {value[:60]!r}"


def _maker(where: str, run: ShownRun) -> Iterator[str]:
    name = run.tags.get(tags.USER, "")
    if run.maker not in _NOBODY and name != run.maker and tags.ENTRY_POINT not in run.tags:
        yield f"{where}tag {tags.USER} is {name[:60]!r}, made was it by {run.maker[:60]!r}"


def check_document_faults(tracking: Tracking, evidence: Iterable[ProjectEvidence]) -> Iterator[str]:
    """The check results on projects' runs, which people read, that are not those that were counted."""
    for item in evidence:
        if item.run_id is None or not item.checks.digest:
            continue
        with scratch_folder() as folder:
            text = tracking.artifacts.text(item.run_id, f"{OWN_FOLDER}/checks.json", folder)
        if text is None:
            continue  # adopted and published runs keep none
        try:
            same = digest_of(parse_json(text, name="checks.json")) == item.checks.digest
        except DocumentError:
            same = False
        if not same:
            yield f"{item.project_id}: checks.json on run {item.run_id} is not what its run counted"
