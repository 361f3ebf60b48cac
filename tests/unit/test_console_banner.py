"""Tests of the link to the console on MLflow's own pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, Response, send_from_directory
from flask.testing import FlaskClient

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.console.banner import BANNER_VARIABLE, SCRIPT, install, shows_banner

LINK = '<a id="flywheel-console" href="/ml/flywheel/">'


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """An application that serves its document as MLflow does, below a prefix."""
    (tmp_path / "index.html").write_text("<html><body><div id=root></div></body></html>", encoding="utf-8")
    app = Flask("served", static_folder=str(tmp_path), static_url_path="/ml/static-files")

    def serve() -> Response:
        return send_from_directory(str(tmp_path), "index.html")

    app.add_url_rule("/ml/", view_func=serve, endpoint="serve")
    app.add_url_rule("/ml/other", view_func=serve, endpoint="other")
    install(app, "/ml", "/ml/flywheel/", f"/ml/flywheel/{SCRIPT}")
    return app.test_client()


def test_the_document_gets_the_link(client: FlaskClient) -> None:
    """It stands once, before the end of the body, with the script beside it; nothing else changes."""
    answer = client.get("/ml/", buffered=True)
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert answer.text.startswith("<html><body><div id=root></div><style>")
    assert answer.text.count(LINK) == 1
    assert answer.text.endswith(f'<script defer src="/ml/flywheel/{SCRIPT}"></script></body></html>')
    assert int(answer.headers["Content-Length"]) == len(answer.data)


def test_a_kept_document_is_sent_anew(client: FlaskClient) -> None:
    """Who has the document without the link, from before the plugin, is not told that it is unchanged."""
    known = client.get("/ml/other", buffered=True).headers["ETag"]
    answer = client.get("/ml/", headers={"If-None-Match": known}, buffered=True)
    assert answer.status_code == 200
    assert LINK in answer.text
    assert "ETag" not in answer.headers


def test_other_documents_stay(client: FlaskClient) -> None:
    """Only the one document gets it, and only where it was found."""
    assert LINK not in client.get("/ml/other", buffered=True).text
    assert LINK not in client.get("/ml/static-files/index.html", buffered=True).text
    assert client.get("/ml/nothing").status_code == 404


@pytest.mark.parametrize(("said", "shown"), [(None, True), ("", True), ("true", True), ("False", False)])
def test_a_setting_turns_it_off(said: str | None, shown: bool) -> None:
    """It is there unless the server's environment says false."""
    assert shows_banner({} if said is None else {BANNER_VARIABLE: said}) is shown


def test_a_setting_that_says_neither_is_refused() -> None:
    """A typing error keeps the server from starting, instead of meaning something."""
    with pytest.raises(InputError, match=BANNER_VARIABLE):
        shows_banner({BANNER_VARIABLE: "no"})
