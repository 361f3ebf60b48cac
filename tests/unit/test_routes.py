"""What a routing rule may say."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from flywheel_mlflow.promises.routes import Condition, Route

BASE = {"id": "r", "match": "x", "why": "x"}


def test_keywords_may_be_written_in_rows() -> None:
    """A list of lists is one list: a language on each line."""
    sign = Condition.model_validate({"any_words": [["chart", "图表"], "page"]})
    assert sign.any_words == ("chart", "图表", "page")


@pytest.mark.parametrize(
    ("sign", "message"),
    [
        ({}, "everything meets"),
        ({"no_words": ["chart"]}, "everything meets"),
        ({"any_words": ["ab"]}, "3 to 120 bytes"),
        ({"any_words": ["Ａ１"]}, "3 to 120 bytes"),
        ({"any_words": ["x" * 121]}, "3 to 120 bytes"),
        ({"any_words": ["?!?"]}, "a letter or a digit"),
        ({"severity": ["urgent"]}, "Input should be"),
        ({"words": ["chart"]}, "Extra inputs"),
    ],
)
def test_a_sign_that_cannot_work_is_refused(sign: dict[str, Any], message: str) -> None:
    """What would match everything or nothing, and what no event has, is a fault of the file."""
    with pytest.raises(ValidationError, match=message):
        Condition.model_validate(sign)


def test_a_route_without_signs_takes_only_what_names_its_target() -> None:
    """To a fixed project it would take everything and is refused; to the producer or the subject it may stand."""
    with pytest.raises(ValidationError, match="would take everything"):
        Route.model_validate(BASE | {"to": "p01"})
    assert Route.model_validate(BASE | {"to": "producer"}).when == ()
    assert Route.model_validate(BASE | {"to": "project"}).when == ()
