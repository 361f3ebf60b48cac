"""Lets Airflow 3 turn the flywheel: a file for its folder of DAGs, on a machine where `flywheel` is installed.

`schedule.every` in flywheel.yaml says how often an iteration begins. Each call goes on with what is left of it, and
does nothing where none is due, so that Airflow may try again as often as it likes.
"""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta

from airflow.exceptions import AirflowFailException
from airflow.sdk import dag, task

#: The folder with flywheel.yaml.
ROOT = os.environ.get("FLYWHEEL_ROOT", "/srv/flywheel")
#: The exit code of wrong usage and of files with faults: trying again helps nobody.
USAGE = 2


@dag(schedule="7 * * * *", start_date=datetime(2026, 1, 1, tzinfo=UTC), catchup=False, max_active_runs=1)
def flywheel() -> None:
    """One task, since the steps of an iteration find out themselves what is left."""

    @task(retries=3, retry_delay=timedelta(minutes=10))
    def run() -> str:
        command = ["flywheel", "--root", ROOT, "run", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == USAGE:
            raise AirflowFailException(done.stderr)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}\n{done.stderr}")
        return done.stdout

    run()


flywheel()
