"""Answers as models write them, and whether they equal the reference: known cases, and gaps as tasks report them."""

from __future__ import annotations

from dataclasses import dataclass

Case = tuple[str, str, bool]

#: What the verifier has always judged rightly, and must go on judging rightly.
CASES: tuple[Case, ...] = (
    ("42", "42", True),
    (" 42 ", "42", True),
    ("42.", "42", True),
    ("42.0", "42", True),
    ("42.50", "42.5", True),
    ("-7", "-7", True),
    ("007", "7", True),
    ("41", "42", False),
    ("420", "42", False),
    ("42.01", "42", False),
    ("-42", "42", False),
    ("", "42", False),
    ("unknown", "42", False),
    ("42 or 43", "42", False),
    ("4 2", "42", False),
    ("nan", "42", False),
    ("inf", "42", False),
    ("1e400", "42", False),
)


@dataclass(frozen=True)
class Gap:
    """Answers the first verifier misjudges: as reported in a task, with rewrites that name no word of an answer."""

    request: str
    rewrites: tuple[tuple[str, str], ...]
    reported: tuple[Case, ...]


GAPS = {
    "units": Gap(
        "Right answers with a unit or a noun after the number are rejected: read the number.",
        ((r"^(-?[0-9.,]+) ?(?!or )[a-z][a-z ]{0,30}$", r"\1"),),
        (
            ("42 books", "42", True),
            ("42 km per hour", "42", True),
            ("12kg", "12", True),
            ("42 or 43", "42", False),
            ("41 books", "42", False),
        ),
    ),
    "thousands": Gap(
        "Right answers with separators between thousands are rejected: read 1,240 as 1240, but not 1,24.",
        ((r"^(-?[0-9]{1,3}),([0-9]{3})(?![0-9])", r"\1\2"), (r"^(-?[0-9]{1,3}) ([0-9]{3})(?![0-9])", r"\1\2")),
        (("1,240", "1240", True), ("12 400", "12400", True), ("1,24", "124", False)),
    ),
    "signs": Gap(
        "Right answers with a currency sign or an equals sign beside the number are rejected.",
        ((r"^[^a-z0-9.,+-]+(?=-?[0-9])", ""), (r"(?<=[0-9]) ?[^a-z0-9.,]$", "")),
        (("€42", "42", True), ("= 42", "42", True), ("42 €", "42", True), ("€41", "42", False)),
    ),
    "words before": Gap(
        "Right answers that name the quantity before the number (remainder 5, x = 5) are rejected: read the number.",
        ((r"^(?:the )?(?!minus |not )[a-z]+(?: is| =|:)? (?=-?[0-9])", ""),),
        (
            ("remainder 5", "5", True),
            ("the sum is 42", "42", True),
            ("x = 5", "5", True),
            ("remainder 6", "5", False),
            ("minus 5", "5", False),
            ("not 7", "7", False),
        ),
    ),
}
