"""Data by reference are measured where they lie, fetched as they were, and told apart from what lies there by now."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from s3fs import S3FileSystem
from servers.objects import (
    HUB_COMMIT,
    HUB_DATASET,
    FileServer,
    ObjectStore,
    running_file_server,
    running_hub,
    running_object_store,
    s3_settings,
)
from workbench import python_process

from flywheel_mlflow import records
from flywheel_mlflow.base.addresses import checked_address
from flywheel_mlflow.base.errors import DocumentError, FlywheelError, InputError, Refused, SourceGone, SourceUnreachable
from flywheel_mlflow.promises.interfaces import InterfaceOut
from flywheel_mlflow.records.filesystems import LOOPBACK_VARIABLE, find, forbidden
from flywheel_mlflow.records.references import Differences, Manifest, compare, fetch, read_manifest, refer

LINES = "".join(json.dumps({"id": f"r{number}", "text": "x" * 40}) + "\n" for number in range(50))
OTHER = LINES.replace("x", "y")


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    with running_object_store() as store:
        yield store


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv(LOOPBACK_VARIABLE, "1")
    with running_file_server() as server:
        yield server


@pytest.fixture
def s3(object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in s3_settings(object_store.uri).items():
        monkeypatch.setenv(name, value)
    S3FileSystem.clear_instance_cache()  # it remembers the settings it was made with
    return object_store


def _promise(data_format: str = "jsonl") -> InterfaceOut:
    return InterfaceOut.model_validate({"name": "corpus", "title": "C", "format": data_format, "schema": "free"})


def _manifest(place: str | Path, data_format: str = "jsonl") -> Manifest:
    found = refer(place, data_format)
    measured = records.measure(found.data, _promise(data_format))
    manifest = found.manifest("corpus", {file.name: file.digest for file in measured.files})
    assert manifest.digest == measured.version.digest
    return manifest


def test_folder_of_a_bucket_is_measured_fetched_and_compared(s3: ObjectStore, tmp_path: Path) -> None:
    """A folder on S3 has the digest and records its files would have here; each difference is called what it is."""
    address = s3.put(a__jsonl=LINES, b__jsonl=OTHER.replace('"r', '"s'), _SUCCESS="")
    manifest = _manifest(f"{address}/")
    assert [file.name for file in manifest.files] == ["a.jsonl", "b.jsonl"]
    assert all(file.etag for file in manifest.files)
    path = fetch(manifest, tmp_path)
    assert records.content_digest(path) == manifest.digest
    assert (path / "a.jsonl").read_text() == LINES
    assert not compare(manifest, full=True)

    s3.put(a__jsonl=OTHER)
    assert compare(manifest) == Differences(changed=("a.jsonl",))
    with pytest.raises(Refused, match=r"a\.jsonl changed"):
        fetch(manifest, tmp_path / "again")
    s3.put(a__jsonl=LINES)
    s3.delete("b.jsonl")
    assert compare(manifest) == Differences(gone=("b.jsonl",))
    assert str(compare(manifest)) == "b.jsonl gone"
    with pytest.raises(Refused, match=r"b\.jsonl gone"):
        fetch(manifest, tmp_path / "third")
    s3.delete("a.jsonl")
    s3.delete("_SUCCESS")
    assert compare(manifest) == Differences(gone=("a.jsonl", "b.jsonl"))
    with pytest.raises(InputError, match="nothing at this address"):
        refer(address, "jsonl")


def test_one_object_keeps_its_own_digest(s3: ObjectStore, tmp_path: Path) -> None:
    """A single object is a single file: its digest is its bytes' own."""
    address = f"{s3.put(one__jsonl=LINES)}/one.jsonl"
    manifest = _manifest(address)
    assert manifest.digest == hashlib.sha256(LINES.encode()).hexdigest()
    assert fetch(manifest, tmp_path).read_text() == LINES


def test_parquet_is_read_where_it_lies(s3: ObjectStore, file_server: FileServer, tmp_path: Path) -> None:
    """Parquet, which is read from its end, is measured in a bucket and on a web server as here."""
    path = tmp_path / "here.parquet"
    pq.write_table(pa.table({"id": ["a", "b"], "n": [1, 2]}), path)
    expected = records.measure(path, _promise("parquet"))
    s3.client.put_object(Bucket="corpora", Key="table.parquet", Body=path.read_bytes())
    file_server.files["/table.parquet"] = path.read_bytes()
    for address in ("s3://corpora/table.parquet", f"{file_server.uri}/table.parquet"):
        found = records.measure(refer(address, "parquet").data, _promise("parquet"))
        assert (found.version, found.profile) == (expected.version, expected.profile)


def test_parquet_on_a_web_server_is_read_once(file_server: FileServer, tmp_path: Path) -> None:
    """One request for the whole file gives its records and its sha256; what stands at its end is asked for before."""
    texts = [f"text {number} {hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(20_000)]
    pq.write_table(pa.table({"id": texts, "n": range(20_000)}), tmp_path / "t.parquet", row_group_size=5000)
    file_server.files["/t.parquet"] = (tmp_path / "t.parquet").read_bytes()
    data = refer(f"{file_server.uri}/t.parquet", "parquet").data
    file_server.asked.clear()
    found = records.measure(data, _promise("parquet"))
    assert found.version.digest == hashlib.sha256(file_server.files["/t.parquet"]).hexdigest()
    assert file_server.asked.count("GET /t.parquet") == 2


def test_bucket_that_does_not_answer_proves_nothing(s3: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """No server, or no permission, is neither gone nor the same."""
    manifest = _manifest(f"{s3.put(one__jsonl=LINES)}/one.jsonl")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(SourceUnreachable, match="cannot be reached"):
        compare(manifest)
    with pytest.raises(SourceUnreachable):
        refer(manifest.address, "jsonl")


def test_web_server_is_read_once_and_asked_for_tags(file_server: FileServer, tmp_path: Path) -> None:
    """A file on a web server is read in one go; the same tag is enough to know it again, without one it is read."""
    file_server.files["/corpus.jsonl"] = LINES.encode()
    manifest = _manifest(f"{file_server.uri}/corpus.jsonl")
    assert file_server.asked.count("GET /corpus.jsonl") == 1
    assert fetch(manifest, tmp_path).read_text() == LINES
    file_server.asked.clear()
    assert not compare(manifest)
    assert file_server.asked == ["HEAD /corpus.jsonl"]
    file_server.tagged = False
    assert not compare(manifest)
    assert "GET /corpus.jsonl" in file_server.asked
    file_server.files["/corpus.jsonl"] = OTHER.encode()
    assert compare(manifest) == Differences(changed=("corpus.jsonl",))
    del file_server.files["/corpus.jsonl"]
    assert compare(manifest) == Differences(gone=("corpus.jsonl",))


def test_same_tag_hides_nothing_from_a_full_look(file_server: FileServer) -> None:
    """What a store calls unchanged is read with `full`."""
    file_server.files["/corpus.jsonl"] = LINES.encode()
    manifest = _manifest(f"{file_server.uri}/corpus.jsonl")
    file_server.files["/corpus.jsonl"] = OTHER.encode()
    lying = manifest.files[0].model_copy(update={"etag": find(manifest.address).etag})  # type: ignore[union-attr]
    manifest = manifest.model_copy(update={"files": (lying,)})
    assert not compare(manifest)
    assert compare(manifest, full=True) == Differences(changed=("corpus.jsonl",))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_trouble_of_a_web_server_proves_nothing(file_server: FileServer, status: int) -> None:
    """Only "not found" and "gone" are gone; whatever else a server says leaves it open."""
    file_server.files["/corpus.jsonl"] = LINES.encode()
    manifest = _manifest(f"{file_server.uri}/corpus.jsonl")
    file_server.instead["/corpus.jsonl"] = status
    with pytest.raises(SourceUnreachable):
        compare(manifest)
    file_server.instead["/corpus.jsonl"] = 410
    assert compare(manifest).gone == ("corpus.jsonl",)


def test_larger_file_is_not_read_to_its_end(file_server: FileServer, tmp_path: Path) -> None:
    """What has grown is changed, and no more of it is fetched than was promised."""
    file_server.files["/corpus.jsonl"] = LINES.encode()
    manifest = _manifest(f"{file_server.uri}/corpus.jsonl")
    file_server.files["/corpus.jsonl"] = LINES.encode() * 2000
    with pytest.raises(Refused, match="changed"):
        fetch(manifest, tmp_path)
    assert (tmp_path / "corpus.jsonl").stat().st_size <= len(LINES) + 1


def test_redirect_leads_nowhere_inside(file_server: FileServer) -> None:
    """Where a redirect leads is judged like any address: no metadata service is asked."""
    for place in ("http://169.254.169.254/latest/meta-data", "ftp://example.org/x", "https://[fd00:ec2::254]/"):
        file_server.instead["/corpus.jsonl"] = place
        with pytest.raises(SourceUnreachable, match=r"keep credentials|not followed|cannot be reached"):
            find(f"{file_server.uri}/corpus.jsonl")


def test_this_machine_is_opened_on_demand_alone(file_server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the setting nothing is asked of this machine itself, by http or by https."""
    monkeypatch.delenv(LOOPBACK_VARIABLE)
    with pytest.raises(InputError, match="not opened"):
        find(f"{file_server.uri}/corpus.jsonl")
    with pytest.raises(SourceUnreachable, match="this machine itself"):
        find(file_server.uri.replace("http://127.0.0.1", "https://localhost"))
    assert file_server.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "100.100.100.200",
        "0.0.0.0",  # noqa: S104 - asked, not bound
        "127.0.0.1",
        "::1",
        "224.0.0.1",
    ],
)
def test_no_data_are_looked_for_at(host: str) -> None:
    """Addresses of metadata services, of this machine and of nobody."""
    assert forbidden(host)


def test_servers_of_a_company_may_be_asked() -> None:
    """Private networks are where companies keep data."""
    assert [forbidden(host) for host in ("10.1.2.3", "192.168.1.5", "93.184.216.34", "2606:2800::1")] == [None] * 4


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://KEYID:SECRET@bucket/x", "credentials"),
        ("https://user:SECRET@host/x", "credentials"),
        ("https://host/x?X-Amz-Signature=SECRET", "may be a secret"),
        ("https://host/x?sv=2024&sig=SECRET", "may be a secret"),
        ("https://host/x?token=SECRET", "may be a secret"),
        ("https://host/%2e%2e/x", "way up"),
        ("s3://bucket/../x", "way up"),
        ("s3://bucket/*.jsonl", "pattern"),
        ("s3://bucket", "no object"),
        ("gs://bucket/x", "cannot be referred to"),
        ("file:///etc/passwd", "cannot be referred to"),
        ("http://host/x", "cannot be referred to"),
        ("simplecache::s3://bucket/x", "cannot be referred to"),
        ("hf://spaces/owner/name", "no dataset"),
        ("https://host:x/y", "names no server"),
        ("https://host/x\n", "no address"),
        ("https://[::1/x", "no address"),
    ],
)
def test_address_is_refused_without_its_secret(address: str, words: str) -> None:
    """Each address that is not taken is refused for what it is, and no secret of it is repeated."""
    with pytest.raises(InputError, match=words) as caught:
        checked_address(address)
    assert "SECRET" not in str(caught.value)


_HUB = """
import json, sys, tempfile
from pathlib import Path
from flywheel_mlflow.base.errors import FlywheelError
from flywheel_mlflow.records.filesystems import find
from flywheel_mlflow.records.references import compare, fetch, refer
found = refer(sys.argv[1], "jsonl")
data = found.data.files
print(json.dumps([found.address, [file.name for file in data], data[0].open().read().decode(), found.card.licence]))
import hashlib
digest = hashlib.sha256(data[0].open().read()).hexdigest()
manifest = found.manifest("corpus", {data[0].name: digest})
print(json.dumps((fetch(manifest, Path(tempfile.mkdtemp())) / data[0].name).read_text()))
for step in ("same", "changed", "gone", "away"):
    print(json.dumps(f"ready for {step}"), flush=True)
    sys.stdin.readline()
    try:
        told = str(compare(manifest))
    except FlywheelError as error:
        told = type(error).__name__
    print(json.dumps(told), flush=True)
try:
    find("hf://datasets/owner/private/x.jsonl")
except FlywheelError as error:
    print(json.dumps(type(error).__name__))
"""


def test_dataset_of_the_hub_is_pinned_at_its_commit(tmp_path: Path) -> None:
    """A dataset of the Hub is kept at its commit, without what describes it; what cannot be seen is not gone."""
    with ExitStack() as stack:
        hub = stack.enter_context(running_hub())
        hub.files |= {"README.md": b"---\nlicense: mit\n---\n", ".gitattributes": b""}
        hub.files["data/train.jsonl"] = LINES.encode()
        # The library reads its address when it is imported.
        process = python_process(_HUB, HUB_DATASET, cwd=tmp_path, env={"HF_ENDPOINT": hub.uri})

        def told() -> Any:
            assert process.stdout
            assert process.stderr
            line = process.stdout.readline()
            assert line, process.stderr.read()
            return json.loads(line)

        assert told() == [f"{HUB_DATASET}@{HUB_COMMIT}", ["data/train.jsonl"], LINES, "MIT"]
        assert told() == LINES
        answers = []
        for step in ("same", "changed", "gone", "away"):
            assert told() == f"ready for {step}"
            if step == "changed":
                hub.files["data/train.jsonl"] = OTHER.encode()
            elif step == "gone":
                del hub.files["data/train.jsonl"]
            elif step == "away":
                stack.close()
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
            answers.append(told())
        answers.append(told())
        process.communicate(timeout=600)
    unreachable = "SourceUnreachable"
    assert answers == ["", "data/train.jsonl changed", "data/train.jsonl gone", unreachable, unreachable]


def test_shared_folder_of_this_machine(tmp_path: Path) -> None:
    """A path that consumers share is a reference as well; links and pipes are no data."""
    folder = tmp_path / "shared data"
    folder.mkdir()
    (folder / "a b.jsonl").write_text(LINES)
    manifest = _manifest(folder)
    assert manifest.address == f"file://{tmp_path}/shared%20data"
    assert (fetch(manifest, tmp_path / "out") / "a b.jsonl").read_text() == LINES
    assert not compare(manifest)
    (folder / "a b.jsonl").write_text(OTHER)
    assert compare(manifest).changed == ("a b.jsonl",)
    (folder / "a b.jsonl").unlink()
    assert compare(manifest).gone == ("a b.jsonl",)
    os.mkfifo(tmp_path / "pipe.jsonl")
    with pytest.raises(FlywheelError):
        find(f"file://{tmp_path}/pipe.jsonl")


@pytest.mark.parametrize(
    "changes",
    [
        {"address": "https://user:pw@host/x"},
        {"address": "gs://bucket/x"},
        {"single": False, "files": [{"name": "../x", "size": 1, "sha256": "0" * 64}]},
        {"single": False, "files": [{"name": "/x", "size": 1, "sha256": "0" * 64}]},
        {"files": [{"name": "x", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"name": "x", "size": 1, "sha256": "0" * 63}]},
        {"files": []},
        {"files": [{"name": "x", "size": 1, "sha256": "0" * 64}] * 2},
        {"more": 1},
    ],
)
def test_hostile_manifest_is_none(changes: dict[str, object]) -> None:
    """A manifest that leads out of its folder, or where no address may, is refused before anything is opened."""
    whole: dict[str, object] = {
        "format_version": 1,
        "interface": "corpus",
        "address": "s3://bucket/x",
        "single": True,
        "files": [{"name": "x", "size": 1, "etag": None, "sha256": "0" * 64}],
    }
    text = json.dumps(whole | changes)
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    with pytest.raises(DocumentError):
        read_manifest(text, f"flywheel/references/corpus.{digest}.json")


def test_manifest_that_leads_elsewhere_is_seen(tmp_path: Path) -> None:
    """A manifest's own digest stands in its name: another address in it is noticed before it is opened."""
    (tmp_path / "x.jsonl").write_text(LINES)
    manifest = _manifest(tmp_path / "x.jsonl")
    assert read_manifest(manifest.text, manifest.place) == manifest
    with pytest.raises(Refused, match="not what was logged"):
        read_manifest(manifest.text.replace("x.jsonl", "y.jsonl"), manifest.place)


def test_file_that_changes_while_it_is_measured(s3: ObjectStore) -> None:
    """A file rewritten between the look at it and its end is not logged."""
    address = f"{s3.put(one__jsonl=LINES)}/one.jsonl"
    found = refer(address, "jsonl")
    s3.put(one__jsonl=OTHER)
    with pytest.raises(InputError, match="changed while"):
        records.measure(found.data, _promise())
    s3.delete("one.jsonl")
    with pytest.raises(SourceGone):
        records.measure(found.data, _promise())
