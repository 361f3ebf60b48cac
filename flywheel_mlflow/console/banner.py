"""Puts a link to the console onto MLflow's own pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flywheel_mlflow.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Flask, Response

BANNER_VARIABLE = "FLYWHEEL_BANNER"
SCRIPT = "banner.js"

#: MLflow 3.17 has its navigation on the left, with nothing between its entries and the two at the bottom. Its own texts
#: have no class that would stay, so the link brings its look along. While one of its menus or dialogs is open, MLflow
#: takes clicks from the whole page; not from a link that asks for them.
_STYLE = (
    "#flywheel-console{position:fixed;left:10px;bottom:92px;z-index:10;padding:4px 12px;border-radius:14px;"
    "background:#0b5394;color:#fff;font:600 13px/20px system-ui,sans-serif;text-decoration:none;pointer-events:auto}"
    "#flywheel-console:focus-visible{outline:3px solid #8ec5ff}@media print{#flywheel-console{display:none}}"
)


def shows_banner(environ: Mapping[str, str]) -> bool:
    """Whether MLflow's pages get the link.

    Raises:
        InputError: the environment says neither true nor false.
    """
    said = environ.get(BANNER_VARIABLE) or "true"
    if said.lower() not in ("true", "false"):
        raise InputError(
            f"{BANNER_VARIABLE} is {said[:40]!r}", hint=f"{BANNER_VARIABLE}=false keeps the link off MLflow's pages"
        )
    return said.lower() == "true"


def install(app: Flask, prefix: str, console: str, script: str) -> None:
    """Add the link to the one document that all of MLflow's pages are.

    Args:
        app: MLflow's, which knows where the document lies.
        prefix: the server's static prefix.
        console: the address of the overview.
        script: that of the script that makes the link follow the page.
    """
    app.after_request(_adding(f"{prefix}/", banner(console, script)))


def banner(console: str, script: str) -> str:
    """The link as HTML; without scripts it leads to the overview."""
    return (
        f'<style>{_STYLE}</style><a id="flywheel-console" href="{console}">Flywheel console</a>'
        f'<script defer src="{script}"></script>'
    )


def _adding(place: str, markup: str) -> Callable[[Response], Response]:
    """Flask's ``after_request`` for the document at a place.

    Who has the document without the link must not be told that it is unchanged, so it is read from where MLflow has it.
    """

    def add(response: Response) -> Response:
        from flask import current_app, request

        if request.path != place or request.method != "GET" or response.status_code not in (200, 304):
            return response
        index = Path(current_app.static_folder or "", "index.html")
        if not index.is_file():
            return response
        text = index.read_text(encoding="utf-8").replace("</body>", f"{markup}</body>", 1)
        response.close()  # the file that would have been sent
        response.direct_passthrough = False
        response.status_code = 200
        response.set_data(text)
        response.mimetype = "text/html"
        for name in ("ETag", "Last-Modified", "Accept-Ranges"):
            response.headers.pop(name, None)
        return response

    return add
