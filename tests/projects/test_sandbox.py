"""The sandbox: each way a program can end, and what a program cannot reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flywheel_mlflow.base.errors import InputError
from sandbox import Ending, Limits, run_program, run_programs

QUICK = Limits(cpu_s=0.3, wall_s=5.0)


def test_a_program_that_runs_to_its_end_finished() -> None:
    """A program's output is what it printed, and it has no error."""
    done = run_program("import fractions\nprint(fractions.Fraction(1, 3))")
    assert (done.ending, done.output, done.error) == (Ending.FINISHED, "1/3\n", "")
    assert done.finished


def test_no_programs_give_no_answers() -> None:
    """An empty batch is an empty answer, without starting anything."""
    assert run_programs([]) == ()


@pytest.mark.parametrize(
    ("program", "ending", "error"),
    [
        ("1 / 0", Ending.RAISED, "ZeroDivisionError: division by zero"),
        ("assert 1 == 2, 'wrong sum'", Ending.RAISED, "AssertionError: wrong sum"),
        ("this is no program", Ending.RAISED, "SyntaxError: invalid syntax (<program>, line 1)"),
        ("raise KeyboardInterrupt", Ending.RAISED, "KeyboardInterrupt: "),
        ("def f(): f()\nf()", Ending.RAISED, "RecursionError: maximum recursion depth exceeded"),
        ("class E(Exception):\n  __str__ = None\nraise E", Ending.RAISED, "E: "),
        ("input()", Ending.RAISED, "EOFError: EOF when reading a line"),
        ("import numpy", Ending.RAISED, "ModuleNotFoundError: No module named 'numpy'"),
        ("import flywheel_mlflow", Ending.RAISED, "ModuleNotFoundError: No module named 'flywheel_mlflow'"),
        ("while True: pass", Ending.TIMED_OUT, "the limit of processor time was reached"),
        ("x = bytearray(10**9)", Ending.OUT_OF_MEMORY, "MemoryError"),
    ],
)
def test_every_way_to_fail_has_its_name(program: str, ending: Ending, error: str) -> None:
    """A program that raises, loops or takes too much memory ends as what it did, with the exception's words."""
    done = run_program(program, QUICK)
    assert (done.ending, done.error) == (ending, error)
    assert not done.finished


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("import sys; sys.exit(0)", Ending.EXITED),
        ("raise SystemExit", Ending.EXITED),
        ("import os; os._exit(0)", Ending.DIED),
    ],
)
def test_leaving_early_is_not_finishing(program: str, ending: Ending) -> None:
    """A program cannot skip the assertions after it by leaving with status 0."""
    done = run_program(f"{program}\nassert False")
    assert done.ending is ending


def test_a_program_that_waits_is_ended() -> None:
    """A program that uses no processor time is ended by the wall clock, whatever it did to the timer."""
    timer = "import signal; signal.setitimer(signal.ITIMER_PROF, 0); import time; time.sleep(60)"
    assert run_program(timer, Limits(wall_s=0.3)).ending is Ending.TIMED_OUT


@pytest.mark.parametrize(
    "program",
    [
        "open('/etc/passwd')",
        "open('written', 'w')",
        "import os; os.open('written', os.O_CREAT | os.O_WRONLY)",
        "import os; os.mkdir('made')",
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.fork()",
        "import os; os.system('true')",
        "import subprocess; subprocess.run(['true'])",
        "import socket; socket.socket()",
        "import ctypes",
    ],
)
def test_what_is_outside_is_refused(program: str) -> None:
    """Files, processes, other machines and foreign code are refused."""
    assert run_program(program).ending is Ending.REFUSED


def test_a_refusal_counts_even_if_it_is_caught() -> None:
    """A program that swallows the refusal has not finished."""
    done = run_program("try:\n    open('/etc/passwd')\nexcept BaseException:\n    pass\nprint('on')")
    assert (done.ending, done.error) == (Ending.REFUSED, "open")


def test_no_program_sees_another() -> None:
    """Programs of one call share neither names nor changed modules, and one that dies stops no other."""
    done = run_programs(
        [
            "import math; math.pi = 3; shared = 1",
            "import os; os._exit(3)",
            "import math; print(math.pi)",
            "print(shared)",
        ]
    )
    assert [item.ending for item in done] == [Ending.FINISHED, Ending.DIED, Ending.FINISHED, Ending.RAISED]
    assert done[2].output == "3.141592653589793\n"


def test_the_environment_stays_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program sees no environment variable of the caller, and an empty working folder that is not the caller's."""
    monkeypatch.setenv("SANDBOX_SECRET", "secret")
    done = run_program("import os; print('SANDBOX_SECRET' in os.environ, os.listdir('.'), os.getcwd())")
    hidden, listed, folder = done.output.strip().split(" ", 2)
    assert (hidden, listed) == ("False", "[]")
    assert Path(folder) != Path.cwd()
    assert not Path(folder).exists()


def test_equal_programs_print_equal_sets() -> None:
    """The order of a set of strings is the same in every call."""
    program = "print({'one', 'two', 'three', 'four'})"
    assert run_program(program) == run_program(program)


def test_long_output_is_cut() -> None:
    """Output beyond the limit is dropped and does not stop the program."""
    done = run_program("print('x' * 10**6)", Limits(output_bytes=100))
    assert (done.ending, len(done.output)) == (Ending.FINISHED, 100)


def test_a_long_complaint_is_not_lost() -> None:
    """An exception is told even where its words are longer than the output may be."""
    done = run_program("raise ValueError('x' * 10**6)", Limits(output_bytes=10))
    assert done.ending is Ending.RAISED
    assert done.error.startswith("ValueError: xxx")


@pytest.mark.parametrize("limits", [Limits(cpu_s=0), Limits(wall_s=-1), Limits(memory_mb=0), Limits(output_bytes=0)])
def test_limits_that_allow_nothing_are_refused(limits: Limits) -> None:
    """A limit of nothing is the caller's mistake, not the program's failure."""
    with pytest.raises(InputError, match="above 0"):
        run_program("pass", limits)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_any_text_gets_an_answer(programs: list[str]) -> None:
    """Whatever text is called a program, there is one answer for each."""
    assert len(run_programs(programs, QUICK)) == len(programs)
