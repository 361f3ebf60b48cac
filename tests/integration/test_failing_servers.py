"""Servers and disks that fail: exit code 4 within seconds, told by name, with nothing logged as valid."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from workbench import Bench, bench_on, copy_flywheel, flywheel_command, fresh_name, python_process

from flywheel_mlflow.base.errors import FlywheelError, ServerRefused, ServerUnreachable, StorageError
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.drifting import Followed
from flywheel_mlflow.operations.assembly.noticing import NoticedAfter
from flywheel_mlflow.operations.scripting.opening import open_flywheel


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    """A flywheel on disk."""
    return copy_flywheel(repository, tmp_path / "home", fresh_name())


@contextmanager
def _listening(*, answers: bool) -> Iterator[str]:
    """A port that accepts connections at the kernel's level; without ``answers`` even its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1 if answers else 0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def _answering(status: int, body: bytes, content_type: str = "text/html") -> Iterator[str]:
    """A server that gives one answer to whatever is asked."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the base class looks them up by these names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("command", ["collect -i 1", "log p05 -i 1 --published", "assemble -i 1", "check", "init"])
def test_refused_connection(home: Path, command: str) -> None:
    """A server that is not there is told by its address, with exit code 4 and what to try, by every command."""
    uri = _closed_port()
    ended = flywheel_command(*command.split(), root=home, uri=uri)
    assert ended.code == 4
    assert uri in ended.err
    assert "no MLflow server answers" in ended.err
    assert "MLFLOW_TRACKING_URI" in ended.err


def test_server_that_never_answers(home: Path) -> None:
    """A server that takes the connection and never answers is given up after the first unanswered question."""
    with _listening(answers=True) as uri:
        ended = flywheel_command("collect", "-i", "1", root=home, uri=uri)
    assert ended.code == 4
    assert "no MLflow server answers" in ended.err
    assert uri in ended.err


def test_credentials_stay_out_of_messages(home: Path) -> None:
    """The password in a tracking URI appears in no message."""
    uri = _closed_port().replace("http://", "http://user:s3cret@")
    ended = flywheel_command("--verbose", "collect", "-i", "1", root=home, uri=uri)
    assert ended.code == 4
    assert "s3cret" not in ended.out + ended.err


def test_credentials_of_a_server_that_breaks_off(home: Path) -> None:
    """Nor does it when the connection succeeds and the request fails, even with --verbose."""
    with _answering(500, b"") as address:
        ended = flywheel_command(
            "--verbose", "collect", "-i", "1", root=home, uri=address.replace("http://", "http://user:s3cret@")
        )
    assert ended.code == 4
    assert "s3cret" not in ended.out + ended.err


ANSWERS = {
    "500 HTML": (500, b"<html>Internal Server Error</html>", "text/html"),
    "502": (502, b"", "text/html"),
    "200 HTML": (200, b"<html>Welcome to nginx</html>", "text/html"),
    "200 and nothing": (200, b"", "text/html"),
    "200 empty JSON": (200, b"{}", "application/json"),
    "200 JSON list": (200, b"[1, 2]", "application/json"),
    "200 JSON of another kind": (200, b'{"runs": 3, "experiments": "x"}', "application/json"),
    "401": (401, b"You are not authenticated", "text/html"),
    "403": (403, b'{"error_code": "PERMISSION_DENIED", "message": "no"}', "application/json"),
    "404": (404, b"not found", "text/html"),
    "302 loop": (404, b'{"error_code": 7, "message": null}', "application/json"),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_server_that_answers_nonsense(home: Path, case: str) -> None:
    """Whatever a server answers that is not MLflow's, the command ends with exit code 4, its address and a hint."""
    with _answering(*ANSWERS[case]) as uri:
        ended = flywheel_command("collect", "-i", "1", root=home, uri=uri)
    assert ended.code == 4, ended
    assert "the tool failed" not in ended.err
    assert uri in ended.err
    assert "try:" in ended.err
    assert "Traceback" not in ended.err


def test_experiment_deleted_in_mlflow(bench: Bench) -> None:
    """Logging into an experiment somebody deleted is refused with how to restore it, and makes no second one."""
    bench.client.delete_experiment(bench.experiment("p05"))
    with pytest.raises(FlywheelError, match="is deleted") as caught:
        bench.log("p05")
    assert "restore" in str(caught.value.hint)
    assert bench.collect().evidence == {}


def test_server_dies_inside_the_block(bench: Bench, shipped: object) -> None:
    """A server that is gone when the block ends raises our error, and what was begun is never counted."""
    from dataclasses import replace

    from servers.proxy import CountingProxy

    with CountingProxy(bench.uri).running() as proxy:
        through = bench_on(bench.flywheel, proxy.url)
        run = through.open("p05")
        run.__enter__()
        run.log_metrics({"queries": 8})
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    with pytest.raises((ServerUnreachable, ServerRefused)):
        run.__exit__(None, None, None)
    collected = replace(bench).collect()
    assert collected.evidence == {}
    assert [item.reason for item in collected.skipped] == ["still running, or its process died"]


def test_read_only_folder(home: Path, tmp_path: Path) -> None:
    """A place where no database file can be made is exit code 4 and names the file."""
    (tmp_path / "file").write_text("")
    ended = flywheel_command("init", root=home, uri=f"sqlite:///{tmp_path}/file/below/mlflow.db")
    assert ended.code == 4
    assert f"{tmp_path}/file/below/mlflow.db" in ended.err.replace("\n", "")
    assert "try:" in ended.err


def test_database_that_is_none(home: Path, tmp_path: Path) -> None:
    """A file that is no database is exit code 4 and names it."""
    (tmp_path / "mlflow.db").write_text("this is not a database, not even a small one" * 100)
    ended = flywheel_command("collect", "-i", "1", root=home, uri=f"sqlite:///{tmp_path}/mlflow.db")
    assert ended.code == 4
    assert "the tool failed" not in ended.err
    assert str(tmp_path) in ended.err.replace("\n", "")


def test_out_that_is_a_file(home: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> None:
    """A folder for the deliverables that cannot be made is exit code 4 and is named."""
    (tmp_path / "taken").write_text("")
    out = tmp_path / "taken"
    uri = embedded_store().uri
    ended = flywheel_command("assemble", "-i", "1", "--log", "published", "--out", out, root=home, uri=uri)
    assert ended.code == 4
    assert "taken" in ended.err


@contextmanager
def _tiny_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system with room for almost nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root's rights")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_under_the_artifacts(local_bench: Bench, tmp_path: Path) -> None:
    """A full disk under the artifacts is told as such, and the run is FAILED with the reason, never valid."""
    data = tmp_path / "index.bin"
    data.write_bytes(os.urandom(400_000))
    folder = Path(local_bench.uri.removeprefix("sqlite:///")).parent / "artifacts"
    with _tiny_disk(folder, 200):
        with pytest.raises(StorageError, match="disk is full"):
            local_bench.log("p05", interfaces={"knowledge_index": data})
        collected = local_bench.collect()
    assert collected.evidence == {}
    assert [item.reason[:30] for item in collected.skipped] == ["ended failed: the disk is full"]


@pytest.mark.parametrize("size", [4, 16])
def test_full_disk_under_tmpdir(local_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A full temporary folder is told as such with the variable that names another, and the run is not valid."""
    with _tiny_disk(tmp_path / "tmp", size) as folder:
        (folder / "filler").write_bytes(b"")
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(StorageError) as caught, local_bench.open("p05") as run:
            run.log_document({"num_queries": 8, "notes": ["x" * 1000] * 40})
        monkeypatch.undo()
    assert "No space left" in caught.value.what or "disk is full" in caught.value.what
    assert "TMPDIR" in str(caught.value.hint) or "space" in str(caught.value.hint)
    assert local_bench.collect().evidence == {}


def test_full_disk_while_assembling(local_bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliverables that find no room leave no assembly anybody counts."""
    from flywheel_mlflow.operations.assembly.assembling import assemble_iteration

    local_bench.log("p05")
    with _tiny_disk(tmp_path / "tmp", 16) as folder:
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with pytest.raises(StorageError) as caught:
            assemble_iteration(local_bench.flywheel, local_bench.tracking, 1, sources={})
        monkeypatch.undo()
    assert caught.value.hint
    assert local_bench.tracking.assemblies.recorded(1) is None


_LIMITED = """
import resource, sys
from pathlib import Path
from workbench import bench_on
from flywheel_mlflow.evidence.flywheel import load_flywheel
from flywheel_mlflow.operations.assembly.drifting import Followed
from flywheel_mlflow.operations.assembly.noticing import NoticedAfter
from flywheel_mlflow.base.errors import FlywheelError
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
bench = bench_on(load_flywheel(Path(sys.argv[1])), sys.argv[2])
data = Path(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    bench.log("p05", interfaces={"knowledge_index": data})
except FlywheelError as error:
    print(error.diagnostics())
    sys.exit(int(error.exit_code))
"""


def test_file_larger_than_allowed(home: Path, embedded_store: Callable[[], EmbeddedStore], tmp_path: Path) -> None:
    """A file-size limit hit while artifacts are written is exit code 4, and the run is not valid."""
    data = tmp_path / "index.bin"
    data.write_bytes(os.urandom(2_000_000))
    store = embedded_store()
    process = python_process(_LIMITED, str(home), store.uri, str(data), cwd=tmp_path)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 4, (out, err)
    assert "try:" in out
    assert bench_on(load_flywheel(home), store.uri).collect().evidence == {}


def test_full_disk_under_the_database(home: Path, tmp_path: Path) -> None:
    """A command on a full disk ends with 4 and two lines of ours, without MLflow's traceback."""
    with _tiny_disk(tmp_path / "store", 4000) as folder:
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        assert flywheel_command("init", root=home, uri=uri).code == 0
        with suppress(OSError), (folder / "filler").open("wb") as filler:
            while True:
                filler.write(b"x" * 4096)
                filler.flush()
        line = [sys.executable, "-m", "flywheel_mlflow", "--root", str(home), "--tracking-uri", uri]
        published = ["log", "p05", "-i", "1", "--results", str(home / "projects" / "p05_rag" / "published")]
        ended = subprocess.run([*line, *published], capture_output=True, text=True, check=False)
    assert ended.returncode == 4, ended.stderr
    assert "error: the disk is full" in ended.stderr
    assert "Traceback" not in ended.stderr + ended.stdout


@pytest.mark.parametrize("step", ["drift_after_assembly", "notice_after_assembly"])
def test_a_full_disk_after_the_assembly_is_no_success(
    local_bench: Bench, home: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The assembly stands, and the command ends with 4: what follows it was not written."""
    full = StorageError("the disk is full")
    kind = Followed if step.startswith("drift") else NoticedAfter
    monkeypatch.setattr(f"flywheel_mlflow.operations.acts.following.{step}", lambda *_: kind(failure=full))
    ended = flywheel_command("assemble", "-i", "1", "--log", "published", root=home, uri=local_bench.uri)
    assert (ended.code, "the disk is full" in ended.err) == (4, True)
    assert "iteration 1" in ended.out
    with pytest.raises(StorageError, match="the disk is full"):
        open_flywheel(home, local_bench.uri).assemble(1)


def test_a_folder_that_takes_no_writes_can_be_read(home: Path, tmp_path: Path) -> None:
    """Collecting and reading releases need no lock on a read-only disk; writing is refused as the disk's fault."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        # In processes of their own: one that has the database open keeps the disk writable.
        line = [sys.executable, "-m", "flywheel_mlflow", "--root", str(home), "--tracking-uri", uri, *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    with _tiny_disk(tmp_path / "store", 20_000) as folder:
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        assert run("assemble", "-i", "1", "--log", "published").returncode == 0
        assert run("release", "create", "-i", "1").returncode == 0
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        collected = run("collect", "-i", "1", "--json")
        assert "p05" in json.loads(collected.stdout)["evidence"], collected.stderr
        assert run("release", "list").returncode == 0
        written = run("log", "p05", "-i", "2", "--results", str(home / "projects/p05_rag/published"))
        assert written.returncode == 4, written.stderr


def test_a_lock_that_cannot_be_made_keeps_nobody_from_reading(
    embedded_store: Callable[[], EmbeddedStore], home: Path, tmp_path: Path
) -> None:
    """Where the database is there nobody makes it any more; where it is not, the folder is told."""
    uri = embedded_store().uri
    database = Path(uri.removeprefix("sqlite:///"))
    database.with_suffix(".opening").unlink(missing_ok=True)
    database.with_suffix(".opening").mkdir()
    assert flywheel_command("collect", "-i", "1", root=home, uri=uri).code == 0
    (tmp_path / "new.opening").mkdir()
    missing = flywheel_command("collect", "-i", "1", root=home, uri=f"sqlite:///{tmp_path / 'new.db'}")
    assert (missing.code, "cannot keep a database file there" in missing.err) == (4, True)
