"""The files of deploy/ hold together, tools can read them, and nothing starts with a password that others know."""

from __future__ import annotations

import fnmatch
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator  # type: ignore[import-untyped]  # it ships no types
from servers.compose import VARIABLE, MissingVariable, read_compose, read_variables

from flywheel_mlflow.console.served import DIRECT_VARIABLE, KEY_VARIABLE, ROOT_VARIABLE

#: Services that run once, for which nobody asks how they are.
ONCE = {"prepare"}
#: What compose reads from .env for itself.
COMPOSES = {"COMPOSE_PROFILES"}


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "deploy"


@pytest.fixture(scope="module")
def needed(folder: Path) -> set[str]:
    """The variables without which nothing may start."""
    return {match["name"] for match in VARIABLE.finditer((folder / "compose.yaml").read_text()) if match["kind"] == "?"}


@pytest.fixture(scope="module")
def compose(folder: Path, needed: set[str]) -> dict[str, Any]:
    """The document as somebody starts it who filled in what must be."""
    return read_compose(folder / "compose.yaml", dict.fromkeys(needed, "given"))


def test_the_compose_file_is_one(repository: Path, compose: dict[str, Any]) -> None:
    """The Compose Specification's own schema (as docker-compose 1.29.2 has it, Apache-2.0) finds nothing in it."""
    schema = json.loads((repository / "tests" / "fixtures" / "compose" / "compose_spec.json").read_text())
    validator = Draft7Validator(schema)
    # The specification came by this key later.
    document = {key: value for key, value in compose.items() if key != "name"}
    assert [error.message for error in validator.iter_errors(document)] == []
    broken = document | {"services": document["services"] | {"mlflow": {"image": 7, "colour": "red"}}}
    assert len([*validator.iter_errors(broken)]) == 2


def test_nothing_starts_without_its_secrets(folder: Path, needed: set[str]) -> None:
    """Each secret is asked for, none has a default, and an empty one is none."""
    text = (folder / "compose.yaml").read_text()
    for match in VARIABLE.finditer(text):
        if re.search("PASSWORD|SECRET|ACCESS_KEY", match["name"]):
            assert match["name"] in needed, match[0]
    for name in needed:
        with pytest.raises(MissingVariable, match=name):
            read_compose(folder / "compose.yaml", dict.fromkeys(needed, "given") | {name: ""})


def test_every_variable_is_explained(folder: Path, needed: set[str]) -> None:
    """.env.example has each variable of the compose file and no other; what it says is the default is."""
    text = (folder / "compose.yaml").read_text()
    used = {match["name"]: match for match in VARIABLE.finditer(text)}
    example = read_variables(folder / ".env.example")
    assert example.keys() - COMPOSES == used.keys()
    defaults = {name: match["word"] for name, match in used.items() if match["kind"] == "-"}
    assert defaults == {name: value for name, value in example.items() if name not in needed | COMPOSES}
    for name in needed:
        assert f"\n{name}=" in (folder / ".env.example").read_text()


def test_every_service_is_watched_and_kept(compose: dict[str, Any]) -> None:
    """A service has a health check and comes back by itself, its image has a tag, its volume is declared."""
    for name, service in compose["services"].items():
        tag = service["image"].partition(":")[2]
        assert tag not in ("", "latest"), name
        assert (name in ONCE) == bool(service.get("healthcheck", {}).get("disable")), name
        assert (name in ONCE) != (service.get("restart") == "unless-stopped"), name
        assert "test" in service["healthcheck"] or name in ONCE, name
    mounted = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())
    }
    assert {item for item in mounted if re.fullmatch(r"\w+", item)} - {"given"} == compose["volumes"].keys()


def test_another_store_leaves_nothing_waiting(folder: Path, compose: dict[str, Any]) -> None:
    """The profile that .env.example names starts the store, and no service waits for one that does not start."""
    profiles = {name: service["profiles"] for name, service in compose["services"].items() if "profiles" in service}
    assert profiles == {"s3": [read_variables(folder / ".env.example")["COMPOSE_PROFILES"]]}
    waited = {name for service in compose["services"].values() for name in service.get("depends_on", {})}
    assert not waited & profiles.keys()


def test_only_the_proxy_is_reached(compose: dict[str, Any]) -> None:
    """Neither database nor artifact store nor server has a port on the machine, and every replica can stand alone."""
    assert {name for name, service in compose["services"].items() if "ports" in service} == {"proxy"}
    server = compose["services"]["mlflow"]
    assert "container_name" not in server
    assert all(volume.endswith(":ro") or volume.startswith("key:") for volume in server["volumes"])


def test_the_plugin_knows_its_variables(compose: dict[str, Any]) -> None:
    """The plugin's settings bear the names it reads."""
    ours = {name for name in compose["services"]["mlflow"]["environment"] if name.startswith("FLYWHEEL_")}
    assert ours == {ROOT_VARIABLE, KEY_VARIABLE, DIRECT_VARIABLE}


def test_the_image_is_built_from_what_is_there(repository: Path, folder: Path) -> None:
    """What the Containerfile copies exists and reaches the build; its base has a tag, its server is not root."""
    text = (folder / "Containerfile").read_text()
    allowed = [line[1:] for line in (repository / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for copied in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in copied.split():
            assert (repository / source).exists(), source
            assert any(fnmatch.fnmatch(source, pattern) for pattern in allowed), source
    assert re.search(r"^ARG BASE=python:3\.11\.\d+-slim-\w+$", text, re.MULTILINE)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    last = text.rpartition("\nFROM ")[2]
    assert "\nHEALTHCHECK " in last
    assert re.search(r"^USER flywheel$", last, re.MULTILINE)
    assert not re.search(r"apt-get|gcc|pip3? install", last)


def test_the_document_tells_of_every_variable(repository: Path) -> None:
    """docs/deploy.md says of each variable that must be set where it is used."""
    text = (repository / "docs" / "deploy.md").read_text(encoding="utf-8")
    for name in read_variables(repository / "deploy" / ".env.example"):
        assert f"`{name}`" in text, name
