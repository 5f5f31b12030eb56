"""Small sales files with their reference data, for tests of the pipeline."""

import csv
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from baton.ports import ReferenceData, ReferenceVersion

COLUMNS = (
    "uuid", "Country", "Item Type", "Sales Channel", "Order Priority", "Order Date", "Region", "Ship Date",
)  # fmt: skip
FINANCIAL = ("uuid", "unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit")


@dataclass(frozen=True, slots=True)
class SalesFile:
    """A file, its records as a csv reader sees them, and the reference rows of its good ones."""

    body: bytes
    rows: tuple[tuple[str, ...], ...]
    reference: Mapping[str, Mapping[str, str]]


def sales_file(*, records: int, bad: int = 0, seed: int = 1) -> SalesFile:
    """Return a file of `records` records of which `bad`, spread evenly, name an unknown item type."""
    dice = random.Random(seed)
    spoiled = {index * records // bad for index in range(bad)} if bad else set[int]()
    rows = [_row(dice, index, good=index not in spoiled) for index in range(records)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    columns: tuple[str, ...] = FINANCIAL
    reference: dict[str, dict[str, str]] = {
        row[0]: dict(zip(columns, (row[0], *(str(dice.randrange(1, 10_000)) for _ in FINANCIAL[1:])), strict=True))
        for row in rows
    }
    return SalesFile(text.getvalue().encode(), tuple(rows), reference)


def _row(dice: random.Random, index: int, *, good: bool) -> tuple[str, ...]:
    ordered = date(2020, 1, 1) + timedelta(days=dice.randrange(1_500))
    shipped = ordered + timedelta(days=dice.randrange(50))
    return (
        str(100_000_000 + index),
        dice.choice(["Panama", "Korea, South", 'Côte d"Ivoire', "Fiji"]),
        dice.choice(["Snacks", "Fruits", "Baby Food"]) if good else "Weapons",
        dice.choice(["Online", "Offline"]),
        dice.choice("CHML"),
        f"{ordered.month}/{ordered.day}/{ordered:%y}",
        "Asia",
        f"{shipped.month}/{shipped.day}/{shipped:%y}",
    )


async def financial(reference: ReferenceData, sample: SalesFile, *, version: str = "v1") -> None:
    """Publish the sample's reference rows as the current version of `financial`."""
    await reference.publish(
        ReferenceVersion(dataset="financial", version=version, rows=len(sample.reference), columns=FINANCIAL),
        sample.reference,
    )
