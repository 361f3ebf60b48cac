"""The generated pages hold all of what they are made from; `make docs` builds them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from docs_site import commands, files, product, python_api, server

import flywheel_mlflow
from flywheel_mlflow import pipelines
from flywheel_mlflow.base.errors import ExitCode
from flywheel_mlflow.operations.acts.acting import ACTS
from flywheel_mlflow.operations.schemas import MODELS
from flywheel_mlflow.promises.criteria import PASSES, CriterionKind


def test_every_command_has_a_heading() -> None:
    """Each command, those of groups included, has a heading and its usage."""
    page = commands.commands_page()
    names = list(commands.documented_commands())
    assert len(names) > len({name.split()[0] for name in names})
    assert [name for name in names if f"### {name}\n" not in page] == []


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_every_key_of_a_file_is_told(kind: str) -> None:
    """Each key of each model stands on the page of its file, and every link leads to a heading."""
    page = files.file_page(kind)
    schema = MODELS[kind].model_json_schema(by_alias=True)
    models = [schema, *schema.get("$defs", {}).values()]
    keys = {key for model in models for key in model.get("properties", {})}
    assert [key for key in sorted(keys) if f"| `{key}` |" not in page] == []
    headings = {files.anchor(heading) for heading in re.findall(r"^## (.*)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([^)]*)\)", page)) <= headings


def test_every_kind_of_criterion_is_explained() -> None:
    """Each kind of gate criterion says what it reads and when it passes."""
    assert PASSES.keys() == set(get_args(CriterionKind))


def test_every_number_has_its_rule() -> None:
    """The numbers of the flywheel, of a stage and of a project are there, in nobody's currency."""
    page = product.numbers_page()
    for name in ("flywheel.asset_coverage", "stage.STAGE.score", "PROJECT.cost.review_cost_CURRENCY"):
        assert f"| `{name}` |" in page
    assert "eur" not in page.lower().replace("neur", "")


def test_every_address_of_the_server_is_explained() -> None:
    """Each route is a page of the console or has a line of its own, and no line is left over."""
    places = {route.path for route in server.routes()}
    assert places - server.page_paths().keys() - {server.REST} == server.ANSWERS.keys()
    page = server.server_page()
    assert all(f"### {name}\n" in page for name in ACTS)


def test_every_exit_code_is_explained() -> None:
    """Each exit code has its meaning."""
    assert product.CODES.keys() == set(ExitCode)


def test_every_variable_of_ours_is_explained() -> None:
    """Each environment variable that the package reads has its meaning, and no other has."""
    named = {
        name
        for file in product.PACKAGE.rglob("*.py")
        for name in re.findall(r"\"(FLYWHEEL_[A-Z_]+)\"", file.read_text(encoding="utf-8"))
    }
    # Gaps of the files that `flywheel init` writes.
    assert named - {"FLYWHEEL_NAME", "FLYWHEEL_TITLE"} == product.VARIABLES.keys()


def test_messages_are_found_with_their_advice() -> None:
    """What an error says stands on the page of messages, also where a part of it differs each time."""
    found = {message.text: message for message in product.messages()}
    assert found["no MLflow server answers (…)"].hint.startswith("start it, or correct MLFLOW_TRACKING_URI")
    assert "the KPI … is required, and there is no value at …" in found


def test_every_public_name_is_laid_out() -> None:
    """Each name of both public lists has an entry."""
    page = python_api.python_page()
    names = {*flywheel_mlflow.__all__, *pipelines.__all__} - {"__version__"}
    assert names <= set(re.findall(r"^::: .*\.(\w+)$", page, re.MULTILINE))


def test_hand_written_pages_link_to_pages_that_are_generated(repository: Path) -> None:
    """A link to a generated page leads to one: mkdocs.yml lists it, and so `make docs` builds it."""
    listed = (repository / "mkdocs.yml").read_text(encoding="utf-8")
    for page in (repository / "docs").rglob("*.md"):
        for place in re.findall(r"\]\((?:\.\./)*(reference/[^)#]*)", page.read_text(encoding="utf-8")):
            assert place in listed, f"{page.name}: {place}"
