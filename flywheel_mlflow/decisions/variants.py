"""Which variant of a project counts, as the ledger tells it: one that an experiment shipped, or that somebody chose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flywheel_mlflow.decisions.event_values import whole, word
from flywheel_mlflow.decisions.experiments import Decision, fold_rounds
from flywheel_mlflow.decisions.ledger import Event


class VariantKind(StrEnum):
    """What an event did to the variants of a project."""

    CHOSEN = "variant_chosen"


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """The decision that a variant counts from an ``iteration`` on.

    ``why`` names the experiment or the reason, ``number`` the event.
    """

    project: str
    variant: str
    iteration: int
    why: str
    at: datetime
    by: str
    number: int


def fold_variants(events: Iterable[Event]) -> tuple[VariantChoice, ...]:
    """Every choice, the oldest first; an event that lacks what it needs is none."""
    everything = tuple(events)
    return tuple(sorted((*_shipped(everything), *_chosen(everything)), key=lambda item: item.number))


def counting_choice(
    project: str, variants: tuple[str, ...], choices: Iterable[VariantChoice], iteration: int
) -> VariantChoice | None:
    """The last decision about a project that holds in an iteration; None where the control counts undecided.

    A choice of a variant that is not among those its contract declares any more is over.
    """
    holding = [
        item for item in choices if item.project == project and item.iteration <= iteration and item.variant in variants
    ]
    return holding[-1] if holding else None


def counting_variant(project: str, variants: tuple[str, ...], choices: Iterable[VariantChoice], iteration: int) -> str:
    """The variant that counts in an iteration, of those a contract declares: the chosen one, else the first."""
    choice = counting_choice(project, variants, choices, iteration)
    return choice.variant if choice is not None else variants[0]


def _shipped(events: tuple[Event, ...]) -> Iterator[VariantChoice]:
    for started in fold_rounds(events):
        made, project = started.decided, started.declared.get("project")
        if made is None or made.decision is not Decision.SHIP or made.iteration is None:
            continue
        if isinstance(project, str):
            why = f"experiment {started.id}"
            yield VariantChoice(project, made.variant, made.iteration, why, made.at, made.by, made.number)


def _chosen(events: tuple[Event, ...]) -> Iterator[VariantChoice]:
    for event in events:
        if event.kind == VariantKind.CHOSEN:
            try:
                body: Mapping[str, object] = event.body
                project, variant, why = (word(body[key]) for key in ("project", "variant", "reason"))
                iteration = whole(body["iteration"])
            except (KeyError, TypeError, ValueError):
                continue
            yield VariantChoice(project, variant, iteration, why, event.at, event.actor.name, event.number)
