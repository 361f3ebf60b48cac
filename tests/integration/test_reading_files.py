"""Artifacts read without MLflow are those that MLflow reads; a place that leads elsewhere is left to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from servers.embedded import EmbeddedStore
from servers.tracking import TrackingServerProcess
from workbench import fresh_name

from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.base.settings import read_settings
from flywheel_mlflow.tracking import Artifacts
from flywheel_mlflow.tracking.reading.files import LocalFiles, ProxiedFiles, files_at
from flywheel_mlflow.tracking.reading.port import NotUnderstood
from flywheel_mlflow.tracking.rest.transport import Answer, HttpTransport

TEXTS = {
    "a.txt": "one",
    "deep/b.json": "{}",
    "deep/er/c with (odd) name,=+@.txt": "ünïcode \N{SNOWMAN}",
    "deep/empty.txt": "",
}
ODD = [
    "..",
    "../a.txt",
    "deep/../../a.txt",
    "/etc/passwd",
    "deep/./b.json",
    "a%2e%2e",
    "a\\b",
    "file:a.txt",
    "a#b",
    "a?b",
    "",
    "a//b",
]


@pytest.fixture(params=["file", "server"])
def both(
    request: pytest.FixtureRequest, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path
) -> tuple[Artifacts, Artifacts, str]:
    """Our artifacts, the same by MLflow alone, and a run that has some."""
    if request.param == "server":
        server = request.getfixturevalue("sqlite_server")
        assert isinstance(server, TrackingServerProcess)
        client, place = MlflowClient(server.uri), None
        transport = HttpTransport(read_settings(Path("/"), {}, tracking_uri=server.uri))
        kind: type[LocalFiles | ProxiedFiles] = ProxiedFiles
    else:
        store = embedded_store()
        client, place, transport, kind = MlflowClient(store.uri), store.artifact_location, None, LocalFiles
    run = client.create_run(client.create_experiment(fresh_name(), artifact_location=place))
    for name, text in TEXTS.items():
        client.log_text(run.info.run_id, text, name)
    assert isinstance(files_at(run.info.artifact_uri, transport), kind)
    by_mlflow = Artifacts(client, uri="there")
    by_mlflow._by_hand = lambda *_: None  # type: ignore[method-assign]  # MLflow has to be asked
    return Artifacts(client, uri="there", transport=transport), by_mlflow, run.info.run_id


def told(ask: Callable[[], Any]) -> Any:
    """An answer, or that it is refused."""
    try:
        return ask()
    except FlywheelError:
        return "refused"


def test_the_same_files(both: tuple[Artifacts, Artifacts, str], tmp_path: Path) -> None:
    """Texts, folders, names and copies are the same, and what is missing is missing."""
    *ways, run_id = both
    answers = []
    for number, artifacts in enumerate(ways):
        folder = tmp_path / str(number)
        copy = artifacts.fetch(run_id, "deep", folder)
        answers.append(
            [
                *(artifacts.text(run_id, name, folder) for name in (*TEXTS, "none", "deep/none", "deep")),
                *(artifacts.texts(run_id, name, folder / "texts") for name in ("deep", "deep/er", "none")),
                *(artifacts.names(run_id, name) for name in ("deep", "deep/er", "none", "a.txt")),
                sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*")),
                artifacts.fetch(run_id, "a.txt", folder).read_text(encoding="utf-8"),
                told(lambda artifacts=artifacts, folder=folder: artifacts.fetch(run_id, "none", folder)),  # type: ignore[misc]
            ]
        )
    assert answers[0] == answers[1]


@pytest.mark.parametrize("place", ODD)
def test_odd_places_are_mlflows(both: tuple[Artifacts, Artifacts, str], place: str, tmp_path: Path) -> None:
    """A place with a way up, an escape or a scheme is never read by ours."""
    artifacts, _, run_id = both
    files = files_at(artifacts.address(run_id), artifacts._transport)
    assert files is not None
    for ask in (files.fetch, files.readable):
        with pytest.raises(NotUnderstood):
            ask(place, tmp_path)
    with pytest.raises(NotUnderstood):
        files.listed(place)


def test_links_are_mlflows(tmp_path: Path) -> None:
    """A link that leads out of the run's artifacts is not followed, as a file, as a folder and below one."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("secret")
    root = tmp_path / "artifacts"
    (root / "folder").mkdir(parents=True)
    (root / "file").symlink_to(tmp_path / "secret" / "key")
    (root / "linked").symlink_to(tmp_path / "secret")
    (root / "folder" / "below").symlink_to(tmp_path / "secret")
    files = LocalFiles(root)
    for place in ("file", "linked", "linked/key", "folder", "folder/below"):
        with pytest.raises(NotUnderstood):
            files.fetch(place, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/x",
        "file://host/x",
        "mlflow-artifacts://host/x",
        "mlflow-artifacts:/../x",
        "http://a/b",
        "/a?b",
        "relative/x",
        "",
    ],
)
def test_other_addresses_are_mlflows(address: str) -> None:
    """Only folders of this machine, and what the server itself hands on, are read by ours."""
    transport = HttpTransport(read_settings(Path("/"), {}, tracking_uri="http://127.0.0.1:1"))
    assert files_at(address, transport) is None


@pytest.mark.parametrize("name", ["../up", "..", "a/b", "/etc/passwd", ""])
def test_a_server_that_names_files_elsewhere(name: str, tmp_path: Path) -> None:
    """A listing whose names lead out of the folder writes nothing."""

    class Hostile(HttpTransport):
        """A server that lists what it likes."""

        def ask(self, *_: Any, **__: Any) -> Answer:
            listed = {"files": [{"path": "deep", "is_dir": True}, {"path": name, "is_dir": False}]}
            return Answer(200, {}, json.dumps(listed).encode())

    files = ProxiedFiles("1/run/artifacts", Hostile(read_settings(Path("/"), {}, tracking_uri="http://127.0.0.1:1")))
    with pytest.raises(NotUnderstood):
        files.fetch("deep", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
