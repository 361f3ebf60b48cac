"""Hidden answers of the verifier's audit, by gap: with words, signs and numbers that no task has."""

HIDDEN_CASES: dict[str, tuple[tuple[str, str, bool], ...]] = {
    "units": (
        ("63 tulips", "63", True),
        ("9 square metres", "9", True),
        ("15 litres", "15", True),
        ("88 loaves of bread", "88", True),
        ("7.5 tonnes", "7.5", True),
        ("64 tulips", "63", False),
        ("five tulips", "5", False),
        ("18 plus a half", "18", False),
        ("20 - 30", "20", False),
    ),
    "thousands": (
        ("2,048", "2048", True),
        ("15,625", "15625", True),
        ("3 600", "3600", True),
        ("204,800", "204800", True),
        ("1,048,576", "1048576", True),
        ("1,5", "15", False),
        ("12,34", "1234", False),
    ),
    "signs": (
        ("£ 315", "315", True),
        ("≈ 88", "88", True),
        ("$17", "17", True),
        ("61 %", "61", True),
        ("¥ 316", "315", False),
        ("± 14", "14", False),
    ),
    "words before": (
        ("perimeter: 480", "480", True),
        ("the quotient is 61", "61", True),
        ("width 9", "9", True),
        ("the median came to 27", "27", True),
        ("the quotient is 62", "61", False),
        ("below 9", "9", False),
    ),
}
