"""What failed among the samples behind a KPI, in words, as a run logs it and feedback events are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.documents import read_json
from flywheel_mlflow.evidence.samples import SampleId

#: Failures of one KPI a run keeps, and characters of each: people read them, and more of a kind say nothing new.
MAX_FAILURES, MAX_FAILURE_TEXT = 200, 2_000

_Text = Annotated[str, Field(min_length=1, max_length=MAX_FAILURE_TEXT)]


@dataclass(frozen=True, slots=True)
class KpiFailures:
    """The failures of one KPI: what a person needs to know of each sample that was judged wrong, by sample id.

    ``total`` failed, of which at most :data:`MAX_FAILURES` are kept. ``interface`` is the interface whose records have
    these ids, None where the samples are no records.
    """

    kpi: str
    total: int
    failures: dict[SampleId, _Text]
    interface: str | None = None
    format_version: Literal[1] = 1

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


_FAILURES: TypeAdapter[KpiFailures] = TypeAdapter(KpiFailures)


def kept_failures(kpi: str, failures: Mapping[str, str], interface: str | None) -> KpiFailures:
    """The failures as a run keeps them; of too many those chosen by a hash of their ids, whatever their order."""
    chosen = sorted(failures, key=lambda name: (sha256_text(name), name))[:MAX_FAILURES]
    return KpiFailures(
        kpi, len(failures), {name: failures[name][:MAX_FAILURE_TEXT] for name in sorted(chosen)}, interface
    )


def failures_from_json(text: str, *, name: str) -> KpiFailures:
    """The failures in a document; ``name`` is where it comes from, for errors.

    Raises:
        DocumentError: it is no such document.
    """
    return read_json(_FAILURES, text, name=name, hint="log the run again")
