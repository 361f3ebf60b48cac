"""Times how long the command line takes to start, next to Python and to MLflow's own command.

    python -m benchmarks.startup

Every command is a whole process, from its start to its end.
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
}
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


def heavy_modules(*arguments: str) -> list[str]:
    """Those of the heavy packages that a command of ``flywheel`` imports."""
    answer = subprocess.run([PYTHON, "-c", LOADED, *arguments], check=True, capture_output=True, text=True)
    loaded = answer.stdout.splitlines()[-1].split()
    if loaded[0] != "LOADED":
        raise SystemExit(f"unexpected output:\n{answer.stdout}")
    return [name for name in HEAVY if name in loaded]


def main() -> None:
    """Times every command in turn, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        timed = processes(COMMANDS, given.rounds, folder=Path(folder), environment={})
    print(f"{'command':36}{'median s':>10}{'least s':>9}{'most s':>8}{'CPU s':>8}")
    for name, found in timed.items():
        row = f"{name:36}{found.median:10.3f}{min(found.seconds):9.3f}{max(found.seconds):8.3f}"
        print(f"{row}{found.cpu or 0:8.3f}")
    for arguments in (["--help"], ["--root", str(SHIPPED), "validate"]):
        print(f"flywheel {arguments[-1]} imports of {', '.join(HEAVY)}: {heavy_modules(*arguments) or 'none'}")


if __name__ == "__main__":
    main()
