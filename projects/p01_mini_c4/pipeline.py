"""P01: turns a small crawl into a foundation corpus, filter by filter, and says what each one cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from p01_dedup import finds_copies, text_sha1
from p01_extract import Fetched, fetched
from p01_filters import (
    KNOWN_WORDS_RULE,
    LENGTH_RULE,
    MIN_CHARS,
    Document,
    Effect,
)
from p01_funnel import Funnel, estimated_tokens, funnel, record
from p01_language import LANGUAGES, RULE
from p01_privacy import personal_rules
from p01_smoke import bits_per_char

from flywheel_mlflow.base.errors import InputError
from flywheel_mlflow.pipelines import Workspace, main, read_jsonl

FAULTS = {
    "drifted_source": "half of the English sites were rebuilt: their sentences now come without full stops",
    "no_dedup": "copies are not removed",
    "broken_schema": "records call their language `language` instead of `lang`",
}

SHARD_SIZE = 256
SMOKE_SIZE = 32
GIGABYTE = 1024**3


def build(work: Workspace) -> None:
    """Run the project once in its workspace."""
    controls = work.input_path("privacy_controls")
    if controls is None:
        raise InputError("the privacy controls of this iteration are missing", hint="run P09 first")
    personal = personal_rules(json.loads(controls.read_text(encoding="utf-8")))
    sites = json.loads((work.data / "sites.json").read_text(encoding="utf-8"))
    found = funnel(_crawl(work), personal, dedup=work.fault != "no_dedup")
    field = "language" if work.fault == "broken_schema" else "lang"
    records = [record(document, sites, lang_field=field) for document in found.final]
    work.write_records("foundation_corpus", records, card=_card(found))

    written = list(read_jsonl(work.folder / "interfaces" / "foundation_corpus.jsonl"))
    manifest = _manifest(found, records) | {"parent_version": _parent(work)}
    work.write_document("training_manifest", manifest)
    document = _metrics(work, found, manifest)
    work.log_document(document)
    _check(work, found, written, manifest, document)


def _crawl(work: Workspace) -> list[Fetched]:
    pages = [fetched(number, row) for number, row in enumerate(read_jsonl(work.data / "crawl.jsonl"), start=1)]
    if work.fault != "drifted_source":
        return pages
    rebuilt = sorted({page.site for page in pages if page.site.endswith(".example.org")})[::2]
    return [
        Fetched(page.source_line, page.url, page.content_type, page.body.replace(". ", " | ").replace(".</p>", "</p>"))
        if page.site in rebuilt
        else page
        for page in pages
    ]


def _parent(work: Workspace) -> Mapping[str, Any] | None:
    """The version of the corpus the platform held at the end of the iteration before; None without one."""
    path = work.input_path("platform_control_plane")
    if path is None:
        return None
    plane = json.loads(path.read_text(encoding="utf-8"))
    known = [row for row in plane.get("versions", []) if row.get("interface") == "foundation_corpus"]
    return {"version_id": known[-1]["version_id"], "digest": known[-1]["digest"]} if known else None


def _card(found: Funnel) -> dict[str, Any]:
    return {
        "title": "Mini-C4: cleaned English and Chinese pages",
        "source": "crawl.jsonl of this project, made by data/generate.py",
        "licence": "CC0-1.0",
        "filters": [
            {
                "rule": effect.rule,
                "constant": effect.constant,
                "rows_in": effect.rows_in,
                "rows_out": effect.rows_out,
                "reason": f"{effect.loss}: {effect.reason}",
            }
            for effect in found.effects
        ],
        "hazards": [
            "pages are made from some 200 sentence patterns: enough to try a pipeline, too little to learn a language",
            "personal data without a recognisable form, such as names in running text, are not looked for",
        ],
    }


def _manifest(found: Funnel, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    train = [row["id"] for row in records if row["split"] == "train"]
    held_out = [row["id"] for row in records if row["split"] == "val"]
    tokens = {f"mini_c4_{item.page.source_line:06d}": estimated_tokens(item) for item in found.final}
    languages = {f"mini_c4_{item.page.source_line:06d}": item.lang for item in found.final}
    smoke = _smoke(train, languages)
    return {
        "num_records": len(records),
        "num_train_records": len(train),
        "num_val_records": len(held_out),
        "num_smoke_test_records": len(smoke),
        "estimated_tokens_total": sum(tokens.values()),
        "estimated_tokens_train": sum(tokens[name] for name in train),
        "estimated_tokens_val": sum(tokens[name] for name in held_out),
        "lang_distribution": dict(sorted(Counter(languages.values()).items())),
        "train_shards": _shards("train", train),
        "val_shards": _shards("val", held_out),
        "smoke_test": smoke,
        "validation": {"overlap": _overlap(records)},
    }


def _smoke(train: Sequence[str], languages: Mapping[str, str]) -> list[str]:
    """The same number of every language, as far as there are."""
    share = SMOKE_SIZE // len(LANGUAGES)
    return [name for lang in LANGUAGES for name in [item for item in train if languages[item] == lang][:share]]


def _shards(split: str, names: Sequence[str]) -> list[dict[str, Any]]:
    parts = [names[start : start + SHARD_SIZE] for start in range(0, len(names), SHARD_SIZE)]
    return [{"shard": f"{split}-{number:05d}", "ids": list(part)} for number, part in enumerate(parts)]


def _overlap(records: Iterable[Mapping[str, Any]]) -> int:
    """Texts that are in training and in validation."""
    texts: dict[str, set[str]] = {}
    for row in records:
        texts.setdefault(row["metadata"]["text_sha1"], set()).add(row["split"])
    return sum(len(splits) > 1 for splits in texts.values())


def _lost(effects: Iterable[Effect], loss: str) -> dict[str, int]:
    return {effect.rule: effect.dropped for effect in effects if effect.loss == loss}


def _metrics(work: Workspace, found: Funnel, manifest: Mapping[str, Any]) -> dict[str, Any]:
    counts, pages = found.counts(), found.effects[0].rows_in
    final, extracted = counts["final"], counts["extracted"]
    losses = {loss: _lost(found.effects, loss) for loss in ("scope", "quality", "duplicate")}
    out_of_scope = losses["scope"][RULE.name]
    chars = sum(len(document.text) for document in found.final)
    languages = Counter(document.lang for document in found.final)
    candidates = Counter(document.lang for document in found.in_language)
    raw_bytes = (work.data / "crawl.jsonl").stat().st_size
    made_bytes = (work.folder / "interfaces" / "foundation_corpus.jsonl").stat().st_size
    return {
        "raw_pages": pages,
        "stage_counts": counts,
        "retention": {
            "clean_over_extracted": _share(counts["clean"], extracted),
            "dedup_over_extracted": _share(counts["deduplicated"], extracted),
            "final_over_extracted": _share(final, extracted),
            # What the filters keep of the documents the corpus is meant to hold.
            "final_over_in_scope": _share(final, extracted - out_of_scope),
            "scope_loss": _share(out_of_scope, extracted),
            "scope_losses": losses["scope"],
            "quality_losses": losses["quality"],
            "duplicate_losses": losses["duplicate"],
        },
        "final_summary": {
            "doc_count": final,
            "estimated_tokens": manifest["estimated_tokens_total"],
            "char_count": chars,
            "avg_tokens_per_doc": _share(manifest["estimated_tokens_total"], final),
            "avg_chars_per_doc": _share(chars, final),
            "languages": dict(sorted(languages.items())),
            "top_domains": dict(Counter(document.page.site for document in found.final).most_common(5)),
        },
        "quality_stats": {
            lang: {"total": candidates[lang], "kept": languages[lang], "dropped": candidates[lang] - languages[lang]}
            for lang in LANGUAGES
        },
        "training_manifest": {key: value for key, value in manifest.items() if not isinstance(value, list)},
        "hardware_boundary": {"raw_disk_gb": raw_bytes / GIGABYTE, "processed_disk_gb": made_bytes / GIGABYTE},
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _check(
    work: Workspace,
    found: Funnel,
    written: list[dict[str, Any]],
    manifest: Mapping[str, Any],
    document: Mapping[str, Any],
) -> None:
    splits = Counter(row["split"] for row in written)
    sharded = {name: sum(len(shard["ids"]) for shard in manifest[f"{name}_shards"]) for name in ("train", "val")}
    counts = {"train": manifest["num_train_records"], "val": manifest["num_val_records"]}
    work.check("training_manifest_counts_match_files", dict(splits) == sharded == counts, f"{dict(splits)} in the file")
    work.check(
        "train_val_no_overlap", bool(splits["val"]) and not _overlap(written), f"{_overlap(written)} texts in both"
    )
    train = {row["id"] for row in written if row["split"] == "train"}
    smoke = set(manifest["smoke_test"])
    work.check("smoke_test_is_subset_of_train", bool(smoke) and smoke <= train, f"{len(smoke - train)} not in training")
    texts = Counter(text_sha1(row["content"]) for row in written)
    repeated = sum(count - 1 for count in texts.values())
    work.check("final_dataset_no_exact_duplicates", bool(texts) and not repeated, f"{repeated} texts repeated")
    summary = document["final_summary"]
    tokens = sum(row["quality_signals"]["estimated_tokens"] for row in written)
    same = (summary["doc_count"], summary["estimated_tokens"]) == (len(written), tokens)
    work.check("metrics_match_final_dataset", same, f"{len(written)} records and {tokens} tokens in the file")
    by_language = sum(summary["languages"].values())
    work.check("final_file_count_matches_language_splits", by_language == len(written), f"{by_language} by language")
    after_language = [effect for effect in found.effects if effect.rule in _AFTER_LANGUAGE]
    dropped = sum(effect.dropped for effect in after_language)
    stats = sum(item["dropped"] for item in document["quality_stats"].values())
    work.check(
        "quality_filter_stats_match_outputs", stats == dropped, f"{stats} in the metrics, {dropped} by the filters"
    )
    lacking = [lang for lang in LANGUAGES if not any(item.lang == lang for item in _of(found, smoke))]
    work.check("smoke_test_covers_multiple_languages", not lacking, f"without: {', '.join(lacking) or 'none'}")
    work.check("stage_counts_are_monotonic", _is_monotonic(document["stage_counts"]), str(document["stage_counts"]))
    work.check("dedup_unit_check", finds_copies(), "a changed word makes no new text, the same topic no copy")
    _check_training(work, written)


_AFTER_LANGUAGE = frozenset({LENGTH_RULE.name, KNOWN_WORDS_RULE.name, "no_restricted_data"})


def _of(found: Funnel, names: set[str]) -> list[Document]:
    return [item for item in found.final if f"mini_c4_{item.page.source_line:06d}" in names]


def _is_monotonic(counts: Mapping[str, int]) -> bool:
    """Whether no stage has more documents than the one before it."""
    in_language = sum(counts[f"lang_{lang}"] for lang in MIN_CHARS)
    stages = [counts["extracted"], counts["clean"], counts["deduplicated"], in_language, counts["final"]]
    return stages == sorted(stages, reverse=True) and counts["final"] > 0


def _check_training(work: Workspace, written: Sequence[Mapping[str, Any]]) -> None:
    texts = {split: [row["content"] for row in written if row["split"] == split] for split in ("train", "val")}
    bits = bits_per_char(texts["train"], texts["val"])
    learned = bits is not None and bits[0] < bits[1] / 2
    message = (
        "no text to train on" if bits is None else f"{bits[0]:.2f} bits per character, {bits[1]:.2f} without a model"
    )
    work.check("training_smoke_test", learned, message)


if __name__ == "__main__":
    main(__file__, build, FAULTS)
