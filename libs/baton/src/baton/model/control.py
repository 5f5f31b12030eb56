"""The control row: which Region is active, under which epoch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Control:
    """The one row that says who may admit. The failover-controller moves it by compare-and-set on `epoch`."""

    epoch: int
    active_region: str
