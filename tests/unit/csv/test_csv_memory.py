"""The memory for cutting a range into records is bounded by the range's size, for any content."""

import time
import tracemalloc

import pytest

from baton.csv import Syntax, cut

SYNTAX = Syntax(ord(","), ord('"'))
MIB = 1024 * 1024
BYTES_PER_BYTE_MAX = 40
SECONDS_PER_MIB_MAX = 2
"""Of the processor. The slowest of them, a literal quote at every byte, takes half a second on a quiet one."""


def repeated(line: bytes, size_bytes: int = 4 * MIB) -> bytes:
    return line * (size_bytes // len(line))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(repeated(b"\n"), id="blank lines"),
        pytest.param(repeated(b"\r\n"), id="blank lines, CRLF"),
        pytest.param(b"1,2\n" + repeated(b"\n") + b"1,2\n", id="blank lines between"),
        pytest.param(repeated(b"1,2,3,4\n\n"), id="double spaced"),
        pytest.param(repeated(b",,,,,,,\n"), id="ghost rows, all of them wrong"),
        pytest.param(repeated(b"1,2,3,4,5,6\n1,2\n"), id="every other one wrong"),
        pytest.param(repeated(b'1,"' + b"\n" * 1_000_000 + b'"\n'), id="giant quoted fields of line ends"),
        pytest.param(repeated(b'1,"' + b",\n" * 500_000 + b'"\n'), id="giant quoted fields of lines"),
        pytest.param(repeated(b"1,x" + b'"' * 1_000_000 + b"\n", 2 * MIB), id="giant fields of literal quotes"),
        pytest.param(repeated(b'5" disk,1\n'), id="a literal quote in each"),
        pytest.param(repeated(b",".join([b"x"] * 10_000) + b"\n"), id="ten thousand columns"),
    ],
)
def test_memory_and_time_are_bounded_by_the_bytes(data: bytes) -> None:
    started = time.process_time()
    cut(data, SYNTAX, columns=2)
    seconds = time.process_time() - started

    tracemalloc.start()
    cut(data, SYNTAX, columns=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak <= BYTES_PER_BYTE_MAX * len(data)
    assert seconds < SECONDS_PER_MIB_MAX * len(data) / MIB


def test_texts_in_several_lines_cost_little_more_than_texts_in_one() -> None:
    row = b'535113847,Libya,"see ""terms"",%bclause 5",10/18/2014,8446,437.20,Offline,M\n'
    texts = [repeated(row % end + row % b" " * 99) for end in (b" ", b"\n")]
    fastest = [min(times) for times in zip(*([_seconds(text) for text in texts] for _ in range(9)), strict=True)]

    assert fastest[1] < 1.35 * fastest[0]


def _seconds(data: bytes) -> float:
    started = time.process_time()
    cut(data, SYNTAX, columns=8)
    return time.process_time() - started
