"""The page of the Python interface: which names are public, for mkdocstrings to lay out."""

from __future__ import annotations

import ast
from pathlib import Path

import flywheel_mlflow
from docs_site.markdown import page
from flywheel_mlflow import pipelines
from flywheel_mlflow.base.errors import FlywheelError

#: Who wants what of the package's names; every other public name stands under the last heading.
PARTS = {
    "Log a run": ("project_run", "ProjectRun", "LoggedRun", "Check", "Outcome"),
    "Read data": ("load", "interfaces", "resolve", "pull", "LoadedInterface", "Consumable", "Resolved"),
    "Ask and decide": ("open_flywheel", "OpenFlywheel"),
    "Contracts and blueprint": ("load_flywheel", "load_contract", "Flywheel", "Contract", "Blueprint"),
}
#: What a pipeline is written with that stands in this module, and what it imports from others.
_PIPELINES = "flywheel_mlflow.pipelines"


def python_page() -> str:
    """Every public name of ``flywheel_mlflow`` and ``flywheel_mlflow.pipelines``."""
    parts = []
    for title, names in PARTS.items():
        parts += [f"## {title}", *(_entry(home(name)) for name in names)]
    parts += [
        "## Write a pipeline",
        f"::: {_PIPELINES}\n    options:\n      members: false\n      show_root_heading: false",
        *(_entry(place) for place in pipeline_places()),
        "## Errors",
        "Each has `what`, `where` and `hint`, and the [exit code](exit-codes.md) of the commands.",
        *(_entry(home(name)) for name in error_names()),
    ]
    return page(
        "Python",
        '```python\nimport flywheel_mlflow\n\nprint(flywheel_mlflow.load("foundation_corpus").to_pandas().head())\n```',
        "From the docstrings. The same with examples: [from Python](../python.md).",
        *parts,
    )


def error_names() -> tuple[str, ...]:
    """The public classes of the error tree."""
    public = sorted(set(flywheel_mlflow.__all__) - {"__version__"})
    kinds = {name: getattr(flywheel_mlflow, name) for name in public}
    return tuple(name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, FlywheelError))


def home(name: str) -> str:
    """The full path of a public name, as the package's own imports have it."""
    return _imported(Path(flywheel_mlflow.__file__))[name]


def pipeline_places() -> tuple[str, ...]:
    """The full path of what pipelines import, without what has a heading elsewhere."""
    found = _imported(Path(pipelines.__file__))
    return tuple(found.get(name, f"{_PIPELINES}.{name}") for name in pipelines.__all__)


def _imported(file: Path) -> dict[str, str]:
    """Where each name that a module imports comes from."""
    return {
        item.name: f"{node.module}.{item.name}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for item in node.names
    }


def _entry(path: str) -> str:
    return f"::: {path}"
