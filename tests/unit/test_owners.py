"""Tests of who answers for a project."""

from __future__ import annotations

from flywheels import contract
from notify_cases import notify_document

from flywheel_mlflow.base.canonical import plain
from flywheel_mlflow.evidence.owners import owner_of, owners_of
from flywheel_mlflow.promises.blueprint import Blueprint


def test_an_owner_is_a_team_with_its_people_and_their_contacts() -> None:
    """Addresses are told, those of the environment only by their name, and a team without people says so."""
    document = notify_document()
    document["teams"][0]["people"] = ["bo", "ana"]
    document["people"][0]["contacts"]["chat"] = "${ANA_CHAT}"
    blueprint = Blueprint.model_validate(document)
    found = owner_of(blueprint, contract("p01"))
    assert str(found) == "Builders: bo, ana (email ana@example.org, chat kept in the environment)"
    assert plain(found) == {
        "team": "builders", "title": "Builders",
        "people": [
            {"id": "bo", "title": None, "contacts": {}},
            {"id": "ana", "title": None, "contacts": {"email": "ana@example.org", "chat": None}},
        ],
    }  # fmt: skip
    document["teams"][0]["people"] = []
    assert str(owner_of(Blueprint.model_validate(document), contract("p01"))) == "Builders: nobody is named"


def test_only_projects_have_owners() -> None:
    """The queue of what no rule takes, and projects of the past, have none."""
    blueprint = Blueprint.model_validate(notify_document())
    assert list(owners_of(blueprint, {"p01": contract("p01")}, ["p01", "unroutable", None, "p99"])) == ["p01"]
