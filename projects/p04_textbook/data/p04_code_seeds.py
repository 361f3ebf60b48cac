"""The programming tasks with an open number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CodeSeed:
    """A programming task with an open number ``k``: a solution to teach, and what it must return, written anew."""

    topic: str
    difficulty: str
    name: str
    prompt: str
    solution: str
    numbers: Sequence[int]
    inputs: list[Any]
    expected: Callable[[Any, int], Any]


NUMBERS = [[4, 9, 15, 22, 7, 30, 11, 28], [3, 3, 8, 1, 40, 12, 5, 21, 14], [100, 2, 17, 35, 6, 10]]


TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "data must be read before models are built",
    "a rose is a rose is a rose",
]


def _primes_after(count: int, k: int) -> list[int]:
    found: list[int] = []
    number = k
    while len(found) < count:
        number += 1
        if number > 1 and all(number % d for d in range(2, math.isqrt(number) + 1)):
            found.append(number)
    return found


def _runs(numbers: list[int], k: int) -> int:
    marks = "".join("x" if number < k else " " for number in numbers)
    return max((len(part) for part in marks.split()), default=0)


CODE = [
    CodeSeed(
        "lists",
        "intro",
        "multiples",
        "returns the numbers of a list that are multiples of {k}, in their order",
        """
        def multiples(numbers):
            return [n for n in numbers if n % {k} == 0]
        """,
        (2, 3, 5, 7),
        NUMBERS,
        lambda xs, k: list(filter(lambda n: n in range(0, n + 1, k), xs)),
    ),
    CodeSeed(
        "lists",
        "intro",
        "sum_above",
        "returns the sum of the numbers that are greater than {k}",
        """
        def sum_above(numbers):
            total = 0
            for n in numbers:
                if n > {k}:
                    total += n
            return total
        """,
        (5, 10, 15, 20),
        NUMBERS,
        lambda xs, k: sum(max(n - k, 0) + k for n in xs if n != k and max(n, k) == n),
    ),
    CodeSeed(
        "strings",
        "core",
        "count_long_words",
        "counts the words of a text that have more than {k} letters",
        """
        def count_long_words(text):
            return sum(1 for word in text.split() if len(word) > {k})
        """,
        (2, 3, 4, 5),
        TEXTS,
        lambda text, k: len([w for w in text.split(" ") if w[k:]]),
    ),
    CodeSeed(
        "strings",
        "intro",
        "repeat",
        "repeats a text {k} times, with a hyphen between the copies",
        """
        def repeat(text):
            return '-'.join([text] * {k})
        """,
        (2, 3, 4, 6),
        ["ab", "data", "x y"],
        lambda text, k: (text + "-") * (k - 1) + text,
    ),
    CodeSeed(
        "lists",
        "core",
        "rotate",
        "moves the first {k} items of a list to its end; a short list may turn more than once",
        """
        def rotate(items):
            if not items:
                return []
            cut = {k} % len(items)
            return items[cut:] + items[:cut]
        """,
        (1, 2, 4, 7),
        [[1, 2, 3, 4, 5], [9, 8, 7], []],
        lambda xs, k: [xs[(i + k) % len(xs)] for i in range(len(xs))],
    ),
    CodeSeed(
        "lists",
        "core",
        "largest",
        "returns the {k} largest numbers of a list, the largest first",
        """
        def largest(numbers):
            return sorted(numbers, reverse=True)[:{k}]
        """,
        (1, 2, 3, 4),
        NUMBERS,
        lambda xs, k: [-n for n in sorted(-n for n in xs)][:k],
    ),
    CodeSeed(
        "lists",
        "core",
        "chunks",
        "cuts a list into pieces of {k} items; the last piece may be shorter",
        """
        def chunks(items):
            return [items[i:i + {k}] for i in range(0, len(items), {k})]
        """,
        (2, 3, 4, 5),
        NUMBERS,
        lambda xs, k: [[x for i, x in enumerate(xs) if i // k == part] for part in range(math.ceil(len(xs) / k))],
    ),
    CodeSeed(
        "strings",
        "extension",
        "shift_letters",
        "replaces every lower-case letter by the one {k} places later in the alphabet, starting again after z",
        """
        def shift_letters(text):
            moved = ''
            for letter in text:
                if 'a' <= letter <= 'z':
                    letter = chr((ord(letter) - ord('a') + {k}) % 26 + ord('a'))
                moved += letter
            return moved
        """,
        (1, 3, 7, 13),
        ["xyz", "flywheel", "a-b c"],
        lambda text, k: text.translate({97 + i: 97 + (i + k) % 26 for i in range(26)}),
    ),
    CodeSeed(
        "number theory",
        "advanced",
        "digit_sum",
        "returns the sum of the digits of a whole number written in base {k}",
        """
        def digit_sum(number):
            total = 0
            while number:
                total += number % {k}
                number //= {k}
            return total
        """,
        (2, 3, 8, 10),
        [255, 1000, 81],
        lambda n, k: n - (k - 1) * sum(n // k**power for power in range(1, 12)),
    ),
    CodeSeed(
        "lists",
        "extension",
        "window_sums",
        "returns the sums of all windows of {k} neighbours in a list",
        """
        def window_sums(numbers):
            return [sum(numbers[i:i + {k}]) for i in range(len(numbers) - {k} + 1)]
        """,
        (2, 3, 4, 5),
        NUMBERS,
        lambda xs, k: [sum(xs[i + d] for d in range(k)) for i in range(len(xs)) if i + k <= len(xs)],
    ),
    CodeSeed(
        "counting",
        "advanced",
        "most_frequent",
        "returns the {k} most frequent words of a text; equal counts in alphabetical order",
        """
        def most_frequent(text):
            counts = {{}}
            for word in text.split():
                counts[word] = counts.get(word, 0) + 1
            return sorted(counts, key=lambda word: (-counts[word], word))[:{k}]
        """,
        (1, 2, 3, 4),
        TEXTS,
        lambda text, k: [w for w, _ in sorted(sorted(Counter(text.split()).items()), key=lambda p: p[1], reverse=True)][
            :k
        ],
    ),
    CodeSeed(
        "number theory",
        "extension",
        "coprime",
        "returns the numbers of a list that share no divisor above 1 with {k}",
        """
        import math

        def coprime(numbers):
            return [n for n in numbers if math.gcd(n, {k}) == 1]
        """,
        (6, 10, 15, 21),
        NUMBERS,
        lambda xs, k: [n for n in xs if not any(n % d == 0 and k % d == 0 for d in range(2, k + 1))],
    ),
    CodeSeed(
        "number theory",
        "advanced",
        "power_mod",
        "returns the remainder of base to the power of exponent, divided by {k}; it gets (base, exponent)",
        """
        def power_mod(pair):
            base, exponent = pair
            return pow(base, exponent, {k})
        """,
        (7, 11, 13, 97),
        [[2, 10], [3, 200], [5, 0]],
        lambda pair, k: (pair[0] ** pair[1]) % k,
    ),
    CodeSeed(
        "number theory",
        "advanced",
        "primes_after",
        "returns the first `count` primes greater than {k}",
        """
        def primes_after(count):
            found = []
            number = {k} + 1
            while len(found) < count:
                if number > 1 and all(number % d for d in range(2, int(number ** 0.5) + 1)):
                    found.append(number)
                number += 1
            return found
        """,
        (1, 10, 50, 100),
        [1, 3, 6],
        _primes_after,
    ),
    CodeSeed(
        "lists",
        "intro",
        "every_kth",
        "returns every item of a list whose position, counted from 1, is a multiple of {k}",
        """
        def every_kth(items):
            return items[{k} - 1::{k}]
        """,
        (2, 3, 4, 5),
        NUMBERS,
        lambda xs, k: [x for i, x in enumerate(xs, start=1) if i % k == 0],
    ),
    CodeSeed(
        "counting",
        "extension",
        "frequent_letters",
        "returns, in alphabetical order, the letters that occur at least {k} times in a text",
        """
        def frequent_letters(text):
            return sorted({{c for c in text if c.isalpha() and text.count(c) >= {k}}})
        """,
        (2, 3, 4, 5),
        TEXTS,
        lambda text, k: [c for c in "abcdefghijklmnopqrstuvwxyz" if len(text.split(c)) > k],
    ),
    CodeSeed(
        "lists",
        "core",
        "clamp",
        "replaces every number above {k} by {k}",
        """
        def clamp(numbers):
            return [{k} if n > {k} else n for n in numbers]
        """,
        (6, 12, 18, 25),
        NUMBERS,
        lambda xs, k: [min(n, k) for n in xs],
    ),
    CodeSeed(
        "counting",
        "advanced",
        "longest_run_below",
        "returns the length of the longest run of neighbours that are all less than {k}",
        """
        def longest_run_below(numbers):
            best = run = 0
            for n in numbers:
                run = run + 1 if n < {k} else 0
                best = max(best, run)
            return best
        """,
        (10, 16, 23, 36),
        NUMBERS,
        _runs,
    ),
]
