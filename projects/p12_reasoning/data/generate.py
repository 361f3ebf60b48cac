"""Writes the evaluation problems, the verifier's cases, and the example tasks: ``python generate.py``."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from p12_hidden_cases import HIDDEN_CASES
from p12_hidden_stories import HIDDEN_STORIES
from p12_stories import KINDS
from p12_verifier_cases import CASES, GAPS

SEED = 20261212
#: How many problems are drawn from each story. Two of a story are solved or missed together, which a comparison of
#: two iterations must not count twice: the hidden part has one.
DRAWS = {"public": 2, "hidden": 1}
#: The iteration the example tasks are for.
TASKS_ITERATION = 3
#: What a verifier that reads more answers changes: it turns down fewer candidates, and other problems are solved.
MOVES = ("verified_reasoning_sft",)


def problems() -> Iterable[dict[str, Any]]:
    """Public and hidden problems of the evaluation, drawn from different stories by different generators."""
    stories = {"public": {name: kind.stories for name, kind in KINDS.items()}, "hidden": HIDDEN_STORIES}
    for part, by_kind in stories.items():
        rng = random.Random(f"{SEED}/{part}")  # noqa: S311 - no secret
        for name, told in by_kind.items():
            kind = KINDS[name]
            for place, story in enumerate(told, start=1):
                for turn in range(1, DRAWS[part] + 1):
                    values = dict(zip("abc", kind.draw(rng), strict=False))
                    yield {
                        "prompt_id": f"eval::{part}::{name}::{place}::{turn}",
                        "kind": name,
                        "domain": kind.domain,
                        "part": part,
                        "question": story.format(**values),
                        "reference": str(round(kind.answer(**values))),
                    }


def cases() -> Iterable[dict[str, Any]]:
    """Answers the verifier is tried with: those it must judge rightly today, and a hidden audit."""
    for given, reference, equal in CASES:
        yield {"part": "baseline", "theme": "baseline", "given": given, "reference": reference, "equal": equal}
    for theme, hidden in HIDDEN_CASES.items():
        for given, reference, equal in hidden:
            yield {"part": "hidden", "theme": theme, "given": given, "reference": reference, "equal": equal}


def tasks() -> Iterable[dict[str, Any]]:
    """The example tasks: each closes one gap of the verifier."""
    for theme, gap in GAPS.items():
        reported = [
            {"given": given, "reference": reference, "equal": equal} for given, reference, equal in gap.reported
        ]
        rewrites = [{"pattern": pattern, "replace": replace} for pattern, replace in gap.rewrites]
        yield {
            "id": f"p12-verifier-{theme.replace(' ', '-')}",
            "project": "p12",
            "iteration": TASKS_ITERATION,
            "theme": theme,
            "request": gap.request,
            "category": "efficiency",
            "kpi": "hidden_accuracy",
            "moves": list(MOVES),
            "payload": {"rewrites": rewrites, "cases": reported},
        }


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def generate(folder: Path, to: Path) -> None:
    """Write the sample data into ``folder`` and the example tasks into ``to``."""
    to.mkdir(exist_ok=True)
    _write(folder / "eval_problems.jsonl", problems())
    _write(folder / "verifier_cases.jsonl", cases())
    for task in tasks():
        text = json.dumps(task, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
        (to / f"{task['id']}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    here = Path(__file__).resolve().parent
    generate(here, here.parent / "tasks")
