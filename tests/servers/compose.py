"""Reads deploy/compose.yaml as the tools that start it do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

#: ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``: what the file uses of compose's interpolation.
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<word>[^}]*))?\}")


class MissingVariable(Exception):
    """A variable without which compose starts nothing."""


def read_compose(path: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """The document with its variables replaced.

    Raises:
        MissingVariable: one that must be set is unset or empty.
    """

    def replaced(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if not given and match["kind"] == "?":
            raise MissingVariable(match["name"])
        return given or (match["word"] if match["kind"] == "-" else "")

    def interpolated(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: interpolated(value) for key, value in node.items()}
        if isinstance(node, list):
            return [interpolated(value) for value in node]
        return VARIABLE.sub(replaced, node) if isinstance(node, str) else node

    found: dict[str, Any] = interpolated(yaml.safe_load(path.read_text(encoding="utf-8")))
    for service in found["services"].values():
        if "deploy" in service:
            # Compose makes numbers of what has to be one.
            service["deploy"]["replicas"] = int(service["deploy"]["replicas"])
    return found


def read_variables(path: Path) -> dict[str, str]:
    """The variables of an ``.env`` file, those in comments with their defaults too."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE))
