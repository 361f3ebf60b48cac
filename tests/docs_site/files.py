"""The pages of the files people write, from their JSON Schemas."""

from __future__ import annotations

import json
import re
from typing import Any

from docs_site.markdown import code, page, prose, table
from flywheel_mlflow.operations.schemas import MODELS

#: What each kind of file is, by the name that `flywheel schema` takes.
TITLES = {
    "contract": (
        "project.yaml: the contract",
        "What a project promises. Tutorial: [your own projects]({root}your-own-projects.md).",
    ),
    "blueprint": (
        "flywheel.yaml: the blueprint",
        "What the flywheel as a whole promises. Words: [concepts]({root}concepts.md).",
    ),
    "feedback_event": (
        "A feedback event",
        "One line of a feedback file. How feedback comes in: [feedback]({root}feedback.md).",
    ),
    "feedback_mapping": (
        "A feedback mapping",
        "Which column of somebody's table means what. How to: [feedback]({root}feedback.md).",
    ),
}


def file_page(kind: str) -> str:
    """Every key of one kind of file, the nested ones below it."""
    schema = MODELS[kind].model_json_schema(by_alias=True)  # in the order of the model, which `json_schema` sorts
    title, said = TITLES[kind]
    definitions: dict[str, Any] = schema.get("$defs", {})
    names = _short_names(definitions)
    parts = [
        said.format(root="../../"),
        f"The same for editors: `flywheel schema {kind}` prints the JSON Schema.",
        _keys(schema, names),
    ]
    for name in _in_order(schema, definitions):
        body = definitions[name]
        if "properties" in body:
            parts += [f"## {names[name]}", prose(body.get("description")), _keys(body, names)]
        elif "enum" in body:
            parts += [f"## {names[name]}", prose(body.get("description")), ", ".join(map(_literal, body["enum"]))]
    return page(title, *parts)


def kinds() -> tuple[str, ...]:
    """The kinds of files that have a schema."""
    return tuple(MODELS)


def _short_names(definitions: dict[str, Any]) -> dict[str, str]:
    """Headings for the models: pydantic names those that share a name by their module."""
    short = {name: name.rpartition("__")[2] for name in definitions}
    return {
        name: found if list(short.values()).count(found) == 1 else _told_apart(name) for name, found in short.items()
    }


def _told_apart(name: str) -> str:
    module, _, last = name.rpartition("__")
    return f"{last} ({module.rpartition('__')[2]})" if module else last


def _in_order(schema: Any, definitions: dict[str, Any]) -> list[str]:
    """The models in the order in which a reader meets them."""
    found: list[str] = []
    todo = [schema]
    while todo:
        for name in _references({key: value for key, value in todo.pop(0).items() if key != "$defs"}):
            if name not in found:
                found.append(name)
                todo.append(definitions[name])
    return found


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [name for item in value.values() for name in _references(item)]
    return [name for item in value for name in _references(item)] if isinstance(value, list) else []


def keys_of(model: Any, *, linked: bool = True) -> str:
    """The keys of one model, its nested models by name; ``linked`` where they have headings on the same page."""
    names = _short_names(model.get("$defs", {}))
    found = _keys(model, names)
    return found if linked else re.sub(r"\[(\w[^\]]*)\]\(#[^)]*\)", r"\1", found)


def _keys(model: Any, names: dict[str, str]) -> str:
    required = set(model.get("required", ()))
    return table(
        ("key", "holds", "if left out", "means"),
        (
            (
                code(key),
                _type(item, names),
                "**required**" if key in required else _default(item),
                prose(item.get("description")),
            )
            for key, item in model.get("properties", {}).items()
        ),
    )


def _default(item: Any) -> str:
    if "default" not in item or item["default"] is None:
        return "-"
    value = item["default"]
    if isinstance(value, dict | list):
        return "its own defaults" if value and isinstance(value, dict) else "none"
    return _literal(value)


def _literal(value: Any) -> str:
    return code(value if isinstance(value, str) and value else json.dumps(value))


def _type(item: Any, names: dict[str, str]) -> str:
    if "$ref" in item:
        name = item["$ref"].rpartition("/")[2]
        return f"[{names[name]}](#{anchor(names[name])})"
    for union in ("anyOf", "oneOf"):
        if union in item:
            return " or ".join(dict.fromkeys(_type(part, names) for part in item[union] if part.get("type") != "null"))
    if "allOf" in item:
        return _type(item["allOf"][0], names)
    if "const" in item:
        return _literal(item["const"])
    if "enum" in item:
        return ", ".join(map(_literal, item["enum"]))
    kind = item.get("type", "anything")
    if kind == "array":
        inner = item.get("items") or {}
        return f"list of {_type(inner, names)}" if inner else "list"
    if kind == "object":
        inner = item.get("additionalProperties")
        return f"mapping to {_type(inner, names)}" if isinstance(inner, dict) and inner else "mapping"
    return _words(kind) + _limits(item)


def _words(kind: str) -> str:
    return {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}.get(kind, kind)


def _limits(item: Any) -> str:
    said = [
        f"{word} {item[key]:,}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in item
    ]
    return f", {', '.join(said)}" if said else ""


def anchor(heading: str) -> str:
    """The address of a heading within its page."""
    return "".join(letter for letter in heading.lower().replace(" ", "-") if letter.isalnum() or letter in "-_")
