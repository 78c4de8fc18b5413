"""Classes of beats: which annotations are beats, and the five classes of ANSI/AAMI EC57 they fall into.

Standard: ANSI/AAMI EC57:1998, "Testing and reporting performance results of cardiac rhythm and ST segment measurement
algorithms", in the grouping of de Chazal et al. 2004, "Automatic classification of heartbeats using ECG morphology and
heartbeat interval features", IEEE Trans. Biomed. Eng. 51(7), which the literature on MIT-BIH uses. Symbols that do not occur
in its recordings are grouped by what they say: B with the other bundle branch blocks, n with the supraventricular ectopic
beats, r with the premature ventricular ones, ? with the unclassifiable ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["AAMI_CLASSES", "BEATS", "aami_class"]

# N: any beat not in the others. S: supraventricular ectopic. V: ventricular ectopic. F: fusion of V and N. Q: paced or unknown.
AAMI_CLASSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "N": ("N", "L", "R", "B", "e", "j"),
        "S": ("A", "a", "J", "S", "n"),
        "V": ("V", "E", "r"),
        "F": ("F",),
        "Q": ("/", "f", "Q", "?"),
    }
)

_CLASS_OF = {symbol: name for name, symbols in AAMI_CLASSES.items() for symbol in symbols}

# The symbols of beats. A flutter wave (!) and a blocked P wave (x) are none.
BEATS = frozenset(_CLASS_OF)


def aami_class(symbol: str) -> str | None:
    """The AAMI class of a beat's MIT symbol, ``None`` for what is no beat.

    >>> [aami_class(symbol) for symbol in ("L", "a", "V", "/", "+")]
    ['N', 'S', 'V', 'Q', None]
    """
    return _CLASS_OF.get(symbol)
