"""Tests of blueprints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flywheels import blueprint_document, put

from flywheel_mlflow.base.errors import DocumentError
from flywheel_mlflow.promises.blueprint import Blueprint, blueprint_files, read_blueprint

Change = Callable[[dict[str, Any]], object]
KEY = "ed25519:" + "A" * 43 + "="


def _max_drop(document: dict[str, Any], **more: Any) -> None:
    demand = {"kind": "max_drop", "metric": "p01.retention", "limit": 0.02}
    document["gates"][0]["criteria"][0].update(demand | more)


def test_a_blueprint_reads_back_with_its_lines(tmp_path: Path) -> None:
    """The file is read strictly, and each later finding can name its line."""
    put(tmp_path / "flywheel.yaml", blueprint_document())
    found, document = read_blueprint(tmp_path)
    assert found == Blueprint.model_validate(blueprint_document())
    assert [item.id for item in found.criteria] == ["green", "signed"]
    text = (tmp_path / "flywheel.yaml").read_text(encoding="utf-8").splitlines()
    assert "thin" in text[document.line_of(("bottlenecks", 0, "id")) - 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda it: it.update(colour="red"), "colour: unknown key"),
        (lambda it: it.update(name="Has Space"), "name: String should match"),
        (lambda it: it["gates"][0].update(criteria=[]), "gates[0].criteria: "),
        (lambda it: it["gates"][0].update(distinct_people=0), "gates[0].distinct_people: "),
        (lambda it: it["gates"][0].update(distinct_people=9), "9 different people, and the file names"),
        (lambda it: it["gates"][0].update(to="moon"), "gates[0].to: "),
        (lambda it: it["stages"][0]["milestone"].update(owner="nobody"), "stages.first.milestone.owner"),
        (lambda it: it["stages"][0].update(enters_through="hole"), "nothing is called 'hole'"),
        (lambda it: it["control_points"][0].update(before=["never"]), "control_points.valve.before"),
        (lambda it: it["control_points"][0].update(criteria=["none"]), "control_points.valve.criteria"),
        (lambda it: it["boundaries"][0].update(enforced_by=["none"]), "boundaries.privacy.enforced_by"),
        (lambda it: it["boundaries"][0].update(enforced_by=[]), "boundaries[0].enforced_by: "),
        (lambda it: it["mechanisms"][0].update(owner="nobody"), "mechanisms.weekly.owner"),
        (lambda it: it["risks"][0].update(owner="nobody"), "risks.drain.owner"),
        (lambda it: it["risks"][0].update(layers=["sky"]), "risks.drain.layers"),
        (lambda it: it["bottlenecks"][0].update(when="p01.a is bad"), "bottlenecks[0].when: rule"),
        (lambda it: it["bottlenecks"][0].update(when="__import__('os')"), "bottlenecks[0].when: rule"),
        (lambda it: it["scoring"].update(blocked_below=0.9), "must not exceed"),
        (lambda it: it["scoring"].update(blocked_below="0.1"), "scoring.blocked_below: "),
        (lambda it: it["scoring"]["severity_weights"].pop("low"), "severity_weights: missing: low"),
        (lambda it: it["scoring"]["severity_weights"].update(low=-1), "severity_weights.low: "),
        (lambda it: it["scoring"].update(weights={"checks": 0, "kpis": 0, "contract": 0}), "above 0"),
        (lambda it: it["gates"][0]["criteria"][1].pop("role"), "needs a role"),
        (lambda it: it["gates"][0]["criteria"][0].update(kind="floor"), "needs a metric and a limit"),
        (lambda it: it["gates"][0]["criteria"][0].update(kind="floor", metric="a b", limit=1), "String should match"),
        (
            lambda it: it["gates"][0]["criteria"][1].update(role="king"),
            "criteria.signed.role: nothing is called 'king'",
        ),
        (lambda it: it["gates"][0]["criteria"][0].update(verified=True), "only an approval or human_review"),
        (lambda it: it["gates"][0]["criteria"][1].update(verified="yes"), "gates[0].criteria[1].verified: "),
        (lambda it: it["gates"][0]["criteria"][0].update(confidence=0.95), "only a max_drop or human_review"),
        (lambda it: _max_drop(it, confidence=0.5), "gates[0].criteria[0].confidence: "),
        (lambda it: _max_drop(it, confidence=1.0), "gates[0].criteria[0].confidence: "),
        (lambda it: _max_drop(it, confidence="0.9"), "gates[0].criteria[0].confidence: "),
        (lambda it: _max_drop(it, metric=None), "needs a metric and a limit"),
        (lambda it: it["roles"][0].update(people=["ana", "eve"]), "roles.reviewer.people: nothing is called 'eve'"),
        (lambda it: it["roles"][0].update(people=[]), "roles[0].people: "),
        (lambda it: it["roles"][0].update(id="Reviewer"), "roles[0].id: "),
        (lambda it: it["people"][0].update(id="ana smith"), "people[0].id: "),
        (lambda it: it["people"][0].update(id=""), "people[0].id: "),
        (lambda it: it["people"][0].update(public_key="ed25519:short"), "people[0].public_key: "),
        (lambda it: it["people"][0].update(public_key="A" * 43 + "="), "people[0].public_key: "),
        (lambda it: [one.update(public_key=KEY) for one in it["people"]], "two people have the same public_key"),
        (lambda it: it.update(releases={"may_move": ["king"]}), "releases.may_move: nothing is called 'king'"),
        (lambda it: it.update(releases={"server_keys": ["rsa:x"]}), "releases.server_keys[0]: "),
        (lambda it: it.update(releases={"approval_days": 0}), "releases.approval_days: "),
        (lambda it: it.update(releases={"verdict_days": 366}), "releases.verdict_days: "),
        (lambda it: it.update(releases={"approval_days": "14"}), "releases.approval_days: "),
        (lambda it: it.update(releases={"move_lease_s": 86_401}), "releases.move_lease_s: "),
        (lambda it: it.update(releases={"mirror_stages": 1}), "releases.mirror_stages: "),
        (lambda it: it.update(releases={"colour": "red"}), "releases.colour: unknown key"),
    ],
)
def test_a_contradiction_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    """References to nothing, unreadable rules and weights that cannot weigh are faults."""
    document = blueprint_document()
    change(document)
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert message in caught.value.diagnostics()


@pytest.mark.parametrize(
    "key",
    [
        "layers",
        "stages",
        "control_points",
        "boundaries",
        "teams",
        "mechanisms",
        "gates",
        "bottlenecks",
        "routing",
        "people",
        "roles",
    ],
)
def test_no_part_has_the_name_of_another(tmp_path: Path, key: str) -> None:
    """Two parts of one kind with one id are refused: a reference would have two meanings."""
    document = blueprint_document()
    document[key].append(document[key][0])
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError, match=f"{key}: named twice"):
        read_blueprint(tmp_path)


def test_every_dangling_reference_is_named_in_one_go(tmp_path: Path) -> None:
    """Three references to nothing are three names in the message."""
    document = blueprint_document()
    document["risks"][0]["owner"] = "one"
    document["mechanisms"][0]["owner"] = "two"
    document["boundaries"][0]["enforced_by"] = ["three"]
    put(tmp_path / "flywheel.yaml", document)
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert all(f"'{name}'" in caught.value.diagnostics() for name in ("one", "two", "three"))


def test_people_roles_and_release_rules_can_be_left_out_and_set() -> None:
    """Without them everybody moves releases and nobody approves; what is written is what is read."""
    document = blueprint_document()
    del document["people"], document["roles"], document["gates"][0]["criteria"][1]
    bare = Blueprint.model_validate(document)
    assert (bare.people, bare.roles, bare.releases.may_move, bare.releases.server_keys) == ((), (), (), ())
    assert (bare.releases.approval_days, bare.releases.verdict_days, bare.releases.mirror_stages) == (14, 14, True)
    document = blueprint_document()
    document["people"][0]["public_key"] = KEY
    document["releases"] = {"may_move": ["reviewer"], "server_keys": [KEY], "mirror_stages": False}
    _max_drop(document, confidence=0.95)
    full = Blueprint.model_validate(document)
    assert full.people[0].public_key == KEY
    assert full.criteria[0].confidence == 0.95
    gate = full.gate_to("staging")
    assert gate is not None
    assert gate.id == "to_staging"
    assert full.gate_to("production") is None


def test_a_small_blueprint_leaves_out_what_it_does_not_need(tmp_path: Path) -> None:
    """Name, title, layers, stages and teams are enough; scores have weights and limits all the same."""
    document = blueprint_document()
    small = {key: document[key] for key in ("name", "title", "layers", "teams")} | {"stages": document["stages"][:1]}
    found = Blueprint.model_validate(small)
    assert found == Blueprint.model_validate(small | {"control_points": [], "boundaries": [], "gates": []})
    assert (found.gate_to("staging"), found.routing, found.scoring.completed_from) == (None, (), 0.85)
    assert set(found.scoring.severity_weights) == {"low", "medium", "high"}
    put(tmp_path / "flywheel.yaml", {"name": "bare"})
    with pytest.raises(DocumentError) as caught:
        read_blueprint(tmp_path)
    assert [fault.path for fault in caught.value.faults] == ["layers", "stages", "teams", "title"]


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (lambda it: it["gates"][0]["criteria"][0].update(demand="Another word."), True),
        (lambda it: it["gates"][0]["criteria"][1].update(verified=True), True),
        (lambda it: it["boundaries"][0].update(rule="No faces leave."), True),
        (lambda it: it["roles"][0].update(people=["ana"]), True),
        (lambda it: it["gates"][0].update(distinct_people=2), True),
        (lambda it: it.update(title="Another title"), False),
        (lambda it: it["teams"][0].update(title="Makers"), False),
    ],
)
def test_the_digest_of_the_gates_covers_what_decides(change: Change, counts: bool) -> None:
    """A demand, a boundary or a role changed voids decisions; a title does not."""
    document = blueprint_document()
    before = Blueprint.model_validate(document)
    change(document)
    after = Blueprint.model_validate(document)
    assert (after.gates_digest != before.gates_digest) is counts
    assert after.digest != before.digest


def _split(root: Path, **files: object) -> Path:
    """The small flywheel with ``people`` and ``roles`` in one file, ``routing`` in another; ``files`` replaces some."""
    main = blueprint_document()
    parts = {"people": {key: main.pop(key) for key in ("people", "roles")}, "routing": {"routing": main.pop("routing")}}
    put(root / "flywheel.yaml", main | {"include": ["parts/people.yaml", "parts/routing.yaml"]})
    for name, document in (parts | files).items():
        put(root / "parts" / f"{name}.yaml", document)
    return root


def test_parts_lie_in_files_of_their_own(tmp_path: Path) -> None:
    """Where a key lies changes neither the blueprint nor its digests; later faults name the file and its line."""
    found, document = read_blueprint(_split(tmp_path))
    whole = Blueprint.model_validate(blueprint_document())
    assert (found, found.digest, found.gates_digest) == (whole, whole.digest, whole.gates_digest)
    fault = document.fault(("routing", 1, "to"), "wrong")
    text = (tmp_path / "parts" / "routing.yaml").read_text(encoding="utf-8").splitlines()
    assert fault.file == "parts/routing.yaml"
    assert text[fault.line - 1].strip() == "to: p02"
    assert document.fault(("teams", 0), "wrong").file == "flywheel.yaml"
    assert [path.relative_to(tmp_path).as_posix() for path in blueprint_files(tmp_path)] == [
        "flywheel.yaml",
        "parts/people.yaml",
        "parts/routing.yaml",
    ]


@pytest.mark.parametrize(
    ("files", "faults"),
    [
        ({"people": {"teams": []}}, ["parts/people.yaml:1: teams: this key is also in flywheel.yaml"]),
        (
            {"people": {"routing": []}},
            ["parts/routing.yaml:1: routing: this key is also in parts/people.yaml"],
        ),
        ({"people": {"include": ["x.yaml"]}}, ["parts/people.yaml:1: include: only flywheel.yaml includes"]),
        ({"people": "a: ["}, ["parts/people.yaml:2: not YAML"]),
        ({"people": "- a"}, ["parts/people.yaml:1: the document must be a mapping"]),
        ({"people": "a: [", "routing": "- a"}, ["parts/people.yaml:2: ", "parts/routing.yaml:1: "]),
        ({"routing": {"routes": []}}, ["parts/routing.yaml:1: routes: unknown key"]),
    ],
)
def test_a_fault_of_a_part_names_it(tmp_path: Path, files: dict[str, Any], faults: list[str]) -> None:
    """A key in two files, a part that cannot be read and a key nobody knows come with file and line."""
    with pytest.raises(DocumentError) as caught:
        read_blueprint(_split(tmp_path, **files))
    told = caught.value.diagnostics()
    assert [fault for fault in faults if fault not in told] == []


@pytest.mark.parametrize(
    ("include", "fault"),
    [
        ("parts/people.yaml", "include: must be a list"),
        ([1], "include: must be a list"),
        (["parts/none.yaml"], "include[0]: parts/none.yaml: no such file"),
        (["parts"], "include[0]: parts: not a file"),
        (["../people.yaml"], "include[0]: must be a path below"),
        (["/etc/hostname"], "include[0]: must be a path below"),
        (["~/people.yaml"], "include[0]: must be a path below"),
        (["a\x00b"], "include[0]: contains control characters"),
        (["out.yaml"], "include[0]: a link that leads out"),
        (["flywheel.yaml"], "include[0]: must be another file"),
        (["./flywheel.yaml"], "include[0]: must be another file"),
        (["parts/people.yaml", "parts/people.yaml"], "include[1]: is listed twice"),
    ],
)
def test_only_files_below_the_folder_are_included(tmp_path: Path, include: object, fault: str) -> None:
    """What climbs, leads out, is missing or is listed twice is refused at its place in the list."""
    root = _split(tmp_path / "wheel")
    put(tmp_path / "outside.yaml", "people: []")
    (root / "out.yaml").symlink_to(tmp_path / "outside.yaml")
    put(root / "flywheel.yaml", blueprint_document() | {"include": include})
    with pytest.raises(DocumentError) as caught:
        read_blueprint(root)
    assert f": {fault}" in caught.value.diagnostics()
