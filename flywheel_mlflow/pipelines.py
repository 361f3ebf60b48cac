"""What the author of a ``pipeline.py`` needs::

from flywheel_mlflow.pipelines import Workspace, main, sample_record

FAULTS = {"no_licence": "writes records without a licence"}

def build(work: Workspace) -> None:
corpus = work.read_input("foundation_corpus")
work.write_records("knowledge_index", ..., card=...)
work.log_document({"retrieval_hit_rate_at_4": ...})
work.check("page_index_non_empty", bool(corpus))

if __name__ == "__main__":
main(__file__, build, FAULTS)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from flywheel_mlflow.feedback.tasks import Task
from flywheel_mlflow.operations.pipeline import Build, Workspace, read_jsonl, run_pipeline, sample_record

__all__ = ["Build", "Task", "Workspace", "main", "read_jsonl", "run_pipeline", "sample_record"]


def main(file: str, build: Build, faults: Mapping[str, str]) -> None:
    """The command line of a ``pipeline.py``: ``--iteration N [--fault NAME] [--tasks DIR]``."""
    import argparse
    import sys

    from flywheel_mlflow.cli.show import logged, show_error
    from flywheel_mlflow.errors import FlywheelError

    parser = argparse.ArgumentParser(description=f"Run the pipeline in {Path(file).parent.name} and log its run.")
    parser.add_argument("--iteration", type=int, required=True, help="which turn of the flywheel, from 1")
    parser.add_argument("--fault", default="", help=f"a fault to inject: {', '.join(faults) or 'this one has none'}")
    parser.add_argument("--tasks", default="", help="a folder of task files (JSON)")
    chosen = parser.parse_args()
    try:
        done = run_pipeline(
            Path(file),
            build,
            faults,
            iteration=chosen.iteration,
            fault=chosen.fault,
            tasks=Path(chosen.tasks) if chosen.tasks else None,
        )
    except FlywheelError as error:
        show_error(error, verbose=False)
        sys.exit(error.exit_code)
    logged(done, as_json=False)
