"""Writes a flywheel of any number of projects, made of copies of the shipped contracts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER, Flywheel, load_flywheel
from flywheel_mlflow.promises.blueprint import blueprint_files
from flywheel_mlflow.promises.contract import CONTRACT_FILE

SHIPPED = Path(__file__).resolve().parents[1]


def copy_blueprint(folder: Path) -> None:
    """The shipped ``flywheel.yaml`` in ``folder``, with the files it includes."""
    for path in blueprint_files(SHIPPED):
        target = folder / path.relative_to(SHIPPED)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def write_flywheel(folder: Path, projects: int) -> Flywheel:
    """A flywheel of ``projects`` projects below ``folder``, the assembly layer being one of them.

    The first fifteen are the shipped ones. The others are copies of the shipped upstream projects, round after
    round; the copies of a round read from each other as the originals do.
    """
    copy_blueprint(folder)
    for place, document in _contracts(projects):
        target = folder / PROJECTS_FOLDER / place / CONTRACT_FILE
        target.parent.mkdir(parents=True)
        target.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return load_flywheel(folder)


def _contracts(projects: int) -> Iterator[tuple[str, dict[str, Any]]]:
    shipped = [
        (path.parent.name, yaml.safe_load(path.read_text(encoding="utf-8")))
        for path in sorted((SHIPPED / PROJECTS_FOLDER).glob(f"*/{CONTRACT_FILE}"))
    ]
    if projects < len(shipped):
        raise SystemExit(f"a flywheel has at least the {len(shipped)} shipped projects")
    yield from shipped
    upstream = [item for item in shipped if item[1].get("registry_role") != "assembly_layer"]
    # The last round is cut short: a copy must not read what nobody makes, so its strangers are read from the originals.
    for number in range(projects - len(shipped)):
        turn, index = divmod(number, len(upstream))
        made = {
            out["name"]
            for _, item in upstream[: projects - len(shipped) - turn * len(upstream)]
            for out in item["interfaces_out"]
        }
        place, document = upstream[index]
        yield f"{place}_{turn + 2:02d}", _copied(document, f"_{turn + 2:02d}", made)


def _copied(document: dict[str, Any], suffix: str, made: set[str]) -> dict[str, Any]:
    """The same contract under another name; the interfaces in ``made`` get the suffix."""
    results = document.get("results", {})
    files = {name + suffix: place for name, place in results.get("interfaces", {}).items()}
    # Whoever may consume the original is not asked to consume its copies.
    outs = [item | {"name": item["name"] + suffix, "consumers": "any"} for item in document["interfaces_out"]]
    ins = [
        item | {"name": item["name"] + suffix if item["name"] in made else item["name"]}
        for item in document.get("interfaces_in", [])
    ]
    return document | {
        "id": document["id"] + suffix,
        "interfaces_out": outs,
        "interfaces_in": ins,
        "results": results | {"interfaces": files},
    }
