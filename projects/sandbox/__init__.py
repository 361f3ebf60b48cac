"""Runs a small Python program in a subprocess with limits of time and memory.

    done = run_program("print(sum([1, 2]))")
    done.ending, done.output.strip()      # Ending.FINISHED, "3"

Each program has a process of its own, forked from one small interpreter per call: several programs in
one call cost a few milliseconds each. A program is given the standard library, an empty working folder, and no
packages or environment; opening files and sockets and starting processes are refused where the interpreter asks.

This holds wrong and careless programs, such as generated solutions. It is not a jail for hostile ones: the refusals
are audit hooks of the interpreter itself, which frames and several modules of the standard library get round, and
memory limits need Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from flywheel_mlflow.base.errors import FlywheelError, InputError

#: What starting the interpreter may take on a machine under load; it takes about 20 ms on an idle one.
_STARTING_S = 30.0
_INSIDE = Path(__file__).with_name("inside.py")


class Ending(StrEnum):
    """How a program ended; only FINISHED means that it ran to its last line."""

    FINISHED = "finished"
    RAISED = "raised"
    EXITED = "exited"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    REFUSED = "refused"
    DIED = "died"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one program may use.

    ``cpu_s`` is processor time, so that a busy machine does not change the verdict; ``wall_s`` ends the
    programs that only wait. ``memory_mb`` bounds the address space, of which the interpreter itself needs
    about 25 MB. Output beyond ``output_bytes`` is dropped.
    """

    cpu_s: float = 1.0
    wall_s: float = 10.0
    memory_mb: int = 256
    output_bytes: int = 20_000


@dataclass(frozen=True, slots=True)
class Execution:
    """What became of a program.

    ``output`` is its standard output. ``error`` is empty when it finished, else the exception it
    raised (``ZeroDivisionError: division by zero``) or what it was stopped for.
    """

    ending: Ending
    output: str
    error: str

    @property
    def finished(self) -> bool:
        """The program ran to its last line."""
        return self.ending is Ending.FINISHED


def run_program(program: str, limits: Limits = Limits()) -> Execution:
    """Run one program.

    Raises:
        InputError: a limit makes no sense.
        FlywheelError: the interpreter that runs programs could not be started, or gave no answer.
    """
    return run_programs([program], limits)[0]


def run_programs(programs: Iterable[str], limits: Limits = Limits()) -> tuple[Execution, ...]:
    """Run programs one after the other, each in its own process with its own limits; in the order given.

    Raises:
        InputError: a limit makes no sense.
        FlywheelError: the interpreter that runs programs could not be started, or gave no answer.
    """
    todo = list(programs)
    if min(limits.cpu_s, limits.wall_s) <= 0 or min(limits.memory_mb, limits.output_bytes) <= 0:
        raise InputError(f"limits must be above 0: {limits}")
    if not todo:
        return ()
    order = {
        "cpu_s": limits.cpu_s,
        "wall_s": limits.wall_s,
        "memory_bytes": limits.memory_mb * 1024 * 1024,
        "output_bytes": limits.output_bytes,
        "programs": todo,
    }
    answers = _answers(json.dumps(order), _STARTING_S + limits.wall_s * len(todo))
    return tuple(Execution(Ending(answer["ending"]), answer["output"], answer["error"]) for answer in answers)


def _answers(order: str, longest_s: float) -> list[dict[str, str]]:
    # -I would do, but it ignores PYTHONHASHSEED too, and then programs that print sets print them in
    # another order each time. -P and -s with an environment of our own isolate as well.
    command = [sys.executable, "-P", "-s", "-S", str(_INSIDE)]
    with tempfile.TemporaryDirectory(prefix="sandbox-") as folder:
        try:
            done = subprocess.run(
                command,
                input=order,
                capture_output=True,
                encoding="utf-8",
                timeout=longest_s,
                cwd=folder,
                env={"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
                check=True,
            )
            answers: list[dict[str, str]] = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            told = getattr(error, "stderr", None) or str(error)
            raise FlywheelError(
                "the sandbox gave no answer",
                where=f"{told}".strip().splitlines()[-1] if told else None,
                hint="it needs a POSIX system: processes are forked, and limited by resource limits",
            ) from error
    return answers
