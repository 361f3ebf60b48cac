"""The outcome of each sample behind a KPI, as a run logs it and a comparison reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from flywheel_mlflow.base.documents import read_json

#: Samples of one KPI a run may log: a paired comparison of more decides nothing that these do not.
MAX_SAMPLES = 100_000

SampleId = Annotated[str, Field(min_length=1, max_length=250)]


@dataclass(frozen=True, slots=True)
class JudgedRecords:
    """The records an evaluation judged: the name of their data set, how many, and a digest of what they hold."""

    name: str
    records: int
    digest: str


@dataclass(frozen=True, slots=True)
class KpiSamples:
    """The samples of one KPI: a number for each sample id, 0 and 1 where it is right or wrong.

    ``judged`` says which records they were asked of, and ``traces`` by which traces they were answered, where an
    evaluation of MLflow's knows that.
    """

    kpi: str
    samples: dict[SampleId, float]
    judged: JudgedRecords | None = None
    traces: dict[SampleId, SampleId] = field(default_factory=dict)
    format_version: Literal[1] = 1

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


_SAMPLES: TypeAdapter[KpiSamples] = TypeAdapter(KpiSamples)


def samples_from_json(text: str, *, name: str) -> KpiSamples:
    """The outcome of each sample; ``name`` is where the text comes from, for errors.

    Raises:
        DocumentError: it is no such document.
    """
    return read_json(_SAMPLES, text, name=name, hint="log the run again")
