"""The highest values that the ledger has had, by which a restored ledger is recognised.

Each controller keeps it in memory and in its Region's bucket, which no restore of the table takes back with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import TypeAdapter, ValidationError

from baton.errors import Refused

KEY: Final = "ledger/high-water.json"
"""In each Region's bucket. Not replicated: each Region says what it has seen itself."""


@dataclass(frozen=True, slots=True)
class HighWater:
    """The furthest that the ledger is known to have been. An epoch never shrinks, and a revision only with one."""

    epoch: int
    revision: int
    beats: Mapping[str, int] = field(default_factory=dict[str, int], hash=False)
    """By Region: heartbeats of its controllers, which grow while the control row does not change."""

    @property
    def place(self) -> tuple[int, int]:
        """Epoch, and revision within it."""
        return self.epoch, self.revision

    def joined(self, other: "HighWater | None") -> "HighWater":
        """Return the furthest of both."""
        if other is None:
            return self
        regions = self.beats.keys() | other.beats.keys()
        beats = {region: max(self.beats.get(region, 0), other.beats.get(region, 0)) for region in regions}
        return HighWater(*max(self.place, other.place), beats)

    def has_been_passed_by(self, found: "HighWater") -> bool:
        """Return whether a ledger that is found like this continues from here; otherwise it lost what came since."""
        if found.epoch > self.epoch:
            return True  # who raised the epoch knew of this one
        behind = any(count < self.beats.get(region, 0) for region, count in found.beats.items())
        return found.place >= self.place and not behind


_ADAPTER: Final = TypeAdapter(HighWater)


def written(mark: HighWater) -> bytes:
    """Return it as it is kept in a bucket."""
    return _ADAPTER.dump_json(mark)


def read(body: bytes) -> HighWater:
    """Return what was kept. Raises `Refused` for anything else."""
    try:
        return _ADAPTER.validate_json(body)
    except ValidationError as error:
        raise Refused(f"{KEY} cannot be read: {error}") from error
