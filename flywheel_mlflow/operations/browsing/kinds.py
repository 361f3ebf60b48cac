"""Every page of the console: its place below ``/flywheel`` and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flywheel_mlflow.operations.browsing.reader import Asked, Reader
from flywheel_mlflow.reports.pages.frame import Page


@dataclass(frozen=True, slots=True)
class PageKind:
    """One kind of page: ``path`` below ``/flywheel`` with parameters as Starlette writes them.

    ``make`` raises ``UnknownName`` for what is not there and ``InputError`` for a question that cannot be read.
    """

    path: str
    make: Callable[[Reader, Asked], Page]


#: Every page, in the order in which paths are tried.
PAGES: tuple[PageKind, ...] = ()
