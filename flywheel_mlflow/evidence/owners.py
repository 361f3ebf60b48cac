"""Who answers for a project: the team its contract names, the people behind it, and how they are reached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flywheel_mlflow.promises.blueprint import Blueprint
from flywheel_mlflow.promises.contract import Contract
from flywheel_mlflow.promises.notify import variable_named


@dataclass(frozen=True, slots=True)
class OwnerPerson:
    """One person behind a team; of an address that an environment variable holds ``contacts`` has None."""

    id: str
    title: str | None
    contacts: Mapping[str, str | None]

    def __str__(self) -> str:
        ways = [f"{name} {address or 'kept in the environment'}" for name, address in self.contacts.items()]
        return f"{self.id} ({', '.join(ways)})" if ways else self.id


@dataclass(frozen=True, slots=True)
class Owner:
    """The team that answers for a project, and its people; none where flywheel.yaml names none."""

    team: str
    title: str
    people: tuple[OwnerPerson, ...]

    def __str__(self) -> str:
        return f"{self.title}: {', '.join(map(str, self.people)) or 'nobody is named'}"

    @property
    def names(self) -> str:
        """Team and people without their contacts, for a narrow place beside which these stand."""
        return f"{self.title}: {', '.join(person.id for person in self.people) or 'nobody is named'}"


def owner_of(blueprint: Blueprint, contract: Contract) -> Owner:
    """The owner of a project."""
    team = next((item for item in blueprint.teams if item.id == contract.owner), None)
    named = {item.id: item for item in blueprint.people}
    people = tuple(
        OwnerPerson(
            name,
            named[name].title,
            {way: None if variable_named(text) else text for way, text in named[name].contacts.items()},
        )
        for name in blueprint.people_of(contract.owner)
        if name in named
    )
    return Owner(contract.owner, team.title if team else contract.owner, people)


def owners_of(
    blueprint: Blueprint, contracts: Mapping[str, Contract], projects: Iterable[str | None]
) -> dict[str, Owner]:
    """The owners of some projects, by project; what is no project is left out."""
    named = dict.fromkeys(project for project in projects if project in contracts)
    return {project: owner_of(blueprint, contracts[project]) for project in named if project is not None}
