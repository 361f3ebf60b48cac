"""Answers as models write them, and whether they equal the reference: known cases, gaps, and how gaps are closed."""

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
    """Answers the first verifier misjudges: as reported in a task, with the rewrites that help, and a hidden part."""

    request: str
    rewrites: tuple[tuple[str, str], ...]
    reported: tuple[Case, ...]
    hidden: tuple[Case, ...]


GAPS = {
    "units": Gap(
        "Right answers with a unit or a noun after the number are rejected: read the number.",
        ((r"^(-?[0-9.,]+) ?(?!or |and |to )[a-z][a-z ]{0,30}$", r"\1"),),
        (
            ("42 books", "42", True),
            ("42 km per hour", "42", True),
            ("12kg", "12", True),
            ("42 or 43", "42", False),
            ("41 books", "42", False),
        ),
        (
            ("63 tulips", "63", True),
            ("9 square metres", "9", True),
            ("15 litres", "15", True),
            ("18 and a half", "18", False),
            ("64 tulips", "63", False),
            ("five tulips", "5", False),
            ("20 to 30", "20", False),
        ),
    ),
    "thousands": Gap(
        "Right answers with separators between thousands are rejected: read 1,240 as 1240, but not 1,24.",
        ((r"^(-?[0-9]{1,3}),([0-9]{3})(?![0-9])", r"\1\2"), (r"^(-?[0-9]{1,3}) ([0-9]{3})(?![0-9])", r"\1\2")),
        (("1,240", "1240", True), ("12 400", "12400", True), ("1,24", "124", False)),
        (
            ("2,048", "2048", True),
            ("15,625", "15625", True),
            ("3 600", "3600", True),
            ("1,5", "15", False),
            ("12,34", "1234", False),
        ),
    ),
    "signs": Gap(
        "Right answers with a currency sign, an equals sign or a degree of certainty before the number are rejected.",
        ((r"^(?:= ?|€ ?|\$ ?|about |exactly )(?=-?[0-9])", ""), (r"(?<=[0-9]) ?[€%]$", "")),
        (("€42", "42", True), ("= 42", "42", True), ("42 €", "42", True), ("€41", "42", False)),
        (
            ("€ 315", "315", True),
            ("= 88", "88", True),
            ("$17", "17", True),
            ("exactly 5", "5", True),
            ("€ 316", "315", False),
            ("not 5", "5", False),
        ),
    ),
    "words before": Gap(
        "Right answers that name the quantity before the number (remainder 5, x = 5) are rejected: read the number.",
        ((r"^(?:the )?(?:remainder|sum|area|answer|volume|speed|average|x)(?: is| =|:)? (?=-?[0-9])", ""),),
        (("remainder 5", "5", True), ("the sum is 42", "42", True), ("x = 5", "5", True), ("remainder 6", "5", False)),
        (
            ("area: 480", "480", True),
            ("the average is 61", "61", True),
            ("answer 9", "9", True),
            ("the volume is 27", "27", True),
            ("the average is 62", "61", False),
            ("minus 9", "9", False),
        ),
    ),
}
