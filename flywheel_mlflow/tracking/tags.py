"""The names this product writes into MLflow: every tag, metric and dataset context, in one place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

SCHEMA_VERSION = "1"

SCHEMA = "flywheel.schema"
NAME = "flywheel.name"
KIND = "flywheel.kind"
ITERATION = "flywheel.iteration"
PROJECT = "flywheel.project"
PHASE = "flywheel.phase"
OWNER = "flywheel.owner"
CONTRACT = "flywheel.contract"
INTERFACES_OUT = "flywheel.interfaces_out"
VALID = "flywheel.valid"
EVIDENCE = "flywheel.evidence"
#: Which variant of its project a run is of; a run without it is of the control.
VARIANT = "flywheel.variant"
#: On which machine a run measured what it takes.
MACHINE = "flywheel.machine"
#: A parameter, which MLflow never lets anybody change; earlier versions wrote a tag of this name, which proves nothing.
EVIDENCE_DIGEST = "flywheel.evidence_digest"
#: The values under the digest, as JSON.
COVERED_VALUES = "flywheel.covered_values"
#: On a project's experiment, before the id of a run that was adopted from another one: where it lies, and its digest.
ADOPTED_PREFIX = "flywheel.adopted."
CHECKS = "flywheel.checks"
#: The ids of the tasks a run read, as a JSON list.
TASKS = "flywheel.tasks"
#: The sha256 of the file in which a run keeps those tasks.
TASK_DOCUMENTS = "flywheel.task_documents"
ERROR = "flywheel.error"
STAGE = "flywheel.stage"
STATUS = "flywheel.status"
ASSEMBLY_DIGEST = "flywheel.assembly_digest"
#: Whether an assembly is the one that counts of its iteration, for MLflow's tables; readers judge for themselves.
CURRENT = "flywheel.current"
#: When `flywheel run` began with an iteration and was done with it, as ``BEGUN/ENDED``: the last thing it writes.
FINISHED = "flywheel.finished"
#: What each project's numbers rest on, by project id (:func:`write_pairs`).
CAUSES = "flywheel.causes"
SAME_AS = "flywheel.same_as"
ASSEMBLY_RUN = "flywheel.assembly_run"
SEGMENT = "flywheel.segment"
#: Where a registered model says that its ledger is: the experiment, and the run of the first segment.
LEDGER_EXPERIMENT = "flywheel.ledger_experiment"
LEDGER_RUN = "flywheel.ledger_run"
VERSION = "flywheel.version"
BUNDLE = "flywheel.bundle"
BUNDLE_PLACE = "flywheel.bundle_place"
AUTHOR = "flywheel.author"
LEFT_OUT = "flywheel.left_out"
#: Before the name of an interface on a model version: what the release pins, as compact JSON.
PIN_PREFIX = "flywheel.interface."
GATE_PREFIX = "flywheel.gate."
#: Before the first digits of the reference's run id: the verdict of the comparison with it.
DRIFT_PREFIX = "flywheel.drift."
GATE = "flywheel.gate"
VERDICT = "flywheel.verdict"

KIND_PROJECT = "project"
KIND_ASSEMBLY = "assembly"
KIND_STAGE = "stage"
KIND_LEDGER = "ledger"
KIND_GATE = "gate"
KIND_NOTIFICATIONS = "notifications"

TRUE = "true"
FALSE = "false"


CHECKS_PASSED = "checks.passed"
CHECKS_FAILED = "checks.failed"
CHECKS_SKIPPED = "checks.skipped"
CHECKS_ERROR = "checks.error"
CHECKS_WARNED = "checks.warned"
COST_PREFIX = "cost."
REVIEW_HOURS = COST_PREFIX + "review_hours"
RESOURCE_PREFIX = "resource."
SAMPLE_SIZE_SUFFIX = ".n"
STANDARD_ERROR_SUFFIX = ".stderr"
#: What the metric of a KPI's value, sample size and standard error is called after the KPI, by the key of the contract.
KPI_SUFFIXES = {"path": "", "n_path": SAMPLE_SIZE_SUFFIX, "stderr_path": STANDARD_ERROR_SUFFIX}
SUMMARY_METRICS = frozenset({CHECKS_PASSED, CHECKS_FAILED, CHECKS_SKIPPED, CHECKS_ERROR, CHECKS_WARNED, REVIEW_HOURS})

#: MLflow's own: its client does not find a registered model with such a tag, nor any version beside one that has it.
PROMPT_PREFIX = "mlflow.prompt."

CONTEXT_OUT = "interface_out"
CONTEXT_IN = "interface_in"
#: MLflow's own input tag for the context (mlflow/utils/mlflow_tags.py, 3.17.2).
CONTEXT = "mlflow.data.context"
URI = "flywheel.uri"
#: How MLflow's registry of dataset sources calls ours.
SOURCE_TYPE_OF_DATA = "flywheel"
#: On a dataset that a run read: the iteration it was carried from.
CARRIED_FROM = "flywheel.carried_from"

RUN_NAME = "mlflow.runName"
USER = "mlflow.user"
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
GIT_COMMIT = "mlflow.source.git.commit"
#: On runs that `mlflow run` made.
ENTRY_POINT = "mlflow.project.entryPoint"


#: The characters that MLflow keeps of a tag's value are 8,000; a pair that no longer fits is left out, and unknown.
MAX_PAIRS = 8_000


def write_pairs(pairs: Mapping[str, str]) -> str:
    """Short values by id as one tag: ``p01=3f2a/91bc,p02=...``; what does not fit is left out."""
    text = ""
    for name, value in sorted(pairs.items()):
        longer = f"{text},{name}={value}" if text else f"{name}={value}"
        if len(longer) > MAX_PAIRS:
            break
        text = longer
    return text


def read_pairs(text: str) -> dict[str, str]:
    """The values in a tag that :func:`write_pairs` wrote; what is no pair is skipped."""
    pairs = (part.partition("=") for part in text.split(","))
    return {name: value for name, found, value in pairs if found}


def write_span(begun: datetime, ended: datetime) -> str:
    """Two moments as one tag."""
    return "/".join(moment.astimezone(UTC).isoformat(timespec="seconds") for moment in (begun, ended))


def read_span(text: str) -> tuple[datetime, datetime] | None:
    """The moments in a tag that :func:`write_span` wrote; None for anything else."""
    try:
        begun, ended = (datetime.fromisoformat(part) for part in text.split("/"))
    except ValueError:
        return None
    return (begun, ended) if begun.tzinfo and ended.tzinfo else None
