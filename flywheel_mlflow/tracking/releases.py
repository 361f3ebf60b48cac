"""The registered model of a flywheel: its versions are releases, its aliases are where releases stand."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flywheel_mlflow.base.canonical import canonical_json, plain
from flywheel_mlflow.base.errors import InputError, Refused, ServerRefused
from flywheel_mlflow.decisions.pins import Pin
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.ledger import LedgerPlace
from flywheel_mlflow.tracking.reading.client import ReadingClient
from flywheel_mlflow.tracking.reading.port import Version
from flywheel_mlflow.tracking.rest.client import RestClient

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from flywheel_mlflow.assembly.bundle import Bundle

#: MLflow answers the first for a missing version, the second for a missing alias (tried on 3.17.2).
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"})
#: How the model registry calls a version in none of its own stages.
NO_STAGE = "None"


@dataclass(frozen=True, slots=True)
class ModelView:
    """The registered model as the server has it now: aliases by name, and where the ledger is said to be.

    ``marks`` are tags by which MLflow's own client takes it for a prompt, and does not find it.
    """

    aliases: Mapping[str, int]
    ledger: LedgerPlace | None
    marks: tuple[str, ...] = ()

    def pointed_ledger(self) -> LedgerPlace:
        """Where the ledger is.

        Raises:
            Refused: the model does not say so; somebody else made it.
        """
        if self.ledger is None:
            raise Refused(
                "the registered model of this flywheel's name does not point to a ledger",
                rule="the registered model is made by `flywheel release create`, together with its ledger",
                hint="rename or delete that model, or give the flywheel another name; `flywheel doctor` tells more",
            )
        return self.ledger


@dataclass(frozen=True, slots=True)
class VersionView:
    """One model version as the server has it now; ``stage`` is the model registry's own."""

    version: int
    stage: str
    run_id: str
    source: str
    description: str
    bundle: str
    pins: Mapping[str, Pin]
    left_out: Mapping[str, str]
    unreadable: tuple[str, ...]
    tags: Mapping[str, str]


class ReleaseStore:
    """The model registry of one flywheel."""

    def __init__(self, client: MlflowClient | RestClient, *, uri: str, flywheel: str) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel

    @property
    def _reads(self) -> Any:
        """What answers questions about the registered model."""
        return self._client if isinstance(self._client, RestClient | ReadingClient) else self._registry

    @property
    def _registry(self) -> Any:
        """MlflowClient asks before each call whether the model is a prompt, and then finds none.

        That is a request more; and what was marked as a prompt by somebody is still there.
        """
        if isinstance(self._client, RestClient):
            return self._client
        # There is no other way to the same calls, and MLflow leaves it untyped.
        return self._client._get_registry_client()  # type: ignore[no-untyped-call]  # noqa: SLF001

    def look(self) -> ModelView | None:
        """The registered model; None when there is none yet. One request."""
        try:
            with translated(self._uri):
                model = self._reads.get_registered_model(self._flywheel)
        except ServerRefused as error:
            if error.code not in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"):
                raise
            return None
        labels = _all_tags(model)
        experiment, run = labels.get(tags.LEDGER_EXPERIMENT), labels.get(tags.LEDGER_RUN)
        place = LedgerPlace(experiment, run) if experiment and run else None
        marks = tuple(sorted(key for key in labels if key.startswith(tags.PROMPT_PREFIX)))
        return ModelView({name: int(version) for name, version in model.aliases.items()}, place, marks)

    def start(self, place: LedgerPlace, title: str) -> bool:
        """Make the registered model that points to its ledger; False when somebody else just did.

        ``title`` is the flywheel's as Markdown: whatever it holds must show as text.

        The server lets exactly one of several racing writers make a model of one name, and the pointer comes with it.
        """
        labels = {
            tags.NAME: self._flywheel,
            tags.LEDGER_EXPERIMENT: place.experiment_id,
            tags.LEDGER_RUN: place.first_run,
        }
        text = (
            f"Releases of {title}. Versions are release bundles; the aliases `staging` and `production` follow the "
            "ledger. Move them with `flywheel promote` and `flywheel rollback`, never by hand."
        )
        try:
            with translated(self._uri):
                self._client.create_registered_model(self._flywheel, tags=labels, description=text)
        except ServerRefused as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            return False
        return True

    def register(self, bundle: Bundle, run_id: str, *, iteration: int, author: str, description: str) -> int:
        """Register the bundle as a new version, with everything a consumer asks for in its tags; its number."""
        labels = {
            tags.NAME: self._flywheel,
            tags.ITERATION: str(iteration),
            tags.BUNDLE: bundle.digest,
            tags.BUNDLE_PLACE: bundle.place,
            tags.AUTHOR: author,
            tags.LEFT_OUT: canonical_json(bundle.left_out),
        } | {tags.PIN_PREFIX + pin.interface: canonical_json(pin) for pin in bundle.pins}
        with translated(self._uri):
            made = self._client.create_model_version(
                self._flywheel,
                f"runs:/{run_id}/{bundle.place}",
                run_id=run_id,
                tags=labels,
                description=description,
                await_creation_for=0,  # nothing is copied: it is ready at once
            )
        return int(made.version)

    def version(self, number: int) -> VersionView | None:
        """One version; None when there is none. One request."""
        return self._absent_is_none(lambda: self._reads.get_model_version(self._flywheel, str(number)))

    def at_alias(self, alias: str) -> VersionView | None:
        """The version an alias points to; None when there is no such alias. One request."""
        return self._absent_is_none(lambda: self._reads.get_model_version_by_alias(self._flywheel, alias))

    def _absent_is_none(self, ask: Any) -> VersionView | None:
        try:
            with translated(self._uri):
                return _view(ask())
        except ServerRefused as error:
            if error.code not in _ABSENT:
                raise
            return None

    def versions(self) -> tuple[VersionView, ...]:
        """All versions, oldest first."""
        with translated(self._uri):
            found: list[ModelVersion | Version] = list(
                pages(
                    lambda token: self._client.search_model_versions(
                        f"name = '{self._flywheel}'", max_results=1000, page_token=token
                    )
                )
            )
        return tuple(sorted((_view(item) for item in found), key=lambda item: item.version))

    def point(self, alias: str, version: int, *, until: float | None = None) -> None:
        """Let an alias point to a version.

        ``until`` is when to have given up on the server's answer, by ``time.monotonic``; the request is sent once then.
        """
        with translated(self._uri):
            self._registry.set_registered_model_alias(self._flywheel, alias, str(version), **self._bound(until))

    def _bound(self, until: float | None) -> dict[str, float]:
        """A limit in time is for requests; a database has its own."""
        return {"until": until} if until is not None and isinstance(self._client, RestClient) else {}

    def unpoint(self, alias: str) -> None:
        """Take an alias away."""
        with translated(self._uri):
            self._registry.delete_registered_model_alias(self._flywheel, alias)

    def set_stage(self, version: int, stage: str, *, archive_others: bool, until: float | None = None) -> bool:
        """Set the model registry's own stage of a version; False when this server has no stages any more.

        ``until`` as :meth:`point` takes it.
        """
        try:
            with translated(self._uri), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # deprecated since 2.9, which docs/releases.md tells
                self._registry.transition_model_version_stage(
                    self._flywheel,
                    str(version),
                    stage,
                    archive_existing_versions=archive_others,
                    **self._bound(until),
                )
        except ServerRefused as error:
            if error.code not in ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED", "FEATURE_DISABLED", "NOT_FOUND"):
                raise
            return False
        except AttributeError:
            return False  # a client that no longer has stages
        return True

    def tag(self, version: int, labels: Mapping[str, str]) -> None:
        """Set tags of a version, one request each."""
        with translated(self._uri):
            for key, value in labels.items():
                self._registry.set_model_version_tag(self._flywheel, str(version), key, value)

    def delete(self, version: int) -> None:
        """Delete a version; one that somebody else deleted meanwhile is no error."""
        try:
            with translated(self._uri):
                self._client.delete_model_version(self._flywheel, str(version))
        except ServerRefused as error:
            if error.code not in _ABSENT:
                raise


def _all_tags(found: Any) -> dict[str, str]:
    """Every tag; MLflow's entities keep those that it reserves for prompts to themselves."""
    return dict(getattr(found, "_tags", None) or found.tags or {})


def read_pins(labels: Mapping[str, str]) -> tuple[dict[str, Pin], tuple[str, ...]]:
    """What a version's tags pin, by interface, and the interfaces whose tag cannot be read."""
    pins: dict[str, Pin] = {}
    unreadable: list[str] = []
    for key, value in labels.items():
        if key.startswith(tags.PIN_PREFIX):
            try:
                pin = _pin(value)
                pins[pin.interface] = pin
            except InputError:
                unreadable.append(key.removeprefix(tags.PIN_PREFIX))
    return pins, tuple(sorted(unreadable))


def _view(found: ModelVersion | Version) -> VersionView:
    labels = _all_tags(found)
    pins, unreadable = read_pins(labels)
    return VersionView(
        version=int(found.version),
        stage=str(found.current_stage or NO_STAGE),
        run_id=str(found.run_id or ""),
        source=str(found.source or ""),
        description=str(found.description or ""),
        bundle=labels.get(tags.BUNDLE, ""),
        pins=pins,
        left_out=_mapping(labels.get(tags.LEFT_OUT, "{}")),
        unreadable=unreadable,
        tags=labels,
    )


def _pin(text: str) -> Pin:
    try:
        document = json.loads(text)
        pin = Pin(**document)
        words = (pin.interface, pin.project, pin.uri, pin.digest, pin.schema_digest, pin.run_id)
        whole = type(pin.iteration) is int and (pin.rows is None or type(pin.rows) is int)
        if not (all(isinstance(word, str) for word in words) and whole):
            raise TypeError("fields of other types")
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"a pinned interface cannot be read: {error}") from error
    return pin


def _mapping(text: str) -> dict[str, str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in document.items()} if isinstance(document, dict) else {}


def pins_of(view: VersionView) -> list[Any]:
    """What the version's tags pin, as plain values sorted by interface."""
    return [plain(view.pins[name]) for name in sorted(view.pins)]
