"""What is known of each version of MLflow: its tables, what it cannot do, which advisories apply to it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

#: The ends of the range of versions, on both of which the tests run; pyproject.toml admits all between.
OLDEST, NEWEST = "3.10.0", "3.17.2"
#: The versions of MLflow's tables, as Alembic names them, and the MLflow that has them: those on which what is read by
#: columns was compared with MLflow's own answers. Between them no column changed that is read here.
SCHEMAS: Mapping[str, str] = {
    "1b5f0d9ad7c1": "3.10",
    "c3d6457b6d8a": "3.11",
    "7d34483879f0": "3.12",
    "da6fb0208061": "3.13",
    "b7e4c1a90f23": "3.14",
    "6f8d9c3b2a1e": "3.15",
    "b7e2c1a4d9f3": "3.16",
    "dc11669786a5": "3.17",
}
_NUMBERS, _TAIL = re.compile(r"\d+"), re.compile(r"\+|rc|dev|[ab]\d")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a server cannot do before a version of MLflow, and what to do there; some matter with accounts alone."""

    before: str
    what: str
    instead: str
    accounts: bool = True


@dataclass(frozen=True, slots=True)
class Advisory:
    """A hole that is publicly known, and the version that has it no more; some matter with accounts alone."""

    before: str
    name: str
    what: str
    accounts: bool = False


#: Tried on the versions themselves; docs/server.md has the same as a table.
LIMITS = (
    Limit(
        "3.12.0",
        "MLflow's API answers without the --static-prefix that its pages have",
        "start the server without one",
        accounts=False,
    ),
    Limit("3.12.0", "passwords are hashed at every request", "expect 0.2 to 0.4 s more for each"),
    Limit(
        "3.13.0",
        "permissions are granted for experiments and models by calls of their own",
        "accounts.create_experiment_permission(id, who, 'EDIT'), accounts.create_registered_model_permission",
    ),
    Limit("3.14.0", "there are no review queues", "review by tables: flywheel human-review export", accounts=False),
    Limit(
        "3.15.0",
        "an authorization_function of one's own is not asked for what the plugin answers",
        "keep MLflow's own: with another one the server does not start",
    ),
    Limit(
        "3.16.0",
        "PostgreSQL does not work by psycopg 3",
        "pip install psycopg2-binary, and a --backend-store-uri that begins with postgresql+psycopg2://",
        accounts=False,
    ),
    Limit(
        "3.16.1",
        "MLFLOW_AUTH_ADMIN_PASSWORD is not read",
        "the administrator's first password as admin_password in the file of MLFLOW_AUTH_CONFIG_PATH",
    ),
)
ADVISORIES = (
    Advisory("2.2.2", "CVE-2023-1177", "files of the server can be read and written through the model registry"),
    Advisory("2.3.1", "CVE-2023-2356", "files of the server can be read by relative paths"),
    Advisory("2.9.2", "GHSA-5p3h-7fwh-92rc", "files can be written anywhere, and so code run"),
    Advisory("2.22.2", "GHSA-wxj7-3fx5-pp9m", "the server can be made to send requests for an attacker"),
    Advisory("3.9.0", "CVE-2024-37052", "loading a model runs whatever code it holds"),
    Advisory("3.13.0", "GHSA-2cm6-r77w-6g96", "every account reads and changes every trace", accounts=True),
    Advisory("3.16.1", "GHSA-gq3w-7jj3-x7gr", "the administrator has a password that is known", accounts=True),
)


def numbers_of(version: str) -> tuple[int, ...]:
    """``3.17.2`` as (3, 17, 2); what follows the numbers does not count. Empty for what is no version."""
    return tuple(int(part) for part in _NUMBERS.findall(_TAIL.split(version, maxsplit=1)[0])[:3])


def is_tried(version: str) -> bool:
    """Whether a version lies within the range that the tests cover, later patches of its end included."""
    return numbers_of(OLDEST) <= numbers_of(version) and numbers_of(version)[:2] <= numbers_of(NEWEST)[:2]


def limits_of(version: str, *, accounts: bool) -> tuple[Limit, ...]:
    """What a server of this version cannot do, with accounts or without."""
    return tuple(
        limit for limit in LIMITS if numbers_of(version) < numbers_of(limit.before) and accounts >= limit.accounts
    )


def advisories_of(version: str, *, accounts: bool) -> tuple[Advisory, ...]:
    """The known holes of a server of this version, with accounts or without."""
    return tuple(
        hole for hole in ADVISORIES if numbers_of(version) < numbers_of(hole.before) and accounts >= hole.accounts
    )
