"""Generates sales files of any size from a seed: realistic rows, and as many bad ones as you ask for.

The same arguments give the same bytes. Rows are generated in blocks and written at once, so that memory does not grow
with the file. It also writes the reference file that sales are enriched with.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Final

SALES_COLUMNS: Final = (
    "uuid",
    "Country",
    "Item Type",
    "Sales Channel",
    "Order Priority",
    "Order Date",
    "Region",
    "Ship Date",
)
REFERENCE_COLUMNS: Final = ("uuid", "unitsSold", "unitPrice", "unitCost", "totalRevenue", "totalCost", "totalProfit")
KEYS_DEFAULT: Final = 100_000
"""Rows of the reference file at most: a table that a worker holds in memory whole."""

_BLOCK_RECORDS: Final = 10_000
_ITEM_TYPES: Final = (
    "Baby Food",
    "Beverages",
    "Cereal",
    "Clothes",
    "Cosmetics",
    "Fruits",
    "Household",
    "Meat",
    "Office Supplies",
    "Personal Care",
    "Snacks",
    "Vegetables",
)
_CHANNELS: Final = ("Online", "Offline")
_DAY_FIRST: Final = date(2012, 1, 1)
_DAYS: Final = 3_650
_SHIP_DAYS_MAX: Final = 50
# Names with a comma are quoted, and some letters take two bytes: a parser that cuts corners fails on the sample.
_COUNTRIES: Final = {
    "Asia": (
        'Bangladesh|Bhutan|Brunei|Cambodia|China|India|Indonesia|Japan|Kazakhstan|"Korea, South"|Kyrgyzstan|Laos|'
        "Malaysia|Maldives|Mongolia|Myanmar|Nepal|Philippines|Singapore|Sri Lanka|Tajikistan|Thailand|Vietnam"
    ),
    "Australia and Oceania": (
        'Australia|Fiji|Kiribati|"Micronesia, Federated States of"|Nauru|New Zealand|Palau|Papua New Guinea|Samoa|'
        "Solomon Islands|Tonga|Tuvalu|Vanuatu"
    ),
    "Central America and the Caribbean": (
        "Barbados|Belize|Costa Rica|Cuba|Dominica|Dominican Republic|El Salvador|Grenada|Guatemala|Haiti|Honduras|"
        "Jamaica|Nicaragua|Panama|Saint Lucia|Trinidad and Tobago"
    ),
    "Europe": (
        "Albania|Austria|Belgium|Bulgaria|Croatia|Cyprus|Czechia|Denmark|Estonia|Finland|France|Germany|Greece|Hungary|"
        "Iceland|Ireland|Italy|Latvia|Lithuania|Luxembourg|Malta|Moldova|Netherlands|Norway|Poland|Portugal|Romania|"
        "Serbia|Slovakia|Slovenia|Spain|Sweden|Switzerland|Ukraine|United Kingdom"
    ),
    "Middle East and North Africa": (
        "Algeria|Bahrain|Egypt|Iraq|Israel|Jordan|Kuwait|Lebanon|Libya|Morocco|Oman|Qatar|Saudi Arabia|Tunisia|Türkiye|"
        "United Arab Emirates|Yemen"
    ),
    "North America": "Canada|Greenland|Mexico|United States of America",
    "Sub-Saharan Africa": (
        "Angola|Benin|Botswana|Burkina Faso|Burundi|Cameroon|Cape Verde|Chad|Côte d'Ivoire|"
        '"Congo, Democratic Republic of the"|Eritrea|Ethiopia|Gabon|Ghana|Guinea|Kenya|Lesotho|Liberia|Madagascar|'
        "Malawi|Mali|Mauritius|Mozambique|Namibia|Niger|Nigeria|Rwanda|São Tomé and Príncipe|Senegal|South Africa|"
        "Sudan|Tanzania|Togo|Uganda|Zambia|Zimbabwe"
    ),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a sample holds: `bad` of the `records` break a rule, whatever the kind; `keys` reference rows."""

    records: int
    bad: int
    keys: int


def other_than_samples(path: Path, reference_path: Path) -> list[Path]:
    """Return which of these files are there and hold something else: their headers are not those of a sample."""
    headers = ((path, SALES_COLUMNS), (reference_path, REFERENCE_COLUMNS))
    return [file for file, columns in headers if file.is_file() and not _begins_with(file, _line_of(columns))]


def _begins_with(file: Path, line: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(line)) in (line, b"")


def _line_of(columns: Sequence[str]) -> bytes:
    return ",".join(columns).encode() + b"\n"


def write_sales(
    path: Path,
    reference_path: Path,
    *,
    records: int,
    seed: int,
    bad_percent: float = 0.0,
    keys: int | None = None,
) -> Written:
    """Write a sales file of `records` rows and its reference file, both with a header; the same seed, the same bytes.

    `bad_percent` of the rows, rounded to a whole number, break one rule each, every kind in turn. The good ones share
    `keys` distinct uuids (default: one each, at most `KEYS_DEFAULT`). Raises `ValueError` for impossible figures.
    """
    keys = min(records, KEYS_DEFAULT) if keys is None else keys
    if records < 0 or not 0 <= bad_percent <= 100 or keys < min(records, 1):  # noqa: PLR2004 - a percentage
        raise ValueError("records must be 0 or more, bad_percent from 0 to 100, and keys at least 1")
    rng = random.Random(seed)  # noqa: S311 - a sample, not a secret
    uuids = [str(number) for number in rng.sample(range(100_000_000, 1_000_000_000), keys)]
    _write(reference_path, REFERENCE_COLUMNS, _reference_blocks(uuids, rng))
    _write(path, SALES_COLUMNS, _sales_blocks(uuids, rng, records, bad_percent))
    return Written(records=records, bad=_bad_until(records, bad_percent), keys=keys)


def _write(path: Path, columns: Sequence[str], blocks: Iterator[list[str]]) -> None:
    with path.open("wb") as file:
        file.write(_line_of(columns))
        for block in blocks:
            # A lone surrogate stands for a byte that is no UTF-8.
            file.write(("\n".join(block) + "\n").encode(errors="surrogateescape"))


def _reference_blocks(uuids: list[str], rng: random.Random) -> Iterator[list[str]]:
    for start in range(0, len(uuids), _BLOCK_RECORDS):
        yield [_reference_row(uuid, rng) for uuid in uuids[start : start + _BLOCK_RECORDS]]


def _reference_row(uuid: str, rng: random.Random) -> str:
    units, cost_cents = rng.randint(1, 9_999), rng.randint(500, 60_000)
    price_cents = cost_cents + rng.randint(100, 30_000)
    figures = (price_cents, cost_cents, units * price_cents, units * cost_cents, units * (price_cents - cost_cents))
    return f"{uuid},{units}," + ",".join(f"{cents // 100}.{cents % 100:02d}" for cents in figures)


def _bad_until(records: int, bad_percent: float) -> int:
    return round(records * bad_percent / 100)


def _sales_blocks(uuids: list[str], rng: random.Random, records: int, bad_percent: float) -> Iterator[list[str]]:
    draw = _drawer(rng)
    bad = 0
    for start in range(0, records, _BLOCK_RECORDS):
        end = min(start + _BLOCK_RECORDS, records)
        rows = draw([uuids[number % len(uuids)] for number in range(start, end)])
        bad_here = _bad_until(end, bad_percent) - _bad_until(start, bad_percent)
        for index in sorted(rng.sample(range(len(rows)), bad_here)):
            rows[index] = _SPOILERS[bad % len(_SPOILERS)](rows[index])
            bad += 1
        yield rows


def _drawer(rng: random.Random) -> Callable[[list[str]], list[str]]:
    places = [(country, region) for region, names in _COUNTRIES.items() for country in names.split("|")]
    sales = [f"{item},{channel},{priority}" for item in _ITEM_TYPES for channel in _CHANNELS for priority in "CHML"]
    days = [_short(_DAY_FIRST + timedelta(days=n)) for n in range(_DAYS + _SHIP_DAYS_MAX + 1)]
    day_numbers, delays = range(_DAYS), range(_SHIP_DAYS_MAX + 1)

    def draw(block: list[str]) -> list[str]:
        pick = partial(rng.choices, k=len(block))
        drawn = zip(block, pick(places), pick(sales), pick(day_numbers), pick(delays), strict=True)
        return [
            f"{uuid},{country},{sale},{days[day]},{region},{days[day + delay]}"
            for uuid, (country, region), sale, day, delay in drawn
        ]

    return draw


def _short(day: date) -> str:
    return f"{day.month}/{day.day}/{day:%y}"


def _bad_date(row: str) -> str:
    return row[: row.rindex(",")] + ",2/30/15"


def _unknown_item(row: str) -> str:
    for item in _ITEM_TYPES:
        row = row.replace(f",{item},", ",Moon Rocks,", 1)
    return row


def _letters_in_uuid(row: str) -> str:
    return "N/A-" + row


def _missing_key(row: str) -> str:
    # The drawn ones start at 1: this one is well-formed and in no reference file.
    return "0" + row[1:]


def _too_few_fields(row: str) -> str:
    return row[: row.rindex(",")]


def _too_many_fields(row: str) -> str:
    return row + ",duplicate"


def _nul(row: str) -> str:
    return row.replace(",", ",\0", 1)


def _invalid_utf8(row: str) -> str:
    # The byte 0xE9: "é" as an old Windows export writes it. After the quote of a quoted name.
    at = row.index(",") + 1
    at += row[at] == '"'
    return f"{row[:at]}\udce9{row[at:]}"


_SPOILERS: Final[tuple[Callable[[str], str], ...]] = (
    _bad_date,
    _unknown_item,
    _letters_in_uuid,
    _missing_key,
    _too_few_fields,
    _too_many_fields,
    _nul,
    _invalid_utf8,
)
BAD_KINDS: Final = len(_SPOILERS)
