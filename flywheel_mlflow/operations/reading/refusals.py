"""Asks the acts' own rules whether they would say no now."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flywheel_mlflow.base.errors import InputError, Refused
from flywheel_mlflow.operations.deciding import LedgerSnapshot, refuse_unsound
from flywheel_mlflow.reports.pages.deciding import refusal_text


def refusal(step: Callable[[], object]) -> str:
    """Why a rule says no, by the rule itself; empty when it does not."""
    try:
        step()
    except (Refused, InputError) as error:
        return refusal_text(error)
    return ""


def refusals(keys: Iterable[str], step: Callable[[str], object]) -> dict[str, str]:
    """The same for each of several stages or roles, in their order."""
    return {key: refusal(lambda: step(key)) for key in keys}  # noqa: B023 - called at once


def unsound(snapshot: LedgerSnapshot | None) -> str:
    """Why nothing is decided on this ledger at all; empty when it holds together."""
    return "there is no release yet" if snapshot is None else refusal(lambda: refuse_unsound(snapshot))
