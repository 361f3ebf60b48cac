"""What the author of a ``pipeline.py`` needs.

A pipeline builds, and may name faults that can be injected::

    from flywheel_mlflow.pipelines import Workspace, main, sample_record

    FAULTS = {"no_licence": "writes records without a licence"}

    def build(work: Workspace) -> None:
        corpus = work.read_input("foundation_corpus")
        work.write_records("knowledge_index", ..., card=...)
        work.log_document({"retrieval_hit_rate_at_4": ...})
        work.check("page_index_non_empty", bool(corpus))

    if __name__ == "__main__":
        main(__file__, build, FAULTS)

``flywheel run-projects`` and ``flywheel assemble --log pipelines`` run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from flywheel_mlflow.feedback.tasks import Task
from flywheel_mlflow.operations.projects.pipeline import Build, Workspace, read_jsonl, run_pipeline, sample_record
from flywheel_mlflow.records import HeldOutCase, find_leaks

__all__ = [
    "Build",
    "HeldOutCase",
    "Task",
    "Workspace",
    "check_held_out",
    "main",
    "read_jsonl",
    "run_pipeline",
    "sample_record",
]

#: The fields of a task that may give a case away; its names and numbers are not its contents.
_TASK_TEXTS = {"theme", "request", "payload", "records"}
#: As many leaks are listed in a check; their count is always told.
_LEAKS_LISTED = 10


def check_held_out(work: Workspace, cases: Sequence[HeldOutCase]) -> None:
    """Log the check ``tasks_hold_no_hidden_case``: no part of the cases stands in a task of this run.

    Without cases it fails, for then nothing is held out.
    """
    texts = {task.id: task.model_dump(mode="json", include=_TASK_TEXTS) for task in work.tasks}
    leakage = find_leaks(cases, texts)
    work.check(
        "tasks_hold_no_hidden_case",
        bool(cases) and not leakage.leaks,
        f"{leakage.cases} hidden cases compared with {leakage.texts} tasks, {len(leakage.leaked)} stand in one",
        cases=leakage.cases,
        tasks=leakage.texts,
        leaked_share=leakage.share,
        highest_share_below_limit=leakage.highest,
        leaks=[str(leak) for leak in leakage.leaks[:_LEAKS_LISTED]],
    )


def main(file: str, build: Build, faults: Mapping[str, str] = MappingProxyType({})) -> None:
    """The command line of a ``pipeline.py``: ``--iteration N [--variant NAME] [--fault NAME] [--tasks DIR]``."""
    import argparse
    import sys

    from flywheel_mlflow.base.errors import FlywheelError
    from flywheel_mlflow.cli.show import logged, show_error

    parser = argparse.ArgumentParser(description=f"Run the pipeline in {Path(file).parent.name} and log its run.")
    parser.add_argument("--iteration", type=int, required=True, help="Number of the iteration, from 1")
    parser.add_argument("--fault", default="", help=f"a fault to inject: {', '.join(faults) or 'this one has none'}")
    parser.add_argument("--variant", default="", help="one of the contract's variants; the control if left out")
    parser.add_argument("--tasks", default="", help="a folder of task files (JSON)")
    chosen = parser.parse_args()
    try:
        done = run_pipeline(
            Path(file),
            build,
            faults,
            iteration=chosen.iteration,
            variant=chosen.variant,
            fault=chosen.fault,
            tasks=Path(chosen.tasks) if chosen.tasks else None,
        )
    except FlywheelError as error:
        show_error(error, verbose=False)
        sys.exit(error.exit_code)
    logged(done, as_json=False)
