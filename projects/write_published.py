"""Writes the published figures of P01..P09 into each project's ``published`` folder.

The facts are in ``published_projects.json`` beside this script; what was never published is
absent there and stays absent here. The same facts give the same bytes::

    python projects/write_published.py            # rewrites projects/pNN_*/published
    python projects/write_published.py --out DIR  # the same tree below DIR
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FACTS_FILE = HERE / "published_projects.json"

#: The projects whose own results were published. P10 is the assembly, whose evidence is its
#: own checks; nothing was published for P11..P15.
FOLDERS = {
    "p01": "p01_mini_c4",
    "p02": "p02_legal_sft",
    "p03": "p03_llava",
    "p04": "p04_textbook",
    "p05": "p05_rag",
    "p06": "p06_prm",
    "p07": "p07_agent",
    "p08": "p08_dataops",
    "p09": "p09_privacy",
}

#: Checks that ran a command; the others looked at data. P1's three are named as command-level
#: checks in its chapter, section 14.3; elsewhere they are py_compile and evaluate_*.
COMMAND_CHECKS = frozenset({"py_compile", "dedup_unit_check", "training_smoke_test", "dataset_evaluation"})
COMMAND_PREFIX = "evaluate_"


def published_files(project: Mapping[str, Any]) -> dict[str, str]:
    """The files of one project's ``published`` folder: name to text.

    Raises:
        ValueError: the facts do not say how each check ended.
    """
    short = short_id(project["project_id"])
    files = {
        f"{short}_metrics.json": _json_text(project["metrics"]),
        f"{short}_test_results.json": _json_text(check_results(project)),
        "SOURCE.md": source_note(project),
    }
    files |= {name: _json_text(value) for name, value in project.get("other_result_files", {}).items()}
    return files


def short_id(project_id: str) -> str:
    """``p01`` as the published file names spell it: ``p1``."""
    return f"p{int(project_id[1:])}"


def check_results(project: Mapping[str, Any]) -> dict[str, Any]:
    """The check results in the published shape, holding only what was published.

    Names and the two counts were published. Each check's own outcome follows from them only
    when all passed; otherwise nobody can say which one failed.

    Raises:
        ValueError: a check failed, or the counts disagree with the names.
    """
    names, passed, total = project["checks"], project["passed_checks"], project["total_checks"]
    if not passed == total == len(names):
        raise ValueError(f"{project['project_id']}: {passed} of {total} checks passed, {len(names)} are named")
    rows = [{"name": name, "passed": True} for name in names]
    return {
        "command_checks": [row for row in rows if _is_command(row["name"])],
        "dataset_checks": [row for row in rows if not _is_command(row["name"])],
        "overall_passed": passed == total,
        "passed_checks": passed,
        "total_checks": total,
    }


def _is_command(name: str) -> bool:
    return name in COMMAND_CHECKS or name.startswith(COMMAND_PREFIX)


def source_note(project: Mapping[str, Any]) -> str:
    """The folder's ``SOURCE.md``: what the figures are, and what they are not."""
    return "\n".join(_note_lines(project)) + "\n"


def _note_lines(project: Mapping[str, Any]) -> Iterator[str]:
    yield f"# Published figures of {project['project_id'].upper()}, {project['title']}"
    yield ""
    yield "These are the published figures of the project, in the project's own file shapes. No run of this"
    yield "repository measured them. `projects/write_published.py` writes them; do not edit them by hand."
    yield ""
    yield f"* Status of the values: {project['value_status']}"
    yield f"* Source of the values: {project['value_source']}"
    yield f"* Checks: {project['passed_checks']} of {project['total_checks']} passed. Names and counts are known;"
    yield "  that each one passed follows from the counts. Commands, return codes, output and durations are"
    yield "  not published: the file holds none."
    absent, estimated = _unpublished(project)
    if estimated:
        yield "* Estimates that the project's evaluation script computes from its record counts; the text does not"
        yield "  state them one by one. P02 left out, the projects' efforts add up to the totals published for P10:"
        yield from _bullets(estimated)
    if absent:
        yield "* In the project's metrics file, but with no published value; absent here, hence unknown:"
        yield from _bullets(absent)


def _unpublished(project: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Keys listed as without a published value: those truly absent, and those with a figure after all."""
    keys = project.get("metric_keys_without_published_value", [])
    present = [key for key in keys if _holds(project["metrics"], key)]
    return [key for key in keys if key not in present], present


def _holds(metrics: Any, path: str) -> bool:
    current = metrics
    for part in path.split("."):
        if not isinstance(current, dict) or part not in current:
            return False
        current = current[part]
    return True


def _bullets(keys: Iterable[str]) -> Iterator[str]:
    return (f"  * `{key}`" for key in keys)


def _json_text(value: Any) -> str:
    # The published order of the keys is kept: people compare these files with the text.
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_all(facts: Mapping[str, Any], out: Path) -> list[Path]:
    """Write every project's ``published`` folder below ``out``; returns the files, sorted.

    Raises:
        ValueError: the facts of a project contradict themselves.
        OSError: a folder cannot be written.
    """
    written = []
    for project in facts["projects"]:
        if project["project_id"] not in FOLDERS:
            continue
        folder = out / FOLDERS[project["project_id"]] / "published"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in published_files(project).items():
            path = folder / name
            path.write_bytes(text.encode("utf-8"))
            written.append(path)
    return sorted(written)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code: 0 written, 2 the facts contradict themselves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=HERE, help="folder the project folders are in")
    options = parser.parse_args(arguments)
    facts = json.loads(FACTS_FILE.read_text(encoding="utf-8"))
    try:
        written = write_all(facts, options.out)
    except ValueError as error:
        print(f"{FACTS_FILE.name}: {error}", file=sys.stderr)
        return 2
    print(f"{len(written)} files written below {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
