"""Reads what people and judges said about MLflow traces as feedback events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.feedback.events import FeedbackEvent, parse_event
from flywheel_mlflow.tracking.connection import pages, translated

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Assessment, Trace

PAGE_SIZE = 500
#: Tags of a trace by which its application says what it is about.
TRACE_PROJECT, TRACE_INTERFACE = "flywheel.project", "flywheel.interface"
_FROM_PEOPLE = "HUMAN"


@dataclass(frozen=True, slots=True)
class PulledTraces:
    """The events of some traces, and the assessments that are none.

    ``content`` says yes without a word: nobody has to act. ``replaced`` were overridden by their author. ``unreadable``
    holds why others could not be taken, each with the trace's id.
    """

    traces: int
    events: tuple[FeedbackEvent, ...]
    content: int
    replaced: int
    unreadable: tuple[tuple[str, str], ...]


class TraceReader:
    """The traces of one tracking server."""

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._client = client
        self._uri = uri

    def pull(self, experiment: str, since: datetime | None) -> PulledTraces:
        """The assessments of an experiment's traces, oldest trace first; ``since`` is the time of the trace.

        Raises:
            InputError: no such experiment.
        """
        with translated(self._uri):
            found = self._client.get_experiment_by_name(experiment)
        if found is None:
            raise InputError(f"no experiment is called {experiment[:80]!r}", hint="names are in the MLflow UI")
        clause = f"timestamp_ms >= {int(since.timestamp() * 1000)}" if since else None
        with translated(self._uri):
            traces = list(
                pages(
                    lambda token: self._client.search_traces(
                        locations=[found.experiment_id],
                        filter_string=clause,
                        max_results=PAGE_SIZE,
                        order_by=["timestamp_ms ASC"],
                        page_token=token,
                        include_spans=False,
                    )
                )
            )
        return _pulled(traces)


def _pulled(traces: list[Trace]) -> PulledTraces:
    events, unreadable = [], []
    content = replaced = 0
    for trace in traces:
        for assessment in trace.info.assessments or ():
            if getattr(assessment, "valid", None) is False:
                replaced += 1
            elif _is_content(assessment):
                content += 1
            else:
                event = parse_event(_row(trace, assessment))
                if isinstance(event, str):
                    unreadable.append((str(trace.info.trace_id), event))
                else:
                    events.append(event)
    return PulledTraces(len(traces), tuple(events), content, replaced, tuple(unreadable))


def _is_content(assessment: Assessment) -> bool:
    """Whether it only says yes: a thumb up without a word."""
    return _value(assessment) is True and not assessment.rationale and assessment.expectation is None


def _value(assessment: Assessment) -> Any:
    part = assessment.expectation or assessment.feedback
    return part.value if part is not None else None


def _row(trace: Trace, assessment: Assessment) -> dict[str, Any]:
    """An assessment as the fields of an event, not yet judged.

    What a judge or a program reasons is a machine's suggestion; what a person writes or expects is a response.
    """
    labels = trace.info.tags or {}
    human = assessment.source.source_type == _FROM_PEOPLE
    value = _value(assessment)
    said = value if isinstance(value, str) else canonical_json(value)
    words = assessment.rationale or ""
    kind = "expected" if assessment.expectation is not None else "rated"
    row = {
        "id": f"{trace.info.trace_id}/{assessment.assessment_id}",
        "time": datetime.fromtimestamp((assessment.create_time_ms or trace.info.timestamp_ms) / 1000, UTC),
        "source": "human" if human else "evaluation",
        "text": f"{kind} {assessment.name}: {said}" + (f". {words}" if words else ""),
        "trace_id": trace.info.trace_id,
        "run_id": assessment.run_id if hasattr(assessment, "run_id") else None,
        "response" if human else "suggestion": words or (said if assessment.expectation is not None else None),
        "reporter": assessment.source.source_id,
        "project": labels.get(TRACE_PROJECT),
        "interface": labels.get(TRACE_INTERFACE),
    }
    return {name: item for name, item in row.items() if item not in (None, "")}
