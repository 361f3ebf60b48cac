"""Records of MLflow's evaluation datasets: as rows of an interface, and as the tests that feedback becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.evidence.evaluations import record_id

#: Tags that MLflow sets by itself: who wrote a record is not part of it.
_OF_MLFLOW = "mlflow."


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """One record of an evaluation dataset; ``source`` is the trace it was made of, empty where it is none."""

    inputs: Mapping[str, Any]
    expectations: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def id(self) -> str:
        """What names the record in every version: its inputs, of which a dataset holds each once."""
        return record_id(self.inputs, {})


def record_rows(records: Iterable[EvaluationRecord], name: str) -> Iterator[dict[str, Any]]:
    """The records as rows of an interface, by id: what they ask, what is expected, the tags people set.

    ``content`` is the question as text, so that it is found in training data: the one text among the inputs, else all
    of them as JSON. Who wrote a record and when is left out: the same records are the same version.
    """
    for item in sorted(records, key=lambda item: item.id):
        texts = [value for value in item.inputs.values() if isinstance(value, str)]
        yield {
            "id": item.id,
            "source": {"name": name, **({"trace_id": item.source} if item.source else {})},
            "content": texts[0] if len(texts) == len(item.inputs) == 1 else canonical_json(item.inputs),
            "inputs": dict(item.inputs),
            "expectations": dict(item.expectations),
            "metadata": {key: value for key, value in item.tags.items() if not key.startswith(_OF_MLFLOW)},
            "quality_signals": {"expectations": len(item.expectations)},
            "split": "evaluation",
            "audit_trace": [f"MLflow's evaluation dataset {name}"],
        }
