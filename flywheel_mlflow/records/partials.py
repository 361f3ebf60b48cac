"""What is measured of some records, small and mergeable: the unit of work of every engine.

A plan begins an empty result, which observes blocks of records; results merge in any order and grouping to the same
whole. This process, worker processes and clusters use the same plan. Whoever has something else to find out about whole
data writes a plan and a result of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

from flywheel_mlflow.evidence.runs import CheckSeverity
from flywheel_mlflow.promises.personal_data import PersonalDataExemption
from flywheel_mlflow.records.batches import Batch, Block, Part, RecordSchema, make_batch
from flywheel_mlflow.records.checks import (
    ExactDuplicates,
    LicenceAndSource,
    PlaceOf,
    RecordCheck,
    RequiredFields,
    Row,
    SplitLeakage,
    UniqueIds,
)
from flywheel_mlflow.records.expectations import Expectations
from flywheel_mlflow.records.findings import ConstantSides, ConstantSignals, LengthPiles, SameTranslations
from flywheel_mlflow.records.id_sketches import IdSketchBuilder
from flywheel_mlflow.records.near_duplicates import NearDuplicates
from flywheel_mlflow.records.personal_check import RawPersonalData
from flywheel_mlflow.records.profiling import ProfileBuilder
from flywheel_mlflow.records.reading import Reader
from flywheel_mlflow.records.record_digest import RecordDigest
from flywheel_mlflow.records.refusals import TooManyFields
from flywheel_mlflow.records.schema_columns import observations
from flywheel_mlflow.records.schema_tree import MAX_FIELDS, SchemaTree, first_beyond
from flywheel_mlflow.records.undeclared_groups import UndeclaredGroups
from flywheel_mlflow.records.word_sketches import words_for

_TOO_MANY = f"more than {MAX_FIELDS} different fields: keys seem to hold data"


class Result(Protocol):
    """What is known of some records; ``rows_of`` counts them by the part of the data they lie in."""

    rows_of: dict[Part, int]

    def observe(self, part: Part, block: Block) -> None:
        """Looks at a block; the blocks of one part come in their order."""

    def merge(self, other: Self) -> None:
        """Takes in what is known of other records."""


ResultT = TypeVar("ResultT", bound=Result)
BegunT_co = TypeVar("BegunT_co", bound=Result, covariant=True)


class Begins(Protocol[BegunT_co]):
    """A plan: what is to be found out, small enough to be sent to every worker."""

    def begin(self) -> BegunT_co:
        """The result of no record."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured: of a contract's promise the parts that measuring depends on."""

    interface: str
    schema: RecordSchema
    fields: tuple[str, ...] = ()
    group_key: str | None = None
    has_card: bool = False
    exempt: tuple[PersonalDataExemption, ...] = ()
    role: str = "reference"
    expect: tuple[str, ...] = ()

    def begin(self) -> PartialResult:
        """The result of no record."""
        return PartialResult(self)


class PartialResult:
    """All that is measured of the records seen so far."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rows_of: dict[Part, int] = {}
        self.tree = SchemaTree()
        self.digest = RecordDigest()
        self.profile = ProfileBuilder(plan.schema)
        self.words = words_for(plan.role)
        self.ids = IdSketchBuilder()
        # Among free rows (events, figures) equal rows may be right.
        severity = CheckSeverity.BLOCKING if plan.schema == "record" else CheckSeverity.WARNING
        self.duplicates = ExactDuplicates(plan.interface, severity)
        self.origin = LicenceAndSource(
            plan.interface, plan.schema, card_source=plan.has_card, card_licence=plan.has_card
        )
        self.checks: tuple[RecordCheck, ...] = (
            RequiredFields(plan.interface, plan.schema, plan.fields),
            UniqueIds(plan.interface),
            self.duplicates,
            SplitLeakage(plan.interface, plan.group_key),
            RawPersonalData(plan.interface, plan.exempt),
            self.origin,
            *((Expectations(plan.interface, plan.expect),) if plan.expect else ()),
        )
        self.findings: tuple[RecordCheck, ...] = (
            NearDuplicates(plan.interface, is_looked_for=self.words is not None),
            UndeclaredGroups(plan.interface, plan.group_key),
            ConstantSignals(plan.interface),
            ConstantSides(plan.interface),
            LengthPiles(plan.interface),
            SameTranslations(plan.interface),
        )

    @property
    def rows(self) -> int:
        """How many records."""
        return sum(self.rows_of.values())

    def observe(self, part: Part, block: Block) -> None:
        """Measures a block; the blocks of one part come in their order.

        Raises:
            RowFault: a record without a usable id, one that is too long, or more fields than a schema may have.
        """
        batch = make_batch(self.plan.schema, part, block)
        self._observe_schema(batch)
        self.digest.observe(batch.texts)
        self.profile.observe(batch)
        self.ids.observe(batch)
        if self.words:
            self.words.observe(batch)
        for check in (*self.checks, *self.findings):
            check.observe(batch)
        self.rows_of[part] = self.rows_of.get(part, 0) + batch.rows

    def _observe_schema(self, batch: Batch) -> None:
        known = self.tree.paths
        self.tree.observe(batch.rows, observations(batch.fields))
        if len(self.tree.paths) > MAX_FIELDS:
            row = first_beyond(known, map(batch.block.record, range(batch.rows)))
            raise TooManyFields(_TOO_MANY, batch.row + (row or 0), hint="write such objects as a list of {key, value}")

    def merge(self, other: PartialResult) -> None:
        """Takes in what was measured of other records.

        Raises:
            TooManyFields: together they have more fields than a schema may have.
        """
        for part, rows in other.rows_of.items():
            self.rows_of[part] = self.rows_of.get(part, 0) + rows
        self.tree.merge(other.tree)
        if len(self.tree.paths) > MAX_FIELDS:
            raise TooManyFields(_TOO_MANY, 0, hint="write such objects as a list of {key, value}")
        self.digest.merge(other.digest)
        self.profile.merge(other.profile)
        self.ids.merge(other.ids)
        if self.words and other.words:
            self.words.merge(other.words)
        theirs = (*other.checks, *other.findings)
        for check, same in zip((*self.checks, *self.findings), theirs, strict=True):
            check.merge(same)


def row_in_file(rows_of: Mapping[Part, int], row: Row) -> tuple[int, int]:
    """The number of the file a row lies in, and its row there, given the rows of the parts before it."""
    (file, start), number = row
    return file, number + sum(rows for part, rows in rows_of.items() if part[0] == file and part[1] < start)


def places(rows_of: Mapping[Part, int], readers: Sequence[Reader]) -> PlaceOf:
    """What names the place of a row, given the rows of all parts; readers by the number of their file."""

    def place_of(row: Row) -> str:
        file, number = row_in_file(rows_of, row)
        return f"{readers[file].file.name}, {readers[file].place(number)}"

    return place_of
