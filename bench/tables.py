"""Writes what a bench measured into the tables of docs/performance.md, so that nobody copies figures by hand."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

PERFORMANCE: Final = Path(__file__).parents[1] / "docs" / "performance.md"


def cells(row: str) -> list[str]:
    """Return the cells of a table's row."""
    return [cell.strip() for cell in row.strip().strip("|").split("|")]


def rows_of(page: str, titles: Sequence[str]) -> list[str]:
    """Return the rows of the table that has these titles. Raises `ValueError` if the page has no such table."""
    begin, end = _place(page, titles)
    return page[begin:end].splitlines()


def with_rows(page: str, titles: Sequence[str], rows: Mapping[str, str]) -> str:
    """Return the page with these rows, by their first cells and in this order; an empty text keeps the row there is."""
    begin, end = _place(page, titles)
    before = {cells(row)[0]: row for row in page[begin:end].splitlines()}
    kept = [row or before[name] for name, row in rows.items() if row or name in before]
    return page[:begin] + "".join(f"{row}\n" for row in kept) + page[end:]


def dated(page: str, bench: str, day: date) -> str:
    """Return the page with the day on which this bench ran last."""
    return re.sub(rf"(`make bench NAME={bench}` · )\d{{4}}-\d\d-\d\d", rf"\g<1>{day.isoformat()}", page)


def _place(page: str, titles: Sequence[str]) -> tuple[int, int]:
    """Return where a table's rows begin and end."""
    found = re.search(rf"^{re.escape(f'| {" | ".join(titles)} |')}\n\|[-:|]+\|\n((?:\|.*\n)*)", page, re.MULTILINE)
    if found is None:
        raise ValueError(f"there is no table with the titles {titles}")
    return found.span(1)
