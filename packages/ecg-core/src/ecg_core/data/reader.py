"""Reader: the contract of everything that turns files into records."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from ecg_core.config.configurable import Configurable
from ecg_core.data.record import Record
from ecg_core.data.table import RecordTable

__all__ = ["Reader"]


class Reader(Configurable):
    """Finds recordings below a folder and reads one at a time. Never writes, never guesses."""

    generality: ClassVar[int] = 0
    """How much it understands beside what it is for: 0 the layout of one data set, 1 every file of a format, 2 any array of
    numbers. Where nobody names a reader, the least general one that recognises the folder is taken."""

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Whether this folder is laid out the way this reader expects. Cheap: looks at names, reads no signal."""

    @abstractmethod
    def scan(self, path: Path) -> RecordTable:
        """The facts of every recording below ``path``, in a fixed order; damaged ones go to ``rejects`` with a reason.

        Raises:
            DataError: The folder does not exist or holds no recording of this kind.
        """

    @abstractmethod
    def read(self, row: Mapping[str, Any]) -> Record:
        """The recording of one row of :meth:`scan`: float32 mV with its facts.

        Raises:
            DataError: The file is damaged; the message names it.
        """

    def read_part(self, row: Mapping[str, Any], start: int, stop: int) -> Record:
        """Samples ``start`` up to, not including, ``stop`` of the recording that :meth:`read` gives.

        By default the whole recording is read and cropped. A reader whose files allow it reads only the bytes it needs, so that
        a recording longer than memory can be gone through block by block. What can be verified on the whole alone, such as
        a checksum, is then not verified.

        Args:
            row: A row of :meth:`scan`.
            start: First sample, counted from the beginning of the recording.
            stop: The sample after the last.

        Raises:
            DataError: The file is damaged, or the recording has no such samples.
        """
        return self.read(row).crop(start, stop)
