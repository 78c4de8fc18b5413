"""A name from a survey that nobody has published under: it leads to our own recipe, and says so."""

from __future__ import annotations

import warnings
from typing import Any

from ecg_core.config.configurable import Variant
from ecg_ssl.methods.three_m_ecg import ThreeMECG

__all__ = ["UnpublishedName", "survey_3m_ecg"]


class UnpublishedName(Variant[ThreeMECG]):
    """Makes the method under its own name, with a ``UserWarning`` that there is no publication."""

    def __call__(self, **kwargs: Any) -> ThreeMECG:
        warnings.warn(
            "no publication of a method called 3M-ECG is known; this is three_m_ecg, a recipe of this project's own with the "
            "three ingredients a survey names: do not cite it as 3M-ECG, and write three_m_ecg",
            UserWarning,
            stacklevel=2,
        )
        return self.cls(**kwargs)


survey_3m_ecg = UnpublishedName(ThreeMECG)
