"""Opens review queues of MLflow, whose label schemas are a contract's questions; from MLflow 3.14 on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.errors import InputError, ServerRefused
from flywheel_mlflow.promises.review import Question
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.evaluation_datasets import WITHOUT_FEATURE
from flywheel_mlflow.tracking.review_traces import is_pass_fail

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Items that one request of ours adds.
_BATCH = 100
_GONE = frozenset({"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


class ReviewQueues:
    """The review queues of one tracking server.

    MLflow's own functions write on the server that the process has set; hence the client for traces below them.
    """

    def __init__(self, client: MlflowClient, *, uri: str) -> None:
        self._client = client
        self._uri = uri

    def are_offered(self, experiment_id: str) -> bool:
        """Whether client and server have review queues."""
        if not hasattr(self._tracing(), "_list_review_queues"):
            return False  # MLflow before 3.14
        try:
            self._ask(lambda tracing: tracing._list_review_queues(experiment_id, max_results=1))  # noqa: SLF001
        except (NotImplementedError, ServerRefused) as error:
            if isinstance(error, ServerRefused) and error.code not in WITHOUT_FEATURE:
                raise
            return False
        return True

    def open(
        self,
        experiment_id: str,
        review: str,
        questions: Sequence[Question],
        people: Iterable[str],
        traces: Sequence[str],
    ) -> dict[str, str]:
        """A queue for each person with all of the traces, made where it is missing: ids by person.

        In one queue for all an item is done when the first of them answered. Without people there is one queue, by the
        empty name, that nobody is assigned to.

        Raises:
            InputError: the experiment has another question of the same name.
        """
        schemas = [self._schema(experiment_id, question) for question in questions]
        return {
            person: self._open(experiment_id, f"{review} {person}".strip(), schemas, person, traces)
            for person in tuple(dict.fromkeys(people)) or ("",)
        }

    def _open(self, experiment_id: str, name: str, schemas: Sequence[str], person: str, traces: Sequence[str]) -> str:
        found = self._find(experiment_id, name)
        if found is None:
            users = [person] if person else []
            found = self._ask(
                lambda tracing: tracing._create_review_queue(  # noqa: SLF001
                    experiment_id, name=name, queue_type="custom", users=users, schema_ids=list(schemas)
                )
            )
        for start in range(0, len(traces), _BATCH):
            with translated(self._uri):
                # MLflow leaves what is there already as it is.
                self._tracing()._add_items_to_review_queue(found.queue_id, item_ids=traces[start : start + _BATCH])  # noqa: SLF001
        return str(found.queue_id)

    def progress(self, experiment_id: str, review: str) -> Mapping[str, Mapping[str, int]]:
        """How many items of each person's queue are pending, complete and declined; empty where there is no queue."""
        if not self.are_offered(experiment_id):
            return {}

        def queues_after(token: str | None) -> Any:
            return self._ask(
                lambda tracing: tracing._list_review_queues(experiment_id, page_token=token)  # noqa: SLF001
            )

        found = {
            queue.name.removeprefix(review).strip(): queue.queue_id
            for queue in pages(queues_after)
            if queue.name.partition(" ")[0] == review
        }
        return {person: self._statuses(queue_id) for person, queue_id in sorted(found.items())}

    def _statuses(self, queue_id: str) -> Mapping[str, int]:
        def items_after(token: str | None) -> Any:
            return self._ask(
                lambda tracing: tracing._list_review_queue_items(queue_id, page_token=token)  # noqa: SLF001
            )

        return Counter(str(item.status) for item in pages(items_after))

    def _find(self, experiment_id: str, name: str) -> Any:
        try:
            return self._ask(lambda tracing: tracing._get_review_queue_by_name(experiment_id, name))  # noqa: SLF001
        except ServerRefused as error:
            if error.code not in _GONE:
                raise
            return None

    def _schema(self, experiment_id: str, question: Question) -> str:
        """The id of a question's label schema."""
        wanted = _input(question)
        try:
            found = self._ask(
                lambda tracing: tracing._get_label_schema_by_name(experiment_id, question.name)  # noqa: SLF001
            )
        except ServerRefused as error:
            if error.code not in _GONE:
                raise
            found = self._ask(
                lambda tracing: tracing._create_label_schema(  # noqa: SLF001
                    experiment_id,
                    name=question.name,
                    type="feedback",
                    input=wanted,
                    instruction=question.ask,
                    enable_comment=True,
                )
            )
        if found.input != wanted or found.instruction != question.ask:
            raise InputError(
                f"MLflow's experiment has another question called {question.name}",
                where=f"experiment {experiment_id}",
                hint="a question with other words or answers is another one: give it a new name in project.yaml",
            )
        return str(found.schema_id)

    def _tracing(self) -> Any:
        from mlflow.tracing.client import TracingClient

        return TracingClient(self._client.tracking_uri)

    def _ask(self, question: Callable[[Any], Any]) -> Any:
        with translated(self._uri):
            return question(self._tracing())


def _input(question: Question) -> Any:
    from mlflow.genai.label_schemas import InputCategorical, InputPassFail

    if is_pass_fail(question):
        bad = next(item for item in question.answers if item not in question.good)
        return InputPassFail(positive_label=question.good[0], negative_label=bad)
    return InputCategorical(options=list(question.answers))
