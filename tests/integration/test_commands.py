"""Commands that read: explain, impact, collect, validate; and every command line the documents show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from servers.embedded import EmbeddedStore, copy_store
from workbench import bench_on, copy_flywheel, flywheel_command, fresh_name, records, write_records

from flywheel_mlflow.cli.app import command_line
from flywheel_mlflow.evidence.flywheel import load_flywheel

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")) if path.is_file()
)
_FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: What stands before a command on its line: a prompt, variables for this command alone.
_BEFORE = re.compile(r"^(\$ )?([A-Z_]+=\S+ )*")


def _blocks(path: Path, *languages: str) -> list[str]:
    return [body for language, body in _FENCE.findall(path.read_text(encoding="utf-8")) if language in languages]


def _command_lines(path: Path, *programs: str) -> Iterator[list[str]]:
    """The lines of a document's shell blocks that call one of these programs, split as a shell does."""
    for block in _blocks(path, "console", "bash", "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            called = _BEFORE.sub("", line.strip())
            if not called.startswith(tuple(f"{program} " for program in programs)):
                continue
            words = shlex.split(called, comments=True)
            for end, word in enumerate(words):
                if word in ("|", ">", "&&", ";", "&"):
                    words = words[:end]
                    break
            yield words


DOCUMENTED = [
    pytest.param(words, id=f"{path.relative_to(ROOT)}: {' '.join(words)[:80]}")
    for path in DOCUMENTS
    for words in _command_lines(path, "flywheel")
]


@pytest.mark.parametrize("words", DOCUMENTED)
def test_documented_command_exists(words: list[str]) -> None:
    """Every `flywheel` line of the documents parses: the command exists, and knows each option and argument."""
    group = command_line()
    context = group.make_context("flywheel", words[1:], resilient_parsing=False)
    name, command, rest = group.resolve_command(context, [*context._protected_args, *context.args])
    assert command is not None
    assert name is not None
    command.make_context(name, rest, parent=context)


def test_documents_show_commands() -> None:
    """The documents were found, and they show commands: an empty list would prove nothing."""
    assert any(path.name == "README.md" for path in DOCUMENTS)
    assert len(DOCUMENTED) >= 5


def test_documented_make_targets_exist() -> None:
    """Every `make` line of the documents names a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        word
        for path in DOCUMENTS
        for words in _command_lines(path, "make")
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }
    assert asked
    assert asked <= targets


def test_documented_entry_points_exist() -> None:
    """Every `mlflow run` line of the documents names an entry point and parameters of MLproject."""
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    for path in DOCUMENTS:
        for words in _command_lines(path, "mlflow"):
            if words[1] != "run":
                continue
            pairs = list(pairwise(words))
            entry = next((value for key, value in pairs if key in ("-e", "--entry-point")), "main")
            assert entry in project["entry_points"], words
            given = {value.split("=")[0] for key, value in pairs if key == "-P"}
            assert given <= set(project["entry_points"][entry]["parameters"]), words


def test_entry_points_run_commands_that_exist() -> None:
    """Every entry point of MLproject is a command line that parses once its parameters are filled in."""
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    for entry in project["entry_points"].values():
        values = {name: str(spec.get("default", "p05")) for name, spec in entry["parameters"].items()}
        # MLflow quotes each value for the shell; an empty one arrives as an empty word.
        words = shlex.split(entry["command"].format(**{name: shlex.quote(value) for name, value in values.items()}))
        assert words[:3] == ["python", "-m", "flywheel_mlflow"]
        test_documented_command_exists(["flywheel", *words[3:]])


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    """A flywheel on disk."""
    return copy_flywheel(repository, tmp_path / "home", fresh_name())


def test_readme_python_runs(
    home: Path, embedded_store: Callable[[], EmbeddedStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's Python blocks run as they are, given the data they name."""
    store = embedded_store()
    monkeypatch.chdir(home)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    write_records(home / "results" / "retrieval_metrics.jsonl", records(3))
    blocks = _blocks(ROOT / "README.md", "python")
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own text
    bench = bench_on(load_flywheel(home), store.uri)
    assert bench.collect(2).evidence["p05"].interfaces_out["retrieval_metrics"].rows == 3


@pytest.fixture(scope="module")
def assembled(
    repository: Path, migrated_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, EmbeddedStore]:
    """A flywheel on disk with a store in which its published figures are assembled, for tests that only read."""
    folder = tmp_path_factory.mktemp("assembled")
    root = copy_flywheel(repository, folder / "home", fresh_name())
    store = copy_store(migrated_template, folder / "store")
    ended = flywheel_command("assemble", "-i", "1", "--log", "published", root=root, uri=store.uri)
    assert ended.code == 0, ended.err + ended.out
    return root, store


READING = [
    "validate",
    "collect -i 1",
    "check",
    "explain mean_stage_score",
    "explain p05.citation_accuracy -i 1",
    "explain review_hours",
    "impact teaching_corpus",
    "impact p01 -i 1",
    "impact p10",
    "schema contract",
    "schema blueprint",
]


def test_reading_commands_print_json(assembled: tuple[Path, EmbeddedStore]) -> None:
    """Every command that reads ends with 0, as a table and as JSON that parses, with nothing on standard error."""
    home, store = assembled
    for line in READING:
        plain = flywheel_command(*line.split(), root=home, uri=store.uri)
        assert (plain.code, plain.err) == (0, ""), line
        assert plain.out.strip()
        if not line.startswith("schema"):
            found = flywheel_command(*line.split(), "--json", root=home, uri=store.uri)
            assert (found.code, found.err) == (0, ""), line
            assert found.json
        else:
            assert plain.json["properties"]


def test_explain_leads_down_to_runs(assembled: tuple[Path, EmbeddedStore]) -> None:
    """The tree behind a stage score names the runs whose evidence it rests on."""
    home, store = assembled
    evidence = bench_on(load_flywheel(home), store.uri).collect().evidence
    ended = flywheel_command("explain", "mean_stage_score", root=home, uri=store.uri)
    assert all(str(item.run_id) in ended.out for item in evidence.values())


def test_impact_follows_interfaces(assembled: tuple[Path, EmbeddedStore]) -> None:
    """A change of an interface reaches its consumers and theirs, nearest first, each once."""
    home, store = assembled
    ended = flywheel_command("impact", "foundation_corpus", "--json", root=home, uri=store.uri)
    reached = ended.json["reached"]
    names = [item["project_id"] for item in reached]
    assert "p04" in names
    assert "p06" in names
    assert len(names) == len(set(names))
    assert [item["distance"] for item in reached] == sorted(item["distance"] for item in reached)


def test_impact_needs_no_assembly(home: Path, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Before anything is assembled, the contracts alone say who is hit."""
    ended = flywheel_command("impact", "foundation_corpus", "--json", root=home, uri=embedded_store().uri)
    assert ended.code == 0
    assert ended.json["iteration"] is None
    assert ended.json["reached"]


@pytest.mark.parametrize("line", ["explain nothing_like_it", "explain p05.nothing", "impact nobody", "schema x"])
def test_unknown_names(assembled: tuple[Path, EmbeddedStore], line: str) -> None:
    """A name nobody knows is exit code 2, with names that exist."""
    home, store = assembled
    ended = flywheel_command(*line.split(), root=home, uri=store.uri)
    assert ended.code == 2
    assert "known:" in ended.err


def test_hostile_names_reach_no_terminal(home: Path, embedded_store: Callable[[], EmbeddedStore]) -> None:
    """Control characters in what other people wrote are never printed."""
    store = embedded_store()
    bench = bench_on(load_flywheel(home), store.uri)
    labels = {"flywheel.name": bench.name, "flywheel.iteration": "1", "flywheel.project": "p05\x1b[31m[bold]red"}
    bench.client.set_terminated(bench.client.create_run(bench.experiment("p05"), tags=labels).info.run_id)
    ended = flywheel_command("collect", "-i", "1", root=home, uri=store.uri)
    assert ended.code == 0
    assert "\x1b" not in ended.out
    assert "[bold]red" in ended.out
