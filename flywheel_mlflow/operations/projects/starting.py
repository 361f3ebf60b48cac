"""Starts things: the store of a flywheel, a flywheel's folder, the contract of a new project."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from flywheel_mlflow.base.errors import DocumentError, InputError, StorageError
from flywheel_mlflow.base.writing import write_files
from flywheel_mlflow.operations.projects.starters import contract_text, flywheel_files, project_id_of
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, NAME_PATTERN, read_blueprint
from flywheel_mlflow.promises.contract import CONTRACT_FILE

if TYPE_CHECKING:
    from flywheel_mlflow.evidence.flywheel import Flywheel
    from flywheel_mlflow.tracking import Tracking

Template = Literal["minimal", "llm"]
#: The projects of a new flywheel where nobody names any.
PROJECTS: dict[Template, tuple[str, ...]] = {"minimal": ("corpus", "eval"), "llm": ("corpus", "sft", "eval")}


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


def new_flywheel(
    name: str, projects: Sequence[str], template: Template, *, parent: Path, version: str
) -> tuple[Path, tuple[str, ...]]:
    """Write the folder of a flywheel that assembles as it is below ``parent``; the folder, and its projects.

    The folder appears whole or not at all. ``version`` is that of this package.

    Raises:
        InputError: a name that cannot be one, two projects of one name, or a folder that is not empty.
        StorageError: the folder cannot be written.
    """
    if not re.fullmatch(NAME_PATTERN, name):
        raise InputError(
            f"a flywheel cannot be called {name[:80]!r}",
            hint="use 2 to 63 lower-case letters, digits and hyphens, a letter first: it names the folder, the "
            "experiments and the registered model",
        )
    chosen = tuple(projects) or PROJECTS[template]
    _check_projects(chosen)
    target = parent / name
    _check_room(target)
    files = flywheel_files(name, chosen, template, version=version)
    draft: Path | None = None
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        write_files(files, draft)
        draft.chmod(0o755)
        draft.replace(target)
    except OSError as error:
        _check_room(target)  # somebody may have been faster
        raise StorageError(f"cannot write the flywheel: {error.strerror or error}", where=str(target)) from error
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)
    return target, chosen


def _check_projects(projects: Sequence[str]) -> None:
    for name in projects:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise InputError(
                f"a project cannot be called {name[:80]!r}",
                hint="use lower-case letters, digits and underscores, a letter first: corpus, sft, eval",
            )
    twice = [name for name, count in Counter(map(project_id_of, projects)).items() if count > 1]
    if twice:
        raise InputError(f"two projects would have the id {twice[0]}", hint="name each project once")


def _check_room(target: Path) -> None:
    free = not target.exists() or (target.is_dir() and not any(target.iterdir()))
    if target.is_symlink() or not free:
        raise InputError("something is there already", where=str(target), hint="choose another name, or empty it")


def init_project(folder: Path, root: Path | None, *, kpis: str | None = None) -> Path:
    """Write a commented contract to start from into ``folder``; its path.

    The project's id is taken from the folder's name; teams, layers and stages to choose from
    are written into the comments when there is a blueprint at ``root``. ``kpis``, a block of YAML, replaces the example
    of a KPI, and the project promises no data yet.

    Raises:
        InputError: a contract is there already, or no id can be made of the folder's name.
        StorageError: the folder cannot be written.
    """
    project_id = project_id_of(folder.resolve().name)
    target = folder / CONTRACT_FILE
    text = contract_text(project_id, _choices(root), kpis=kpis)
    if target.exists():
        raise InputError("there is a contract already", where=str(target), hint="edit it, or choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise StorageError(f"cannot write the contract: {error.strerror or error}", where=str(target)) from error
    return target


def next_step(target: Path, root: Path | None) -> str:
    """What to do with a contract that was just written, given where it lies and what can be read of the flywheel."""
    from flywheel_mlflow.evidence.flywheel import PROJECTS_FOLDER

    if root is None:
        return (
            "no flywheel.yaml here or above: placeholders stand for its teams; `flywheel init NAME` starts a flywheel"
        )
    if target.resolve().parents[1] != (root / PROJECTS_FOLDER).resolve():
        return f"next: move the folder into {root / PROJECTS_FOLDER}, where contracts are looked for"
    try:
        read_blueprint(root)
    except DocumentError:
        return "flywheel.yaml has faults, so placeholders stand for its teams, layers and stages: `flywheel validate`"
    return "next: edit it, then run `flywheel validate`"


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
