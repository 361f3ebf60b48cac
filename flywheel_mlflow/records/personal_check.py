"""The record check that finds raw personal data and secrets, outside of the fields a contract exempts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Self

from flywheel_mlflow.evidence.runs import Check
from flywheel_mlflow.promises.personal_data import PERSONAL_DATA_CHECK, PersonalDataExemption
from flywheel_mlflow.records.batches import Batch
from flywheel_mlflow.records.checks import EXAMPLES, Finding, PlaceOf
from flywheel_mlflow.records.personal import KINDS, LOOKED_FOR, NOT_LOOKED_FOR, find_personal_data

_MAX_FIELDS_SHOWN = 50
_INDEX = re.compile(r"\[\d+\]")


class RawPersonalData(Finding):
    """No personal data and no secret anywhere in a record: not in the content, not in its metadata, not in a key."""

    name = PERSONAL_DATA_CHECK

    def __init__(self, interface: str, exempt: Sequence[PersonalDataExemption] = ()) -> None:
        super().__init__(interface)
        self._exempt = tuple(exempt)
        self._kinds: Counter[str] = Counter()
        self._fields: Counter[str] = Counter()
        #: Hits by the exemption that covers them and by kind; the rows they lie in.
        self._exempted: Counter[tuple[int, str]] = Counter()
        self._exempted_rows: Counter[int] = Counter()

    def observe(self, batch: Batch) -> None:
        """Looks at a batch: closely only at its suspects, which is where all hits are."""
        self._rows += batch.rows
        found: dict[int, list[tuple[str, str]]] = {}
        for position in batch.suspects:
            hits = self._not_exempt(list(find_personal_data(batch.block.record(position))))
            if hits:
                found[position] = hits
                self._kinds.update(kind for _, kind in hits)
                self._fields.update(path.split("[", 1)[0][:200] for path, _ in hits)
        self._offend(
            batch,
            list(found),
            lambda position: {
                "hits": tuple({"path": path[:200], "kind": kind} for path, kind in found[position][:EXAMPLES])
            },
        )

    def _not_exempt(self, hits: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The hits of a record that no exemption covers; the others are counted."""
        if not self._exempt:
            return hits
        left: list[tuple[str, str]] = []
        covering: set[int] = set()
        for path, kind in hits:
            place = _INDEX.sub("", path)
            index = next((index for index, item in enumerate(self._exempt) if item.covers(place, kind)), None)
            if index is None:
                left.append((path, kind))
            else:
                covering.add(index)
                self._exempted[index, kind] += 1
        self._exempted_rows.update(covering)
        return left

    def merge(self, other: Self) -> None:
        """Takes in what the same check has seen of other parts."""
        self._merge(other)
        self._kinds.update(other._kinds)
        self._fields.update(other._fields)
        self._exempted.update(other._exempted)
        self._exempted_rows.update(other._exempted_rows)

    def result(self, place_of: PlaceOf | None = None) -> Check:
        """The finding: what was looked for, hits by kind and by field, and what was exempt.

        Of the fields it names those with most hits.
        """
        fields = sorted(self._fields.items(), key=lambda item: (-item[1], item[0]))[:_MAX_FIELDS_SHOWN]
        kinds = dict(sorted(self._kinds.items()))
        exempt = tuple(
            {
                "field": item.field,
                "reason": item.reason,
                "kinds": {kind: hits for (of, kind), hits in sorted(self._exempted.items()) if of == index},
                "rows": self._exempted_rows[index],
            }
            for index, item in enumerate(self._exempt)
        )
        told = f"looked for: {LOOKED_FOR}; not looked for: {NOT_LOOKED_FOR}"
        if exempt:
            rows = ", ".join(f"{item['field']} ({item['rows']} rows with hits)" for item in exempt)
            told = f"exempt by contract: {rows}; {told}"
        return self._judge(
            f"no personal data or secrets found; {told}",
            f"hold personal data or secrets ({', '.join(kinds)}); {told}",
            place_of,
            kinds=kinds,
            fields=dict(sorted(fields)),
            exempt=exempt,
            looked_for=tuple(KINDS),
        )
