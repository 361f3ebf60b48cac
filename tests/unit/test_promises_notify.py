"""Tests of `notify:` in flywheel.yaml, and of the people behind teams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flywheels import put
from notify_cases import notify_document

from flywheel_mlflow.base.canonical import canonical_json
from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.promises.blueprint import Blueprint, read_blueprint
from flywheel_mlflow.promises.notify import EVENTS, variable_named

SECRET = "https://hooks.example.org/services/T000/B000/very-secret"


def test_channels_are_read() -> None:
    """A channel tells everything unless it names events, and says which variables it needs, not what is in them."""
    found = Blueprint.model_validate(notify_document())
    ops, room, mail = found.notify.channels
    assert ops.events == EVENTS
    assert room.events == ("regression",)
    assert (ops.variables, mail.variables) == (("OPS_URL", "OPS_KEY"), ("MAIL_URL",))
    assert found.notify.console == "https://mlflow.example.org"
    assert found.notify.channel("ops") is ops
    assert found.notify.channel("nope") is None


def _channel(document: dict[str, Any], number: int = 0, **more: Any) -> None:
    document["notify"]["channels"][number].update(more)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: _channel(it, events=["gate"]), "notify.channels[0].events[0]: Input should be 'gate_verdict'"),
        (lambda it: _channel(it, events=[]), "notify.channels[0].events"),
        (lambda it: _channel(it, events=["regression", "regression"]), "named twice: regression"),
        (lambda it: _channel(it, kind="pigeon"), "notify.channels[0].kind"),
        (lambda it: _channel(it, id="room"), "channels: named twice: room"),
        (lambda it: _channel(it, url="OPS_URL"), "must be ${NAME}"),
        (lambda it: _channel(it, url="${OPS_URL}/more"), "must be ${NAME}"),
        (lambda it: _channel(it, url="${1}"), "must be ${NAME}"),
        (lambda it: _channel(it, key=SECRET), "must be ${NAME}"),
        (lambda it: it["notify"]["channels"][0].pop("key"), "a webhook needs a key"),
        (lambda it: _channel(it, contact="email"), "only an apprise channel has a contact"),
        (lambda it: _channel(it, 1, key="${KEY}"), "only a webhook has a key"),
        (lambda it: _channel(it, 2, contact="pager"), "nobody under `people` has a contact called 'pager'"),
        (lambda it: _channel(it, colour="red"), "notify.channels[0].colour: unknown key"),
        (lambda it: it["notify"].update(wait_s=0), "notify.wait_s"),
        (lambda it: it["notify"].update(wait_s=60), "notify.wait_s"),
        (lambda it: it["notify"].update(console="https://ana:pw@example.org"), "without credentials"),
        (lambda it: it["notify"].update(console="javascript:alert(1)"), "must be an address"),
        (lambda it: it["notify"].update(console="https://[::1"), "must be an address"),
        (lambda it: it["teams"][0].update(people=["eve"]), "teams.builders.people: nothing is called 'eve'"),
        (lambda it: it["people"][0].update(contacts={"e mail": "x"}), "people[0].contacts"),
        (lambda it: it["people"][0].update(contacts={"email": "a\nb"}), "contains control characters"),
    ],
)
def test_faults_are_told(tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str) -> None:
    """Every fault of `notify:` is told with its place, and no secret that was written there is repeated."""
    document = notify_document()
    change(document)
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert message in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_whom_to_tell_is_no_evidence() -> None:
    """Channels, contacts and the people of a team are in no document and change no digest: nobody's approval is void
    because a colleague has a new address.
    """
    told = notify_document()
    untold = notify_document()
    del untold["notify"], untold["people"][0]["contacts"], untold["teams"][0]["people"]
    found, plain = Blueprint.model_validate(told), Blueprint.model_validate(untold)
    assert (found.digest, found.gates_digest) == (plain.digest, plain.gates_digest)
    assert canonical_json(found) == canonical_json(plain)
    assert "example.org" not in canonical_json(found)


def test_people_stand_behind_names() -> None:
    """A team, a role and a person are people; a name nobody has is nobody."""
    found = Blueprint.model_validate(notify_document())
    assert found.people_of("builders") == ("bo",)
    assert found.people_of("reviewer") == ("ana",)
    assert found.people_of("bo") == ("bo",)
    assert found.people_of("eve") == ()


def test_only_a_whole_reference_names_a_variable() -> None:
    """`${NAME}` and nothing else."""
    assert variable_named("${A_b1}") == "A_b1"
    for text in ("$A", "{A}", "${}", "${A}x", "x${A}", "${A-b}", "${A}\n"):
        assert variable_named(text) is None
