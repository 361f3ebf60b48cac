"""pyproject.toml, conda.yaml and requirements.lock agree, and nothing of one machine is written into them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from flywheel_mlflow.tracking.versions import NEWEST, OLDEST, SCHEMAS, is_tried, numbers_of

MINORS = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
LOCKED_EXTRAS = ("auth", "dev", "docs", "postgresql", "projects", "s3")
PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[[a-z0-9,_-]+\])?==(?P<version>[^\s;]+)(?: ; [^\\]+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


@dataclass(frozen=True, slots=True)
class Lock:
    """A parsed lock: version and number of hashes by name, and the lines that are neither pin, hash nor comment."""

    versions: dict[str, Version]
    hashes: dict[str, int]
    strange: tuple[str, ...]


def read_lock(text: str) -> Lock:
    """The lock's pins; anything but pins, hashes and comments is strange."""
    versions: dict[str, Version] = {}
    hashes: dict[str, int] = {}
    strange: list[str] = []
    name = ""
    for line in text.splitlines():
        pin = PIN.fullmatch(line)
        if pin:
            name = canonicalize_name(pin["name"])
            versions[name], hashes[name] = Version(pin["version"]), 0
        elif HASH.fullmatch(line) and name:
            hashes[name] += 1
        elif line.strip() and not line.lstrip().startswith("#"):
            strange.append(line)
    return Lock(versions, hashes, tuple(strange))


def misfits(requirements: list[str], lock: Lock) -> list[str]:
    """The requirements whose package the lock does not hold, or not within the range."""
    return [text for text in requirements if not _fits(Requirement(text), lock)]


def _fits(requirement: Requirement, lock: Lock) -> bool:
    version = lock.versions.get(canonicalize_name(requirement.name))
    return version is not None and version in requirement.specifier


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return project


@pytest.fixture(scope="module")
def lock(repository: Path) -> Lock:
    return read_lock((repository / "requirements.lock").read_text())


def test_conda_has_the_same_dependencies(repository: Path, project: dict[str, Any]) -> None:
    """conda.yaml asks pip for the dependencies of pyproject.toml, same ranges, and for the package itself."""
    environment = yaml.safe_load((repository / "conda.yaml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert pip == [*project["dependencies"], "-e ."]


def test_conda_has_a_python_we_support(repository: Path, project: dict[str, Any]) -> None:
    """The Python of conda.yaml lies within requires-python."""
    environment = yaml.safe_load((repository / "conda.yaml").read_text())
    python = next(entry for entry in environment["dependencies"] if str(entry).startswith("python="))
    assert Version(python.removeprefix("python=")) in Requirement(f"python{project['requires-python']}").specifier


def test_classifiers_are_the_pythons_we_support(project: dict[str, Any]) -> None:
    """Every minor version within requires-python has a classifier, and no other."""
    supported = [
        minor
        for minor in MINORS
        if Version(f"{minor}.5") in Requirement(f"python{project['requires-python']}").specifier
    ]
    told = [text.rpartition(" ")[2] for text in project["classifiers"] if text.startswith("Programming Language :: ")]
    assert told == supported


def test_both_ends_of_mlflow_are_tested(repository: Path, project: dict[str, Any], lock: Lock) -> None:
    """The range of MLflow goes from the version of tests/versions to that of the lock, in the code as well."""
    (declared,) = (Requirement(text) for text in project["dependencies"] if Requirement(text).name == "mlflow")
    pins = (repository / "tests" / "versions" / "oldest.txt").read_text().splitlines()
    assert f"mlflow=={OLDEST}" in pins
    assert lock.versions["mlflow"] == Version(NEWEST)
    assert all(version in declared.specifier and is_tried(version) for version in (OLDEST, NEWEST))
    for beyond in ("3.9.99", "3.18.0"):
        assert not declared.specifier.contains(beyond)
        assert not is_tried(beyond)
    assert {numbers_of(version) for version in SCHEMAS.values()} == {(3, minor) for minor in range(10, 18)}


def test_every_dependency_has_an_upper_bound(project: dict[str, Any]) -> None:
    """No direct dependency admits releases that nobody tried."""
    asked = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    unbounded = [
        text
        for text in asked
        if not any(part.operator in {"==", "<", "<=", "~="} for part in Requirement(text).specifier)
    ]
    assert unbounded == []


def test_lock_holds_every_dependency(project: dict[str, Any], lock: Lock) -> None:
    """Every direct dependency, extras that are locked included, is in the lock at a version within its range."""
    extras = [text for extra in LOCKED_EXTRAS for text in project["optional-dependencies"][extra]]
    assert misfits([*project["dependencies"], *extras], lock) == []


def test_lock_holds_the_build_backend(repository: Path, lock: Lock) -> None:
    """The package builds from the lock alone, as the Makefile does it."""
    build = tomllib.loads((repository / "pyproject.toml").read_text())["build-system"]["requires"]
    assert misfits(build, lock) == []


def test_lock_is_pins_and_hashes_alone(lock: Lock) -> None:
    """The lock has a hash for every pin, and no option, address or path."""
    assert lock.strange == ()
    assert [name for name, count in lock.hashes.items() if count == 0] == []


def test_lock_names_no_place(repository: Path) -> None:
    """No index address and no folder of the machine that wrote the lock is in it, comments included."""
    text = (repository / "requirements.lock").read_text()
    assert [line for line in text.splitlines() if re.search(r"://|(?:^|\s)/|--(?!hash=)", line)] == []


@pytest.mark.parametrize(
    ("line", "finding"),
    [
        ("--find-links /somewhere/wheels", "strange"),
        ("left-pad @ https://example.org/left_pad-1.0-py3-none-any.whl", "strange"),
        ("left-pad==1.0", "strange"),
        ("pandas==3.1.0 \\", "misfit"),
    ],
)
def test_lock_checks_can_fail(line: str, finding: str) -> None:
    """An option, an address, a pin without hash and a version out of range are each found."""
    lock = read_lock(f"{line}\n")
    found = {"strange": bool(lock.strange), "misfit": misfits(["pandas>=2.2,<3.1"], lock) != [] and bool(lock.versions)}
    assert found[finding]


def test_mlproject_runs_what_exists(repository: Path) -> None:
    """Each entry point of MLproject calls this package with parameters it declares, all of them and no others."""
    document = yaml.safe_load((repository / "MLproject").read_text())
    assert document["conda_env"] == "conda.yaml"
    assert set(document["entry_points"]) >= {"main", "log", "collect", "check"}
    for entry in document["entry_points"].values():
        assert entry["command"].startswith("python -m flywheel_mlflow ")
        assert set(re.findall(r"\{(\w+)\}", entry["command"])) == set(entry["parameters"])


def test_package_is_typed(repository: Path) -> None:
    """Type checkers read our annotations in whoever uses the package: the marker is there, and installed with it."""
    assert (repository / "flywheel_mlflow" / "py.typed").is_file()


def test_dataset_source_exists(project: dict[str, Any]) -> None:
    """What MLflow looks up by name to load our datasets can be imported."""
    import mlflow.data  # noqa: F401 - MLflow asks for the class while it is imported; nobody else imports it first

    for place in project["entry-points"]["mlflow.dataset_source"].values():
        module, _, name = place.partition(":")
        assert hasattr(import_module(module), name)


def test_the_citation_names_this_version(repository: Path) -> None:
    """CITATION.cff cites the version in the package."""
    citation = yaml.safe_load((repository / "CITATION.cff").read_text(encoding="utf-8"))
    version = re.search(r'__version__ = "(.*)"', (repository / "flywheel_mlflow/__init__.py").read_text())
    assert version is not None
    assert citation["version"] == version[1]


def test_readme_works_where_it_is_shown(repository: Path, project: dict[str, Any]) -> None:
    """Its links lead to files that are there; once the project has an address, they are absolute."""
    text = (repository / "README.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 150
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("https://") if "urls" in project else (repository / link).exists(), link
