"""Reads the traces that people look at with what they answered, and shows records as traces."""

from __future__ import annotations

import base64
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import digest_of, short_digest
from flywheel_mlflow.promises.review import Question
from flywheel_mlflow.tracking.connection import translated
from flywheel_mlflow.tracking.traces import PAGE_SIZE, spans_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Assessment, Span, TraceInfo

#: The tag of a trace that shows a record: whose it is.
SUBJECT = "flywheel.review_subject"
_PEOPLE = "HUMAN"
_PREVIEW = 1_000


@dataclass(frozen=True, slots=True)
class SeenTrace:
    """A trace: what is shown of it (None where it cannot be read), and people's answers.

    ``answers`` are by the name that MLflow has for a person, in lower case, then by question; ``comments`` by person.
    """

    id: str
    shown: Mapping[str, Any] | None
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    comments: Mapping[str, str] = field(default_factory=dict)


class ReviewTraces:
    """The traces of one tracking server, as people look at them."""

    def __init__(self, client: MlflowClient, *, uri: str, flywheel: str) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel

    def of_run(self, experiment_id: str, run_id: str) -> Iterator[SeenTrace]:
        """The traces of a run, without what anybody said."""
        return self._found(experiment_id, f"attribute.run_id = '{run_id}'", ())

    def of_records(self, experiment_id: str, subject: str, questions: Sequence[Question]) -> Iterator[SeenTrace]:
        """The traces that show the records of a subject, with the answers to questions."""
        return self._found(experiment_id, f"tags.`{SUBJECT}` = '{subject}'", questions)

    def answered(self, experiment_id: str, run_id: str, questions: Sequence[Question]) -> Iterator[SeenTrace]:
        """The traces of a run, with the answers to questions."""
        return self._found(experiment_id, f"attribute.run_id = '{run_id}'", questions)

    def id_of(self, subject: str, item: str) -> str:
        """The id of the trace that shows a record: the same record of the same version has one trace."""
        return f"tr-{short_digest(digest_of([self._flywheel, subject, item]))}"

    def show_records(
        self, experiment_id: str, project: str, subject: str, shown: Mapping[str, Mapping[str, Any]]
    ) -> int:
        """Log a trace for each record that has none yet, by its id; how many are new.

        A trace says whose record it shows, so that what is said about it can be taken in as feedback.
        """
        there = {trace.id for trace in self.of_records(experiment_id, subject, ())}
        missing = {item: value for item, value in shown.items() if self.id_of(subject, item) not in there}
        with translated(self._uri):
            for item, value in missing.items():
                interface = subject.partition("@")[0]
                labels = {
                    SUBJECT: subject,
                    "mlflow.traceName": item[:250],
                    "flywheel.project": project,
                    "flywheel.interface": interface,
                    "flywheel.record": f"{interface}/{item}"[:250],
                }
                self._log(experiment_id, self.id_of(subject, item), labels, value)
        return len(missing)

    def _log(self, experiment_id: str, trace_id: str, labels: Mapping[str, str], shown: Mapping[str, Any]) -> None:
        # MLflow's own functions write on the server that the process has set, not on this client's.
        from mlflow.entities import Span, TraceInfo, TraceLocation, TraceState
        from mlflow.tracing.client import TracingClient

        tracing, now, text = TracingClient(self._client.tracking_uri), time.time_ns(), json.dumps(shown)
        number = bytes.fromhex(trace_id.removeprefix("tr-"))
        tracing.start_trace(
            TraceInfo(
                trace_id=trace_id,
                trace_location=TraceLocation.from_experiment_id(experiment_id),
                request_time=now // 1_000_000,
                state=TraceState.OK,
                execution_duration=0,
                request_preview=json.dumps(shown, ensure_ascii=False)[:_PREVIEW],
                trace_metadata={"mlflow.trace_schema.version": "3"},
                tags=dict(labels),
            )
        )
        span = {
            "trace_id": base64.b64encode(number).decode(),
            "span_id": base64.b64encode(number[:8]).decode(),
            "parent_span_id": "",
            "name": "record",
            "start_time_unix_nano": now,
            "end_time_unix_nano": now,
            "status": {"code": "STATUS_CODE_OK", "message": ""},
            "attributes": {
                "mlflow.traceRequestId": json.dumps(trace_id),
                "mlflow.spanInputs": text,
                "mlflow.spanType": json.dumps("UNKNOWN"),
            },
            "events": [],
        }
        tracing.log_spans(experiment_id, [Span.from_dict(span)])

    def _found(self, experiment_id: str, clause: str, questions: Sequence[Question]) -> Iterator[SeenTrace]:
        with translated(self._uri):
            token: str | None = None
            while True:
                page = self._client.search_traces(
                    locations=[experiment_id],
                    filter_string=clause,
                    max_results=PAGE_SIZE,
                    order_by=["timestamp_ms ASC"],
                    page_token=token,
                    include_spans=False,
                )
                infos = [trace.info for trace in page]
                spans = spans_of(self._client, infos)
                yield from (_seen(info, spans.get(info.trace_id), questions) for info in infos)
                token = page.token
                if not token:
                    return


def _seen(info: TraceInfo, spans: Sequence[Span] | None, questions: Sequence[Question]) -> SeenTrace:
    root = next((span for span in spans or () if span.parent_id is None), None)
    shown = None if root is None else root.inputs
    if root is not None and SUBJECT not in (info.tags or {}):
        shown = {"inputs": root.inputs, "outputs": root.outputs}
    answers, comments = _answers(info.assessments or (), questions)
    return SeenTrace(str(info.trace_id), shown if isinstance(shown, Mapping) else None, answers, comments)


def _answers(
    assessments: Iterable[Assessment], questions: Sequence[Question]
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """What people answered, the newest of each; what is no answer of the question is none."""
    asked = {question.name: question for question in questions}
    answers: dict[str, dict[str, str]] = defaultdict(dict)
    comments: dict[str, list[str]] = defaultdict(list)
    for item in sorted(assessments, key=lambda item: item.last_update_time_ms or item.create_time_ms or 0):
        if item.feedback is None or item.valid is False or item.source.source_type != _PEOPLE or item.name not in asked:
            continue
        who, answer = (item.source.source_id or "").strip().lower(), _answer(asked[item.name], item.feedback.value)
        if answer is not None:
            answers[who][item.name] = answer
            comments[who] += [" ".join(item.rationale.split())] if item.rationale else []
    return dict(answers), {who: " / ".join(dict.fromkeys(texts)) for who, texts in comments.items() if texts}


def _answer(question: Question, value: object) -> str | None:
    """MLflow keeps a choice of two as whether it is the good one, else the words themselves."""
    if isinstance(value, bool) and is_pass_fail(question):
        return question.good[0] if value else next(item for item in question.answers if item not in question.good)
    return question.answer(value) if isinstance(value, str) else None


def is_pass_fail(question: Question) -> bool:
    """Whether MLflow shows a question as thumbs up and down."""
    return len(question.answers) == 2
