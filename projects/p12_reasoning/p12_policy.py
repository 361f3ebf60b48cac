"""The small model that solves word problems: it chooses, by the words, what to do with the numbers.

A choice is an expression over the numbers in the order of the question. The model is naive Bayes over words and
pairs of words; it is really trained, on verified solutions, and has to guess where it has seen nothing like it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from p12_problems import MathProblem, masked, numbers_in

#: How often a sample is drawn evenly from all expressions instead of from the model: what it never tries it never
#: learns.
EXPLORATION = 0.6
#: Added to every count (Laplace): words seen once must not decide everything.
SMOOTHING = 0.1
#: The most a power may be: nobody asks for more, and a wrong guess must not fill the memory.
MAX_EXPONENT = 64

_Compute = Callable[..., Fraction]


@dataclass(frozen=True, slots=True)
class Expression:
    """What to do with the numbers: as text with places for them, and as a function that computes it exactly."""

    text: str
    size: int
    compute: _Compute

    def program(self, numbers: Sequence[Fraction]) -> str:
        """Python source that assigns and prints ``answer``."""
        names = "abc"[: len(numbers)]
        lines = [f"{name} = {_literal(number)}" for name, number in zip(names, numbers, strict=True)]
        return "\n".join([*lines, f"answer = {self.text}", "print(answer)"])

    def value(self, numbers: Sequence[Fraction]) -> Fraction | None:
        """The value for the numbers; None where it has none, as in a division by zero."""
        try:
            return self.compute(*numbers)
        except (ZeroDivisionError, OverflowError):
            return None


def _literal(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else str(float(number))


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or not 0 <= exponent <= MAX_EXPONENT:
        raise OverflowError("exponent")
    return Fraction(base ** int(exponent))


#: Every expression the model can choose, by the count of numbers in the question.
EXPRESSIONS = tuple(
    Expression(text, size, compute)
    for size, text, compute in (
        (1, "a * (a + 1) / 2", lambda a: a * (a + 1) / 2),
        (1, "a ** 3", lambda a: a**3),
        (1, "a ** 2", lambda a: a**2),
        (1, "2 * a", lambda a: 2 * a),
        (1, "4 * a", lambda a: 4 * a),
        (1, "a / 2", lambda a: a / 2),
        (2, "a + b", lambda a, b: a + b),
        (2, "a - b", lambda a, b: a - b),
        (2, "b - a", lambda a, b: b - a),
        (2, "a * b", lambda a, b: a * b),
        (2, "a / b", lambda a, b: a / b),
        (2, "b / a", lambda a, b: b / a),
        (2, "a % b", lambda a, b: Fraction(a % b)),
        (2, "2 * (a + b)", lambda a, b: 2 * (a + b)),
        (2, "(a + b) / 2", lambda a, b: (a + b) / 2),
        (2, "a * b / 2", lambda a, b: a * b / 2),
        (2, "a * b / 100", lambda a, b: a * b / 100),
        (2, "a * (100 - b) / 100", lambda a, b: a * (100 - b) / 100),
        (2, "a * (100 + b) / 100", lambda a, b: a * (100 + b) / 100),
        (2, "a * 2 ** b", lambda a, b: a * _power(Fraction(2), b)),
        (3, "a + b + c", lambda a, b, c: a + b + c),
        (3, "a - b - c", lambda a, b, c: a - b - c),
        (3, "a + b - c", lambda a, b, c: a + b - c),
        (3, "a * b + c", lambda a, b, c: a * b + c),
        (3, "a * b - c", lambda a, b, c: a * b - c),
        (3, "a + b * c", lambda a, b, c: a + b * c),
        (3, "a - b * c", lambda a, b, c: a - b * c),
        (3, "(a + b) / c", lambda a, b, c: (a + b) / c),
        (3, "(a - b) / c", lambda a, b, c: (a - b) / c),
        (3, "(a + b) * c", lambda a, b, c: (a + b) * c),
        (3, "(a + b + c) / 3", lambda a, b, c: (a + b + c) / 3),
        (3, "b * c / a", lambda a, b, c: b * c / a),
        (3, "a * b / c", lambda a, b, c: a * b / c),
        (3, "a * c / b", lambda a, b, c: a * c / b),
        (3, "a * b * c", lambda a, b, c: a * b * c),
        (3, "a + (c - 1) * b", lambda a, b, c: a + (c - 1) * b),
    )
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question and the expression that solves it: what the model learns from."""

    question: str
    expression: Expression


class Policy:
    """A model trained once, on the examples given."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self._learned = sorted({item.expression.text for item in examples})
        self._model, self._words = None, None
        if len(self._learned) > 1:
            from sklearn.feature_extraction.text import CountVectorizer
            from sklearn.naive_bayes import MultinomialNB

            self._words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"[a-z]+|#")  # noqa: S106 - no password
            seen = self._words.fit_transform([masked(item.question) for item in examples])
            self._model = MultinomialNB(alpha=SMOOTHING, fit_prior=False)
            self._model.fit(seen, [item.expression.text for item in examples])

    def chances(self, question: str) -> list[tuple[Expression, float]]:
        """The expressions that fit the count of numbers, each with its probability; none fit: an empty list."""
        fitting = [item for item in EXPRESSIONS if item.size == len(numbers_in(question))]
        if not fitting:
            return []
        weights = dict.fromkeys((item.text for item in fitting), 0.0)
        if self._model is not None and self._words is not None:
            found = self._model.predict_proba(self._words.transform([masked(question)]))[0]
            weights |= {
                text: float(chance) for text, chance in zip(self._model.classes_, found, strict=True) if text in weights
            }
        elif self._learned and self._learned[0] in weights:
            weights[self._learned[0]] = 1.0
        total = sum(weights.values())
        even = 1 / len(fitting)
        return [(item, weights[item.text] / total if total else even) for item in fitting]

    def sample(self, question: str, rng: random.Random, count: int) -> list[Expression]:
        """Expressions drawn for a question, with some exploration; none when nothing fits."""
        chances = self.chances(question)
        if not chances:
            return []
        even = EXPLORATION / len(chances)
        return rng.choices(
            [item for item, _ in chances], [(1 - EXPLORATION) * chance + even for _, chance in chances], k=count
        )

    def best(self, question: str) -> Expression | None:
        """The likeliest expression; the first of equals; None when nothing fits."""
        chances = self.chances(question)
        return max(chances, key=lambda pair: pair[1])[0] if chances else None


def solved(policy: Policy, problems: Sequence[MathProblem]) -> dict[str, bool]:
    """Whether the model's likeliest expression gives the right answer, by problem."""
    best = {item.id: policy.best(item.question) for item in problems}
    return {
        item.id: (choice := best[item.id]) is not None and choice.value(item.numbers) == item.reference
        for item in problems
    }


def holds(expression: Expression, family: Sequence[MathProblem]) -> bool:
    """Whether an expression answers every problem of a family: one right answer can be luck."""
    return all(expression.value(item.numbers) == item.reference for item in family)


def explained(family: Sequence[MathProblem]) -> Expression | None:
    """The first expression that answers every problem of a family; None when none does."""
    size = len(family[0].numbers) if family else 0
    return next((item for item in EXPRESSIONS if item.size == size and holds(item, family)), None)
