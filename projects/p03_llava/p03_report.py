"""Writes down what was made: records, data card, metrics document, published checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p03_audit import Auditor
from p03_pictures import Picture
from p03_samples import Sample

from flywheel_mlflow.pipelines import Workspace, sample_record

SPLITS = (("train", 0.8), ("val", 0.14), ("smoke", 0.06))
#: A reviewer looks at a drawn sample for half a minute; 120 RMB an hour. Both as in the published estimate (267
#: samples: 2.23 hours, 267 RMB).
MINUTES_PER_RECORD, RMB_PER_HOUR = 0.5, 120.0
#: English text has about four characters a token, a picture of this size counts as one 14 x 14 patch grid.
CHARACTERS_PER_TOKEN, TOKENS_PER_PICTURE = 4, 140


def as_record(sample: Sample, pictures: Mapping[str, Picture], *, keep_box: bool = True) -> dict[str, Any]:
    """The seven-field record of a sample."""
    metadata: dict[str, Any] = {
        "asset_id": "+".join(sample.assets),
        "asset_type": sample.asset_type,
        "task_type": sample.task_type,
        "images": [pictures[asset].reference() for asset in sample.assets],
        "conversations": [
            {"from": "human", "value": "<image>" * len(sample.assets) + sample.question},
            {"from": "gpt", "value": sample.answer},
        ],
        "license": "CC0-1.0",
        "language": "en",
    }
    if sample.bbox is not None and keep_box:
        metadata["bbox"] = list(sample.bbox)
    if sample.object_counts is not None:
        metadata["object_counts"] = dict(sample.object_counts)
    return sample_record(
        id=f"p03:{sample.id}",
        source={"name": "scenes.jsonl", "scenes": list(sample.assets)},
        content=sample.text,
        metadata=metadata,
        quality_signals={
            "audit_passed": True,
            "pictures": len(sample.assets),
            "answer_words": len(sample.answer.split()),
        },
        split=sample.split,
        audit_trace=[
            "drawn from its scene",
            "worded from its scene",
            "compared with the pixels",
            "privacy rules applied",
        ],
    )


def manifest_of(samples: Sequence[Sample]) -> dict[str, Any]:
    """Counts of the final samples."""
    splits = Counter(sample.split for sample in samples)
    tokens = sum(
        len(sample.text) // CHARACTERS_PER_TOKEN + TOKENS_PER_PICTURE * len(sample.assets) for sample in samples
    )
    return {
        "num_records": len(samples),
        **{f"num_{split}_records": splits[split] for split, _ in SPLITS},
        "task_distribution": dict(sorted(Counter(sample.task_type for sample in samples).items())),
        "asset_type_distribution": dict(sorted(Counter(sample.asset_type for sample in samples).items())),
        "estimated_tokens_total": tokens,
    }


def data_card(drafted: int, audited: int, final: int) -> dict[str, Any]:
    """The card of ``multimodal_sft``."""
    return {
        "format_version": 1,
        "title": "Image instruction samples with grounding",
        "description": "Questions and answers about drawn pictures, which lie beside them.",
        "source": "scenes.jsonl of this project, drawn by its pipeline",
        "licence": "CC0-1.0",
        "filters": [
            {
                "rule": "what a sample claims is not to be seen in the pixels",
                "constant": "IoU 0.9, bars +-1 unit, text and counts exact",
                "rows_in": drafted,
                "rows_out": audited,
                "reason": "a sample that contradicts its picture teaches to hallucinate",
            },
            {
                "rule": "text of a kind the privacy rules name can be read in the picture",
                "constant": "pii_rules of privacy_controls",
                "rows_in": audited,
                "rows_out": final,
                "reason": "a picture shows personal data even where no caption repeats it",
            },
        ],
        "hazards": [
            "drawn pictures of six colours and three shapes: nothing about photographs follows from them",
        ],
    }


def document(
    pictures: Mapping[str, Picture],
    drafts: Sequence[Sample],
    flags: Mapping[str, tuple[str, ...]],
    final: Sequence[Sample],
    manifest: Mapping[str, Any],
    private: set[str],
) -> dict[str, Any]:
    """The metrics document, with the published nesting."""
    hours = len(final) * MINUTES_PER_RECORD / 60
    single = [sample for sample in final if len(sample.assets) == 1]
    shown = {asset for sample in final for asset in sample.assets}
    return {
        "num_assets_total": len(shown),
        "asset_type_distribution": dict(sorted(Counter(pictures[asset].type for asset in shown).items())),
        "num_base_records": sum(sample.task_type != "locate" for sample in single),
        "num_alignment_records": sum(sample.task_type == "locate" for sample in single),
        "num_interleaved_records": len(final) - len(single),
        "audited_count": len(drafts),
        "quality_pass_rate": sum(not flags[sample.id] for sample in drafts) / len(drafts),
        "audit_flags": dict(sorted(Counter(flag for found in flags.values() for flag in found).items())),
        "private_pictures_excluded": len(private),
        "training_manifest": dict(manifest),
        "estimated_manual_review_hours": round(hours, 2),
        "estimated_manual_review_cost_rmb": round(hours * RMB_PER_HOUR, 2),
    }


def assets_by_split(records: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """The pictures each split shows, those inside pairs included."""
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(record["split"], set()).update(image["id"] for image in record["metadata"]["images"])
    return found


def log_checks(
    work: Workspace,
    auditor: Auditor,
    final: Sequence[Sample],
    records: Sequence[Mapping[str, Any]],
    manifest: Mapping[str, Any],
    written: int,
) -> None:
    """The published checks, on what was written."""
    types = {record["metadata"]["asset_type"] for record in records}
    wanted = {"general_image", "document_image", "chart_image", "interleaved_pair"}
    work.check("asset_types_covered", types == wanted, f"found {', '.join(sorted(types))}")
    located = [record["metadata"] for record in records if record["metadata"]["task_type"] == "locate"]
    boxed = [item for item in located if is_box(item.get("bbox"))]
    work.check("alignment_has_bboxes", bool(located) and len(boxed) == len(located), f"{len(boxed)} of {len(located)}")
    pairs = [record["metadata"] for record in records if record["metadata"]["asset_type"] == "interleaved_pair"]
    multiple = [item for item in pairs if len({image["sha256"] for image in item["images"]}) > 1]
    work.check(
        "interleaved_is_multi_image", bool(pairs) and len(multiple) == len(pairs), f"{len(multiple)} of {len(pairs)}"
    )
    shown = assets_by_split(records)
    both = shown.get("train", set()) & shown.get("val", set())
    work.check("train_val_no_overlap", not both and len(shown) > 1, f"{len(both)} pictures are in both")
    smoke = {record["metadata"]["task_type"] for record in records if record["split"] == "smoke"}
    work.check("smoke_covers_multiple_tasks", len(smoke) > 1, f"{len(smoke)} task types")
    bad = [sample.id for sample in final if auditor.audit(sample)]
    work.check("low_quality_records_removed", not bad, f"{len(bad)} final samples fail the audit", examples=bad[:5])
    counted = Counter(record["split"] for record in records)
    same = written == manifest["num_records"] and all(
        counted[split] == manifest[f"num_{split}_records"] for split, _ in SPLITS
    )
    work.check("manifest_matches_final_count", same, f"{written} written, {manifest['num_records']} in the manifest")


def is_box(value: Any) -> bool:
    """Whether a value is a box [ymin, xmin, ymax, xmax] in thousandths with some area."""
    if not isinstance(value, list) or len(value) != 4:
        return False
    top, left, bottom, right = value
    return bool(0 <= top < bottom <= 1000 and 0 <= left < right <= 1000)
