"""Spoils a call as a model would, and mends a call from what the tool's error says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from p07_tools import Observation

Arguments = dict[str, Any]


def repair(tool: str, arguments: Mapping[str, Any], seen: Observation) -> Arguments | None:
    """The arguments changed by what an error says; None when it says nothing that helps."""
    changed = dict(arguments)
    if seen.error == "no_hits":
        *kept, _ = str(arguments["query"]).split()
        changed["query"] = " ".join(kept)
        return changed if kept else None
    if seen.error == "sql_error":
        wrong = re.search(r"no such column: (\w+)", seen.message)
        near = difflib.get_close_matches(wrong[1], seen.hints["columns"], n=1) if wrong else []
        if wrong is None or not near:
            return None
        changed["query"] = re.sub(rf"\b{wrong[1]}\b", near[0], str(arguments["query"]))
    elif seen.error == "bad_expression":
        changed["expression"] = str(arguments["expression"]).replace("×", "*").replace("÷", "/").replace("=", "")
    elif seen.error == "conflict":
        changed["start"] = seen.hints.get("free_from", arguments["start"])
    elif seen.error == "unknown_key":
        near = difflib.get_close_matches(str(arguments["key"]), seen.hints["known"], n=1, cutoff=0.3)
        changed["key"] = near[0] if near else arguments["key"]
    elif seen.error == "bad_arguments" and tool == "calendar":
        changed["day"] = re.sub(r"^(\d\d)/(\d\d)/(\d{4})$", r"\3-\2-\1", str(arguments["day"]))
    return changed if changed != dict(arguments) else None


def spoil(tool: str, arguments: Arguments) -> Arguments | None:
    """The arguments as a model gets them wrong: a misspelt column, a word too many, another notation."""
    if tool == "sql" and "quantity" in arguments["query"]:
        return {**arguments, "query": arguments["query"].replace("quantity", "quantty")}
    if tool == "search":
        return {**arguments, "query": f"{arguments['query']} regulations"}
    if tool == "python":
        return {**arguments, "expression": arguments["expression"].replace("*", "×")}
    if tool == "calendar":
        year, month, day = arguments["day"].split("-")
        return {**arguments, "day": f"{day}/{month}/{year}"}
    if tool == "memory_read":
        return {**arguments, "key": arguments["key"].replace(" ", "_")}
    return None
