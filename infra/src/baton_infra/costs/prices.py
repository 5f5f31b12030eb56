"""List prices, read from prices.toml."""

import tomllib
from pathlib import Path
from typing import Final

_PRICES: Final = tomllib.loads((Path(__file__).parent / "prices.toml").read_text())


def price(name: str) -> float:
    """Return a price in dollars. Raises `KeyError` if there is none of that name."""
    return float(_PRICES[name]["usd"])


def task_hour(cpu: int, memory_mib: int) -> float:
    """Return what a task costs in an hour, on demand. `cpu`: units of 1/1024 vCPU."""
    return cpu / 1_024 * price("fargate_vcpu_hour") + memory_mib / 1_024 * price("fargate_gb_hour")
