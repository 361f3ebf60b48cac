"""Every page of the console: its place below ``/flywheel`` and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flywheel_mlflow.operations.reading.comparing import compare
from flywheel_mlflow.operations.reading.drift import drift
from flywheel_mlflow.operations.reading.feedback import feedback
from flywheel_mlflow.operations.reading.interfaces import interface, interfaces
from flywheel_mlflow.operations.reading.iterations import iteration, iterations
from flywheel_mlflow.operations.reading.numbers import one_number
from flywheel_mlflow.operations.reading.overview import overview
from flywheel_mlflow.operations.reading.priorities import priorities
from flywheel_mlflow.operations.reading.projects import project, projects
from flywheel_mlflow.operations.reading.reader import PageQuery, Reader
from flywheel_mlflow.operations.reading.release import release
from flywheel_mlflow.operations.reading.release_diff import release_diff
from flywheel_mlflow.operations.reading.releases import releases
from flywheel_mlflow.operations.reading.risk import risk
from flywheel_mlflow.operations.reading.risks import risks
from flywheel_mlflow.reports.pages.frame import Page


@dataclass(frozen=True, slots=True)
class PageKind:
    """One kind of page: ``path`` below ``/flywheel`` with parameters as Starlette writes them.

    ``make`` raises ``UnknownName`` for what is not there and ``InputError`` for a question that cannot be read.
    """

    path: str
    make: Callable[[Reader, PageQuery], Page]


#: Every page, in the order in which paths are tried.
PAGES: tuple[PageKind, ...] = (
    PageKind("/", overview),
    PageKind("/iterations", iterations),
    PageKind("/iterations/{iteration}", iteration),
    PageKind("/compare", compare),
    PageKind("/projects", projects),
    PageKind("/projects/{project}", project),
    PageKind("/numbers/{name:path}", one_number),
    PageKind("/interfaces", interfaces),
    PageKind("/interfaces/{interface:path}", interface),
    PageKind("/releases", releases),
    PageKind("/releases/{version}", release),
    PageKind("/risks", risks),
    PageKind("/risks/{risk}", risk),
    PageKind("/release-diff", release_diff),
    PageKind("/drift", drift),
    PageKind("/feedback", feedback),
    PageKind("/feedback/priorities", priorities),
)
