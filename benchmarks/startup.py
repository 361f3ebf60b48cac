"""Times how long the command line takes to start, next to Python and to MLflow's own command.

    python -m benchmarks.startup
    python -m benchmarks.startup --store sqlite:////tmp/mlflow.db

Every command is a whole process, from its start to its end. Those that read ask a store in which two iterations of the
shipped flywheel are assembled; without ``--store`` that is what `make run` leaves.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.flywheels import SHIPPED
from benchmarks.timing import processes

BIN = Path(sys.executable).parent
PYTHON = sys.executable
COMMANDS = {
    "python -c pass": [PYTHON, "-c", "pass"],
    'python -c "import flywheel_mlflow"': [PYTHON, "-c", "import flywheel_mlflow"],
    "flywheel --help": [str(BIN / "flywheel"), "--help"],
    "flywheel validate": [str(BIN / "flywheel"), "--root", str(SHIPPED), "validate"],
    "mlflow --version": [str(BIN / "mlflow"), "--version"],
    'python -c "import typer, rich.console"': [PYTHON, "-c", "import typer, rich.console"],
    'python -c "import mlflow"': [PYTHON, "-c", "import mlflow"],
}
READING = (
    "collect --iteration 2",
    "explain p05.score",
    "impact foundation_corpus",
    "resolve foundation_corpus",
    "release list",
    "risk list",
    "task list",
    "feedback list",
    "drift --iteration 2 --against 1 --dry-run",
    "check --iteration 2",
)
#: What `flywheel --help` must never wait for.
HEAVY = ("mlflow", "pandas", "evidently")
LOADED = """
import sys
from flywheel_mlflow.cli import main
sys.argv = ["flywheel", *sys.argv[1:]]
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}))
"""
ANSWERED = """
import sys
from flywheel_mlflow.cli import main
try:
    main()
except SystemExit as end:
    sys.exit(0 if end.code in (None, 0, 1, 3) else end.code)
"""


def heavy_modules(*arguments: str) -> list[str]:
    """Those of the heavy packages that a command of ``flywheel`` imports."""
    answer = subprocess.run([PYTHON, "-c", LOADED, *arguments], check=True, capture_output=True, text=True)
    loaded = answer.stdout.splitlines()[-1].split()
    if loaded[0] != "LOADED":
        raise SystemExit(f"unexpected output:\n{answer.stdout}")
    return [name for name in HEAVY if name in loaded]


def _answered(command: list[str]) -> list[str]:
    """The same command, for which "no" and "not known" are answers too: their exit codes are 1 and 3."""
    return [PYTHON, "-c", ANSWERED, *command[1:]]


def main() -> None:
    """Times every command in turn, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--store", default=f"sqlite:///{SHIPPED / 'mlflow-data' / 'mlflow.db'}")
    given = parser.parse_args()
    flywheel = [str(BIN / "flywheel"), "--root", str(SHIPPED), "--tracking-uri", given.store]
    commands = COMMANDS | {f"flywheel {line}": _answered([*flywheel, *line.split()]) for line in READING}
    with tempfile.TemporaryDirectory() as folder:
        timed = processes(commands, given.rounds, folder=Path(folder), environment={})
    print(f"{'command':56}{'median s':>10}{'least s':>9}{'most s':>8}{'CPU s':>8}")
    for name, found in timed.items():
        row = f"{name:56}{found.median:10.3f}{min(found.seconds):9.3f}{max(found.seconds):8.3f}"
        print(f"{row}{found.cpu or 0:8.3f}")
    before = ["--root", str(SHIPPED), "--tracking-uri", given.store]
    for line in ("--help", "validate", *READING):
        print(f"flywheel {line} imports of {', '.join(HEAVY)}: {heavy_modules(*before, *line.split()) or 'none'}")


if __name__ == "__main__":
    main()
