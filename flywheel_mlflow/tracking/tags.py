"""The names this product writes into MLflow: every tag, metric and dataset context, in one place."""

from __future__ import annotations

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
EVIDENCE_DIGEST = "flywheel.evidence_digest"
CHECKS = "flywheel.checks"
#: The ids of the tasks a run read, as a JSON list.
TASKS = "flywheel.tasks"
ERROR = "flywheel.error"
STAGE = "flywheel.stage"
STATUS = "flywheel.status"
ASSEMBLY_DIGEST = "flywheel.assembly_digest"
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
RELEASE_STAGE = "flywheel.release_stage"
#: Before the first digits of the reference's run id: the verdict of the comparison with it.
DRIFT_PREFIX = "flywheel.drift."
GATE = "flywheel.gate"
VERDICT = "flywheel.verdict"

KIND_PROJECT = "project"
KIND_ASSEMBLY = "assembly"
KIND_STAGE = "stage"
KIND_LEDGER = "ledger"
KIND_GATE = "gate"
KIND_RELEASE = "release"

TRUE = "true"
FALSE = "false"


CHECKS_PASSED = "checks.passed"
CHECKS_FAILED = "checks.failed"
CHECKS_SKIPPED = "checks.skipped"
CHECKS_ERROR = "checks.error"
CHECKS_WARNED = "checks.warned"
REVIEW_HOURS = "cost.review_hours"
REVIEW_COST_RMB = "cost.review_cost_rmb"
SAMPLE_SIZE_SUFFIX = ".n"

#: MLflow's own: its client does not find a registered model with such a tag, nor any version beside one that has it.
PROMPT_PREFIX = "mlflow.prompt."

CONTEXT_OUT = "interface_out"
CONTEXT_IN = "interface_in"
#: MLflow's own input tag for the context (mlflow/utils/mlflow_tags.py, 3.17.2).
CONTEXT = "mlflow.data.context"
URI = "flywheel.uri"

RUN_NAME = "mlflow.runName"
USER = "mlflow.user"
NOTE = "mlflow.note.content"
PARENT = "mlflow.parentRunId"
SOURCE_NAME = "mlflow.source.name"
SOURCE_TYPE = "mlflow.source.type"
GIT_COMMIT = "mlflow.source.git.commit"
