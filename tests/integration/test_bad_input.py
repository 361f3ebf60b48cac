"""Input at fault: exit code 2, a message that names file, place and what to do, and nothing logged as valid."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers.embedded import EmbeddedStore
from workbench import Bench, Ended, bench_on, copy_flywheel, flywheel_command, fresh_name, records, write_records

from flywheel_mlflow.base.errors import FlywheelError, InputError
from flywheel_mlflow.evidence.flywheel import load_flywheel

METRICS = {"verification_pass_rate": 0.99, "synthesized_count": 88, "num_books": 2}
CHECKS = ("both_domains_present", "train_val_no_overlap", "quality_has_no_failures", "manifest_matches_final_count")


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    """A flywheel on disk."""
    return copy_flywheel(repository, tmp_path / "home", fresh_name())


@pytest.fixture
def store(embedded_store: Callable[[], EmbeddedStore]) -> EmbeddedStore:
    """An embedded store for that flywheel."""
    return embedded_store()


@pytest.fixture
def nothing_counts(home: Path, store: EmbeddedStore) -> Iterator[None]:
    """After the test the store holds no valid run, and none that is still open."""
    yield
    bench = bench_on(load_flywheel(home), store.uri)
    assert bench.collect().evidence == {}
    assert {item.reason.split(":")[0] for item in bench.collect().skipped} <= {"ended failed"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The result files of p04, all of them good."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "p4_metrics.json").write_text(json.dumps(METRICS))
    checks = [{"name": name, "passed": True} for name in CHECKS]
    (folder / "p4_test_results.json").write_text(json.dumps({"dataset_checks": checks, "overall_passed": True}))
    write_records(folder / "teaching_corpus.jsonl", records(4))
    write_records(folder / "verified_code_examples.jsonl", records(4, start=50))
    return folder


def _log(home: Path, store: EmbeddedStore, results: Path, project: str = "p04") -> Ended:
    return flywheel_command("log", project, "-i", "1", "--results", results, root=home, uri=store.uri)


def test_good_files_pass(home: Path, store: EmbeddedStore, results: Path) -> None:
    """The files that the tests of this module spoil one by one are good as they are."""
    ended = _log(home, store, results)
    assert ended.code == 0, ended.err
    assert "checks: 16 of 16 passed" in ended.out or "of" in ended.out
    assert set(bench_on(load_flywheel(home), store.uri).collect().evidence) == {"p04"}


def _spoil(name: str, text: str | bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

    return spoil


def _cut(folder: Path) -> None:
    path = folder / "teaching_corpus.jsonl"
    path.write_bytes(path.read_bytes()[:-120])


_METRICS_FILE = "p4_metrics.json"
_CORPUS = "teaching_corpus.jsonl"
_ONE = json.dumps(records(1)[0])

SPOILED: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "missing KPI path": (
        _spoil(_METRICS_FILE, json.dumps({"num_books": 2})),
        (_METRICS_FILE, "verification_pass_rate", "project.yaml"),
    ),
    "NaN": (_spoil(_METRICS_FILE, '{\n"verification_pass_rate": NaN}'), (_METRICS_FILE, "NaN is not a number")),
    "Infinity": (_spoil(_METRICS_FILE, '{"verification_pass_rate": -Infinity}'), (_METRICS_FILE, "-Infinity")),
    "number too large": (_spoil(_METRICS_FILE, '{"verification_pass_rate": 1e999}'), (_METRICS_FILE, "1e999")),
    "KPI of text": (
        _spoil(_METRICS_FILE, '{"verification_pass_rate": "high"}'),
        (_METRICS_FILE, "verification_pass_rate", "not a number"),
    ),
    "metrics not JSON": (_spoil(_METRICS_FILE, '{"a": 1,\n oops}'), (f"{_METRICS_FILE}:2", "not JSON", "column 2")),
    "metrics a list": (_spoil(_METRICS_FILE, "[1, 2]"), (_METRICS_FILE, "object of names and values")),
    "metrics not UTF-8": (_spoil(_METRICS_FILE, b'{"a": "\xff"}'), (_METRICS_FILE, "not UTF-8")),
    "metrics missing": (lambda folder: (folder / _METRICS_FILE).unlink(), (_METRICS_FILE, "no such file")),
    "checks missing": (lambda folder: (folder / "p4_test_results.json").unlink(), ("p4_test_results.json",)),
    "no check": (_spoil("p4_test_results.json", '{"dataset_checks": []}'), ("p4_test_results.json",)),
    "file cut": (_cut, (f"{_CORPUS}, line 4", "ends in the middle of a record")),
    "empty file": (_spoil(_CORPUS, ""), (_CORPUS, "no record")),
    "list as record": (_spoil(_CORPUS, f"{_ONE}\n[1]\n"), (f"{_CORPUS}, line 2", "a record must be an object")),
    "NaN in record": (_spoil(_CORPUS, '{"id": "r1", "score": NaN}\n'), (f"{_CORPUS}, line 1", "NaN")),
    "Parquet as JSONL": (_spoil(_CORPUS, b"PAR1\x00\x00"), (_CORPUS, "Parquet, not JSONL")),
}


@pytest.mark.usefixtures("nothing_counts")
@pytest.mark.parametrize("case", SPOILED)
def test_spoiled_result_file(home: Path, store: EmbeddedStore, results: Path, case: str) -> None:
    """A spoiled result file ends in exit code 2, with the file and the place in the message, and no valid run."""
    spoil, words = SPOILED[case]
    spoil(results)
    ended = _log(home, store, results)
    assert ended.code == 2, ended
    assert ended.out == ""
    shown = " ".join(ended.err.split())
    assert all(word in shown for word in words), shown
    assert "try:" in shown
    assert "\a" not in ended.err


def test_strange_check_names_of_other_tools_are_tamed(home: Path, store: EmbeddedStore, results: Path) -> None:
    """A check name of 300 characters or with control characters, as other tools make them, is kept short and clean."""
    checks = [{"name": "n" * 300, "passed": False}, {"name": "bell \a\x1b[31m", "passed": False}]
    (results / "p4_test_results.json").write_text(json.dumps({"dataset_checks": checks}))
    ended = _log(home, store, results)
    assert ended.code == 0, ended.err
    evidence = bench_on(load_flywheel(home), store.uri).collect().evidence["p04"]
    names = [name for name in evidence.checks.not_passed if not name.startswith(("teaching", "verified"))]
    assert len(names) == 2
    assert all(len(name) <= 250 and name.isprintable() for name in names)


def test_record_without_id_is_a_failed_check(home: Path, store: EmbeddedStore, results: Path) -> None:
    """A record without id leaves a run whose required-fields check failed, and a project nobody may consume."""
    rows = records(3)
    del rows[1]["id"]
    write_records(results / _CORPUS, rows)
    ended = flywheel_command("log", "p04", "-i", "1", "--results", results, "--json", root=home, uri=store.uri)
    assert ended.code in (0, 1, 2), ended
    shown = ended.out + ended.err
    assert "id" in shown
    evidence = bench_on(load_flywheel(home), store.uri).collect().evidence.get("p04")
    if ended.code == 2:
        assert evidence is None
    else:
        assert not ended.json["consumable"]
        assert any("teaching_corpus.required_fields" in reason for reason in ended.json["reasons"])


@pytest.mark.parametrize(
    ("project", "words"),
    [
        ("p99", ("unknown project 'p99'", "known:")),
        ("../p04", ("unknown project",)),
        ("projects/nowhere", ("unknown project",)),
        ("p04\x1b[31m", ("unknown project",)),
        ("p" * 300, ("unknown project",)),
        ("p10", ("assembly layer", "flywheel assemble")),
    ],
)
def test_unknown_project(home: Path, store: EmbeddedStore, results: Path, project: str, words: tuple[str, ...]) -> None:
    """A project nobody declared is exit code 2 with the known ones listed, whatever characters its name holds."""
    ended = _log(home, store, results, project)
    assert ended.code == 2
    assert all(word in ended.err for word in words), ended.err
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("iteration", ["0", "-1", "1000000", "one", "1.5", ""])
@pytest.mark.parametrize("command", ["log p04", "collect", "assemble", "check", "explain x", "impact p01"])
def test_iteration_that_is_none(home: Path, store: EmbeddedStore, command: str, iteration: str) -> None:
    """Every command refuses what is not an iteration with exit code 2."""
    ended = flywheel_command(*command.split(), f"--iteration={iteration}", root=home, uri=store.uri)
    assert ended.code == 2, ended


def test_missing_results_folder_is_named(home: Path, store: EmbeddedStore) -> None:
    """A folder of results that is not there is named, with the option that names another."""
    ended = flywheel_command("log", "p04", "-i", "1", root=home, uri=store.uri)
    assert ended.code == 2
    shown = " ".join(ended.err.split())
    assert "projects/p04_textbook/results" in shown.replace(" ", "")
    assert "--results" in shown


def test_folder_without_flywheel(tmp_path: Path, store: EmbeddedStore) -> None:
    """Outside a flywheel's folder every command says that there is no flywheel.yaml, and how to name one."""
    ended = flywheel_command("collect", "-i", "1", root=tmp_path, uri=store.uri)
    assert ended.code == 2
    assert "flywheel.yaml" in ended.err


@pytest.mark.parametrize("uri", ["ftp://host/x", "file:///tmp/x", "databricks", "./mlruns"])
def test_tracking_uri_nobody_can_use(home: Path, uri: str) -> None:
    """A tracking URI of an unsupported kind is exit code 2, with the kinds that work."""
    ended = flywheel_command("collect", "-i", "1", root=home, uri=uri)
    assert ended.code == 2
    assert "http(s)://HOST:PORT" in ended.err


NAMES = ["../up", "a/../b", "/abs", "bell\a", "n" * 300, "", "  ", "new\nline", "a//b", "ünï", "a%b"]


@pytest.mark.parametrize("name", NAMES, ids=[ascii(name)[:20] for name in NAMES])
def test_names_that_cannot_be_kept(local_bench: Bench, name: str) -> None:
    """Metrics, parameters, tags and checks refuse a name with ../, control characters or 300 characters at once."""
    run = local_bench.open("p05")
    with pytest.raises(InputError):
        run.log_metrics({name: 1.0})
    with pytest.raises(InputError):
        run.log_params({name: 1})
    with pytest.raises(InputError):
        run.set_tags({name: "x"})
    with pytest.raises(FlywheelError):
        run.log_interface(name, Path("x"))
    if name not in ("../up", "a/../b", "/abs", "a//b", "ünï", "a%b"):  # fine as a check's name, which is only text
        with pytest.raises(InputError):
            run.log_check(name, True)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "1", None, True, [1]])
def test_values_that_are_no_numbers(local_bench: Bench, value: object) -> None:
    """NaN, infinities and whatever is no number are refused as metrics when they are given, with what to do."""
    run = local_bench.open("p05")
    with pytest.raises(InputError) as caught:
        run.log_metrics({"queries": value})  # type: ignore[dict-item]
    assert caught.value.hint


@pytest.mark.parametrize("value", ["nul \0", "lone \ud800", "x" * 6001])
def test_parameter_values_no_database_keeps(bench: Bench, value: str) -> None:
    """A parameter that a database would refuse or cut is refused when it is given, on every server alike."""
    run = bench.open("p05")
    with pytest.raises(InputError):
        run.log_params({"prompt": value})
    with pytest.raises(InputError):
        run.set_tags({"prompt": value + "x" * 2000})


def test_reserved_names_are_not_the_callers(local_bench: Bench) -> None:
    """Tags and metrics that the product writes itself cannot be forged through the interface."""
    run = local_bench.open("p05")
    for tag in ("flywheel.valid", "mlflow.user"):
        with pytest.raises(InputError, match="kept for the flywheel"):
            run.set_tags({tag: "true"})
    with pytest.raises(InputError, match="kept for the flywheel"):
        run.log_metrics({"checks.failed": 0})


def test_data_changed_after_measuring(local_bench: Bench, tmp_path: Path) -> None:
    """Data rewritten between measuring and the end of the block fail the run: the digest would be another's."""
    path = write_records(tmp_path / "teaching_corpus.jsonl", records(3))
    run = local_bench.open("p04")
    run.__enter__()
    run.log_metrics({"verification_pass_rate": 1.0})
    run.log_interface("teaching_corpus", path)
    write_records(path, records(3, start=7))
    with pytest.raises(InputError, match="changed"):
        run.__exit__(None, None, None)
    assert local_bench.collect().evidence == {}
