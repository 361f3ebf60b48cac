"""Fills the templates: whatever a template places is escaped for the place it stands in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from flywheel_mlflow.base.text import visible
from flywheel_mlflow.reports.escaping import Markdown, markdown_code, markdown_text

if TYPE_CHECKING:
    from jinja2 import Environment, PackageLoader

#: What a sentence ends with, in the languages that feedback comes in.
_ENDS = (".", "!", "?", "…", "。", "！", "？")


def render_markdown(template: str, **values: object) -> str:
    """The Markdown template filled; every value passes ``markdown_text``, there is no way around it."""
    return _markdown().get_template(template).render(**values)


def render_svg(template: str, **values: object) -> str:
    """The SVG template filled; every value is escaped for XML."""
    return _svg().get_template(template).render(**values)


@cache
def _markdown() -> Environment:
    from jinja2 import Environment, StrictUndefined

    # Autoescape knows only HTML; ``finalize`` sees every value a template prints, so nothing can forget a filter.
    environment = Environment(
        loader=_loader(),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - see above
        finalize=markdown_text,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = markdown_code
    environment.filters["codes"] = _codes
    environment.filters["sentence"] = _sentence
    return environment


@cache
def _svg() -> Environment:
    from jinja2 import Environment, StrictUndefined

    return Environment(
        loader=_loader(),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_xml_value,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _xml_value(value: object) -> object:
    """Text without the control characters that XML cannot hold, other values as they are."""
    return visible(value) if type(value) is str else value


def _loader() -> PackageLoader:
    from jinja2 import PackageLoader

    return PackageLoader("flywheel_mlflow.reports")


def _sentence(text: str) -> str:
    """A text with a full stop, unless it ends as a sentence does."""
    told = text.rstrip()
    return told if told.endswith(_ENDS) else f"{told}."


def _codes(values: Iterable[object]) -> Markdown:
    return Markdown(", ".join(map(markdown_code, values)))
