"""Shows what the package and its libraries log, on standard error, when somebody asks for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence

from flywheel_mlflow.base.settings import redacted

#: Libraries whose messages -vv shows: the requests, MLflow's own, the statements of a database.
LIBRARIES = ("urllib3", "mlflow", "sqlalchemy.engine")


class _Redacted(logging.Formatter):
    """One line a message, without the credentials that an address may hold."""

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record))


def verbosity(arguments: Sequence[str]) -> int:
    """How often ``-v`` or ``--verbose`` was given before the command."""
    count = 0
    for argument in arguments:
        if argument == "--verbose":
            count += 1
        elif argument.startswith("-v") and set(argument[1:]) == {"v"}:
            count += len(argument) - 1
    return count


def show_logs(level: int) -> None:
    """Log to standard error: 1 shows what the package does, 2 its libraries as well, 0 nothing."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacted("%(relativeCreated)7.0f ms  %(name)s: %(message)s"))
    for name, wanted in (("flywheel_mlflow", level > 0), *((name, level > 1) for name in LIBRARIES)):
        logger = logging.getLogger(name)
        for old in [item for item in logger.handlers if isinstance(item.formatter, _Redacted)]:
            logger.removeHandler(old)
            logger.setLevel(logging.NOTSET)
        if wanted:
            logger.addHandler(handler)
            logger.setLevel(logging.DEBUG)
