"""Keeps the ledger: numbered params of runs, which the store lets nobody write twice."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from flywheel_mlflow.base.errors import InputError, ServerRefused
from flywheel_mlflow.decisions.ledger import Event, Ledger, LedgerFault, read_ledger
from flywheel_mlflow.tracking import tags
from flywheel_mlflow.tracking.connection import pages, translated
from flywheel_mlflow.tracking.reading.port import ACTIVE_ONLY, ALL

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from flywheel_mlflow.tracking.reading import port
    from flywheel_mlflow.tracking.rest.client import RestClient

#: Events of one run; a longer ledger goes on in the next run. MLflow has no limit of its own, but one request brings
#: a whole run.
SEGMENT_EVENTS = 1_000
#: So many full segments are at most half of what an answer may have.
SEGMENTS_A_PAGE = 20
LEDGER_PROJECT = "ledger"
_EVENT = re.compile(r"event\.(\d{6,9})")


@dataclass(frozen=True, slots=True)
class LedgerPlace:
    """Where a ledger is kept: its experiment, and the run of its first segment."""

    experiment_id: str
    first_run: str


class LedgerStore:
    """The ledger of one flywheel on its tracking server."""

    def __init__(
        self,
        client: MlflowClient | RestClient,
        *,
        uri: str,
        flywheel: str,
        artifact_root: Path | None,
        server_keys: Iterable[str] = (),
    ) -> None:
        self._client = client
        self._uri = uri
        self._flywheel = flywheel
        self._artifact_root = artifact_root
        self._server_keys = frozenset(server_keys)
        self._segments: dict[int, str] = {}
        #: Runs beside the ledger read last, which does not lead to them: nothing reads them, and anybody may have made
        #: them. Those that were deleted are not among them.
        self.strays: tuple[str, ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The runs that hold the ledger read last, oldest first."""
        return tuple(self._segments[number] for number in sorted(self._segments))

    def prepare(self) -> LedgerPlace:
        """A place for a ledger that nobody points to yet; whoever loses the race to point to one leaves it empty."""
        from flywheel_mlflow.tracking.project_runs import ensure_experiment

        with translated(self._uri):
            experiment = ensure_experiment(
                cast("MlflowClient", self._client),
                self._flywheel,
                None,
                "The ledger",
                self._artifact_root,
                part=LEDGER_PROJECT,
            )
            return LedgerPlace(experiment, self._new_segment(experiment, 0))

    def discard(self, run_id: str) -> None:
        """Delete a segment nobody points to."""
        with translated(self._uri):
            self._client.delete_run(run_id)

    def read(self, place: LedgerPlace, *, deleted: bool = False, known: Ledger | None = None) -> Ledger:
        """Every event in one search; ``deleted`` looks at deleted runs too, as the audit does.

        ``known`` is the ledger as it was before: what still has the same text is not parsed again. Nothing wrong with
        the ledger is raised: it is in the ledger's ``faults``.
        """
        runs = {str(run.info.run_id): run for run in self._runs(place, deleted=deleted)}
        # MLflow lists the newest first.
        older = list(runs)[list(runs).index(place.first_run) + 1 :] if place.first_run in runs else list(runs)
        texts: dict[int, str] = {}
        faults: list[LedgerFault] = []
        run_id: str | None = place.first_run
        number = 0
        self._segments = {}
        while run_id is not None:
            run = runs.pop(run_id, None) or self._made_meanwhile(run_id, place)
            if run is None:
                faults.append(LedgerFault(-1, f"the ledger's run {run_id} is gone: restore it in the MLflow UI"))
                break
            if run.info.lifecycle_stage != "active":
                faults.append(LedgerFault(-1, f"the ledger's run {run_id} was deleted: restore it in the MLflow UI"))
            self._segments[number] = run_id
            found = _texts(run)
            strays = [key for key in found if not number * SEGMENT_EVENTS <= key < (number + 1) * SEGMENT_EVENTS]
            faults += [LedgerFault(key, f"event {key} lies in segment {number}, where it cannot be") for key in strays]
            texts |= {key: text for key, text in found.items() if key not in strays}
            run_id = _next_segment(texts.get((number + 1) * SEGMENT_EVENTS - 1))
            number += 1
        # Whoever may write tags can let the model point to a ledger of their own; the true one, which is older, lies
        # here still.
        rivals = {name: _texts(runs[name]) for name in older if name in runs}
        faults += [
            LedgerFault(-1, f"run {name} holds {len(found)} events, and the ledger does not lead there")
            for name, found in rivals.items()
            if found and not read_ledger(found).faults
        ]
        self.strays = tuple(sorted(name for name, run in runs.items() if _is_stray(run)))
        ledger = read_ledger(texts, known=known, server_keys=self._server_keys)
        return replace(ledger, faults=(*faults, *ledger.faults))

    def _made_meanwhile(self, run_id: str, place: LedgerPlace) -> Run | port.Run | None:
        """A segment that the list of runs lacks; None when it is gone, or lies elsewhere.

        MLflow lists runs first and reads their params after that; on PostgreSQL the params may be newer than the list,
        so an event can name a segment that was made in between.
        """
        try:
            with translated(self._uri):
                run = self._client.get_run(run_id)
        except ServerRefused as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return run if str(run.info.experiment_id) == place.experiment_id else None

    def forsaken(self) -> LedgerPlace | None:
        """The ledger that lies in our experiment, for when no registered model points to one; None without any."""
        with translated(self._uri):
            experiment = self._client.get_experiment_by_name(f"{self._flywheel}/{LEDGER_PROJECT}")
        if experiment is None:
            return None
        place = LedgerPlace(str(experiment.experiment_id), "")
        holding = [run for run in self._runs(place, deleted=True) if 0 in _texts(run)]
        return LedgerPlace(place.experiment_id, str(holding[-1].info.run_id)) if holding else None

    def append(self, place: LedgerPlace, event: Event) -> bool:
        """Write an event into its slot; False when somebody else's event is there.

        The same event again is no second one, so a write whose answer was lost can be repeated.
        """
        segment = event.number // SEGMENT_EVENTS
        run_id = self._segments.get(segment) or (place.first_run if segment == 0 else None)
        if run_id is None:
            raise InputError(f"the ledger's segment {segment} was not read", hint="run the command again")
        return write_once(self._client, self._uri, run_id, _slot(event.number), event.text)

    def next_segment(self, place: LedgerPlace, number: int) -> str:
        """A new run for segment ``number``; the event that seals the segment before names it."""
        with translated(self._uri):
            return self._new_segment(place.experiment_id, number)

    def _new_segment(self, experiment: str, number: int) -> str:
        labels = {
            tags.SCHEMA: tags.SCHEMA_VERSION,
            tags.NAME: self._flywheel,
            tags.KIND: tags.KIND_LEDGER,
            tags.SEGMENT: str(number),
            tags.RUN_NAME: f"ledger-{number:03d}",
            tags.NOTE: "Decisions about releases, risks and feedback: one param for each, never changed. "
            "Read it with `flywheel history`, check it with `flywheel audit`.",
        }
        return str(self._client.create_run(experiment, tags=labels).info.run_id)

    def _runs(self, place: LedgerPlace, *, deleted: bool) -> list[Run | port.Run]:
        view = ALL if deleted else ACTIVE_ONLY
        with translated(self._uri):
            return list(
                pages(
                    lambda token: self._client.search_runs(
                        [place.experiment_id], run_view_type=view, max_results=SEGMENTS_A_PAGE, page_token=token
                    )
                )
            )


def write_once(client: MlflowClient | RestClient, uri: str, run_id: str, key: str, text: str) -> bool:
    """Write a param that nobody can change; False when somebody else's text is there.

    The same text again is no second one, so a write whose answer was lost can be repeated.
    """
    try:
        with translated(uri):
            client.log_param(run_id, key, text)
    except ServerRefused as error:
        # Refused by the server (the param has another value), or by the database's own unique
        # constraint when two writers came at once: look what stands there now.
        if error.code not in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS"):
            raise
        with translated(uri):
            found = client.get_run(run_id).data.params.get(key)
        if found is None:
            raise
        return bool(found == text)
    return True


def _slot(number: int) -> str:
    """The param that holds an event."""
    return f"event.{number:06d}"


def _texts(run: Run | port.Run) -> dict[int, str]:
    found: dict[int, str] = {}
    for key, value in run.data.params.items():
        match = _EVENT.fullmatch(key)
        # event.0000007 is another param, which anybody could log beside event.000007 to speak in its place.
        if match and key == _slot(int(match[1])):
            found[int(match[1])] = value
    return found


def _is_stray(run: Run | port.Run) -> bool:
    """Whether a run that the ledger does not lead to is more than a segment that its maker lost a race with."""
    empty = run.data.tags.get(tags.KIND) == tags.KIND_LEDGER and not run.data.params
    return run.info.lifecycle_stage == "active" and not empty


def _next_segment(seal: str | None) -> str | None:
    """The run that the last event of a segment names; None while the segment is not full."""
    if seal is None:
        return None
    from flywheel_mlflow.decisions.ledger import read_event

    try:
        named = read_event(0, seal).body.get("next")
    except (InputError, ValueError, TypeError):
        return None  # reading the whole ledger tells what is wrong with it
    return named if isinstance(named, str) else None
