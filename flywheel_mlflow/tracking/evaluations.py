"""Reads what `mlflow.genai.evaluate` left on a run: outcomes on its traces, the data sets it noted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.evidence.evaluations import (
    EvaluatedDataset,
    Evaluation,
    JudgedAnswer,
    Judgement,
    evaluation_of,
    record_id,
)
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.traces import PAGE_SIZE, SOURCE_RUN, spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run, Span, TraceInfo

#: The tags of a run that MLflow evaluated on: since 3.17, and before.
_EVALUATED_RUN = {"mlflow.runType": "genai_evaluate", "mlflow.run.isEval": "true"}
#: The tag of each trace that was evaluated.
_EVALUATED_TRACE = "mlflow.eval.requestId"
_EVALUATION_DATASET = "mlflow_evaluation_dataset"


class EvaluationReader:
    """The evaluations on one tracking server."""

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._client = client
        self._uri = uri

    def read(self, run_id: str) -> Evaluation | None:
        """All that was evaluated on a run; None where nothing was."""
        with translated(self._uri):
            return self.of(self._client.get_run(run_id))

    def of(self, run: Run) -> Evaluation | None:
        """The same of a run that was read already."""
        if not any(run.data.tags.get(key) == value for key, value in _EVALUATED_RUN.items()):
            return None
        with translated(self._uri):
            return evaluation_of(self._answers(run), _datasets(run))

    def _answers(self, run: Run) -> Iterator[JudgedAnswer]:
        token: str | None = None
        while True:
            page = self._client.search_traces(
                locations=[run.info.experiment_id],
                filter_string=f"attribute.run_id = '{run.info.run_id}'",
                max_results=PAGE_SIZE,
                page_token=token,
                include_spans=False,
            )
            infos = [trace.info for trace in page if _is_evaluated(trace.info, run.info.run_id)]
            spans = spans_of(self._client, infos)
            yield from (_answer(info, spans.get(info.trace_id), run.info.run_id) for info in infos)
            token = page.token
            if not token:
                return


def _is_evaluated(info: TraceInfo, run_id: str) -> bool:
    """Whether a trace of the run was evaluated, and not merely made while it was active."""
    marked = _EVALUATED_TRACE in (info.tags or {})
    return marked or any(_made_by(item, run_id) for item in info.assessments or ())


def _made_by(assessment: Any, run_id: str) -> bool:
    return bool((assessment.metadata or {}).get(SOURCE_RUN) == run_id)


def _answer(info: TraceInfo, spans: Sequence[Span] | None, run_id: str) -> JudgedAnswer:
    """What the scorers of this run said about a trace; earlier evaluations of the same trace said other things."""
    judgements, expectations = [], {}
    for item in info.assessments or ():
        if item.valid is False:
            continue
        if item.expectation is not None and (item.metadata or {}).get(SOURCE_RUN) in (None, run_id):
            expectations[item.name] = item.expectation.value
        elif item.feedback is not None and _made_by(item, run_id):
            judgements.append(Judgement(item.name, item.feedback.value, failed=item.error is not None))
    return JudgedAnswer(_record(info, spans, expectations), tuple(judgements), str(info.trace_id))


def _record(info: TraceInfo, spans: Sequence[Span] | None, expectations: dict[str, object]) -> str:
    """The record a trace answers; the trace itself where its inputs cannot be read, which pairs with nothing."""
    root = next((span for span in spans or () if span.parent_id is None), None)
    try:
        return str(info.trace_id) if root is None else record_id(root.inputs, expectations)
    except (TypeError, ValueError, RecursionError):
        return str(info.trace_id)


def _datasets(run: Run) -> Iterator[EvaluatedDataset]:
    for item in run.inputs.dataset_inputs if run.inputs else ():
        dataset = item.dataset
        # Interfaces that the flywheel itself noted bear its context.
        if any(tag.value in (tags.CONTEXT_IN, tags.CONTEXT_OUT) for tag in item.tags):
            continue
        source = _object(dataset.source) if dataset.source_type == _EVALUATION_DATASET else {}
        rows = _object(dataset.profile)
        count = rows.get("num_records", rows.get("num_rows"))
        yield EvaluatedDataset(
            dataset.name,
            dataset.digest,
            count if isinstance(count, int) else None,
            str(source.get("dataset_id") or ""),
        )


def _object(text: str | None) -> dict[str, Any]:
    """The JSON object in a text; empty when it holds none."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
