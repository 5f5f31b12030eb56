"""The rejects file: columns out of tables, the same bytes as the standard library writes record by record."""

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from baton.csv import Syntax, cut
from baton.model.plan import Chunk
from baton.rejects import REJECT_COLUMNS
from worker.rejects import Broken, also_of, rejects_of, render_rejects

TEXT = st.text(
    alphabet=st.sampled_from("ab,;\"'\n\r\t\0 é\N{ZERO WIDTH NO-BREAK SPACE}\N{GRINNING FACE}\x0b\x85"), max_size=5
)
BROKEN = st.builds(Broken, column=TEXT, rule=TEXT, value=TEXT)
LINE = st.binary(min_size=1, max_size=8).map(
    lambda line: line.replace(b'"', b"'").replace(b"\n", b"\r").rstrip(b"\r") + b"."
)


def one_by_one(rejects: dict[int, list[Broken]], data: bytes, chunk: Chunk, encoding: str, *, header: bool) -> bytes:
    """Write the rejects as their format is defined."""
    found = cut(data, Syntax(ord(","), ord('"')), columns=1)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(REJECT_COLUMNS)
    for record, (first, *others) in rejects.items():
        start, end = int(found.starts[record]), int(found.ends[record])
        line = data[start:end].decode(encoding, "backslashreplace")
        also = "; ".join(f"{broken.column}: {broken.rule}" for broken in others)
        number, offset = chunk.first_record + record, chunk.start + start
        writer.writerow((number, offset, first.column, first.rule, first.value, line, also))
    return out.getvalue().encode()


@settings(deadline=None)
@given(
    rejects=st.lists(st.tuples(LINE, st.lists(BROKEN, min_size=1, max_size=3) | st.none()), max_size=8),
    encoding=st.sampled_from(["utf-8", "cp1252", "latin-1"]),
    header=st.booleans(),
)
@example(rejects=[(b"\r.", [Broken("", "x", "\r")])], encoding="utf-8", header=False)
def test_bytes_are_those_of_the_csv_module(
    rejects: list[tuple[bytes, list[Broken] | None]],
    encoding: str,
    header: bool,  # noqa: FBT001 - hypothesis passes it by name
) -> None:
    data = b"".join(line + b"\n" for line, _ in rejects)
    chunk = Chunk(
        index=3, start=5_000_000_000, end=5_000_000_000 + len(data), first_record=4_000_000_000, records=len(rejects)
    )
    broken = {record: why for record, (_, why) in enumerate(rejects) if why}
    found = cut(data, Syntax(ord(","), ord('"')), columns=1)

    rendered = render_rejects(rejects_of(broken.items()), data, found, chunk, encoding, header=header)

    assert rendered == one_by_one(broken, data, chunk, encoding, header=header)


def test_other_reasons_are_told_in_a_bounded_text() -> None:
    others = [(f"column {n}", "r" * 200) for n in range(2_000)]

    assert also_of([]) is None
    assert also_of([("a", "missing"), ("b", "too_long")]) == "a: missing; b: too_long"
    assert also_of([("a", "x")] * 5) == "; ".join(["a: x"] * 5)
    told = also_of(others)
    assert told is not None
    assert told.endswith("r; and 1,995 more")
    assert len(told) < 600
