"""Tests of trying again while the server is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import pytest
from flywheels import small_flywheel
from releases_ledger import ANA, NOON

from flywheel_mlflow.base.errors import (
    AssemblyError,
    FlywheelError,
    Refused,
    ServerError,
    ServerRefused,
    ServerUnreachable,
)
from flywheel_mlflow.operations.deciding import PAUSES_S, Session, is_trouble, persistently
from flywheel_mlflow.tracking import Tracking

AWAY = ServerUnreachable("the server does not answer")
BUSY = ServerRefused("busy", code="TEMPORARILY_UNAVAILABLE")
NO = ServerRefused("no such run", code="RESOURCE_DOES_NOT_EXIST")


def session(slept: list[float]) -> Session:
    """A session that notes its pauses instead of taking them; nobody asks it for a server."""
    return Session(small_flywheel(), cast(Tracking, None), ANA, now=lambda: NOON, sleep=slept.append)


def failing(*errors: FlywheelError) -> Callable[[], str]:
    """A step that fails in this way, one after the other, and then succeeds."""
    left = list(errors)

    def step() -> str:
        if left:
            raise left.pop(0)
        return "done"

    return step


@pytest.mark.parametrize("count", range(len(PAUSES_S) + 1))
def test_a_server_that_comes_back_is_waited_for(count: int) -> None:
    """After each failure a longer pause, none after success."""
    slept: list[float] = []
    assert persistently(session(slept), failing(*[AWAY, BUSY, AWAY, BUSY, AWAY, BUSY][:count])) == "done"
    assert slept == list(PAUSES_S[:count])
    assert slept == sorted(slept)


def test_a_server_that_stays_away_is_told() -> None:
    """The tries are bounded, the last error is the one raised, and the pauses are about half a minute."""
    slept: list[float] = []
    with pytest.raises(ServerUnreachable):
        persistently(session(slept), failing(*[AWAY] * (len(PAUSES_S) + 1)))
    assert slept == list(PAUSES_S)
    assert 20 < sum(slept) < 60


def test_no_try_begins_after_its_time() -> None:
    """Where there is an end, a pause that would reach it is not taken any more: the error comes at once."""
    slept: list[float] = []
    with pytest.raises(ServerUnreachable):
        persistently(session(slept), failing(*[AWAY] * 6), until=time.monotonic() + (PAUSES_S[3] + PAUSES_S[4]) / 2)
    assert slept == list(PAUSES_S[:4])
    slept.clear()
    with pytest.raises(ServerUnreachable):
        persistently(session(slept), failing(AWAY), until=time.monotonic())
    assert slept == []
    assert persistently(session(slept), failing(), until=time.monotonic()) == "done"


@pytest.mark.parametrize("error", [NO, Refused("no", rule="never"), ServerError("odd"), AssemblyError("odd")])
def test_a_refusal_is_not_asked_again(error: FlywheelError) -> None:
    """Who says no, says no: it is raised at once, also after the server was away."""
    for before in ((), (AWAY, BUSY)):
        slept: list[float] = []
        with pytest.raises(type(error)) as caught:
            persistently(session(slept), failing(*before, error))
        assert caught.value is error
        assert len(slept) == len(before)


def test_what_is_no_error_of_ours_passes_through() -> None:
    """A defect is not retried."""
    slept: list[float] = []

    def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        persistently(session(slept), broken)
    assert slept == []


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (AWAY, True),
        (BUSY, True),
        (ServerRefused("x", code="INTERNAL_ERROR"), True),
        (ServerRefused("x", code="HTTP_503"), True),
        (ServerRefused("x", code="HTTP_403"), False),
        (ServerRefused("x", code="INVALID_PARAMETER_VALUE"), False),
        (NO, False),
        (ServerError("x"), False),
        (Refused("x", rule="y"), False),
    ],
)
def test_trouble_is_told_from_refusal(error: FlywheelError, trouble: bool) -> None:
    """Away, overloaded or broken is trouble; an answer that says no is none."""
    assert is_trouble(error) is trouble
