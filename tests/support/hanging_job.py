"""A job of which one value hangs and lets nothing else run, for a world of real processes: a module of its jobs."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator

from baton.job import Job, Record

HANGS: Final = "hangs"


def _hangs_at_one(value: str) -> str:
    if value == HANGS:
        re.match(r"(a|aa)+$", "a" * 200 + "b")  # holds the interpreter's lock, and takes longer than the universe
    return value


class _OneColumn(Record):
    a: Annotated[str, AfterValidator(_hangs_at_one)]


job = Job(name="hanging", record=_OneColumn, recipients=("sales-ops@example.com",))
