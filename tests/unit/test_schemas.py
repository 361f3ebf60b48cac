"""Tests of schema comparison."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schemas import Schema, change_class, missing_fields, retyped_fields, schema_change

ID = FieldType("id", "string", True)
SCORE = FieldType("score", "number", False)

schemas = st.lists(
    st.builds(
        FieldType,
        st.sampled_from(["a", "b", "c.d", "c.e"]),
        st.sampled_from(["string", "integer"]),
        st.booleans(),
    ),
    unique_by=lambda field: field.path,
).map(tuple)


def change_of(before: Iterable[FieldType], after: Iterable[FieldType]) -> str:
    return change_class(Schema(tuple(before)), Schema(tuple(after)))


def lacking(needed: Iterable[str], fields: Iterable[FieldType], before: Iterable[FieldType] = ()) -> tuple[str, ...]:
    return missing_fields(needed, Schema(tuple(fields)), Schema(tuple(before)))


def test_removing_retyping_or_loosening_is_major() -> None:
    """A consumer that relied on the old schema breaks, so the change is major."""
    assert change_of([ID, SCORE], [SCORE]) == "major"
    assert change_of([ID], [FieldType("id", "null", False)]) == "major"
    assert change_of([ID], [FieldType("id", "integer", True)]) == "major"
    assert change_of([ID], [FieldType("id", "string", False)]) == "major"


def test_what_some_rows_had_may_be_in_none() -> None:
    """Who reads an optional field copes without it: a hint that only failures carry is gone where nothing fails."""
    for now in ((ID,), (ID, FieldType("score", "null", False))):
        found = schema_change(Schema((ID, SCORE)), Schema(now))
        assert (found.change_class, list(found)) == ("minor", ["score was in some rows, is in none"])


def test_adding_or_tightening_is_minor() -> None:
    """What a consumer relied on still holds, so the change is minor."""
    assert change_of([ID], [ID, SCORE]) == "minor"
    assert change_of([SCORE], [FieldType("score", "number", True)]) == "minor"
    mixed = FieldType("id", "mixed", True)
    assert change_of([mixed], [ID]) == "minor"
    assert change_of([ID], [mixed]) == "major"
    assert lacking({"id": None}, [ID], [mixed]) == ()


@given(schemas)
def test_the_same_schema_in_any_order_is_a_patch(fields: tuple[FieldType, ...]) -> None:
    """The order of fields is no part of a schema."""
    assert change_of(fields, reversed(fields)) == "patch"


@given(schemas, schemas)
def test_a_change_is_major_exactly_when_something_is_lost(
    before: tuple[FieldType, ...], after: tuple[FieldType, ...]
) -> None:
    """Whatever is not major keeps every required path required; a patch has the same fields."""
    promised = [field.path for field in before if field.required]
    if change_of(before, after) != "major":
        assert missing_fields(promised, Schema(after)) == ()
    assert (change_of(before, after) == "patch") == (set(before) == set(after))


def test_an_optional_field_does_not_meet_a_need() -> None:
    """A needed field must be there in every row; the missing ones come in the order asked, once."""
    assert lacking(["text", "score", "id", "text"], [ID, SCORE]) == ("text", "score")


def test_a_needed_field_keeps_its_type() -> None:
    """The declared type counts, whatever was before; without one, the type of the version before."""
    text, number = FieldType("text", "string", True), FieldType("text", "number", True)
    assert lacking({"text": "string"}, [text]) == ()
    assert lacking({"text": "string"}, [number]) == ("text as string (it is number)",)
    assert lacking({"text": "number"}, [FieldType("text", "integer", True)]) == ()
    assert lacking({"text": "integer"}, [number]) == ("text as integer (it is number)",)
    assert lacking({"text": None}, [number], [text]) == ("text as string (it is number)",)
    assert lacking({"text": "number"}, [number], [text]) == ()
    assert lacking(["text"], [number]) == ()
    assert lacking({"text": "string"}, [FieldType("text", "string", False)]) == ("text",)


def test_a_promised_type_is_held_against_the_data() -> None:
    """Only declared types of fields that are there: presence is a record check's business."""
    fields = [FieldType("a", "integer", False), FieldType("b", "object", True)]
    assert retyped_fields({"a": "number", "b": "string", "c": "string"}, Schema(tuple(fields))) == (
        "b as string (it is object)",
    )
    assert retyped_fields({"a": None, "b": None}, Schema(tuple(fields))) == ()


def chat(*more: tuple[str, str, bool], kind: str = "object") -> Schema:
    """A schema with a list of messages whose elements are of a kind and have these fields."""
    inside = tuple(FieldType(f"messages[].{name}", type_, required) for name, type_, required in more)
    return Schema((FieldType("messages", "list", True), FieldType("messages[]", kind, True), *inside))


ROLE, TEXT, SPEAKER = ("role", "string", True), ("content", "string", True), ("speaker", "string", True)
EMPTY = Schema((FieldType("messages", "list", True),))


@pytest.mark.parametrize(
    ("before", "after", "change", "words"),
    [
        (
            chat(ROLE, TEXT),
            chat(SPEAKER, TEXT),
            "major",
            ["messages[].role is gone", "messages[].speaker was added"],
        ),
        (chat(ROLE), chat(("role", "integer", True)), "major", ["messages[].role was string, is integer"]),
        (chat(ROLE), chat(("role", "string", False)), "major", ["messages[].role is no longer in every element"]),
        (chat(ROLE), chat(kind="string"), "major", ["messages[] was object, is string"]),
        (chat(ROLE), chat(kind="map"), "major", ["messages[] was object, is map"]),
        (chat(ROLE), Schema((FieldType("messages", "string", True),)), "major", ["messages was list, is string"]),
        (chat(ROLE), Schema(()), "major", ["messages is gone"]),
        (chat(ROLE), chat(ROLE, TEXT), "minor", ["messages[].content was added"]),
        (chat(kind="map"), chat(ROLE), "minor", ["messages[] was map, is object"]),
        (EMPTY, chat(ROLE), "minor", ["messages[] was added"]),
        (chat(ROLE), EMPTY, "patch", []),
        (chat(ROLE), chat(ROLE), "patch", []),
    ],
)
def test_changes_inside_lists_have_a_class(before: Schema, after: Schema, change: str, words: list[str]) -> None:
    """Inside a list as outside of it; each difference is told once, at the outermost field that differs."""
    found = schema_change(before, after)
    assert (found.change_class, list(found)) == (change, words)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("vector[384]", "vector[768]", "major"),
        ("vector[384]", "list", "major"),
        ("list", "vector[384]", "minor"),
        ("timestamp", "timestamp[zoned]", "major"),
        ("binary", "string", "major"),
        ("number", "integer", "minor"),
        ("number", "decimal", "minor"),
        ("decimal", "number", "major"),
        ("null", "string", "minor"),
        ("string", "null", "minor"),
    ],
)
def test_types_that_serve_their_readers_are_no_retyping(before: str, after: str, change: str) -> None:
    """Who reads numbers can read whole ones, who reads lists can read vectors; what is always null serves nobody."""
    assert change_of([FieldType("x", before, False)], [FieldType("x", after, False)]) == change


def test_a_need_goes_through_lists() -> None:
    """A path leads through lists without saying so, and asks for the field in every element of every row."""
    for path in ("messages.role", "messages[].role"):
        assert missing_fields([path], chat(ROLE)) == ()
        assert missing_fields({path: "string"}, chat(ROLE)) == ()
        assert missing_fields({path: "integer"}, chat(ROLE)) == (f"{path} as integer (it is string)",)
        assert missing_fields([path], chat(TEXT)) == (path,)
        assert missing_fields([path], chat(("role", "string", False))) == (path,)
        assert missing_fields([path], chat(kind="map")) == (f"{path} (unknown: too many different fields)",)
        assert missing_fields([path], EMPTY) == ()
    optional = Schema((FieldType("messages", "list", False), *chat(ROLE).fields[1:]))
    assert missing_fields(["messages.role"], optional) == ("messages.role",)
    assert missing_fields({"messages[]": "object", "messages": "list"}, chat(ROLE)) == ()
    assert missing_fields({"messages[]": "string"}, chat(ROLE)) == ("messages[] as string (it is object)",)
    vectors = Schema((FieldType("v", "vector[384]", True), FieldType("v[]", "number", True)))
    assert missing_fields({"v": "list", "v[]": "number"}, vectors) == ()
    assert missing_fields({"v": "vector[768]"}, vectors) == ("v as vector[768] (it is vector[384])",)


def first(*fields: tuple[str, str]) -> Schema:
    """A schema as an earlier version recorded it."""
    return Schema(tuple(FieldType(path, kind, True) for path, kind in fields), 1)


def test_an_older_schema_says_nothing_about_what_it_could_not_see() -> None:
    """Lists, bytes and times are unknown against format 1: neither the same nor a change. The rest is compared."""
    now = Schema((*chat(ROLE).fields, FieldType("at", "timestamp", True)))
    before = first(("messages", "list"), ("at", "string"))
    found = schema_change(before, now)
    assert (found.change_class, list(found)) == ("unknown", [])
    assert found.unknown
    assert change_class(first(("messages", "list")), now) == "minor"
    assert change_class(first(("messages", "list"), ("at", "integer")), now) == "major"
    assert change_class(first(("at", "string")), Schema((FieldType("at", "string", True),))) == "patch"
    assert change_class(before, before) == "patch"


def test_a_need_that_an_older_schema_cannot_answer_is_not_met() -> None:
    """A field inside a list of format 1 is unknown, and the reason says so; types are compared as far as it knew."""
    old = first(("messages", "list"), ("at", "string"))
    (reason,) = missing_fields(["messages.role"], old)
    assert reason.startswith("messages.role (unknown: an earlier version")
    assert missing_fields({"at": "timestamp"}, old) == ()
    now = Schema((*chat(ROLE).fields, FieldType("at", "timestamp", True)))
    assert missing_fields({"at": None, "messages.role": None}, now, old) == ()
    assert retyped_fields({"at": "string"}, now) == ("at as string (it is timestamp)",)
