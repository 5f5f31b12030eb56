"""The result of each kind of record in a chunk."""

import zlib
from dataclasses import replace
from typing import Annotated, Literal

import polars as pl
import pytest
from pydantic import AfterValidator, Field, create_model

from baton.errors import BatchFailed
from baton.job import Dialect, Job, Lookup, Missing, Record
from baton.model.batch import Counts
from chunk_runs import chunk_of, csv_bytes, rejects, run, table
from worker.domain import check, finish, prepare_reference
from worker.parse import parse, utf8


class Stock(Record):
    sku: Annotated[str, Field(pattern="^[0-9]+$")]
    name: str = Field(alias="Name")
    size: Literal["S", "L", ""]


COLUMNS = ("sku", "Name", "size")
RULES = Job(name="stock", record=Stock, recipients=("a@example.com",))
PRICED = Job(
    name="priced",
    record=Stock,
    lookup=Lookup(dataset="prices", key="sku", columns=("price", "note")),
    recipients=("a@example.com",),
)
PRICED_OR_BLANK = PRICED.model_copy(
    update={"lookup": Lookup(dataset="prices", key="sku", columns=("price", "note"), missing=Missing.BLANK)}
)
ANY = Job(name="any", record=None, recipients=("a@example.com",))
PRICES = {
    "1": {"sku": "1", "price": "9.90", "note": ""},
    "2": {"sku": "2", "price": "5", "note": 'a, "b"'},
}


def test_first_chunk_begins_with_headers() -> None:
    output = run(b"1,nut,S\n", RULES, COLUMNS, index=0)

    assert output.part == b"sku,Name,size\n1,nut,S\n"
    assert output.rejects == b"record_number,byte_offset,column,rule,value,line,also\n"


def test_later_chunks_bring_records_only() -> None:
    output = run(b"1,nut,S\n", RULES, COLUMNS, index=3)

    assert (output.part, output.rejects) == (b"1,nut,S\n", b"")


def test_file_with_a_header_alone_gives_a_header_alone() -> None:
    output = run(b"", PRICED, COLUMNS, reference=PRICES)

    assert output.part == b"sku,Name,size,price,note\n"
    assert output.counts == Counts(records_in=0, records_out=0, rejects=0)


def test_parts_joined_in_order_are_the_result_of_one_chunk() -> None:
    lines = [b'1,"a\nb",S\n', b"2,c,L\r\n", b"x,d,S\n", b'2,"e",'[:-1] + b",\n"]
    whole = run(b"".join(lines), PRICED, COLUMNS, reference=PRICES)

    parts = [
        run(line, PRICED, COLUMNS, index=n, start=sum(map(len, lines[:n])), first_record=n + 1, reference=PRICES)
        for n, line in enumerate(lines)
    ]

    assert b"".join(part.part for part in parts) == whole.part
    assert b"".join(part.rejects for part in parts) == whole.rejects


def test_broken_rule_is_told_with_number_place_column_value_and_line() -> None:
    output = run(b"1,nut,S\nx2,bolt,XL\n", RULES, COLUMNS, start=1000, first_record=51)

    assert output.counts == Counts(records_in=2, records_out=1, rejects=1)
    assert rejects(output) == [
        {
            "record_number": "52",
            "byte_offset": "1008",
            "column": "sku",
            "rule": "string_pattern_mismatch",
            "value": "x2",
            "line": "x2,bolt,XL",
            "also": "size: literal_error",
        }
    ]


@pytest.mark.parametrize(
    ("line", "column", "rule", "value"),
    [
        (b"1,nut", "", "columns", "2 fields, expected 3"),
        (b"1,nut,S,,", "", "columns", "5 fields, expected 3"),
        (b"1,n\0t,S", "Name", "nul_byte", "a NUL byte"),
        (b'1,"n,\0",S\0', "Name", "nul_byte", "a NUL byte"),
        (b"1,nut,S,,\0", "", "nul_byte", "a NUL byte"),
        (b"1,n\rt,S", "Name", "bare_cr", "a carriage return that ends no line"),
        (b'1,"n"t,S', "Name", "quote", "text after a closing quote"),
        (b'"1"x,"n"t,S', "sku", "quote", "text after a closing quote"),
        (b'1,"' + b"n," * 200 + b'","S"x', "size", "quote", "text after a closing quote"),
        (b"1,n\xfft,S", "Name", "encoding", "byte 0xff at 3"),
        (b'1,"n\xe4,t",S', "Name", "encoding", "byte 0xe4 at 4"),
        (b"1,n\xed\xa0\x80t,S", "Name", "encoding", "byte 0xed at 3"),
        (b'"1,""2","n,\n,t",S\xff\xff', "size", "encoding", "byte 0xff at 17"),
        (b'5",n\xff",S', "Name", "encoding", "byte 0xff at 4"),
        (b"\xff,n,S", "sku", "encoding", "byte 0xff at 0"),
        (b'1,"n,u,t","S,\xff"', "size", "encoding", "byte 0xff at 13"),
        (b'1,5",",,,\xff,"', "size", "encoding", "byte 0xff at 9"),
    ],
)
@pytest.mark.parametrize("job", [RULES, ANY], ids=["rules", "any"])
def test_record_that_cannot_be_read_is_a_reject_and_its_neighbours_are_not(
    line: bytes, column: str, rule: str, value: str, job: Job
) -> None:
    output = run(b"1,a,S\n" + line + b"\n2,b,L\n", job, COLUMNS)

    assert output.part == b"sku,Name,size\n1,a,S\n2,b,L\n"
    assert output.counts == Counts(records_in=3, records_out=2, rejects=1)
    keys = ("record_number", "byte_offset", "column", "rule", "value")
    assert [tuple(r[key] for key in keys) for r in rejects(output)] == [("2", "6", column, rule, value)]


def test_a_long_name_of_a_column_in_a_file_of_any_header_is_cut_in_rejects() -> None:
    name = "n" * 1_000_000

    output = run(b"x\ry\n" * 3, ANY, (name,))

    assert [each["column"] for each in rejects(output)] == [name[:200]] * 3


def test_line_of_a_reject_shows_undecodable_bytes_as_escapes() -> None:
    output = run(b"1,n\xffut,S\n", RULES, COLUMNS)

    assert rejects(output)[0]["line"] == r"1,n\xffut,S"


def test_unreadable_record_is_not_judged_by_rules_as_well() -> None:
    output = run(b"x,n\xffut,XL\n", RULES, COLUMNS)

    assert [(r["rule"], r["also"]) for r in rejects(output)] == [("encoding", "")]


def test_rule_never_meets_what_could_not_be_read() -> None:
    def crash(value: str) -> str:
        return {"1": "one", "2": "two"}[value]

    model: type[Record] = create_model("Strict", __base__=Record, a=(Annotated[str, AfterValidator(crash)], ...))
    job = Job(name="strict", record=model, recipients=("a@example.com",))

    output = run(b"1\n\xff\n2\n", job, ("a",))

    assert output.part == b"a\n1\n2\n"
    assert [(r["record_number"], r["rule"]) for r in rejects(output)] == [("2", "encoding")]


def test_defect_of_form_is_told_before_undecodable_bytes() -> None:
    output = run(b"1,n\xffut\n", RULES, COLUMNS)

    assert [(r["rule"], r["also"]) for r in rejects(output)] == [("columns", "")]


def test_rejects_of_all_kinds_stand_in_record_order() -> None:
    data = b"9,a,S\n1\n1,\xff,S\nx,b,S\n8,c,S\n2,d,L\n"

    output = run(data, PRICED, COLUMNS, reference=PRICES)

    assert [(r["record_number"], r["rule"]) for r in rejects(output)] == [
        ("1", "missing_reference"),
        ("2", "columns"),
        ("3", "encoding"),
        ("4", "string_pattern_mismatch"),
        ("5", "missing_reference"),
    ]
    assert table(output.part)[1:] == [["2", "d", "L", "5", 'a, "b"']]


def test_rejects_of_form_and_of_rules_stand_in_record_order_without_a_lookup() -> None:
    output = run(b"x,a,S\n1\n1,\xff,S\ny,b,S\n1\n", RULES, COLUMNS)

    assert [(r["record_number"], r["rule"]) for r in rejects(output)] == [
        ("1", "string_pattern_mismatch"),
        ("2", "columns"),
        ("3", "encoding"),
        ("4", "string_pattern_mismatch"),
        ("5", "columns"),
    ]


def test_every_record_may_be_a_reject() -> None:
    output = run(b"x,a,S\ny,b,S\n", PRICED, COLUMNS, reference=PRICES, index=1)

    assert output.part == b""
    assert output.counts == Counts(records_in=2, records_out=0, rejects=2)


def test_single_byte_encoding_comes_out_as_utf8() -> None:
    job = RULES.model_copy(update={"dialect": Dialect(encoding="cp1252")})

    output = run("1,Müß€,S\nä,Öl,S\n".encode("cp1252"), job, COLUMNS)

    assert output.part.decode() == "sku,Name,size\n1,Müß€,S\n"
    assert [(r["value"], r["line"]) for r in rejects(output)] == [("ä", "ä,Öl,S")]


def test_byte_that_a_single_byte_encoding_leaves_open_is_a_reject() -> None:
    job = RULES.model_copy(update={"dialect": Dialect(encoding="cp1252")})

    output = run(b"1,n\x81t,S\n2,\xfc,L\n", job, COLUMNS)

    assert [r["value"] for r in rejects(output)] == ["byte 0x81 at 3"]
    assert output.part.decode() == "sku,Name,size\n2,ü,L\n"


def test_other_delimiter_and_quote_come_out_as_commas_and_double_quotes() -> None:
    job = RULES.model_copy(update={"dialect": Dialect(delimiter=";", quote="'")})

    output = run(b"1;a,b;S\n2;'c;''d';L\n3;5\" nail;S\n", job, COLUMNS)

    assert output.part == b'sku,Name,size\n1,"a,b",S\n2,c;\'d,L\n3,"5"" nail",S\n'


def test_quotes_are_written_only_where_needed_and_line_ends_inside_are_kept() -> None:
    data = b'"1","plain","S"\r\n2,"a\r\nb",""\r\n3,"say ""hi""",L\r\n4,5" nail,S\r\n'

    output = run(data, RULES, COLUMNS)

    assert output.part == (b'sku,Name,size\n1,plain,S\n2,"a\r\nb",\n3,"say ""hi""",L\n4,"5"" nail",S\n')


def test_blank_lines_are_no_records() -> None:
    output = run(b"\n\r\n1,a,S\n\n\r\n2,b,L\n\n", RULES, COLUMNS)

    assert output.part == b"sku,Name,size\n1,a,S\n2,b,L\n"
    assert output.counts == Counts(records_in=2, records_out=2, rejects=0)


def test_byte_order_mark_below_the_header_is_content() -> None:
    output = run(b"\xef\xbb\xbf1,a\n", ANY, ("a", "b"), index=1)

    assert output.part == b"\xef\xbb\xbf1,a\n"


@pytest.mark.parametrize(
    ("record", "dialect"),
    [
        ("x\N{ARABIC LETTER GAF},1\n".encode(), Dialect()),
        ("x\N{ARABIC LETTER TCHEH},1\n".encode(), Dialect()),
        (b"x\x011\n", Dialect(delimiter="\x01")),
        (b"\x1f\x8b,1\n", Dialect(encoding="latin-1")),
        (b"(\xb5/\xfd,1\n", Dialect(encoding="latin-1")),
        (b"\xff\xfe,1\n", Dialect(encoding="latin-1")),
    ],
    ids=["zlib", "zlib, best", "zlib and the delimiter of Hive", "gzip", "zstd", "utf-16"],
)
def test_text_that_begins_like_something_else_is_text(record: bytes, dialect: Dialect) -> None:
    job = ANY.model_copy(update={"dialect": dialect})

    output = run(record + record, job, ("a", "b"), index=1)

    assert table(output.part) == [record.decode(dialect.encoding)[:-1].split(dialect.delimiter)] * 2


def test_text_made_to_look_compressed_stays_as_it_is() -> None:
    deflated = zlib.compress(b"0,1\n" * 1000, 0)[2:-4]
    stored = b"x\x01" + deflated + zlib.adler32(b"0,1\n" * 1000).to_bytes(4)
    data = stored.replace(b"\n", b"").replace(b"\0", b"") + b",1\n"
    job = ANY.model_copy(update={"dialect": Dialect(encoding="latin-1")})

    width = len(table(data.decode("latin-1").encode())[0])
    output = run(data, job, tuple(f"h{n}" for n in range(width)), index=1)

    assert table(output.part) == table(data.decode("latin-1").encode())


def test_a_quote_of_the_result_is_quoted_in_it_though_it_is_none_of_the_input() -> None:
    job = ANY.model_copy(update={"dialect": Dialect(quote="'")})

    assert run(b'1,5" disk,S\n', job, COLUMNS).part == b'sku,Name,size\n1,"5"" disk",S\n'


def test_permuted_columns_are_judged_and_enriched_by_name_and_keep_their_order() -> None:
    output = run(b"S,1,nut\nXL,2,bolt\n", PRICED, ("size", "sku", "Name"), reference=PRICES)

    assert output.part == b"size,sku,Name,price,note\nS,1,nut,9.90,\n"
    assert [(r["column"], r["value"]) for r in rejects(output)] == [("size", "XL")]


def test_output_picks_and_orders_columns_by_name() -> None:
    job = PRICED.model_copy(update={"output": ("note", "sku", "price")})

    output = run(b"S,2,nut\n", job, ("size", "sku", "Name"), reference=PRICES)

    assert output.part == b'note,sku,price\n"a, ""b""",2,5\n'


def test_missing_key_is_a_reject_by_default() -> None:
    output = run(b"1,nut,S\n7,bolt,S\n", PRICED, COLUMNS, reference=PRICES)

    assert output.part == b"sku,Name,size,price,note\n1,nut,S,9.90,\n"
    assert [(r["column"], r["rule"], r["value"], r["line"]) for r in rejects(output)] == [
        ("sku", "missing_reference", "7", "7,bolt,S")
    ]


def test_missing_key_is_cut_at_200_characters() -> None:
    output = run(b"7" * 300 + b",bolt,S\n", PRICED, COLUMNS, reference=PRICES)

    assert rejects(output)[0]["value"] == "7" * 200


def test_missing_key_gives_blanks_if_the_job_says_so() -> None:
    output = run(b"1,nut,S\n7,bolt,S\n", PRICED_OR_BLANK, COLUMNS, reference=PRICES)

    assert output.part == b"sku,Name,size,price,note\n1,nut,S,9.90,\n7,bolt,S,,\n"
    assert output.counts == Counts(records_in=2, records_out=2, rejects=0)


def test_empty_key_is_looked_up_like_any_other() -> None:
    job = PRICED.model_copy(update={"lookup": Lookup(dataset="prices", key="size", columns=("price",))})
    data = b"1,nut,\n"

    found = run(data, job, COLUMNS, reference={"": {"price": "0"}})
    missing = run(data, job, COLUMNS, reference={"S": {"price": "1"}})

    assert table(found.part)[1:] == [["1", "nut", "", "0"]]
    assert [(r["rule"], r["value"]) for r in rejects(missing)] == [("missing_reference", "")]


def test_lookup_keys_are_distinct_and_those_of_passing_records_only() -> None:
    good = [str(n * n) for n in range(100, 0, -1)]
    data = b"x,c,S\n3\n5,\xff,S\n" + csv_bytes([[key, "a", "S"] for key in good + good])
    checked = check(data, chunk_of(data, PRICED, 3), COLUMNS, PRICED)

    assert checked.lookup_keys() == good


def test_job_without_lookup_asks_for_no_keys() -> None:
    checked = check(b"1,a,S\n", chunk_of(b"1,a,S\n", RULES, 3), COLUMNS, RULES)

    assert checked.lookup_keys() == []


def test_prepared_reference_serves_every_chunk_like_its_rows() -> None:
    assert PRICED.lookup
    prepared = prepare_reference(PRICES, PRICED.lookup)
    chunks = [b"1,a,S\n2,b,L\n", b"3,c,S\n2,d,S\n"]

    for data in chunks:
        chunk = chunk_of(data, PRICED, 3)
        by_frame = finish(check(data, chunk, COLUMNS, PRICED), prepared)

        assert by_frame == run(data, PRICED, COLUMNS, reference=PRICES)


def test_reference_without_rows_misses_every_key() -> None:
    output = run(b"1,a,S\n", PRICED, COLUMNS, reference={})

    assert [r["rule"] for r in rejects(output)] == ["missing_reference"]


def test_reference_without_a_column_of_the_job_fails_the_batch() -> None:
    with pytest.raises(BatchFailed, match="data set 'prices' has no column 'note'") as caught:
        run(b"1,a,S\n", PRICED, COLUMNS, reference={"1": {"price": "1"}})

    assert caught.value.code == "reference_columns"


def test_finishing_a_lookup_without_reference_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="looks up prices"):
        run(b"1,a,S\n", PRICED, COLUMNS)


def test_any_header_passes_through_without_rules_even_with_equal_names() -> None:
    output = run(b"1,,x\n,2,\n", ANY, ("a", "a", ""))

    assert output.part == b"a,a,\n1,,x\n,2,\n"


def test_lone_empty_field_stays_a_record() -> None:
    output = run(b'a\n""\nb\n', ANY, ("only",))

    assert output.part == b'only\na\n""\nb\n'
    assert output.counts.records_out == 3


def test_lone_empty_output_column_stays_a_record() -> None:
    job = RULES.model_copy(update={"output": ("size",)})

    output = run(b"1,a,\n2,b,L\n", job, COLUMNS)

    assert output.part == b'size\n""\nL\n'


def test_record_number_other_than_planned_fails_the_batch_with_both_numbers() -> None:
    data = b"1,a,S\n2,b,S\n"
    chunk = chunk_of(data, RULES, 3, index=4).model_copy(update={"records": 3})

    with pytest.raises(BatchFailed, match="chunk 4 holds 2 records where the plan counted 3") as caught:
        check(data, chunk, COLUMNS, RULES)

    assert caught.value.code == "conservation"


def test_range_that_ends_inside_quotes_fails_the_batch() -> None:
    data = b'1,"a,S\n'
    chunk = chunk_of(b"1,a,S\n", RULES, 3)

    with pytest.raises(BatchFailed, match="chunk 0 does not hold whole records") as caught:
        check(data, chunk, COLUMNS, RULES)

    assert caught.value.code == "conservation"


@pytest.mark.parametrize(
    ("clean", "reason"),
    [(b'1,"a"x,S\n2,b,S\n', "the parser refused"), (b"1,a,S\n", "the parser found 1 records where the scan found 2")],
)
def test_parser_that_disagrees_with_the_scan_fails_the_batch(clean: bytes, reason: str) -> None:
    with pytest.raises(BatchFailed, match=reason) as caught:
        parse(utf8(clean, Dialect()), Dialect(), 3, records=2)

    assert caught.value.code == "conservation"


def test_chunk_that_does_not_balance_fails_the_batch_with_its_numbers() -> None:
    assert PRICED.lookup
    prepared = prepare_reference(PRICES, PRICED.lookup)
    twice = replace(prepared, frame=pl.concat([prepared.frame, prepared.frame]))
    data = b"1,a,S\n"

    with pytest.raises(BatchFailed, match=r"chunk 0 does not balance.*records_in=1, records_out=2") as caught:
        finish(check(data, chunk_of(data, PRICED, 3), COLUMNS, PRICED), twice)

    assert caught.value.code == "conservation"


def test_header_that_is_not_the_jobs_fails_the_batch() -> None:
    with pytest.raises(BatchFailed, match="Size") as caught:
        run(b"1,a,S\n", RULES, ("sku", "Name", "Size"))

    assert caught.value.code == "header"


def test_null_like_words_are_text() -> None:
    rows = [["null", "NULL", "NA"], ["nan", "None", "\\N"], [" a ", "\t", "#x"], ["1.0", "007", "true"]]

    output = run(csv_bytes(rows), ANY, ("a", "b", "c"), index=1)

    assert table(output.part) == rows
