"""Makes plans for tests that need one and no file."""

from itertools import accumulate

from baton.model.plan import Chunk, Plan


def plan_of(*records: int) -> Plan:
    """Return the plan of a file with a chunk of ten bytes for each of these numbers of records."""
    firsts = accumulate(records[:-1], initial=1)
    chunks = [
        Chunk(index=index, start=index * 10, end=index * 10 + 10, first_record=first, records=number)
        for index, (first, number) in enumerate(zip(firsts, records, strict=False))
    ]
    return Plan(
        batch_id="b",
        job="sales",
        job_version="1",
        reference_version=None,
        key="input/sales/f.csv",
        version_id="v",
        size_bytes=len(records) * 10,
        columns=("a",),
        chunks=tuple(chunks),
        records_total=sum(records),
    )
