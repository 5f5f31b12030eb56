"""A job of which one value hangs, for a world of real processes: a module of its package of jobs."""

import threading
from typing import Annotated, Final

from pydantic import AfterValidator

from baton.job import Job, Record

HANGS: Final = "hangs"


def _hangs_at_one(value: str) -> str:
    if value == HANGS:
        threading.Event().wait()
    return value


class _OneColumn(Record):
    a: Annotated[str, AfterValidator(_hangs_at_one)]


job = Job(name="hanging", record=_OneColumn, recipients=("sales-ops@example.com",))
