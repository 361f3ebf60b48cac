"""Reads a whole flywheel, blueprint with all contracts, cross-checked as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from flywheel_mlflow.base.documents import Document
from flywheel_mlflow.base.errors import DocumentError, Fault, UnknownName
from flywheel_mlflow.evidence.crosscheck import blueprint_faults, blueprint_notes, contract_faults, contract_warnings
from flywheel_mlflow.promises.blueprint import BLUEPRINT_FILE, Blueprint, read_blueprint
from flywheel_mlflow.promises.contract import CONTRACT_FILE, Contract, read_contract

PROJECTS_FOLDER = "projects"

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Flywheel:
    """One flywheel as its files promise it: blueprint, contracts by id, folders by id.

    ``warnings`` are what the files say without effect, and what they name that nobody has written yet; a flywheel with
    faults cannot be loaded at all.
    """

    root: Path
    blueprint: Blueprint
    contracts: Mapping[str, Contract]
    folders: Mapping[str, Path]
    warnings: tuple[Fault, ...] = ()

    @property
    def name(self) -> str:
        """The flywheel's name, which names its experiments."""
        return self.blueprint.name

    def contract(self, project_id: str) -> Contract:
        """The contract of a project.

        Raises:
            UnknownName: no project has that id.
        """
        if project_id not in self.contracts:
            raise UnknownName("project", project_id, self.contracts, where=str(self.root / PROJECTS_FOLDER))
        return self.contracts[project_id]

    def project_of(self, reference: str | Path) -> str:
        """The project id behind an id (``p05``) or a folder (``projects/p05_rag``).

        Raises:
            UnknownName: neither names a project of this flywheel.
        """
        text = str(reference)
        if text in self.contracts:
            return text
        for candidate in (Path(text), self.root / text):
            wanted = candidate.resolve()
            for project_id, folder in self.folders.items():
                if folder.resolve() == wanted:
                    return project_id
        raise UnknownName("project", text, self.contracts, where=str(self.root / PROJECTS_FOLDER))

    @property
    def assembly_project(self) -> Contract | None:
        """The project that is the assembly layer itself, if the flywheel declares one."""
        return next((contract for contract in self.contracts.values() if contract.is_assembly), None)


def find_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds a ``flywheel.yaml``.

    Raises:
        DocumentError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / BLUEPRINT_FILE).is_file():
            return folder
    raise DocumentError(
        [Fault(str(start / BLUEPRINT_FILE), 0, "", "no such file, here or in any folder above")],
        hint="run inside a flywheel's folder or name it with --root; `flywheel init NAME` starts a new one",
    )


def load_flywheel(root: Path) -> Flywheel:
    """The flywheel at ``root``.

    Raises:
        DocumentError: every fault of every file together.
        StorageError: a file cannot be read.
    """
    faults: list[Fault] = []
    blueprint: tuple[Blueprint, Document] | None = None
    try:
        blueprint = read_blueprint(root)
    except DocumentError as error:
        faults += error.faults
    parsed: list[tuple[Path, Contract, Document]] = []
    folders = contract_folders(root)
    for folder in folders:
        try:
            contract, document = read_contract(folder, name=str((folder / CONTRACT_FILE).relative_to(root)))
            parsed.append((folder, contract, document))
        except DocumentError as error:
            faults += error.faults
    readable = [(contract, document) for _, contract, document in parsed]
    faults += contract_faults(readable, complete=len(parsed) == len(folders))
    if blueprint is not None:
        faults += blueprint_faults(blueprint, readable, complete=not faults)
    if faults or blueprint is None:
        raise DocumentError(faults)
    return Flywheel(
        root=root,
        blueprint=blueprint[0],
        contracts=contracts_by_id((contract for _, contract, _ in parsed), currency=blueprint[0].currency),
        folders={contract.id: folder for folder, contract, _ in sorted(parsed, key=lambda item: item[1].id)},
        warnings=(*_notes(*blueprint, readable), *contract_warnings(readable)),
    )


def contracts_by_id(contracts: Iterable[Contract], *, currency: str | None = None) -> dict[str, Contract]:
    """The contracts of a flywheel of that currency, keyed and sorted by project id."""
    return {contract.id: contract.in_currency(currency) for contract in sorted(contracts, key=lambda item: item.id)}


def _notes(blueprint: Blueprint, document: Document, contracts: Sequence[tuple[Contract, Document]]) -> Iterator[Fault]:
    if not contracts:
        yield Fault(PROJECTS_FOLDER, 0, "", f"no {CONTRACT_FILE} in any folder below yet: there is nothing to assemble")
    yield from dict.fromkeys(blueprint_notes(blueprint, document, contracts))


def load_blueprint_only(root: Path) -> Flywheel:
    """The flywheel at ``root`` for what needs its blueprint alone, such as moving a release.

    Its contracts, which take longer to read than such an act does, are read when somebody asks for one.

    Raises:
        DocumentError: every fault of the blueprint; later, those of every file. StorageError: a file cannot be read.
    """
    late = _LateFlywheel(root)
    return Flywheel(
        root=root,
        blueprint=read_blueprint(root)[0],
        contracts=_Late(lambda: late.whole.contracts),
        folders=_Late(lambda: late.whole.folders),
    )


class _LateFlywheel:
    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def whole(self) -> Flywheel:
        return load_flywheel(self._root)


class _Late(Mapping[str, Value]):
    """A mapping that is read on first use."""

    def __init__(self, read: Callable[[], Mapping[str, Value]]) -> None:
        self._read = read

    def __getitem__(self, key: str) -> Value:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


def contract_folders(root: Path) -> list[Path]:
    """The folders below ``projects`` that hold a contract, sorted by name."""
    return sorted(path.parent for path in (root / PROJECTS_FOLDER).glob(f"*/{CONTRACT_FILE}"))
