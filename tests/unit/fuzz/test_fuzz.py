"""Files at random: the pipeline and the slow reader agree, and would not if the pipeline had one of these bugs."""

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import polars as pl
import pytest

import worker.domain
import worker.rejects
from baton.csv import Cut, cutter
from baton.errors import BatchFailed
from baton.job import Dialect, Limits
from baton.model.plan import Chunk
from baton_proof.fuzz.cases import Case, case_of
from baton_proof.fuzz.odd import twisted
from baton_proof.fuzz.oracle import Ended, expected
from baton_proof.fuzz.play import difference
from baton_proof.fuzz.readings import is_misread
from splitter.look import HeadInspector
from worker.rejects import render_rejects

pytestmark = pytest.mark.xdist_group("fuzz")  # all read the same cases, which are made once

SEEDS = range(1, 31)
BUGGY_SEEDS = range(1, 200)
A_LONG_LINE = 298_075_146
"""A reject of more characters than are kept where it can be queried."""


@cache
def _case(seed: int) -> tuple[Case, Ended]:
    """Return a case and its expected result. Asked for first without any bug."""
    case = twisted(case_of(seed))
    return case, expected(case)


def test_the_pipeline_and_the_slow_reader_agree() -> None:
    for seed in (*SEEDS, A_LONG_LINE):
        found = difference(*_case(seed))
        assert found is None, f"seed {seed}: {found}"


def test_the_look_and_the_slow_reader_agree_what_is_utf8() -> None:
    dice = random.Random(20)
    words = [
        "Müller",
        "RÓŻNE",
        "l\u2019École",
        "Москва",
        "чек",
        "東京",
        "😀",
        "x\u0301\u0302",
        "שלום",
        "\xa0",
        "5",
        "a ",
        "B",
    ]
    for _ in range(1_500):
        encoding = dice.choice(["cp1250", "cp1252", "koi8-r", "cp866", "mac-roman", "iso8859-7"])
        body = "".join(dice.choice([dice.choice(words), chr(dice.randrange(128, 0x900))]) for _ in range(3)).encode()
        if dice.random() < 0.5:  # two bytes that may be one character, or two
            body = b"A" * dice.randrange(3) + bytes([dice.randrange(0xC2, 0xE0), dice.randrange(0x80, 0xC0)])
        assert _is_refused(body, encoding) == is_misread(body, encoding), (encoding, body)


def _is_refused(body: bytes, encoding: str) -> bool:
    look = HeadInspector(Dialect(encoding=encoding))
    for at in range(0, len(body), 3):
        look.feed(body[at : at + 3])
    try:
        look.check_encoding()
    except BatchFailed:
        return True
    return False


def test_the_files_are_of_every_kind() -> None:
    ends = [_case(seed)[1] for seed in range(1, 301)]

    assert {end.failure for end in ends} >= {
        None,
        "too_many_rejects",
        "unbalanced_quote",
        "not_csv",
        "encoding",
        "header",
    }
    rules = {each.rule.partition(":")[0] for end in ends for each in end.rejects}
    assert rules >= {"columns", "quote", "bare_cr", "nul_byte", "encoding", "missing_reference", "assertion_error"}
    assert sum(end.failure is None for end in ends) > 150


def test_a_case_depends_on_nothing_but_its_seed() -> None:
    assert [twisted(case_of(seed)).body for seed in SEEDS] == [twisted(case_of(seed)).body for seed in SEEDS]


def _guessing(**options: Any) -> Callable[..., pl.DataFrame]:
    """Return polars' reader without the mark that keeps it from taking a first field for a compressed stream."""
    read = pl.read_csv

    def guess(source: bytes, **given: Any) -> pl.DataFrame:
        return read(source.removeprefix(b"\xef\xbb\xbf"), **given, **options)

    return guess


def _one_too_many(limits: Limits, records_total: int) -> int:
    del limits
    return records_total


def _misread(rejects: pl.DataFrame, data: bytes, found: Cut, chunk: Chunk, encoding: str, **how: Any) -> bytes:
    return render_rejects(rejects, data, found, chunk, "latin-1" if encoding == "utf-8" else "utf-8", **how)


BUGS: dict[str, tuple[object, str, object]] = {
    "the parser guesses what it reads": (pl, "read_csv", _guessing()),
    "a comment is skipped": (pl, "read_csv", _guessing(comment_prefix="#")),
    "NULL is taken for nothing": (pl, "read_csv", _guessing(null_values="NULL")),
    "a lone CR ends a line": (cutter, "CR", ord("\v")),
    "one reject too many is allowed": (Limits, "rejects_allowed", _one_too_many),
    "a rejected value is cut too early": (worker.domain, "VALUE_CHARS_MAX", 1),
    "a rejected line is read in another encoding": (worker.domain, "render_rejects", _misread),
    "not all that a record breaks is told": (worker.rejects, "ALSO_MAX", 0),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_of_this_kind_would_be_found(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, value = BUGS[bug]
    cases = [_case(seed) for seed in BUGGY_SEEDS]
    monkeypatch.setattr(where, name, value)

    assert any(difference(*case) for case in cases)
