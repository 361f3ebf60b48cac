"""How far reviewers agree beyond chance, for answers without an order and any number of reviewers for an item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

#: The answers that an item got, one for each reviewer who judged it; of one alone nothing is known.
Judged = Sequence[Hashable]


def observed_agreement(items: Iterable[Judged]) -> float | None:
    """The share of pairs of reviewers of one item that gave the same answer, each item weighing the same.

    None where no item has two answers.
    """
    shares = [_agreeing(Counter(item)) for item in items if len(item) > 1]
    return sum(shares) / len(shares) if shares else None


def krippendorff_alpha(items: Iterable[Judged]) -> float | None:
    """Krippendorff's alpha for nominal data: 1 is agreement, 0 is chance, below 0 is worse than chance.

    Items may have different numbers of answers. None where no item has two answers, or all answers are the same: then
    nothing shows that reviewers can tell items apart.

    Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section D.
    """
    paired = [Counter(item) for item in items if len(item) > 1]
    total: Counter[Hashable] = sum(paired, Counter())
    values = total.total()
    differing = values * values - sum(count * count for count in total.values())
    if not differing:
        return None
    apart = sum(
        (item.total() ** 2 - sum(count * count for count in item.values())) / (item.total() - 1) for item in paired
    )
    return 1 - (values - 1) * apart / differing


def gwet_ac1(items: Iterable[Judged], answers: int) -> float | None:
    """Gwet's AC1, chance agreement of which stays small where nearly all answers are the same.

    ``answers`` is the number of answers to choose from, at least two. None where no item has two answers. Reviewers who
    say the same of everything have 1: it does not show that they looked.

    Source: Gwet, Computing inter-rater reliability and its variance in the presence of high agreement, British Journal
    of Mathematical and Statistical Psychology 61 (2008), equations 5 and 8; for several reviewers, Handbook of
    Inter-Rater Reliability (2014), chapter 2.

    Raises:
        ValueError: fewer than two answers.
    """
    if answers < 2:
        raise ValueError(f"{answers} answers to choose from")
    judged = [Counter(item) for item in items if item]
    observed = observed_agreement([list(item.elements()) for item in judged])
    if observed is None:
        return None
    given = set().union(*judged)
    shares = [sum(item[answer] / item.total() for item in judged) / len(judged) for answer in given]
    chance = sum(share * (1 - share) for share in shares) / (answers - 1)
    return (observed - chance) / (1 - chance)


def _agreeing(item: Counter[Hashable]) -> float:
    """The share of pairs of answers to one item that are the same."""
    count = item.total()
    return sum(same * (same - 1) for same in item.values()) / (count * (count - 1))
