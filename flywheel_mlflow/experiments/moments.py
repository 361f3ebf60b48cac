"""What is kept of the outcome rows of a variant: counts, means and spreads, which can be added up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Moments:
    """``n`` values y, each with a covariate x (0 where there is none): means and sums of squares about the means."""

    n: int = 0
    mean: float = 0.0
    squares: float = 0.0
    x_mean: float = 0.0
    x_squares: float = 0.0
    products: float = 0.0

    def __add__(self, other: Moments) -> Moments:
        """The moments of both together, without the loss of digits that sums of squares have (Chan et al. 1983)."""
        n = self.n + other.n
        if not self.n or not other.n:
            return self if self.n else other
        dy, dx = other.mean - self.mean, other.x_mean - self.x_mean
        share, weight = other.n / n, self.n * other.n / n
        return Moments(
            n,
            self.mean + dy * share,
            self.squares + other.squares + dy * dy * weight,
            self.x_mean + dx * share,
            self.x_squares + other.x_squares + dx * dx * weight,
            self.products + other.products + dy * dx * weight,
        )


def moments_of(values: npt.NDArray[np.float64], covariate: npt.NDArray[np.float64] | None = None) -> Moments:
    """The moments of finite values, with a covariate of the same length or none."""
    n = len(values)
    if not n:
        return Moments()
    mean = float(values.mean())
    about = values - mean
    squares = float(about @ about)
    if covariate is None:
        return Moments(n, mean, squares)
    x_mean = float(covariate.mean())
    x_about = covariate - x_mean
    return Moments(n, mean, squares, x_mean, float(x_about @ x_about), float(about @ x_about))
