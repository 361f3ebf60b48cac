"""Reads MLflow traces as plain facts, a page at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError, ServerRefused
from flywheel_mlflow.feedback.cases import TracedQuestion
from flywheel_mlflow.feedback.traces import AssessmentFacts, SpanFacts, TraceFacts
from flywheel_mlflow.tracking.connection import translated

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Assessment, Span, TraceInfo

#: Traces asked for at once.
PAGE_SIZE = 200
_FROM_PEOPLE = "HUMAN"
#: How stores say that there is no such trace.
_GONE = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
#: Where MLflow says which evaluation made an assessment, and how many tokens a trace used.
SOURCE_RUN, _TOKENS = "mlflow.assessment.sourceRunId", "mlflow.trace.tokenUsage"
#: Where a trace keeps its spans: in the database, or below an artifact's address.
_LOCATION, _ARTIFACTS = "mlflow.trace.spansLocation", "mlflow.artifactLocation"
_IN_STORE = frozenset({"TRACKING_STORE", "ARCHIVE_REPO"})


class TraceReader:
    """The traces of one tracking server."""

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._client = client
        self._uri = uri

    def tokens_of_run(self, experiment_id: str, run_id: str) -> int | None:
        """The tokens that the traces of a run state; None where none states any."""
        total: int | None = None
        token: str | None = None
        with translated(self._uri):
            while True:
                page = self._client.search_traces(
                    locations=[experiment_id],
                    filter_string=f"attribute.run_id = '{run_id}'",
                    max_results=PAGE_SIZE,
                    page_token=token,
                    include_spans=False,
                )
                for trace in page:
                    stated = _tokens((trace.info.trace_metadata or {}).get(_TOKENS))
                    total = total if stated is None else (total or 0) + stated
                token = page.token
                if not token:
                    return total

    def traces(self, experiment: str, *, begun: datetime | None, spans: bool) -> Iterator[TraceFacts]:
        """An experiment's traces, oldest first, read a page at a time.

        Args:
            experiment: its name.
            begun: leave out those that began before.
            spans: read what happened within them too, which takes longer.

        Raises:
            InputError: no such experiment.
        """
        with translated(self._uri):
            found = self._client.get_experiment_by_name(experiment)
        if found is None:
            raise InputError(f"no experiment is called {experiment[:80]!r}", hint="names are in the MLflow UI")
        clause = f"timestamp_ms >= {int(begun.timestamp() * 1000)}" if begun else None
        with translated(self._uri):
            token: str | None = None
            while True:
                page = self._client.search_traces(
                    locations=[found.experiment_id],
                    filter_string=clause,
                    max_results=PAGE_SIZE,
                    order_by=["timestamp_ms ASC"],
                    page_token=token,
                    include_spans=False,
                )
                infos = [trace.info for trace in page]
                within = spans_of(self._client, infos) if spans else {}
                yield from (_facts(info, within.get(info.trace_id)) for info in infos)
                token = page.token
                if not token:
                    return

    def questions(self, trace_ids: Iterable[str]) -> dict[str, TracedQuestion]:
        """What traces were asked, and what people expected of them, by trace id; without those that are gone."""
        from mlflow.tracing.client import TracingClient

        tracing = TracingClient(self._client.tracking_uri)
        infos: list[TraceInfo] = []
        for trace_id in trace_ids:
            try:
                with translated(self._uri):
                    infos.append(tracing.get_trace_info(trace_id))
            except ServerRefused as error:
                if error.code not in _GONE:
                    raise
        with translated(self._uri):
            spans = spans_of(self._client, infos)
        return {str(info.trace_id): _question(info, spans.get(info.trace_id) or ()) for info in infos}


def _question(info: TraceInfo, spans: Sequence[Span]) -> TracedQuestion:
    root = next((span for span in spans if span.parent_id is None), None)
    return TracedQuestion(
        root.inputs if root is not None else None,
        {
            item.name: item.expectation.value
            for item in info.assessments or ()
            if item.expectation is not None
            and item.valid is not False
            and item.source.source_type == _FROM_PEOPLE
            and SOURCE_RUN not in (item.metadata or {})
        },
    )


def spans_of(client: MlflowClient, infos: Sequence[TraceInfo]) -> dict[str, Sequence[Span]]:
    """The spans of traces by trace id, without those that cannot be read.

    MLflow's own search leaves such traces out altogether, and looks for artifacts on the server that the process
    has set, not on this client's (3.17).
    """
    from mlflow.tracing.client import TracingClient

    stored = [info.trace_id for info in infos if info.tags.get(_LOCATION) in _IN_STORE]
    tracing = TracingClient(client.tracking_uri)
    # MLflow 3.10 offers it on the store alone.
    read: Any = getattr(tracing, "batch_get_traces", None) or tracing.store.batch_get_traces
    parts = (stored[start : start + PAGE_SIZE] for start in range(0, len(stored), PAGE_SIZE))
    found: dict[str, Sequence[Span]] = {
        str(trace.info.trace_id): trace.data.spans for part in parts for trace in read(part)
    }
    for info in infos:
        if info.tags.get(_LOCATION) not in _IN_STORE:
            spans = _logged_spans(client, info)
            found |= {} if spans is None else {info.trace_id: spans}
    return found


def _logged_spans(client: MlflowClient, info: TraceInfo) -> Sequence[Span] | None:
    """The spans of a trace that keeps them as an artifact; None when there are none, or none that can be read."""
    from mlflow.entities import TraceData
    from mlflow.exceptions import MlflowTraceDataException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    place = info.tags.get(_ARTIFACTS)
    if not place:
        return None
    try:
        kept = get_artifact_repository(place, tracking_uri=client.tracking_uri).download_trace_data()
    except MlflowTraceDataException:
        return None
    spans: Sequence[Span] = TraceData.from_dict(kept).spans
    return spans


def _facts(info: TraceInfo, spans: Sequence[Span] | None) -> TraceFacts:
    metadata = info.trace_metadata or {}
    return TraceFacts(
        id=str(info.trace_id),
        begun=_moment(info.request_time),
        failed=str(getattr(info.state, "value", info.state)) == "ERROR",
        answer=info.response_preview or "",
        seconds=None if info.execution_duration is None else info.execution_duration / 1000,
        tokens=_tokens(metadata.get(_TOKENS)),
        labels={**metadata, **(info.tags or {})},
        spans=None if spans is None else tuple(_span(span) for span in spans),
        assessments=tuple(_assessment(item) for item in info.assessments or () if item.feedback or item.expectation),
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _tokens(text: str | None) -> int | None:
    """The total of MLflow's JSON; None when it is not there, or is no number."""
    try:
        usage = json.loads(text or "null")
    except ValueError:
        return None
    total = usage.get("total_tokens") if isinstance(usage, dict) else None
    return total if type(total) is int and total >= 0 else None


def _span(span: Span) -> SpanFacts:
    code = str(getattr(span.status.status_code, "value", span.status.status_code))
    raised = next((event for event in reversed(span.events or []) if event.name == "exception"), None)
    attributes = raised.attributes if raised else {}
    words = [str(attributes[key]) for key in ("exception.type", "exception.message") if attributes.get(key)]
    return SpanFacts(
        id=span.span_id,
        name=span.name,
        kind=span.span_type or "",
        failed=code == "ERROR",
        message=" ".join((span.status.description or ": ".join(words)).split()),
        empty=span.outputs in ([], {}, ""),
    )


def _assessment(item: Assessment) -> AssessmentFacts:
    part: Any = item.expectation or item.feedback
    metadata = item.metadata or {}
    return AssessmentFacts(
        id=str(item.assessment_id),
        name=item.name,
        value=part.value,
        human=item.source.source_type == _FROM_PEOPLE,
        by=item.source.source_id or "",
        made=_moment(item.create_time_ms or 0),
        changed=_moment(item.last_update_time_ms or item.create_time_ms or 0),
        rationale=item.rationale or "",
        error=(item.error.error_message or item.error.error_code or "failed") if item.error else "",
        expected=item.expectation is not None,
        replaced=item.valid is False,
        run_id=item.run_id or metadata.get(SOURCE_RUN),
        span_id=item.span_id,
        metadata=metadata,
    )
