"""Executes requests with real tools, measures how they end, and makes training data of those that end well."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from p07_agent import Agent, Trajectory
from p07_library import look_ups, shelf_of
from p07_policy import Policy, policy_from
from p07_repair import spoil
from p07_tools import SCHEMA_FIELDS, SCHEMAS, Environment, open_library
from p07_training import LICENCE, group_of, manifest_of, records_of, splits_of

from flywheel_mlflow.base.canonical import digest_of
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl

FAULTS = {
    "unguarded": "no request is refused: safety_cases_blocked_without_tools fails, unsafe_block_rate falls",
    "forgetful_memory": "the memory keeps nothing: memory_cases_succeed fails, memory_success_rate falls",
    "incomplete_schema": "a tool schema loses its parameters: tool_schema_fields_complete fails",
    "split_by_record": "records are split one by one, not by task: train_val_no_overlap fails",
}

#: The libraries other projects may give the agent.
SHELVES = ("sft_corpus", "multimodal_sft", "teaching_corpus")
DATA_FILES = ("handbook.jsonl", "calendar.jsonl", "stock.csv", "tasks.jsonl")
#: People read every trajectory: 22 of them took 44 minutes and 73.33 RMB in the published figures.
MINUTES_PER_TRAJECTORY = 2.0
RMB_PER_HOUR = 100.0


@dataclass(frozen=True, slots=True)
class World:
    """What is the same for every trajectory: the tasks, the rules, and how a fresh environment is made."""

    tasks: tuple[Mapping[str, Any], ...]
    policy: Policy
    documents: tuple[tuple[str, str, str, str], ...]
    stock: tuple[tuple[str, str, int, float], ...]
    meetings: tuple[Mapping[str, Any], ...]


def build(work: Workspace) -> None:
    world = _world(work)
    trajectories = execute(world, guarded=work.fault != "unguarded", keeps_memory=work.fault != "forgetful_memory")
    good = [item for item in trajectories if item.success]
    splits = splits_of(trajectories)
    records = [record for item in good for record in records_of(item, splits[item.task])]
    if work.fault == "split_by_record":
        records = [
            {**record, "split": "val" if place % 5 == 4 else record["split"]} for place, record in enumerate(records)
        ]
    manifest = manifest_of(good, splits)
    written = work.write_records("agent_training_data", records, card=_card(len(trajectories), len(good)))
    schemas = _schemas(work.fault)
    work.write_document("tooling_specs", {"tools": schemas, "call_rules": _call_rules(world.policy)})
    work.log_document(_metrics(trajectories, manifest, schemas))
    _check_data(work, records, manifest, written, schemas)
    _check_trajectories(work, world, trajectories)


def _world(work: Workspace) -> World:
    policy = policy_from(work.input_path("privacy_controls"))
    shelves = [shelf_of(name, work.read_input(name)) for name in SHELVES]
    handbook = [("handbook", row["id"], row["title"], row["text"]) for row in read_jsonl(work.data / "handbook.jsonl")]
    with (work.data / "stock.csv").open(encoding="utf-8", newline="") as stream:
        rows = [
            (row["item"], row["warehouse"], int(row["quantity"]), float(row["price"])) for row in csv.DictReader(stream)
        ]
    return World(
        tasks=(*read_jsonl(work.data / "tasks.jsonl"), *look_ups(shelves, policy)),
        policy=policy,
        documents=(*handbook, *(document for shelf in shelves for document in shelf.documents)),
        stock=tuple(rows),
        meetings=tuple(read_jsonl(work.data / "calendar.jsonl")),
    )


def execute(world: World, *, guarded: bool = True, keeps_memory: bool = True) -> list[Trajectory]:
    """Every task in each of its variants, each in a fresh environment."""
    library = open_library(world.documents, world.stock)
    done = []
    for task in world.tasks:
        for variant in task["variants"]:
            trajectory = Trajectory(
                f"{task['task']}_{variant}", task["task"], task["category"], variant, task["expected"]
            )
            environment = Environment(library, world.meetings, keeps_memory=keeps_memory)
            slip = spoil if variant == "recovery" and not task["task"].startswith("conflict") else None
            done.append(Agent(environment, world.policy if guarded else None, trajectory, slip).run(task["turns"]))
    library.close()
    return done


def _schemas(fault: str) -> list[dict[str, Any]]:
    if fault == "incomplete_schema":
        first, *others = SCHEMAS
        return [{name: value for name, value in first.items() if name != "parameters"}, *others]
    return list(SCHEMAS)


def _call_rules(policy: Policy) -> dict[str, Any]:
    return {
        "refuse_without_any_call": {name: form.pattern for name, form in sorted(policy.rules.items())},
        "check_arguments_before_calling": True,
        "mend_a_call_from_its_error": True,
    }


def _card(executed: int, good: int) -> dict[str, Any]:
    return {
        "title": "Steps of executed tool-use trajectories",
        "source": "requests in the sample world of P07, executed by its agent with its tools",
        "licence": LICENCE,
        "filters": [
            {
                "rule": "trajectory did not end as intended",
                "constant": "final answer holds the expected text, or refused without a call",
                "rows_in": executed,
                "rows_out": good,
                "reason": "an agent should not learn what fails; rows are trajectories",
            }
        ],
        "hazards": ["one rule-based agent: its phrases repeat", "calls made by a slip are context, never a target"],
    }


def _metrics(
    trajectories: Sequence[Trajectory], manifest: Mapping[str, Any], schemas: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    variants = Counter(item.variant for item in trajectories)
    blocks = [item for item in trajectories if item.variant == "block"]
    recoveries = [item for item in trajectories if item.variant == "recovery"]
    successes = [item for item in trajectories if item.variant == "success" and item.success]
    calls = sum(item.calls for item in trajectories)
    hours = len(trajectories) * MINUTES_PER_TRAJECTORY / 60
    return {
        "tool_schema_count": len(schemas),
        "template_count": len({item.task.rsplit("-", 1)[0] for item in trajectories}),
        "trajectory_count": len(trajectories),
        "variant_distribution": {name: variants[name] for name in ("success", "recovery", "block")},
        "category_distribution": dict(sorted(Counter(item.category for item in trajectories).items())),
        "tool_call_success_rate": _share(sum(item.successful_calls for item in trajectories), calls),
        "trajectory_success_rate": _rate(item.success for item in trajectories),
        "recovery_success_rate": _rate(item.saw_error and item.success for item in recoveries),
        "unsafe_block_rate": _rate(item.blocked for item in blocks),
        "unauthorized_tool_call_rate": _rate(item.calls > 0 for item in blocks),
        "memory_success_rate": _rate(item.success for item in trajectories if item.category == "memory"),
        "avg_tool_calls_per_success": _share(sum(item.calls for item in successes), len(successes)),
        "training_manifest": dict(manifest),
        "estimated_manual_review_hours": hours,
        "estimated_manual_review_cost_rmb": hours * RMB_PER_HOUR,
    }


def _share(part: float, whole: int) -> float | None:
    return part / whole if whole else None


def _rate(flags: Iterable[bool]) -> float | None:
    found = list(flags)
    return _share(sum(found), len(found))


def _check_data(
    work: Workspace,
    records: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    written: int,
    schemas: Sequence[Mapping[str, Any]],
) -> None:
    lacking = [name for name in DATA_FILES if not (work.data / name).is_file()]
    work.check("required_files_exist", not lacking, f"{len(lacking)} files are missing", lacking=lacking)
    gaps = [f"{item.get('name')}.{name}" for item in schemas for name in SCHEMA_FIELDS if not item.get(name)]
    work.check("tool_schema_fields_complete", bool(schemas) and not gaps, f"{len(gaps)} fields are missing", gaps=gaps)
    splits: dict[str, set[str]] = {}
    for record in records:
        splits.setdefault(record["split"], set()).add(record["metadata"]["task"])
    both = sorted(splits.get("train", set()) & splits.get("val", set()))
    work.check(
        "train_val_no_overlap",
        bool(splits.get("train")) and bool(splits.get("val")) and not both,
        f"{len(both)} tasks in both",
        tasks=both[:5],
    )
    smoke = [record["metadata"] for record in records if record["split"] == "smoke"]
    covered = {
        "memory": any(item["requires_memory"] for item in smoke),
        "safety": any(item["is_safety_case"] for item in smoke),
        "general": any(not item["requires_memory"] and not item["is_safety_case"] for item in smoke),
    }
    work.check("smoke_covers_general_memory_safety", all(covered.values()), f"{len(smoke)} records", covered=covered)
    work.check(
        "manifest_matches_record_count",
        manifest["num_records"] == written,
        f"the manifest says {manifest['num_records']}, {written} were written",
    )
    work.check("py_compile", not (broken := _broken(Path(__file__).parent)), f"{len(broken)} files do not compile")


def _check_trajectories(work: Workspace, world: World, trajectories: Sequence[Trajectory]) -> None:
    groups = {group_of(item) for item in trajectories} | {item.category for item in trajectories}
    lacking = sorted({"single", "multi", "safety"} - groups)
    work.check(
        "templates_cover_single_multi_and_safety", not lacking, f"{len(lacking)} kinds are missing", lacking=lacking
    )
    absent = sorted({"success", "recovery", "block"} - {item.variant for item in trajectories})
    work.check("variant_coverage", not absent, f"{len(absent)} variants are missing", absent=absent)
    broken = [item.trajectory_id for item in trajectories if not chain_is_whole(item)]
    work.check(
        "observations_and_decision_chain_present",
        bool(trajectories) and not broken,
        f"{len(broken)} chains have gaps",
        broken=broken[:5],
    )
    forgotten = [item.trajectory_id for item in trajectories if item.category == "memory" and not item.success]
    remembered = any(item.category == "memory" for item in trajectories)
    work.check("memory_cases_succeed", remembered and not forgotten, f"{len(forgotten)} fail", failing=forgotten[:5])
    blocks = [item for item in trajectories if item.variant == "block"]
    reached = [item.trajectory_id for item in blocks if item.calls or not item.blocked]
    work.check(
        "safety_cases_blocked_without_tools",
        bool(blocks) and not reached,
        f"{len(reached)} of {len(blocks)} unsafe requests were not refused",
        reached=reached[:5],
    )
    again = execute(world, guarded=work.fault != "unguarded", keeps_memory=work.fault != "forgetful_memory")
    alike = [_digest(item) for item in trajectories] == [_digest(item) for item in again]
    work.check("evaluate_tooluse", bool(again) and alike, f"{len(again)} trajectories were executed again")
    _check_inputs(work)


def chain_is_whole(trajectory: Trajectory) -> bool:
    """Whether every call has a decision before it and an observation after it, and something is said at the end."""
    kinds = [event.kind for event in trajectory.events]
    calls = [place for place, kind in enumerate(kinds) if kind == "call"]
    linked = all(kinds[place - 1] == "decision" and kinds[place + 1 : place + 2] == ["observation"] for place in calls)
    return linked and "decision" in kinds and kinds[-1] in ("answer", "refusal")


def _digest(trajectory: Trajectory) -> str:
    return digest_of([(event.kind, event.text, event.ok) for event in trajectory.events])


def _check_inputs(work: Workspace) -> None:
    """Whether the platform calls a version regressed that was read; nothing is said while there is no such list."""
    place = work.input_path("platform_control_plane")
    document = None if place is None else json.loads(place.read_text(encoding="utf-8"))
    versions = document.get("regressed_versions") if isinstance(document, Mapping) else None
    if not isinstance(versions, list):
        return
    bad = {(item.get("interface"), item.get("digest")) for item in versions if isinstance(item, Mapping)}
    read = [(name, work.run.log_input(name).digest) for name in (*SHELVES, "privacy_controls") if work.input_path(name)]
    regressed = [name for name, digest in read if (name, digest) in bad]
    work.check("no_regressed_input", not regressed, f"{len(read)} inputs compared", regressed=regressed)


def _broken(folder: Path) -> list[str]:
    broken = []
    for path in sorted(folder.glob("*.py")):
        try:
            compile(path.read_text(encoding="utf-8"), path.name, "exec")
        except SyntaxError:
            broken.append(path.name)
    return broken


if __name__ == "__main__":
    main(__file__, build, FAULTS)
