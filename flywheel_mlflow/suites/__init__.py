"""Runs suites of other libraries over interface data, each by its own library, and takes in what it says as checks.

A library that is not installed, a suite that it cannot read and data that are too many give a check that ended in an
error: unknown, with the reason, and never a pass.

Example::

    checks = run_suite(Suite(great_expectations="suites/tickets.json"), text, "labelled_tickets", records)
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from flywheel_mlflow.base.canonical import sha256_text
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.evidence.runs import Check, Outcome
from flywheel_mlflow.importers.findings import clean_line
from flywheel_mlflow.promises.expectations import Suite

#: Records that a suite is run over at most: these libraries want all of them in memory at once.
MOST_RECORDS = 500_000
#: What installs the libraries.
EXTRA = "pip install 'flywheel-mlflow[expectations]'"

Run = Callable[[str, str, Sequence[Mapping[str, Any]]], tuple[Check, ...]]


class SuiteUnusable(Exception):
    """Why a suite could not be run, in a few words."""


def run_suite(
    suite: Suite, text: str, interface: str, records: Sequence[Mapping[str, Any]] | None
) -> tuple[Check, ...]:
    """What a suite says of records, a check for each of its parts, named ``INTERFACE.SUITE.PART``.

    ``text`` is the suite's file; ``records`` is None where there are more than ``MOST_RECORDS``. Each check states the
    file, its digest and the library's version.
    """
    name = PurePosixPath(suite.file).stem
    about: dict[str, Any] = {"suite": suite.file, "suite_digest": sha256_text(text)[:12]}
    try:
        if records is None:
            raise SuiteUnusable(f"the data have more than {MOST_RECORDS:,} records, which no suite is run over")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they warn of what they themselves use
            about["library"] = f"{suite.library} {_version(suite.library)}"
            run: Run = import_module(f"{__name__}.{suite.library}").run
            checks = run(name, text, records)
    except (SuiteUnusable, FlywheelError) as error:
        why = clean_line(error.what if isinstance(error, FlywheelError) else str(error), 500)
        return (Check(f"{interface}.{name}", Outcome.ERROR, f"unknown: {why}", source=suite.library, details=about),)
    return tuple(
        replace(check, name=f"{interface}.{check.name}", details={**check.details, **about}) for check in checks
    )


def _version(library: str) -> str:
    try:
        return str(import_module(library).__version__)
    except ModuleNotFoundError as error:
        raise SuiteUnusable(f"{library} is not installed here ({EXTRA})") from error
    except ImportError as error:
        raise SuiteUnusable(f"{library} cannot be imported: {error}") from error
