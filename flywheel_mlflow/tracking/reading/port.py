"""What our stores ask of MLflow, and the answers: plain values that bear the names of MLflow's entities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

Item = TypeVar("Item")

#: MLflow's ``ViewType``, whose import is that of MLflow.
ACTIVE_ONLY, DELETED_ONLY, ALL = 1, 2, 3
#: MLflow's own page size where nobody asks for another.
PAGE_SIZE = 1000


class NotUnderstood(Exception):
    """A reader cannot answer a question; MLflow's client has to."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A key with its value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset as some run logged it; ``schema`` and ``profile`` are JSON."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class DatasetInput:
    """A dataset in the role that its tags tell."""

    dataset: Dataset
    tags: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The datasets of a run."""

    dataset_inputs: Sequence[DatasetInput]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Which run it is, whose, where it lies, and what became of it; times count milliseconds."""

    run_id: str
    experiment_id: str
    user_id: str | None
    status: str
    start_time: int | None
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str


@dataclass(frozen=True, slots=True)
class RunData:
    """What was logged on a run: the last value of each metric, params, tags."""

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """A run; its inputs are read when somebody asks for them, since most people do not."""

    info: RunInfo
    data: RunData
    read_inputs: Callable[[], Sequence[DatasetInput]]

    @cached_property
    def inputs(self) -> RunInputs:
        """What the run read and made."""
        return RunInputs(self.read_inputs())


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, active or deleted."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model: tags, those of prompts too, and the version behind each alias."""

    tags: Mapping[str, str]
    aliases: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a registered model."""

    version: str
    current_stage: str
    run_id: str | None
    source: str | None
    description: str | None
    tags: Mapping[str, str]


class Page(list[Item]):
    """A page of a listing; ``token`` asks for the next one, None on the last."""

    def __init__(self, items: Iterable[Item], token: str | None) -> None:
        super().__init__(items)
        self.token = token


class Reader(Protocol):
    """The questions, named and answered as by ``MlflowClient``; those about models as by its ``ModelRegistryClient``.

    The latter finds models that somebody marked as prompts, too. Every question raises what MLflow's client raises,
    or the error of ours that it becomes, and :class:`NotUnderstood` where the reader has no answer.
    """

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """The experiment of a name, deleted ones too; None when there is none."""

    def search_experiments(
        self,
        view_type: int = ACTIVE_ONLY,
        max_results: int | None = PAGE_SIZE,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Experiment]:
        """A page of experiments."""

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ACTIVE_ONLY,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Run]:
        """A page of runs."""

    def get_run(self, run_id: str) -> Run:
        """A run, deleted ones too."""

    def get_registered_model(self, name: str) -> Model:
        """A registered model."""

    def get_model_version(self, name: str, version: str) -> Version:
        """A version by its number."""

    def get_model_version_by_alias(self, name: str, alias: str) -> Version:
        """The version that an alias points to."""

    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int = PAGE_SIZE,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> Page[Version]:
        """A page of versions."""
