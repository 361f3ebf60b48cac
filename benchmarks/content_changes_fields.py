"""Changes of labels, scores, metadata and times, and of chats, preference pairs, chunks with vectors, and agents."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import numpy as np

from benchmarks.content_edits import Change, Edit, Transform, at, copied, every, only, shuffled, some, to
from benchmarks.content_records import DIMENSIONS, PEOPLE, Draw, Record, embedding, stamp

SCORE, LABEL, CREATED = "quality_signals.score", "metadata.label", "metadata.created_at"
PAGE_FOOTER = "\n\nPage 3 of 12 - Internal use only"
_ROTATION = np.linalg.qr(np.random.default_rng(23).normal(0, 1, (DIMENSIONS, DIMENSIONS)))[0]


def _relabel(*labels: str, to_label: str) -> Edit:
    return only(lambda row: row["metadata"]["label"] in labels, to(LABEL, to_label))


def _time(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def _day_first(moment: str, _draw: Draw) -> str:
    return _time(moment).strftime("%d/%m/%Y %H:%M")


def _a_year_on(moment: str, _draw: Draw) -> str:
    return stamp(_time(moment) + timedelta(days=365))


def _late(moment: str, draw: Draw) -> str:
    """A third of the rows moves into the last quarter."""
    return stamp(_time("2025-10-01T00:00:00Z") + timedelta(days=draw.uniform(0, 91))) if draw.chance(0.33) else moment


def _renamed(record: Record, _draw: Draw) -> None:
    record["metadata"]["contributor"] = record["metadata"].pop("author")


def _swap(first: str, second: str, group: str) -> Edit:
    def edit(record: Record, _draw: Draw) -> None:
        pair = record[group]
        pair[first], pair[second] = pair[second], pair[first]

    return edit


def _longest_chosen(record: Record, draw: Draw) -> None:
    if len(record["content"]["chosen"]) < len(record["content"]["rejected"]):
        _swap("chosen", "rejected", "content")(record, draw)


def _half_rejected(record: Record, _draw: Draw) -> None:
    record["content"]["rejected"] = record["content"]["rejected"][: len(record["content"]["rejected"]) // 2]


def _tied(record: Record, _draw: Draw) -> None:
    record["content"]["rejected"] = record["content"]["chosen"]


def _without_system(record: Record, _draw: Draw) -> None:
    record["messages"] = [message for message in record["messages"] if message["role"] != "system"]


def _new_system(record: Record, _draw: Draw) -> None:
    for message in record["messages"]:
        if message["role"] == "system":
            message["content"] = "You are a careful assistant. Answer in full and name your sources where you can."


def _two_turns(record: Record, _draw: Draw) -> None:
    said = [message for message in record["messages"] if message["role"] != "system"]
    record["messages"] = [*(record["messages"][: len(record["messages"]) - len(said)]), *said[:4]]


def _role(old: str, new: str) -> Edit:
    def edit(record: Record, _draw: Draw) -> None:
        for message in record["messages"]:
            if message["role"] == old:
                message["role"] = new

    return edit


def _assistant_first(record: Record, _draw: Draw) -> None:
    said = [message for message in record["messages"] if message["role"] != "system"]
    said[0::2], said[1::2] = said[1::2], said[0::2]
    record["messages"] = [*(record["messages"][: len(record["messages"]) - len(said)]), *said]


def _no_last(record: Record, _draw: Draw) -> None:
    record["messages"] = record["messages"][:-1]


def _empty_assistant(record: Record, _draw: Draw) -> None:
    record["messages"][-1]["content"] = ""


def _user_twice(record: Record, _draw: Draw) -> None:
    record["messages"] = [part for item in record["messages"] for part in [item] * (1 + (item["role"] == "user"))]


def _other_answers(records: list[Record], draw: Draw) -> list[Record]:
    """The assistants' messages move on to the next conversation."""
    spots = [message for row in records for message in row["messages"] if message["role"] == "assistant"]
    texts = [spot["content"] for spot in spots]
    turn = draw.randrange(10, len(texts))
    for spot, text in zip(spots, texts[turn:] + texts[:turn], strict=True):
        spot["content"] = text
    return records


def _chunked(size: int) -> Edit:
    def edit(record: Record, _draw: Draw) -> None:
        record["text"] = record["text"][:size]
        record["embedding"] = embedding(record["text"])

    return edit


def _mid_sentence(record: Record, draw: Draw) -> None:
    """A chunk starts anywhere."""
    record["text"] = record["text"][draw.randrange(0, max(1, min(40, len(record["text"]) // 2))) :]
    record["embedding"] = embedding(record["text"])


def _footer(record: Record, _draw: Draw) -> None:
    record["text"] += PAGE_FOOTER
    record["embedding"] = embedding(record["text"])


def _vector(function: Any) -> Edit:
    def edit(record: Record, draw: Draw) -> None:
        changed = function(np.array(record["embedding"]), draw)
        record["embedding"] = [round(float(value), 6) for value in changed]

    return edit


def _unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def _noisy(vector: Any, draw: Draw) -> Any:
    return _unit(vector + np.array([draw.gauss(0, 0.12) for _ in vector]))


def _steps(rewrite: Any) -> Edit:
    """An edit of each step in turn."""

    def edit(record: Record, draw: Draw) -> None:
        for step in record["steps"]:
            rewrite(step, draw)

    return edit


def _text_arguments(step: Record, _draw: Draw) -> None:
    step["arguments"]["limit"] = str(step["arguments"]["limit"])


def _renamed_tool(step: Record, _draw: Draw) -> None:
    step["tool"] = {"read_file": "fs.read"}.get(step["tool"], step["tool"])


def _milliseconds(step: Record, _draw: Draw) -> None:
    step["duration_s"] = round(step["duration_s"] * 1000, 1)


def _failing(step: Record, draw: Draw) -> None:
    step["status"] = "error" if draw.chance(0.07) else step["status"]


def _no_argument(step: Record, draw: Draw) -> None:
    if draw.chance(0.2):
        del step["arguments"]["limit"]


def _looping(record: Record, _draw: Draw) -> None:
    record["steps"] = [*record["steps"], *[record["steps"][-1]] * 3]


def _reversed(record: Record, _draw: Draw) -> None:
    record["steps"].reverse()


def _local_time(record: Record, _draw: Draw) -> None:
    """The end is in local time, the start is not."""
    record["finished_at"] = stamp(_time(record["finished_at"]) + timedelta(hours=2))


def _in_seconds(path: str) -> Transform:
    return every(at(path, lambda moment, _draw: int(_time(moment).timestamp())))


FIELD_CHANGES = (
    Change("label-85", "labels", "judged", "the main label 60 -> 85 %",
           some(0.63, _relabel("partly", "wrong", to_label="correct"))),
    Change("label-68", "labels", "judged", "the main label 60 -> 68 %",
           some(0.2, _relabel("partly", "wrong", to_label="correct"))),
    Change("rare-label", "labels", "judged", "a rare label 1 -> 4 %",
           some(0.03, to(LABEL, "unsafe"))),
    Change("new-label", "labels", "judged", "a label nobody had before, in 2 % of the rows",
           some(0.02, to(LABEL, "off_topic"))),
    Change("label-spelling", "labels", "judged", "labels spelled with a capital in 15 % of the rows",
           some(0.15, at(LABEL, lambda label, _draw: label.capitalize()))),
    Change("label-shuffle", "pairs", "judged", "labels moved between rows: they no longer fit the scores",
           shuffled(LABEL)),
    Change("label-noise", "pairs", "judged", "labels moved between 30 % of the rows", shuffled(LABEL, share=0.3)),
    Change("score-text", "pairs", "judged", "labels and scores moved together to other texts",
           shuffled("content")),
    Change("scale-100", "scores", "judged", "scores 0..1 -> 0..100",
           every(at(SCORE, lambda score, _draw: round(score * 100, 2)))),
    Change("scale-mixed", "scores", "judged", "the same in 5 % of the rows",
           some(0.05, at(SCORE, lambda score, _draw: round(score * 100, 2)))),
    Change("score-corrupt", "scores", "judged", "scores of 8 % of the rows are any number",
           some(0.08, at(SCORE, lambda _score, draw: round(draw.random(), 4)))),
    Change("score-rounded", "scores", "judged", "scores rounded to one decimal",
           every(at(SCORE, lambda score, _draw: round(score, 1)))),
    Change("score-default", "scores", "judged", "12 % of the scores are the default 0.5", some(0.12, to(SCORE, 0.5))),
    Change("score-lenient", "scores", "judged", "the judge gives 0.06 more",
           every(at(SCORE, lambda score, _draw: round(min(1.0, score + 0.06), 4)))),
    Change("score-as-text", "scores", "judged", "scores written as texts",
           every(at(SCORE, lambda score, _draw: str(score)))),
    Change("score-outliers", "scores", "judged", "1 % of the confidences are -1",
           some(0.01, to("quality_signals.confidence", -1.0))),
    Change("score-missing", "scores", "judged", "no score in 30 % of the rows judged wrong",
           some(0.3, only(lambda row: row["metadata"]["label"] == "wrong", to(SCORE, None)))),
    Change("judge", "metadata", "judged", "the second judge 30 -> 45 % of the rows",
           some(0.21, to("metadata.judge", "judge-b"))),
    Change("null-40", "metadata", "sft", "a metadata field is null in 40 % of the rows",
           some(0.4, to("metadata.author", None))),
    Change("null-8", "metadata", "sft", "a metadata field is null in 8 % of the rows",
           some(0.08, to("metadata.author", None))),
    Change("placeholder-5", "metadata", "sft", "5 % of the licences are N/A",
           some(0.05, to("metadata.license", "N/A"))),
    Change("key-renamed", "metadata", "sft", "a metadata field has another name", every(_renamed)),
    Change("spelling-10", "metadata", "sft", "10 % of the licences are spelled in lower case",
           some(0.1, at("metadata.license", lambda text, _draw: text.lower()))),
    Change("one-author", "metadata", "sft", "one author wrote 15 % more of the rows",
           some(0.15, to("metadata.author", PEOPLE[-1]))),
    Change("topic-one", "metadata", "sft", "10 % of the topics are 'other'", some(0.1, to("metadata.topic", "other"))),
    Change("date-format", "times", "sft", "another date format", every(at(CREATED, _day_first))),
    Change("date-format-10", "times", "sft", "another date format in 10 % of the rows",
           some(0.1, at(CREATED, _day_first))),
    Change("date-number", "times", "sft", "dates as seconds since 1970", _in_seconds(CREATED)),
    Change("date-year", "times", "sft", "dates a year later", every(at(CREATED, _a_year_on))),
    Change("date-late", "times", "sft", "a third of the rows moved into the last quarter", every(at(CREATED, _late))),
    Change("date-default", "times", "sft", "6 % of the dates are 1970-01-01",
           some(0.06, to(CREATED, "1970-01-01T00:00:00Z"))),
    Change("swapped-20", "preference", "preference", "chosen and rejected swapped in 20 % of the rows",
           some(0.2, _swap("chosen", "rejected", "content"))),
    Change("swapped-all", "preference", "preference", "chosen and rejected swapped in all rows",
           every(_swap("chosen", "rejected", "content"))),
    Change("length-bias", "preference", "preference", "the longer answer is always the chosen one",
           every(_longest_chosen)),
    Change("weaker-rejected", "preference", "preference", "rejected answers cut to half", every(_half_rejected)),
    Change("ties-6", "preference", "preference", "6 % of the pairs hold the same answer twice", some(0.06, _tied)),
    Change("scores-swapped", "preference", "preference", "10 % of the pairs have their scores swapped",
           some(0.1, _swap("chosen_score", "rejected_score", "quality_signals"))),
    Change("prompt-shuffle", "preference", "preference", "prompts moved to other pairs", shuffled("content.prompt")),
    Change("annotator", "preference", "preference", "a new annotator did 6 % of the rows",
           some(0.06, to("metadata.annotator", "vendor-7"))),
    Change("no-system-30", "chat", "chat", "no system prompt in 30 % of the chats", some(0.3, _without_system)),
    Change("other-system", "chat", "chat", "another system prompt of about the same length", every(_new_system)),
    Change("turns-2", "chat", "chat", "chats of two exchanges in place of two to four", every(_two_turns)),
    Change("role-names", "chat", "chat", "the role user is called human", every(_role("user", "human"))),
    Change("role-order-10", "chat", "chat", "the assistant speaks first in 10 % of the chats",
           some(0.1, _assistant_first)),
    Change("no-answer-8", "chat", "chat", "8 % of the chats lack the last answer", some(0.08, _no_last)),
    Change("empty-answer-5", "chat", "chat", "the last answer is empty in 5 % of the chats",
           some(0.05, _empty_assistant)),
    Change("user-twice-5", "chat", "chat", "the user says everything twice in 5 % of the chats",
           some(0.05, _user_twice)),
    Change("chat-pairing", "pairs", "chat", "answers belong to other questions", _other_answers),
    Change("chat-duplicates", "rows", "chat", "8 % of the chats repeat others", copied(0.08, "messages")),
    Change("channel", "metadata", "chat", "a new channel has 3 % of the chats", some(0.03, to("channel", "partner"))),
    Change("chunk-350", "chunks", "rag", "chunks of 350 characters in place of 500", every(_chunked(350))),
    Change("chunk-start", "chunks", "rag", "chunks start in the middle of sentences", every(_mid_sentence)),
    Change("footer-15", "chunks", "rag", "a page footer in 15 % of the chunks", some(0.15, _footer)),
    Change("url-scheme", "chunks", "rag", "addresses begin with http in place of https",
           every(at("metadata.url", lambda url, _draw: url.replace("https:", "http:")))),
    Change("page-zero", "chunks", "rag", "10 % of the page numbers are 0", some(0.1, to("metadata.page", 0))),
    Change("vector-rotated", "vectors", "rag", "another embedding model (a rotation)",
           every(_vector(lambda vector, _draw: _ROTATION @ vector))),
    Change("vector-rotated-20", "vectors", "rag", "another embedding model for 20 % of the chunks",
           some(0.2, _vector(lambda vector, _draw: _ROTATION @ vector))),
    Change("vector-length", "vectors", "rag", "vectors not normalised",
           every(_vector(lambda vector, draw: vector * draw.lognormvariate(1, 0.3)))),
    Change("vector-zero-4", "vectors", "rag", "4 % of the vectors are all zeros",
           some(0.04, _vector(lambda vector, _draw: vector * 0))),
    Change("vector-noise", "vectors", "rag", "vectors with noise, length 1 as before", every(_vector(_noisy))),
    Change("vector-shuffle", "pairs", "rag", "vectors moved to other texts", shuffled("embedding")),
    Change("argument-type", "agents", "agent", "a number in the arguments became a text",
           every(_steps(_text_arguments))),
    Change("argument-gone-20", "agents", "agent", "20 % of the calls lack an argument", every(_steps(_no_argument))),
    Change("tool-renamed", "agents", "agent", "a tool has another name", every(_steps(_renamed_tool))),
    Change("step-unit", "agents", "agent", "durations in milliseconds", every(_steps(_milliseconds))),
    Change("step-errors", "agents", "agent", "failed steps 6 -> 12 %", every(_steps(_failing))),
    Change("step-loops-8", "agents", "agent", "8 % of the runs repeat the last call three times", some(0.08, _looping)),
    Change("step-order", "agents", "agent", "steps written in reverse order", every(_reversed)),
    Change("time-zone", "agents", "agent", "the end in local time, two hours ahead", every(_local_time)),
    Change("outcome-shuffle", "pairs", "agent", "outcomes moved to other runs", shuffled("outcome")),
    Change("tokens-missing", "agents", "agent", "no token count in 10 % of the runs", some(0.1, to("tokens", None))),
)  # fmt: skip
