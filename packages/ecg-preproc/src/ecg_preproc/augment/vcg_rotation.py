"""VCGRotation: the heart turned in the chest, or the electrodes around it.

The 12 leads are taken as views of one dipole (Dower, Machado and Osborne 1980), whose three axes follow from them by the inverse
of Dower's matrix (Edenbrandt and Pahlm 1988, J. Electrocardiol. 21(4)); the dipole is turned and projected back. What no dipole
explains stays in the signal, so that no rotation is no change. With ``scale`` and large angles it is the augmentation of 3KG
(Gopal et al. 2021, arXiv:2106.04452), which loses what no dipole explains (``keep_residual=False``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from ecg_core.contracts.arrays import asarray_like, namespace
from ecg_core.contracts.draws import Draws
from ecg_core.contracts.random_transform import RandomTransform, probability
from ecg_core.data.leads import INDEPENDENT_8, canonical_leads, limb_lead_weights
from ecg_core.errors import DataError
from ecg_preproc.augment.interval import interval
from ecg_preproc.synthesis.dipole import DOWER

__all__ = ["KORS", "VCGRotation", "projection"]

Matrix = Literal["dower", "kors"]

# Kors, van Herpen, Sittig, van Bemmel 1990, "Reconstruction of the Frank vectorcardiogram from standard electrocardiographic
# leads", Eur. Heart J. 11(12), by regression: rows are the Frank axes X, Y, Z; columns I, II, V1 ... V6.
KORS = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)


class VCGRotation(RandomTransform):
    """Rotate the vectorcardiogram behind the leads by random angles around its three axes, and stretch it along them.

    ``x`` becomes ``x + D (S R - 1) D⁺ x``: D is Dower's matrix, D⁺ its pseudo-inverse, R the rotation, S the stretching of the
    axes. Einthoven's and Goldberger's equations hold afterwards as they did before.

    Args:
        degrees: Range of each angle's size; either direction is equally likely.
        scale: Range of the factor of each axis, applied after the rotation.
        matrix: ``"dower"``: D as said. ``"kors"``: D⁺ is the regression of Kors et al. and D its pseudo-inverse.
        keep_residual: Whether what no dipole explains stays. Without it, three numbers per sample are all that is left.
        leads: Names of the leads of arrays that come without; records and batches bring theirs. I, II and V1 to V6 must be
            among them, beside them only III, aVR, aVL and aVF.
        p: Probability that a window is changed.
    """

    magnitude = {"degrees": 0.0}
    in_place = True

    def __init__(
        self,
        *,
        degrees: tuple[float, float] = (0.0, 20.0),
        scale: tuple[float, float] = (1.0, 1.0),
        matrix: Matrix = "dower",
        keep_residual: bool = True,
        leads: Sequence[str] | None = None,
        p: float = 0.5,
    ) -> None:
        if matrix not in ("dower", "kors"):
            raise ValueError(f"matrix must be dower or kors, got {matrix!r}")
        self.degrees = interval("degrees", degrees, most=180.0)
        self.scale = interval("scale", scale)
        self.matrix, self.keep_residual = matrix, keep_residual
        self.leads = None if leads is None else canonical_leads(leads)
        self.p = probability(p)

    @classmethod
    def conformance_params(cls) -> dict[str, Any]:
        """How the contract kit builds it: the names of the leads of its arrays."""
        twelve = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
        refused = [{"degrees": (0.0, 270.0)}, {"leads": ["I", "I"]}, {"scale": (2.0, 1.0)}, {"matrix": "frank"}, {"p": 1.5}]
        return {"arguments": {"leads": twelve}, "refused": refused}

    def context(self, *, leads: tuple[str, ...] | None, annotations: Mapping[str, Any]) -> dict[str, Any]:
        names = leads or self.leads
        if names is None:
            raise ValueError("VCGRotation needs the names of the leads: call it with leads=…, on a Record or on a Batch")
        return {"leads": names}

    def draw(self, shape: tuple[int, ...], generator: Draws) -> dict[str, Any]:
        xp = namespace(generator.keys)
        size = generator.uniform(*self.degrees, size=(3,)) * (np.pi / 180)
        angles = xp.where(generator.happens(0.5, size=(3,)), size, -size)
        return {"angles": angles, "factors": generator.uniform(*self.scale, size=(3,))}

    def apply(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        return x + self._change(x, drawn)

    def rework(self, x: Any, *, fs: float, **drawn: Any) -> Any:
        x += self._change(x, drawn)
        return x

    def _change(self, x: Any, drawn: dict[str, Any]) -> Any:
        """What the rotation adds to each lead."""
        xp = namespace(x)
        if len(drawn["leads"]) != x.shape[1]:
            raise DataError(f"{len(drawn['leads'])} lead names for a signal of {x.shape[1]} leads; give one name per lead")
        forward, backward = (asarray_like(m, x) for m in projection(drawn["leads"], self.matrix))
        turn = xp.astype(drawn["factors"][:, :, None] * _rotation(drawn["angles"]), x.dtype)
        if self.keep_residual:
            return xp.matmul(xp.matmul(forward, turn - asarray_like(np.eye(3), x)), xp.matmul(backward, x))
        return xp.matmul(xp.matmul(forward, turn), xp.matmul(backward, x)) - x


@lru_cache(maxsize=32)
def projection(leads: tuple[str, ...], matrix: Matrix = "dower") -> tuple[np.ndarray, np.ndarray]:
    """The matrix ``(leads, 3)`` from the axes X, Y, Z to these leads, and that ``(3, leads)`` from them to the axes."""
    missing = [lead for lead in INDEPENDENT_8 if lead not in leads]
    strange = [lead for lead in leads if lead not in INDEPENDENT_8 and limb_lead_weights(lead) is None]
    if missing or strange:
        what = f"is without {', '.join(missing)}" if missing else f"has {', '.join(strange)}, which no matrix projects"
        raise DataError(f"VCGRotation takes the 12 leads, or the 8 independent among them; the signal {what}")
    eight = DOWER if matrix == "dower" else np.linalg.pinv(KORS)
    forward = np.array([_row(lead, eight) for lead in leads])
    backward = np.zeros((3, len(leads)))
    backward[:, [leads.index(lead) for lead in INDEPENDENT_8]] = np.linalg.pinv(DOWER) if matrix == "dower" else KORS
    return forward, backward


def _row(lead: str, eight: np.ndarray) -> np.ndarray:
    weights = limb_lead_weights(lead)
    return eight[INDEPENDENT_8.index(lead)] if weights is None else weights[0] * eight[0] + weights[1] * eight[1]


def _rotation(angles: Any) -> Any:
    """``(windows, 3)`` angles around X, Y and Z as matrices ``(windows, 3, 3)``, exactly one at angle 0."""
    xp = namespace(angles)
    (a, b, c), (p, q, r) = (([f(angles[:, i]) for i in range(3)]) for f in (xp.cos, xp.sin))
    rows = (
        (b * c, p * q * c - a * r, a * q * c + p * r),
        (b * r, p * q * r + a * c, a * q * r - p * c),
        (-q, p * b, a * b),
    )
    return xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
