"""The defects of single records, stored as columns: every record of a chunk may be defective."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, override

import numpy as np
from numpy.typing import NDArray

from baton.csv.bits import Positions

type RecordDefect = Literal["nul_byte", "bare_cr", "swallowed", "quote", "columns"]

DEFECT_CODES: Final[tuple[RecordDefect, ...]] = ("nul_byte", "bare_cr", "swallowed", "quote", "columns")


@dataclass(frozen=True, slots=True)
class Defect:
    """Why one record cannot be read as CSV; of several reasons the first in this order.

    `nul_byte`: it holds a NUL. `bare_cr`: a CR outside quotes ends no line. `swallowed`: its quoted fields take in
    `found` more lines, which look like records. `quote`: text follows a closing quote. `columns`: it has `found`
    fields, not as many as the header. Where one byte shows it, `found` is the column of the first such byte, from 1.
    """

    code: RecordDefect
    found: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Defects(Mapping[int, Defect]):
    """Defects by index of the record, in order, in three columns of one row each.

    `codes` are places in `DEFECT_CODES`; `found` is as `Defect` has it, 0 for None.
    """

    records: Positions
    codes: NDArray[np.uint8]
    found: NDArray[np.int64]

    @override
    def __getitem__(self, record: int) -> Defect:
        row = int(np.searchsorted(self.records, record))
        if row == self.records.size or self.records[row] != record:
            raise KeyError(record)
        return Defect(DEFECT_CODES[int(self.codes[row])], int(self.found[row]) or None)

    @override
    def __iter__(self) -> Iterator[int]:
        return iter(self.records.tolist())

    @override
    def __len__(self) -> int:
        return self.records.size


NO_DEFECTS: Final = Defects(np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0, np.int64))
