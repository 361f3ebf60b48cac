"""The JSON Schemas of the files people and other programs write, so that editors can complete them."""

from __future__ import annotations

from pydantic import BaseModel

from flywheel_mlflow.base.canonical import document_json
from flywheel_mlflow.base.errors import UnknownName
from flywheel_mlflow.feedback.events import FeedbackEvent
from flywheel_mlflow.feedback.mapping import ColumnMapping
from flywheel_mlflow.promises.blueprint import BlueprintFile
from flywheel_mlflow.promises.contract import Contract

MODELS: dict[str, type[BaseModel]] = {
    "contract": Contract,
    "blueprint": BlueprintFile,
    "feedback_event": FeedbackEvent,
    "feedback_mapping": ColumnMapping,
}


def json_schema(kind: str) -> str:
    """The JSON Schema (draft 2020-12) of one kind of file as text; ``feedback_event`` is one line of feedback.

    Raises:
        UnknownName: none of ``MODELS``.
    """
    if kind not in MODELS:
        raise UnknownName("kind of file", kind, MODELS)
    document = MODELS[kind].model_json_schema(by_alias=True)
    if kind == "blueprint":
        del document["required"]  # any key may lie in an included file, which editors complete from this schema too
    return document_json({"$schema": "https://json-schema.org/draft/2020-12/schema"} | document)
