"""Fills the HTML templates of console pages: every value is text, whatever stands in it."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from flywheel_mlflow.base.text import fit
from flywheel_mlflow.drawings.sparks import spark_svg
from flywheel_mlflow.tables.cells import Drawing, Series

STYLE = "dashboard.css"
#: Columns of text that one place of a page may take; more is cut, and the cut is shown.
MOST_CELLS = 600


def render_page(template: str, **values: object) -> str:
    """A page whose style is allowed by its hash alone; nothing in it is fetched, no script runs."""
    return _pages().get_template(template).render(style=page_style(), policy=page_policy(), **values)


def page_policy(*, forms: str = "'none'", frames: str = "'none'") -> str:
    """The Content-Security-Policy of a page: its own style by hash, drawings inside it, no script, nothing fetched."""
    digest = base64.b64encode(hashlib.sha256(page_style().encode("utf-8")).digest()).decode("ascii")
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        f"base-uri 'none'; form-action {forms}; frame-src {frames}"
    )


@cache
def page_style() -> Markup:
    """The style sheet of console pages: our own file, and the one thing a page holds that is no text."""
    environment = _pages()
    if environment.loader is None:
        raise LookupError(STYLE)
    source, _, _ = environment.loader.get_source(environment, STYLE)
    return Markup(source)  # noqa: S704 - shipped with the package, no input


@cache
def _pages() -> Environment:
    environment = Environment(
        loader=PackageLoader("flywheel_mlflow.reports"),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_placed,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["drawing"] = _drawing
    environment.filters["coded"] = _coded
    environment.filters["drawn"] = _drawn
    environment.filters["spark"] = _spark
    environment.filters["whole"] = escape
    return environment


def _placed(value: object) -> object:
    """Text without characters that hide or reorder it, cut to what a place can hold; markup as it is."""
    return value if isinstance(value, Markup) else fit(value, MOST_CELLS) if isinstance(value, str) else value


def _coded(text: str) -> str | Markup:
    """The text with what stands between backticks as code; a text whose backticks make no pairs stays as it is."""
    if "`" not in text:
        return text
    parts = fit(text, MOST_CELLS).split("`")
    if len(parts) % 2 == 0:
        return text
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts))


def _drawn(drawing: Drawing) -> Markup:
    """A drawing of ours as a part of the page: its template escaped what stands in it."""
    return Markup(drawing.svg)  # noqa: S704 - made by render_svg alone


def _spark(series: Series) -> Markup:
    """A series as a small line of the page."""
    return Markup(spark_svg(series.values, series.label))  # noqa: S704 - drawn here, its texts escaped


def _drawing(svg: str) -> Markup:
    """An SVG as the address of an image: a script in an image never runs, and nothing in it is fetched."""
    encoded = base64.b64encode(svg.encode("utf-8")).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{encoded}")  # noqa: S704 - base64 alone
