"""Proof that every consistency check can fail: each is shown seeded faults, and must find them all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flywheel_mlflow.assembly.deliverables import stored_name
from flywheel_mlflow.consistency.checking import ConsistencyCheck, carry_out
from flywheel_mlflow.consistency.view import AssemblyView
from flywheel_mlflow.evidence.runs import Outcome

RED = frozenset({Outcome.FAILED, Outcome.ERROR})


@dataclass(frozen=True, slots=True)
class Trial:
    """A check that had passed, under one fault: what was broken, how the check ended then, what it said."""

    fault: str
    outcome: Outcome
    message: str

    @property
    def found(self) -> bool:
        """Whether the fault turned the check red."""
        return self.outcome in RED


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether one check can fail.

    ``proved`` is True only if the check passed on the untouched assembly, at least one fault could be
    applied, and every fault that could be turned it red. ``applicable`` is False where the assembly has no
    place for any of its faults, as one without boundaries has none to cross. ``fault`` and ``outcome`` show one
    trial, a missed one if there is any, and are empty and None where nothing was tried; ``message`` says what
    the check said, or why nothing is proved.
    """

    name: str
    proved: bool
    applicable: bool
    fault: str
    outcome: Outcome | None
    message: str
    trials: tuple[Trial, ...]


def all_proved(proofs: Sequence[Proof]) -> bool:
    """Whether every check that has something to break can fail; where none has, nothing is proved."""
    return any(proof.proved for proof in proofs) and all(proof.proved or not proof.applicable for proof in proofs)


def prove(view: AssemblyView, checks: Iterable[ConsistencyCheck], *, seed: int) -> tuple[Proof, ...]:
    """Every check against every fault it names, at places chosen by ``seed``."""
    return tuple(_prove(check, view, seed) for check in checks)


def _prove(check: ConsistencyCheck, view: AssemblyView, seed: int) -> Proof:
    before = carry_out(check, view)
    if before.outcome is not Outcome.PASSED:
        return Proof(check.name, False, True, "", None, f"not provable: already red: {before.message}", ())
    trials = tuple(_trials(check, view, seed))
    if not trials:
        return Proof(check.name, False, False, "", None, "nothing to break here", ())
    missed = [trial for trial in trials if not trial.found]
    if missed:
        return Proof(check.name, False, True, missed[0].fault, missed[0].outcome, "the check is blind to this", trials)
    return Proof(check.name, True, True, trials[0].fault, trials[0].outcome, trials[0].message, trials)


def _trials(check: ConsistencyCheck, view: AssemblyView, seed: int) -> Iterator[Trial]:
    for number, make in enumerate(check.faults):
        # Named seeds: adding a check or a fault leaves the faults of all others as they were.
        rng = random.Random(f"{seed}/{check.name}/{number}")  # noqa: S311 - repeatable, not secret
        made = make(view, rng)
        if made is not None:
            fault, broken = made
            after = carry_out(check, broken)
            prefix = view.now.flywheel.blueprint.deliverables.prefix
            yield Trial(stored_name(fault, prefix), after.outcome, after.message)
