"""The texts that a new flywheel and a new project start from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.promises.contract import RESERVED_IDS
from flywheel_mlflow.promises.routes import KNOWN_FROM_EVENT

#: Interfaces are called after their project, and a name has at most 63 characters.
MAX_ID_LENGTH = 56
_PROJECT_ID = re.compile(rf"[a-z][a-z0-9_]{{0,{MAX_ID_LENGTH - 1}}}")
#: A comment behind a value: names differ in length, and comments stand in one column.
_COMMENT = re.compile(r"^( *[a-z_]+: [^#\n]*?) +# ", re.MULTILINE)
_COMMENTS_AT = 28
#: What a contract says of data: a promise, and where they lie.
_DATA_BLOCKS = re.compile(r"^ *interfaces(_out)?:\n(  .*\n)+", re.MULTILINE)
_STARTERS = Path(__file__).with_name("starters")
_NO_INPUT = """interfaces_in: []
#  - name: foundation_corpus
#    fields: [id, content]"""
#: The KPI a new contract starts with.
EXAMPLE_KPIS = """kpis:
  - name: records
    path: counts.records     # dotted path in the metrics document
    direction: higher
    target: 40
    unit: records
    required: true           # a run without this value is refused"""
#: What would be mistaken for the flywheel's own numbers and experiments, or for a target that an event names.
_TAKEN = RESERVED_IDS | KNOWN_FROM_EVENT
_OWN_CHECK = "records_were_made"
#: Where the template `llm` puts the first, the last and every other project: layer, stage, role of its data.
_FIRST, _LAST, _BETWEEN = (
    ("data", "collecting", "training"),
    ("quality", "evaluating", "evaluation"),
    ("model", "training", "training"),
)


def project_id_of(folder: str) -> str:
    """The project id for a folder's name: ``p07_agent`` gives ``p07``, ``Mini-C4`` gives ``mini_c4``.

    Raises:
        InputError: no id can be made of it.
    """
    project_id = re.sub(r"[^a-z0-9_]+", "_", folder.lower()).strip("_")
    if re.match(r"p\d+_", project_id):
        project_id = project_id.split("_")[0]
    if not _PROJECT_ID.fullmatch(project_id) or project_id in _TAKEN:
        raise InputError(
            f"no project id can be made of the folder name {folder[:80]!r}",
            hint=f"start it with a letter, keep it under {MAX_ID_LENGTH} characters, "
            f"and do not call it {' or '.join(sorted(_TAKEN))}",
        )
    return project_id


def contract_text(
    project_id: str,
    choices: Mapping[str, Sequence[str]],
    *,
    role: str = "reference",
    reads: str | None = None,
    pipeline: bool = False,
    kpis: str | None = None,
) -> str:
    """A commented contract; ``choices`` are the teams, layers and stages it can name, the first of each is taken.

    ``reads`` is the interface it consumes; with a ``pipeline`` that pipeline's own check must pass too. ``kpis`` is the
    block of that name, as YAML, of a project that so far only measures: its data and their check are comments.
    """
    required = f"{project_id}_data.unique_ids"
    own = f"{_OWN_CHECK}, {required}" if pipeline else required
    values = {
        "PROJECT_ID": project_id,
        "PROJECT_TITLE": project_id.replace("_", " ").capitalize(),
        "ROLE": role,
        "INTERFACES_IN": f"interfaces_in:\n  - name: {reads}\n    fields: [id, split]" if reads else _NO_INPUT,
        "REQUIRED_CHECKS": own if kpis is None else "",
    }
    for key, names in choices.items():
        values |= {f"{key}_CHOICES": ", ".join(names), key: names[0]}
    text = _COMMENT.sub(lambda found: f"{found[1]:<{_COMMENTS_AT}} # ", _filled("project.yaml", values))
    if kpis is not None:
        text = _DATA_BLOCKS.sub(lambda found: re.sub("^", "# ", found[0].rstrip("\n"), flags=re.MULTILINE) + "\n", text)
    return text.replace("KPIS", kpis or EXAMPLE_KPIS)  # last: the names in it are anybody's


def flywheel_files(name: str, projects: Sequence[str], template: str, *, version: str) -> dict[str, str]:
    """The files of a new flywheel by their path below its folder.

    ``projects`` are folder names; of the template ``llm`` each project reads the one before it, of ``minimal`` none.
    ``version`` is that of this package, which the recipes for CI install.
    """
    files = {
        "flywheel.yaml": _filled(
            f"{template}.yaml",
            {"FLYWHEEL_NAME": name, "FLYWHEEL_TITLE": name.replace("-", " ").capitalize()},
        ),
        ".gitignore": _filled("gitignore.txt", {}),
        ".github/workflows/flywheel.yml": _filled("github.yml", {"VERSION": version}),
        ".gitlab-ci.yml": _filled("gitlab.yml", {"VERSION": version}),
    }
    before: str | None = None
    for index, folder in enumerate(projects):
        layer, stage, role = ("data", "building", "reference")
        if template == "llm":
            last = index > 0 and index == len(projects) - 1
            layer, stage, role = _FIRST if index == 0 else _LAST if last else _BETWEEN
        project_id = project_id_of(folder)
        choices = {"TEAM": ["makers"], "LAYER": [layer], "STAGE": [stage]}
        files[f"projects/{folder}/project.yaml"] = contract_text(
            project_id, choices, role=role, reads=before, pipeline=True
        )
        files[f"projects/{folder}/pipeline.py"] = _pipeline_text(project_id, before)
        before = f"{project_id}_data" if template == "llm" else None
    return files


def _pipeline_text(project_id: str, reads: str | None) -> str:
    step = _filled("reading.py.txt" if reads else "making.py.txt", {})
    values = {"MADE": step.rstrip("\n"), "PROJECT_ID": project_id, "INPUT": reads or ""}
    return _filled("pipeline.py.txt", values)


def _filled(file: str, values: Mapping[str, str]) -> str:
    """A text of the package with its placeholders, words in capitals, replaced in the order of ``values``."""
    text = (_STARTERS / file).read_text(encoding="utf-8")
    for key, value in values.items():
        text = text.replace(key, value)
    return text
