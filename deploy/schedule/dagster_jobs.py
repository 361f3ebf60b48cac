"""Lets Dagster turn the flywheel: `dagster dev -f dagster_jobs.py`, on a machine where `flywheel` is installed.

`schedule.every` in flywheel.yaml says how often an iteration begins. Each call goes on with what is left of it, and
does nothing where none is due, so that Dagster may try again as often as it likes.
"""

import os
import subprocess

import dagster as dg

#: The folder with flywheel.yaml.
ROOT = os.environ.get("FLYWHEEL_ROOT", "/srv/flywheel")
#: The exit code of wrong usage and of files with faults: trying again helps nobody.
USAGE = 2


@dg.op(retry_policy=dg.RetryPolicy(max_retries=3, delay=600))
def run_flywheel() -> str:
    """Do what is left of the iteration that is due."""
    command = ["flywheel", "--root", ROOT, "run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise dg.Failure(f"{done.stdout}\n{done.stderr}", allow_retries=done.returncode != USAGE)
    return done.stdout


@dg.job(tags={"dagster/concurrency_key": "flywheel"})
def turn_flywheel() -> None:
    """One operation, since the steps of an iteration find out themselves what is left."""
    run_flywheel()


hourly = dg.ScheduleDefinition(job=turn_flywheel, cron_schedule="7 * * * *")
defs = dg.Definitions(jobs=[turn_flywheel], schedules=[hourly])
