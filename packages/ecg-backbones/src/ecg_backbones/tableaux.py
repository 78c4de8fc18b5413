"""Runge–Kutta schemes as Butcher tableaux, and one step of any of them.

``k_i = f_i(x + h Σ_j a_ij k_j)``, ``y = x + h Σ_i b_i k_i``. Butcher, "Numerical methods for ordinary differential equations",
2016; the scheme of eighth order in eleven stages is that of Cooper and Verner, "Some explicit Runge–Kutta methods of high
order", SIAM Journal on Numerical Analysis 1972, doi:10.1137/0709037.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TypeVar

from torch import Tensor

__all__ = ["TABLEAUX", "Tableau", "runge_kutta_step"]

T = TypeVar("T", Tensor, float)


@dataclass(frozen=True)
class Tableau:
    """An explicit scheme.

    Args:
        a: For every stage after the first the weights of the stages before it.
        b: Weights of all stages in the step; they sum to 1.
        order: Power of the step size with which the error of many steps falls.
    """

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    order: int

    @property
    def stages(self) -> int:
        """How many functions one step evaluates."""
        return len(self.b)


def runge_kutta_step(
    tableau: Tableau, functions: Sequence[Callable[[T], T]], x: T, *, step_size: float = 1.0, origin: T | None = None
) -> T:
    """One step of the scheme.

    Args:
        tableau: The scheme.
        functions: One for each stage; an ordinary differential equation has the same for all.
        x: Where the step starts, and what the first function is given.
        step_size: ``h``.
        origin: What the increments are added to; ``x`` itself unless the first function changes its shape.
    """
    start = x if origin is None else origin
    slopes: list[T] = [functions[0](x)]
    for weights, function in zip(tableau.a, functions[1:], strict=True):
        slopes.append(function(_advanced(start, weights, slopes, step_size)))
    return _advanced(start, tableau.b, slopes, step_size)


def _advanced(start: T, weights: Sequence[float], slopes: Sequence[T], step_size: float) -> T:
    """``start + h Σ w k``; what has no weight is not computed, and a weight of one is no multiplication."""
    total = start
    for weight, slope in zip(weights, slopes, strict=True):
        if weight:
            factor = step_size * weight
            total = total + (slope if factor == 1.0 else factor * slope)
    return total


_S = sqrt(21)

TABLEAUX = {
    "euler": Tableau((), (1.0,), 1),
    "midpoint": Tableau(((1 / 2,),), (0.0, 1.0), 2),
    "heun": Tableau(((1.0,),), (1 / 2, 1 / 2), 2),
    "rk4": Tableau(((1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
    "rk8": Tableau(
        (
            (1 / 2,),
            (1 / 4, 1 / 4),
            (1 / 7, (-7 - 3 * _S) / 98, (21 + 5 * _S) / 49),
            ((11 + _S) / 84, 0.0, (18 + 4 * _S) / 63, (21 - _S) / 252),
            ((5 + _S) / 48, 0.0, (9 + _S) / 36, (-231 + 14 * _S) / 360, (63 - 7 * _S) / 80),
            ((10 - _S) / 42, 0.0, (-432 + 92 * _S) / 315, (633 - 145 * _S) / 90, (-504 + 115 * _S) / 70, (63 - 13 * _S) / 35),
            (1 / 14, 0.0, 0.0, 0.0, (14 - 3 * _S) / 126, (13 - 3 * _S) / 63, 1 / 9),
            (1 / 32, 0.0, 0.0, 0.0, (91 - 21 * _S) / 576, 11 / 72, (-385 - 75 * _S) / 1152, (63 + 13 * _S) / 128),
            (
                1 / 14, 0.0, 0.0, 0.0, 1 / 9, (-733 - 147 * _S) / 2205, (515 + 111 * _S) / 504, (-51 - 11 * _S) / 56,
                (132 + 28 * _S) / 245,
            ),
            (
                0.0, 0.0, 0.0, 0.0, (-42 + 7 * _S) / 18, (-18 + 28 * _S) / 45, (-273 - 53 * _S) / 72, (301 + 53 * _S) / 72,
                (28 - 28 * _S) / 45, (49 - 7 * _S) / 18,
            ),
        ),
        (1 / 20, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 49 / 180, 16 / 45, 49 / 180, 1 / 20),
        8,
    ),
}  # fmt: skip
