"""Starts things: the store of a flywheel, the contract of a new project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import DocumentError, InputError, StorageError
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, read_blueprint
from flywheel_mlflow.promises.contract import CONTRACT_FILE, RESERVED_IDS

if TYPE_CHECKING:
    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.tracking import Tracking

#: The template's interface is called PROJECT_ID_corpus, and a name has at most 63 characters.
MAX_ID_LENGTH = 56
_PROJECT_ID = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_ID_LENGTH - 1}}}")
_TEMPLATE = Path(__file__).with_name("project_template.yaml")


def init_flywheel(flywheel: Flywheel, tracking: Tracking) -> str:
    """Make the store and all experiments of the flywheel ready; the id of the assembly's. Safe to run again.

    Without this an experiment is made by whoever needs it first; a server with accounts leaves that to administrators.
    """
    own = tracking.assemblies.experiment()
    for contract in flywheel.contracts.values():
        if not contract.is_assembly:
            tracking.runs.experiment(contract)
    tracking.feedback.experiment()
    return own


def init_project(folder: Path, root: Path | None) -> Path:
    """Write a commented contract to start from into ``folder``; its path.

    The project's id is taken from the folder's name; teams, layers and stages to choose from
    are written into the comments when there is a blueprint at ``root``.

    Raises:
        InputError: a contract is there already, or no id can be made of the folder's name.
        StorageError: the folder cannot be written.
    """
    project_id = re.sub(r"[^a-z0-9_]+", "_", folder.resolve().name.lower()).strip("_")
    if re.match(r"p\d+_", project_id):
        project_id = project_id.split("_")[0]
    if not _PROJECT_ID.fullmatch(project_id) or project_id in RESERVED_IDS:
        raise InputError(
            f"no project id can be made of the folder name {folder.name[:80]!r}",
            hint=f"start it with a letter, keep it under {MAX_ID_LENGTH} characters, "
            f"and do not call it {' or '.join(sorted(RESERVED_IDS))}",
        )
    target = folder / CONTRACT_FILE
    if target.exists():
        raise InputError("there is a contract already", where=str(target), hint="edit it, or choose another folder")
    text = _TEMPLATE.read_text(encoding="utf-8").replace("PROJECT_ID", project_id)
    for key, choices in _choices(root).items():
        text = text.replace(f"{key}_CHOICES", ", ".join(choices))
        text = text.replace(key, choices[0])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise StorageError(f"cannot write the contract: {error.strerror or error}", where=str(target)) from error
    return target


def _choices(root: Path | None) -> dict[str, list[str]]:
    """Names a contract can refer to; placeholders where no blueprint can be read."""
    if root is not None and (root / BLUEPRINT_FILE).is_file():
        try:
            blueprint, _ = read_blueprint(root)
        except DocumentError:
            pass  # the blueprint's own faults are `flywheel validate`'s to tell
        else:
            return {
                "TEAM": [item.id for item in blueprint.teams],
                "LAYER": [item.id for item in blueprint.layers],
                "STAGE": [item.id for item in blueprint.stages],
            }
    return {"TEAM": ["a_team"], "LAYER": ["a_layer"], "STAGE": ["a_stage"]}
