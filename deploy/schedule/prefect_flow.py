"""Lets Prefect 3 turn the flywheel: `python prefect_flow.py`, on a machine where `flywheel` is installed.

`schedule.every` in flywheel.yaml says how often an iteration begins. Each call goes on with what is left of it, and
does nothing where none is due, so that Prefect may try again as often as it likes.
"""

from __future__ import annotations

import os
import subprocess

from prefect import State, flow, task

#: The folder with flywheel.yaml.
ROOT = os.environ.get("FLYWHEEL_ROOT", "/srv/flywheel")
#: The exit code of wrong usage and of files with faults: trying again helps nobody.
USAGE = 2


class Faulty(Exception):
    """The command was used wrongly, or files have faults."""


async def _may_help(_task: object, _run: object, state: State[str]) -> bool:
    """Whether trying again may help."""
    return not isinstance(await state.aresult(raise_on_failure=False), Faulty)


@task(retries=3, retry_delay_seconds=600, retry_condition_fn=_may_help)
def run_flywheel() -> str:
    """Do what is left of the iteration that is due."""
    command = ["flywheel", "--root", ROOT, "run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == USAGE:
        raise Faulty(done.stderr)
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
    return done.stdout


@flow(name="flywheel")
def turn_flywheel() -> str:
    """One task, since the steps of an iteration find out themselves what is left."""
    return run_flywheel()


if __name__ == "__main__":
    turn_flywheel.serve(name="hourly", cron="7 * * * *", limit=1)
