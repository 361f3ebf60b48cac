"""Tests of who may call the acts, as far as headers tell."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.base.names import label_fault
from flywheel_mlflow.console.callers import claimed, foreign_origin, wrong_type
from flywheel_mlflow.decisions.ledger import CLAIMED, Identity


@pytest.mark.parametrize(
    ("headers", "foreign"),
    [
        ({"host": "flow:5000"}, False),
        ({"host": "flow:5000", "origin": "http://flow:5000"}, False),
        ({"host": "FLOW:5000", "origin": "https://flow:5000", "sec-fetch-site": "same-origin"}, False),
        ({"host": "flow:5000", "origin": "http://flow:5001"}, True),
        ({"host": "flow:5000", "origin": "http://evil.example"}, True),
        ({"host": "flow:5000", "origin": "http://flow:5000.evil.example"}, True),
        ({"host": "flow:5000", "origin": "http://flow:5000@evil.example"}, True),
        ({"host": "flow:5000", "origin": "null"}, True),
        ({"host": "flow:5000", "origin": ""}, True),
        ({"origin": ""}, True),
        ({"host": "flow:5000", "sec-fetch-site": "cross-site"}, True),
        ({"host": "flow:5000", "sec-fetch-site": "same-site"}, True),
    ],
)
def test_pages_of_other_servers_are_told_apart(headers: dict[str, str], foreign: bool) -> None:
    """A call is ours when no page sent it, or one of the very host it went to."""
    refused = foreign_origin(headers)
    assert (refused is not None) == foreign


@pytest.mark.parametrize(
    ("told", "good"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("text/plain", False),
        ("application/x-www-form-urlencoded", False),
        ("text/plain; application/json", False),
        ("", False),
    ],
)
def test_only_json_is_read(told: str, good: bool) -> None:
    """The types that a form of a web page can send are refused."""
    assert (wrong_type({"content-type": told}) is None) == good


@given(st.text(min_size=1, max_size=300))
def test_a_claimed_name_arrives_whole_or_not_at_all(name: str) -> None:
    """Every name that can be shown is kept as it is, as a claim; every other is refused."""
    headers = {"X-Flywheel-Actor": quote(name.encode("utf-8", "surrogatepass"))}
    if label_fault(name):
        with pytest.raises(InputError):
            claimed(headers)
    else:
        assert claimed(headers) == Identity(name, CLAIMED)


def test_without_a_name_nobody_acts() -> None:
    """A missing header is told with where the name comes from."""
    with pytest.raises(InputError, match="who acts") as caught:
        claimed({})
    assert "X-Flywheel-Actor" in str(caught.value.hint)
