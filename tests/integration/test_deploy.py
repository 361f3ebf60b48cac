"""The team's server of deploy/: PostgreSQL, S3 behind the server's proxy, accounts, replicas; as compose.yaml has it.

The programs are those of this machine, and moto is the S3: containers are not started.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow.artifacts
import pytest
from releases_bench import INTERFACE, MANAGER, OTHER, REVIEWER, ReleasesBench
from servers.compose import read_compose, read_variables
from servers.plugin import ADMIN, PluginServer, keyed_flywheel, password, signed_in
from servers.postgresql import PostgresCluster
from servers.s3 import CREDENTIALS, S3Server, running_s3
from servers.tracking import running_tracking_server
from workbench import flywheel_command

import flywheel_mlflow

#: An account that may not read the project's experiment.
SHUT_OUT = "eve"
BUCKET = "team-files"
FILES = "/api/2.0/mlflow-artifacts"
#: What S3 wants a part of an upload to have, other than the last.
PART_BYTES = 5 * 1024**2


@dataclass(frozen=True, slots=True)
class Deployed:
    """Two replicas on one database and bucket: ``private`` keeps clients off the store, ``direct`` sends them there."""

    private: PluginServer
    direct: PluginServer
    store: S3Server
    environ: dict[str, str]
    scripts: Path

    def files(self, bucket: str = BUCKET) -> set[str]:
        """The objects in a bucket, below what the server keeps there."""
        listed = self.store.client().list_objects_v2(Bucket=bucket)
        return {item["Key"].removeprefix("artifacts/") for item in listed.get("Contents", [])}

    def script(self, name: str, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A script of the image, with the environment of the server."""
        return run_script(self.scripts / name, *words, environ=self.environ | environ)


def run_script(script: Path, *words: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(script), *words], env=os.environ | environ, capture_output=True, text=True, check=False
    )


def settings_of(repository: Path, folder: Path, database: str, store: S3Server, flywheel: Path) -> dict[str, str]:
    """The environment of the service ``mlflow``, with this machine's addresses in place of the services' names."""
    variables = read_variables(repository / "deploy" / ".env.example") | {
        "FLYWHEEL_HOST": "localhost",
        "FLYWHEEL_FOLDER": str(flywheel),
        "POSTGRES_PASSWORD": "unused",
        "S3_ACCESS_KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "S3_SECRET_KEY": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        "S3_BUCKET": BUCKET,
        "S3_ENDPOINT": store.uri,
        "MLFLOW_AUTH_ADMIN_PASSWORD": password(ADMIN),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "for a test",
    }
    service = read_compose(repository / "deploy" / "compose.yaml", variables)["services"]["mlflow"]
    environment: dict[str, str] = service["environment"]
    accounts = folder / "accounts.ini"
    shipped = (repository / "deploy" / "accounts.ini").read_text()
    assert environment["MLFLOW_BACKEND_STORE_URI"] in shipped
    accounts.write_text(shipped.replace(environment["MLFLOW_BACKEND_STORE_URI"], database))
    return environment | {
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_AUTH_CONFIG_PATH": str(accounts),
        "FLYWHEEL_ROOT": str(flywheel),
        "FLYWHEEL_SERVER_KEY": str(folder / "server.key"),
        # The port is none of compose's: Caddy has the usual one.
        "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*",
    }


@pytest.fixture(scope="module")
def deployed(
    repository: Path, postgresql_cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployed]:
    """Both replicas with accounts and two releases: 1 was in production, 2 is there."""
    folder = tmp_path_factory.mktemp("deployed")
    flywheel, _ = keyed_flywheel(folder)
    database = postgresql_cluster.create_database("deployed")
    with ExitStack() as stack:
        store = stack.enter_context(running_s3(folder))
        environ = settings_of(repository, folder, database, store, flywheel.root)
        for _ in range(2):  # the second start finds everything there
            done = run_script(repository / "deploy" / "prepare.py", environ=environ)
            assert done.returncode == 0, done.stderr
        servers = []
        for name, more in (("private", {}), ("direct", {"FLYWHEEL_DIRECT_ARTIFACTS": "true"})):
            (folder / name).mkdir()
            started = stack.enter_context(
                running_tracking_server(
                    folder / name,
                    backend=database,
                    artifacts=environ["MLFLOW_ARTIFACTS_DESTINATION"],
                    app_name="flywheel-auth",
                    environ=environ | more,
                )
            )
            servers.append(PluginServer(started.uri, flywheel.root, True, started.log))
        found = Deployed(servers[0], servers[1], store, environ, repository / "deploy")
        _fill(found, folder)
        yield found


def _fill(deployed: Deployed, folder: Path) -> None:
    server = deployed.private
    with signed_in(ADMIN):
        bench = server.bench()
        for iteration in (1, 2):
            bench.log(folder, iteration)
            bench.assemble(iteration)
        (experiment,) = (item for item in bench.bench.client.search_experiments() if item.name.endswith("/p01"))
    for who in (MANAGER, REVIEWER, OTHER, SHUT_OUT):
        account = {"username": who, "password": password(who)}
        server.call("POST", "/api/2.0/mlflow/users/create", who=ADMIN, json=account).raise_for_status()
    denied = {"username": SHUT_OUT, "resource_type": "experiment", "resource_id": experiment.experiment_id}
    grant = "/api/3.0/mlflow/users/permissions/grant"
    server.call("POST", grant, who=ADMIN, json=denied | {"permission": "DENY"}).raise_for_status()
    for version in (1, 2):
        server.done(MANAGER, "create", iteration=version)
        for to in ("staging", "production"):
            server.done(REVIEWER, "approve", version=version, role="reviewer", reason="it is good")
            assert server.done(MANAGER, "gate", version=version, to=to)["result"]["verdict"] == "PASS"
            server.done(MANAGER, "promote", version=version, to=to)


def test_mlflow_knows_the_settings(repository: Path) -> None:
    """Each of MLflow's variables in compose.yaml and the Containerfile is one: MLflow ignores a misspelled one."""
    package = Path(mlflow.__file__).parent
    places = ("environment_variables.py", "cli/__init__.py", "utils/cli_args.py")
    known = "".join((package / place).read_text(encoding="utf-8") for place in places)
    for file in ("compose.yaml", "Containerfile"):
        used = set(re.findall(r"\bMLFLOW_[A-Z0-9_]+\b", (repository / "deploy" / file).read_text()))
        assert {name for name in used if f'"{name}"' not in known} == set(), file


@pytest.fixture
def consumer(deployed: Deployed) -> Iterator[ReleasesBench]:
    """Somebody with an account, who knows no credentials of the store, at the replica that keeps clients off it."""
    assert not CREDENTIALS.keys() & os.environ.keys()
    with signed_in(OTHER):
        yield deployed.private.bench()


def pinned(found: ReleasesBench, version: int) -> tuple[str, str]:
    """The run that a release rests on, and its file in the bucket."""
    view = found.bench.tracking.releases.version(version)
    assert view is not None
    pin = view.pins[INTERFACE]
    run = found.bench.client.get_run(pin.run_id)
    place = pin.uri.removeprefix(f"runs:/{pin.run_id}/")
    return pin.run_id, f"{run.info.experiment_id}/{pin.run_id}/artifacts/{place}"


def test_files_lie_in_the_bucket_and_pass_the_server(
    deployed: Deployed, consumer: ReleasesBench, tmp_path: Path
) -> None:
    """`pull`, `load` and MLflow's own download bring the released data to a client that knows no S3."""
    run_id, key = pinned(consumer, 2)
    assert any(name.startswith(key) for name in deployed.files())
    uri = deployed.private.uri
    root = deployed.private.root
    pulled = flywheel_command("pull", INTERFACE, "--out", tmp_path / "pulled", root=root, uri=uri)
    assert pulled.code == 0, pulled.err
    records = list(flywheel_mlflow.load(INTERFACE, flywheel=consumer.name, tracking_uri=uri).iter_records())
    assert len(records) == 7
    by_mlflow = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path=key.rpartition("/artifacts/")[2], tracking_uri=uri, dst_path=str(tmp_path)
    )
    assert len(Path(by_mlflow).read_text().splitlines()) == 7


def test_the_store_is_offered_to_nobody_unless_wanted(deployed: Deployed, consumer: ReleasesBench) -> None:
    """One replica offers no addresses and signs none, so that MLflow's clients stay with it; the other does both."""
    _, key = pinned(consumer, 2)
    for server, offered in ((deployed.private, False), (deployed.direct, True)):
        told = server.call("GET", "/api/3.0/mlflow/server-info", who=OTHER).json()
        assert (told["multipart_uploads_enabled"], told["multipart_downloads_enabled"]) == (offered, offered)
        signed = server.call("GET", f"{FILES}/presigned/{key}", who=OTHER)
        assert signed.status_code == (200 if offered else 501), signed.text
        begun = server.call(
            "POST", f"{FILES}/mpu/create/0/someones/artifacts", who=ADMIN, json={"path": "x", "num_parts": 1}
        )
        assert begun.status_code == (200 if offered else 501), begun.text


def test_every_replica_knows_everything(deployed: Deployed, consumer: ReleasesBench) -> None:
    """What one replica decided, its console shows at another, with the files of the bucket."""
    for path in ("", "releases/2", "iterations/2", f"interfaces/{INTERFACE}"):
        page = deployed.direct.call("GET", f"/flywheel/{path}", who=OTHER)
        assert page.status_code == 200, page.text
    resolved = flywheel_mlflow.resolve(INTERFACE, flywheel=consumer.name, tracking_uri=deployed.direct.uri)
    assert resolved.release == 2


def test_large_files_go_past_the_server_in_parts(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where clients may reach the store, MLflow's own upload in parts works through the guard, and comes back whole."""
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", "1")
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(PART_BYTES))
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(PART_BYTES + 1000))
    with signed_in(ADMIN):
        client = deployed.direct.bench().bench.client
        run = client.create_run("0")
        client.log_artifact(run.info.run_id, str(path))
        (tmp_path / "back").mkdir()
        back = client.download_artifacts(run.info.run_id, path.name, str(tmp_path / "back"))
        assert Path(back).read_bytes() == path.read_bytes()
    (stored,) = (name for name in deployed.files() if name.endswith("large.bin"))
    # S3's own mark of an upload in parts.
    assert "-2" in deployed.store.client().head_object(Bucket=BUCKET, Key=f"artifacts/{stored}")["ETag"]


def test_no_upload_in_parts_reaches_what_releases_rest_on(deployed: Deployed, consumer: ReleasesBench) -> None:
    """None begins, and one that began before the release, or past the server, does not end; nobody deletes either."""
    run_id, key = pinned(consumer, 2)
    folder, _, name = key.rpartition("/")
    begun = deployed.store.client().create_multipart_upload(Bucket=BUCKET, Key=f"artifacts/{key}")["UploadId"]
    before = deployed.files()
    calls: list[tuple[str, str, Any]] = [
        ("POST", f"{FILES}/mpu/create/{folder}", {"path": name, "num_parts": 1}),
        ("POST", f"{FILES}/mpu/create/{folder}", {"path": f"/elsewhere/{name}", "num_parts": 1}),
        ("POST", f"{FILES}/mpu/create/{folder.replace('/', '//')}/.", {"path": name, "num_parts": 1}),
        (
            "POST",
            f"{FILES}/mpu/complete/{folder}",
            {"path": name, "upload_id": begun, "parts": [{"part_number": 1, "etag": "x"}]},
        ),
        ("POST", f"{FILES}/mpu/abort/{folder}", {"path": name, "upload_id": begun}),
        (
            "POST",
            "/api/2.0/mlflow/artifacts/presigned-upload-url",
            {"run_id": run_id, "path": key.partition("/artifacts/")[2]},
        ),
        ("PUT", f"{FILES}/artifacts/{key}", None),
        ("DELETE", f"{FILES}/artifacts/{key}", None),
        ("DELETE", f"{FILES}/artifacts/{folder}", None),
    ]
    for method, path, body in calls:
        more = {"data": b"x"} if body is None else {"json": body}
        answer = deployed.direct.call(method, path, who=ADMIN, **more)
        assert answer.status_code == 403, (path, answer.status_code, answer.text)
        assert "release 2" in answer.text
    # S3 deletes by what keys begin with: a part of a name is nobody's file, and takes nothing along.
    deployed.direct.call("DELETE", f"{FILES}/artifacts/{key[:-3]}", who=ADMIN)
    assert deployed.files() == before
    with signed_in(ADMIN):
        assert deployed.private.bench().findings() == {}


def test_rights_hold_at_the_endpoints_for_parts(deployed: Deployed, consumer: ReleasesBench) -> None:
    """Who may not read an experiment gets no signed address of its files; who may only read begins no upload."""
    _, key = pinned(consumer, 1)
    assert deployed.direct.call("GET", f"{FILES}/presigned/{key}", who=SHUT_OUT).status_code == 403
    assert deployed.direct.call("GET", f"{FILES}/artifacts/{key}", who=SHUT_OUT).status_code == 403
    experiment = key.partition("/")[0]
    begun = deployed.direct.call(
        "POST", f"{FILES}/mpu/create/{experiment}/new/artifacts", who=OTHER, json={"path": "x", "num_parts": 1}
    )
    assert begun.status_code == 403


def test_what_is_done_in_the_bucket_is_found(deployed: Deployed, consumer: ReleasesBench, tmp_path: Path) -> None:
    """Data changed past the server are found by audit and refused by pull; to data that are gone nobody rolls back."""
    client = deployed.store.client()
    keys = {version: pinned(consumer, version)[1] for version in (1, 2)}
    held = {
        name: client.get_object(Bucket=BUCKET, Key=f"artifacts/{name}")["Body"].read()
        for name in deployed.files()
        if name.startswith(tuple(keys.values()))
    }
    for name, content in held.items():
        if name.startswith(keys[1]):
            client.delete_object(Bucket=BUCKET, Key=f"artifacts/{name}")
        else:
            client.put_object(Bucket=BUCKET, Key=f"artifacts/{name}", Body=content.replace(b"t", b"s"))
    try:
        refused = deployed.private.act(MANAGER, "rollback", reason="answers got worse")
        assert refused.status_code == 409, refused.text
        assert refused.json()["error"]["what"] == (
            f"cannot roll back to release 1: {INTERFACE}: MLflow: No such artifact: 'interfaces/{INTERFACE}/data.jsonl'"
        )
        assert "data-changed" in consumer.findings()
        pulled = flywheel_command(
            "pull", INTERFACE, "--out", tmp_path / "x", root=deployed.private.root, uri=deployed.private.uri
        )
        assert (pulled.code, "not what was released" in pulled.err) == (1, True), pulled.err
    finally:
        for name, content in held.items():
            client.put_object(Bucket=BUCKET, Key=f"artifacts/{name}", Body=content)
    assert consumer.findings() == {}
    done = deployed.private.done(MANAGER, "rollback", reason="answers got worse")
    assert done["version"] == 1


def test_a_saved_bucket_comes_back(deployed: Deployed, tmp_path: Path) -> None:
    """What is saved is put into another bucket file by file; nothing is saved into an old copy."""
    deployed.store.client().create_bucket(Bucket="restored")
    elsewhere = {"MLFLOW_ARTIFACTS_DESTINATION": "s3://restored/artifacts"}
    for act, more in (("save", {}), ("load", elsewhere)):
        done = deployed.script("bucket.py", act, str(tmp_path / "files"), **more)
        assert done.returncode == 0, done.stderr
    assert deployed.files("restored") == deployed.files()
    assert "not empty" in deployed.script("bucket.py", "save", str(tmp_path / "files")).stderr


def test_a_store_that_is_away_is_no_lost_data(deployed: Deployed) -> None:
    """While the bucket does not answer nothing is said about the data: a failure of the server, and no finding."""
    deployed.store.stop()
    failed = deployed.private.act(MANAGER, "rollback", to=2, reason="answers got worse")
    assert failed.status_code == 500, failed.text
    with signed_in(ADMIN):
        found = deployed.private.bench().findings()
    assert found.keys() == {"not_looked_at"}
