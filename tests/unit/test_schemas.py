"""Tests of schema comparison."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flywheel_mlflow.evidence.runs import FieldType
from flywheel_mlflow.evidence.schemas import change_class, missing_fields, retyped_fields

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


def test_removing_retyping_or_loosening_is_major() -> None:
    """A consumer that relied on the old schema breaks, so the change is major."""
    assert change_class([ID, SCORE], [ID]) == "major"
    assert change_class([ID], [FieldType("id", "integer", True)]) == "major"
    assert change_class([ID], [FieldType("id", "string", False)]) == "major"


def test_adding_or_tightening_is_minor() -> None:
    """What a consumer relied on still holds, so the change is minor."""
    assert change_class([ID], [ID, SCORE]) == "minor"
    assert change_class([SCORE], [FieldType("score", "number", True)]) == "minor"
    mixed = FieldType("id", "mixed", True)
    assert change_class([mixed], [ID]) == "minor"
    assert change_class([ID], [mixed]) == "major"
    assert missing_fields({"id": None}, [ID], [mixed]) == ()


@given(schemas)
def test_the_same_schema_in_any_order_is_a_patch(fields: tuple[FieldType, ...]) -> None:
    """The order of fields is no part of a schema."""
    assert change_class(fields, reversed(fields)) == "patch"


@given(schemas, schemas)
def test_a_change_is_major_exactly_when_something_is_lost(
    before: tuple[FieldType, ...], after: tuple[FieldType, ...]
) -> None:
    """Whatever is not major keeps every required path required."""
    promised = [field.path for field in before if field.required]
    if change_class(before, after) != "major":
        assert missing_fields(promised, after) == ()
    if change_class(before, after) == "minor":
        assert change_class(after, before) == "major"


def test_an_optional_field_does_not_meet_a_need() -> None:
    """A needed field must be there in every row; the missing ones come in the order asked, once."""
    assert missing_fields(["text", "score", "id", "text"], [ID, SCORE]) == ("text", "score")


def test_a_needed_field_keeps_its_type() -> None:
    """The declared type counts, whatever was before; without one, the type of the version before."""
    text, number = FieldType("text", "string", True), FieldType("text", "number", True)
    assert missing_fields({"text": "string"}, [text]) == ()
    assert missing_fields({"text": "string"}, [number]) == ("text as string (it is number)",)
    assert missing_fields({"text": "number"}, [FieldType("text", "integer", True)]) == ()
    assert missing_fields({"text": "integer"}, [number]) == ("text as integer (it is number)",)
    assert missing_fields({"text": None}, [number], [text]) == ("text as string (it is number)",)
    assert missing_fields({"text": "number"}, [number], [text]) == ()
    assert missing_fields(["text"], [number]) == ()
    assert missing_fields({"text": "string"}, [FieldType("text", "string", False)]) == ("text",)


def test_a_promised_type_is_held_against_the_data() -> None:
    """Only declared types of fields that are there: presence is a record check's business."""
    fields = [FieldType("a", "integer", False), FieldType("b", "object", True)]
    assert retyped_fields({"a": "number", "b": "string", "c": "string"}, fields) == ("b as string (it is object)",)
    assert retyped_fields({"a": None, "b": None}, fields) == ()
