"""The ``flywheel`` command: parses, calls one operation, prints, exits."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; every error ends as a message and a documented exit code."""
    from flywheel_mlflow.base.errors import ExitCode, FlywheelError
    from flywheel_mlflow.cli.app import command_line
    from flywheel_mlflow.cli.logs import verbosity

    try:
        command_line()()
    except FlywheelError as error:
        from flywheel_mlflow.cli.show import show_error

        show_error(error, verbose=verbosity(sys.argv) > 0, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader (head, less) has gone; nothing is wrong. Python would complain at exit.
        sys.stderr.close()
        sys.exit(ExitCode.PASS)
    except Exception as error:  # noqa: BLE001 - the last line of defence: no traceback reaches a user
        from flywheel_mlflow.cli.show import show_defect, show_error
        from flywheel_mlflow.tracking.connection import disk_full

        full = disk_full(error, "a temporary folder (TMPDIR)")
        if full is not None:
            show_error(full, verbose=verbosity(sys.argv) > 0, as_json="--json" in sys.argv)
        else:
            show_defect(error, verbose=verbosity(sys.argv) > 0)
        sys.exit(ExitCode.FAILURE)
