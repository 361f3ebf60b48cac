"""The recipes of deploy/schedule: their schedulers read them, and they call commands that exist with their options."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.cli.app import command_line

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "schedule"
#: Minute, hour, day, month, weekday: a number, a star, lists and steps of them.
_FIELD = r"(?:\*|\d{1,2}(?:-\d{1,2})?)(?:/\d{1,2})?(?:,\d{1,2}(?:-\d{1,2})?)*"
_ENTRY = re.compile(rf"^({_FIELD})\s+({_FIELD})\s+({_FIELD})\s+({_FIELD})\s+({_FIELD})\s+(\S.*)$")
_SCHEDULE = re.compile(rf"(?:{_FIELD} ){{4}}{_FIELD}")


def _cron_commands() -> Iterator[str]:
    for line in (FOLDER / "crontab").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#") or re.fullmatch(r"[A-Z_]+=\S+", line):
            continue
        entry = _ENTRY.match(line)
        assert entry, line
        yield entry[6]


def _workflow_commands() -> Iterator[str]:
    document = yaml.safe_load((FOLDER / "github_workflow.yml").read_text(encoding="utf-8"))
    # YAML 1.1 reads `on` as true.
    for item in document[True]["schedule"]:
        assert _SCHEDULE.fullmatch(item["cron"])
    for job in document["jobs"].values():
        # The shell's way to leave an option out that has no value.
        yield from (re.sub(r"\$\{ITERATION:\+(.*?)\}", r"\1", step.get("run", "")) for step in job["steps"])


def _python_commands(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.List) and isinstance(node.elts[0], ast.Constant) and node.elts[0].value == "flywheel":
            yield shlex.join(str(item.value) if isinstance(item, ast.Constant) else "/srv" for item in node.elts)
        if isinstance(node, ast.keyword) and node.arg in ("schedule", "cron_schedule", "cron"):
            assert isinstance(node.value, ast.Constant)
            assert _SCHEDULE.fullmatch(str(node.value.value))


def _calls(commands: Iterator[str]) -> list[list[str]]:
    """The calls of `flywheel` in lines of shell, as words."""
    found = []
    for command in commands:
        for call in re.findall(r"(?:^|[;'] *)(flywheel [^;'>|&]*)", command):
            words = shlex.split(call)
            found.append([word.replace("$ITERATION", "7") for word in words])
    return found


RECIPES = {
    "crontab": _calls(_cron_commands()),
    "github_workflow.yml": _calls(_workflow_commands()),
    **{path.name: _calls(_python_commands(path)) for path in sorted(FOLDER.glob("*.py"))},
}


def test_every_recipe_is_looked_at() -> None:
    """No file of the folder is passed over, and none goes by the name of the package that it imports."""
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == set(RECIPES)
    for path in FOLDER.glob("*.py"):
        imported = {
            name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            for name in (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [item.name for item in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert path.stem not in imported


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_commands_of_a_recipe_exist(recipe: str) -> None:
    """Each recipe calls `flywheel run`, and every call parses: the command is there and knows each option."""
    group = command_line()
    called = set()
    for words in RECIPES[recipe]:
        context = group.make_context("flywheel", words[1:], resilient_parsing=False)
        name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None
        assert name is not None
        command.make_context(name, rest, parent=context)
        called.add(name)
    assert "run" in called


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_bad_input_is_not_tried_again(path: Path) -> None:
    """The recipes that try again know the exit code at which that helps nobody."""
    values = {
        target.id: node.value.value
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert values["USAGE"] == ExitCode.USAGE
