"""Makes image instruction samples with grounding from drawn pictures, each audited against the pixels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from p03_audit import Auditor
from p03_pictures import Picture, draw
from p03_report import SPLITS, as_record, data_card, document, log_checks, manifest_of
from p03_samples import Sample, Scene, paired_samples, single_samples

from flywheel_mlflow.base.canonical import short_digest
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl
from flywheel_mlflow.records import content_digest
from flywheel_mlflow.records.personal import kinds_in

FAULTS = {
    "shifted_boxes": "a third of the boxes lie beside their objects (label noise): the audit pass rate falls",
    "missing_boxes": "grounding samples lose their boxes after the audit (broken schema): alignment_has_bboxes fails",
    "split_by_record": "samples are split one by one, not by picture: train_val_no_overlap fails",
    "unaudited": "samples that fail the audit are kept: low_quality_records_removed fails",
}

#: Which of our detectors find what the privacy rules name.
KINDS_OF_RULE = {
    "email": {"email"},
    "phone": {"phone_number", "mobile_number"},
    "ssn": {"resident_id"},
    "resident_id": {"resident_id"},
    "bank_account": {"iban", "credit_card"},
    "credit_card": {"credit_card"},
}


def split_scenes(work: Workspace, scenes: Sequence[Scene]) -> dict[str, str]:
    """The split of each picture: all that shows one picture stays together; each type gets its share of each split."""
    found: dict[str, str] = {}
    for kind in sorted({scene["type"] for scene in scenes}):
        names = [scene["id"] for scene in scenes if scene["type"] == kind]
        work.random("split", kind).shuffle(names)
        start, total = 0, 0.0
        for split, share in SPLITS:
            total += share
            end = round(total * len(names))
            found |= dict.fromkeys(names[start:end], split)
            start = end
    return found


def candidates(work: Workspace, scenes: Sequence[Scene], split_of: Mapping[str, str]) -> list[Sample]:
    """Every sample the descriptions give, before any is audited."""
    found = [
        replace(sample, split=split_of[scene["id"]])
        for scene in scenes
        for sample in single_samples(scene, work.random("samples", scene["id"]))
    ]
    for split, _ in SPLITS:
        members = [scene for scene in scenes if split_of[scene["id"]] == split]
        found += [replace(sample, split=split) for sample in paired_samples(members, work.random("pairs", split))]
    return found


def shifted(sample: Sample, by: int = 150) -> Sample:
    """A grounding sample whose box lies beside its object, in text and field alike."""
    if sample.bbox is None:
        return sample
    top, left, bottom, right = sample.bbox
    sign = 1 if bottom + by <= 1000 else -1
    box = (top + sign * by, left, bottom + sign * by, right)
    return replace(sample, bbox=box, answer=sample.answer.replace(str(list(sample.bbox)), str(list(box))))


def with_fault(work: Workspace, samples: list[Sample]) -> list[Sample]:
    """The samples with the faults that happen before the audit."""
    if work.fault == "shifted_boxes":
        grounding = [sample for sample in samples if sample.bbox is not None]
        moved = {sample.id for sample in grounding[::3]}
        return [shifted(sample) if sample.id in moved else sample for sample in samples]
    if work.fault == "split_by_record":
        rng = work.random("split by record")
        names, weights = [name for name, _ in SPLITS], [share for _, share in SPLITS]
        return [replace(sample, split=rng.choices(names, weights)[0]) for sample in samples]
    return samples


def forbidden_kinds(controls: Mapping[str, Any]) -> frozenset[str]:
    """The kinds of personal data the privacy controls have a rule for; all kinds when they name no rules."""
    rules = controls.get("pii_rules") or KINDS_OF_RULE
    return frozenset().union(*(KINDS_OF_RULE.get(name, set()) for name in rules))


def private_pictures(auditor: Auditor, pictures: Iterable[Picture], forbidden: frozenset[str]) -> set[str]:
    """Pictures in which text of a forbidden kind can be read, whether or not a sample mentions it."""
    return {
        picture.id
        for picture in pictures
        if picture.type == "document_image" and forbidden & kinds_in("\n".join(auditor.lines(picture.id)))
    }


def build(work: Workspace) -> None:
    """Draw, word, audit, filter, write, measure."""
    scenes = list(read_jsonl(work.data / "scenes.jsonl"))
    controls_file = work.input_path("privacy_controls")
    controls = json.loads(controls_file.read_text(encoding="utf-8")) if controls_file else {}
    pictures = {scene["id"]: draw(scene) for scene in scenes}
    auditor = Auditor(pictures)
    drafts = with_fault(work, candidates(work, scenes, split_scenes(work, scenes)))
    flags = {sample.id: auditor.audit(sample) for sample in drafts}
    audited = [sample for sample in drafts if not flags[sample.id] or work.fault == "unaudited"]
    private = private_pictures(auditor, pictures.values(), forbidden_kinds(controls))
    final = [sample for sample in audited if not private & set(sample.assets)]
    keep_box = work.fault != "missing_boxes"
    records = [as_record(sample, pictures, keep_box=keep_box) for sample in final]
    manifest = manifest_of(final)
    card = data_card(len(drafts), len(audited), len(final))
    shown = {pictures[asset].path: pictures[asset].png for sample in final for asset in sample.assets}
    written = work.write_records("multimodal_sft", records, card=card, media=shown)
    work.log_document(document(pictures, drafts, flags, final, manifest, private))
    log_checks(work, auditor, final, records, manifest, written)
    regressed = regressed_inputs(work, {"privacy_controls": controls_file})
    work.check("inputs_not_regressed", not regressed, ", ".join(regressed))


def regressed_inputs(work: Workspace, paths: Mapping[str, Path | None]) -> list[str]:
    """The inputs read here whose version the platform's control plane of the iteration before calls regressed."""
    plane_file = work.input_path("platform_control_plane")
    plane = json.loads(plane_file.read_text(encoding="utf-8")) if plane_file else {}
    regressed = {item.get("digest") for item in plane.get("regressed_versions") or []}
    return [name for name, path in paths.items() if path and short_digest(content_digest(path)) in regressed]


if __name__ == "__main__":
    main(__file__, build, FAULTS)
