"""Croissant documents whose data stay on a server."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from croissant_reading import read_croissant
from mlcroissant._src.core import constants

from flywheel_mlflow.records.croissant import to_croissant
from flywheel_mlflow.records.data_fields import learn_data
from flywheel_mlflow.records.sources import MeasuredFile, file_digest, find_files


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Tests print nothing."""


def test_several_files_are_a_record_set_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file has an address of its own, which may hold its name in a query; the records of all are read."""
    data = tmp_path / "served" / "rows"
    for part in ("lang=en", "lang=[de]"):
        (data / part).mkdir(parents=True)
        (data / part / "part-0.jsonl").write_text(json.dumps({"id": part}) + "\n")
    downloads = type(constants.DOWNLOAD_PATH)(tmp_path / "downloads")
    monkeypatch.setattr(constants, "DOWNLOAD_PATH", downloads)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(data))) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def url_of(name: str) -> str:
            return f"http://127.0.0.1:{server.server_port}/{quote(name)}?path={quote(name, safe='')}"

        document = tmp_path / "croissant.json"
        described = to_croissant(
            "rows",
            digest="ab" * 16,
            data_format="jsonl",
            files=[MeasuredFile(item.name, item.size, file_digest(item)) for item in find_files(data, "jsonl")],
            fields=learn_data(data, "jsonl").fields,
            url_of=url_of,
        )
        document.write_text(json.dumps(described))
        found = [row for number in (1, 2) for row in read_croissant(document, f"rows-{number}")]
        server.shutdown()
        thread.join()
    assert {row["id"] for row in found} == {"lang=en", "lang=[de]"}
