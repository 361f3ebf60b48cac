"""Tests of the JSON Schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import yaml

from flywheel_mlflow.base.errors import UnknownName
from flywheel_mlflow.cli.app import schema
from flywheel_mlflow.operations.schemas import MODELS, json_schema
from flywheel_mlflow.promises.blueprint import blueprint_files

HEADER = "# yaml-language-server: $schema="


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_shipped_schema_is_current(repository: Path, kind: str) -> None:
    """What editors complete from is what the models say; if not, print it anew with `flywheel schema`."""
    shipped = repository / "flywheel_mlflow" / "schema" / f"{kind}.schema.json"
    assert shipped.read_text(encoding="utf-8") == json_schema(kind)


def test_every_file_names_its_schema(repository: Path) -> None:
    """The first line of each contract and of the blueprint leads an editor to the right schema."""
    files = [*blueprint_files(repository), *sorted((repository / "projects").glob("*/project.yaml"))]
    assert len(files) > 20
    for path in files:
        first = path.read_text(encoding="utf-8").splitlines()[0]
        assert first.startswith(HEADER), path
        kind = "contract" if path.name == "project.yaml" else "blueprint"
        schema = (path.parent / first.removeprefix(HEADER)).resolve()
        assert schema == repository / "flywheel_mlflow" / "schema" / f"{kind}.schema.json"


def shown(schema: dict[str, Any], node: dict[str, Any], value: object, place: str) -> list[str]:
    """The keys of a document that the schema does not name: what an editor would underline."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rsplit("/", 1)[1]]
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        return [fault for item in value for fault in shown(schema, node["items"], item, place)]
    if not isinstance(value, dict) or "properties" not in node:
        return []
    assert node["additionalProperties"] is False
    faults = [f"{place}.{key}" for key in value if key not in node["properties"]]
    faults += [f"{place}.{key} missing" for key in node.get("required", ()) if key not in value]
    for key in value.keys() & node["properties"].keys():
        faults += shown(schema, node["properties"][key], value[key], f"{place}.{key}")
    return faults


def test_the_shipped_files_fit_their_schemas(repository: Path) -> None:
    """An editor underlines none of their keys, and would underline one that is wrong."""
    contract, blueprint = (json.loads(json_schema(kind)) for kind in ("contract", "blueprint"))
    for path in sorted((repository / "projects").glob("*/project.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert shown(contract, contract, document, path.parent.name) == []
        document["kpis"][0]["goal"] = document.pop("owner")
        assert shown(contract, contract, document, "x") == ["x.owner missing", "x.kpis.goal"]
    for path in blueprint_files(repository):
        assert shown(blueprint, blueprint, yaml.safe_load(path.read_text(encoding="utf-8")), path.name) == []


def test_only_these_kinds_of_file_have_a_schema() -> None:
    """Any other kind is an unknown name."""
    with pytest.raises(UnknownName, match="known: blueprint, contract, feedback_event, feedback_mapping"):
        json_schema("run")


def test_the_command_names_every_kind() -> None:
    """Its help lists what it takes."""
    told = get_type_hints(schema, include_extras=True)["kind"].__metadata__[0].help
    assert all(kind in told for kind in MODELS)
