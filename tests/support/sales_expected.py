"""The whole outcome of a small sales file, by the independent checker."""

from dataclasses import dataclass
from pathlib import Path

from baton_local.sales.expected import ExpectedReject, outcomes


@dataclass(frozen=True, slots=True)
class Expected:
    """The whole outcome in memory: `rows` in input order, each as wide as `OUTPUT_COLUMNS`."""

    rows: list[list[str]]
    rejected: list[ExpectedReject]

    @property
    def records_in(self) -> int:
        return len(self.rows) + len(self.rejected)


def expect(input_path: Path, reference_path: Path) -> Expected:
    """Return the whole outcome. For files that fit in memory; `outcomes` streams."""
    expected = Expected(rows=[], rejected=[])
    for outcome in outcomes(input_path, reference_path):
        if isinstance(outcome, ExpectedReject):
            expected.rejected.append(outcome)
        else:
            expected.rows.append(outcome)
    return expected
