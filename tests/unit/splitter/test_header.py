"""A header is compared by names; a reason says what its sender can see and do."""

import contextlib
import time
import unicodedata
from typing import Any

import pytest
from pydantic import Field, create_model

from baton.csv import HeaderReader, Syntax
from baton.errors import BatchFailed
from baton.job import Dialect, Job, Record
from splitter.header import check_header


class Line(Record):
    name: str = Field(alias="Name")
    size: str = Field(alias="Größe")


class One(Record):
    name: str = Field(alias="a;b")


ANY = Job(name="any", record=None, recipients=("a@example.com",))
NAMED = Job(name="named", record=Line, recipients=("a@example.com",))


def check(text: str | bytes, job: Job) -> tuple[str, ...]:
    raw = text if isinstance(text, bytes) else text.encode(job.dialect.encoding)
    syntax = Syntax.of(job.dialect.delimiter, job.dialect.quote)
    reader = HeaderReader(syntax)
    return check_header(job, reader.feed(raw) or reader.finish())


def refused(text: str | bytes, job: Job) -> str:
    with pytest.raises(BatchFailed) as failed:
        check(text, job)
    return f"{failed.value.code}: {failed.value}"


def dialect(job: Job, **changes: str) -> Job:
    return job.model_copy(update={"dialect": Dialect.model_validate(changes)})


# --- one column that is several ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "found"),
    [
        ("id;name;price\n", 3, "semicolons"),
        ('"id";"name";"price"\n', 3, "semicolons"),
        ("id\tname\tnote\n", 3, "tabs"),
        ("id|name\n", 2, "vertical bars"),
        ("id^name^price\n", 3, "carets"),
        ("id~name\n", 2, "tildes"),
        ("id\x01name\n", 2, "the control character 0x01"),
        ("\ufeffid;name\n", 2, "semicolons"),
        ("id;name", 2, "semicolons"),
    ],
)
def test_one_column_that_is_several_with_another_delimiter_fails(text: str, columns: int, found: str) -> None:
    reason = refused(text, ANY)

    assert reason.startswith(
        f"header: the header is one column, and would be {columns} with {found} in place of commas"
    )
    assert "save the file with commas, set the job's dialect.delimiter to " in reason


def test_the_delimiter_that_would_fit_may_be_a_comma() -> None:
    reason = refused("id,name\n", dialect(ANY, delimiter=";"))

    assert "2 with commas in place of semicolons: save the file with semicolons" in reason


@pytest.mark.parametrize(
    ("text", "columns", "found"),
    [
        ("user:x:uid:gid\n", 4, "colons"),
        ("id:name:price\n", 3, "colons"),
        ("order_id customer_id amount\n", 3, "spaces"),
        ("ID     NAME      AMOUNT\n", 3, "spaces"),
        ("ID   NAME\n", 2, "spaces"),
        ("ID  NAME  AMOUNT\n", 3, "spaces"),
    ],
)
def test_colons_and_spaces_separate_columns_if_no_name_has_them_like_this(text: str, columns: int, found: str) -> None:
    assert f"is one column, and would be {columns} with {found} in place of commas" in refused(text, ANY)


@pytest.mark.parametrize(
    "text",
    [
        "dc:title\n",
        "note: a: b\n",
        "http://a/b\n",
        "from 12:30 to 14:00\n",
        "Date of birth\n",
        "order_id of it\n",
        "Unit  price\n",
        "  name  \n",
        '"id:name:price"\n',
        '"order_id customer_id"\n',
    ],
)
def test_a_name_may_hold_colons_and_spaces(text: str) -> None:
    assert check(text, ANY) == (text.strip("\n").strip('"'),)


@pytest.mark.parametrize(
    ("text", "delimiter", "here", "columns", "found"),
    [
        ("id;net,gross;tax\n", ",", 2, 3, "semicolons"),
        ('id;name;"a,b";price,net\n', ",", 3, 4, "semicolons"),
        ("id\tname\tprice,net\n", ",", 2, 3, "tabs"),
        ("id,name,price;net\n", ";", 2, 3, "commas"),
        ("id|name|a,b|c,d|e\n", ",", 3, 5, "vertical bars"),
        ("id;unit price;tax\n", " ", 2, 3, "semicolons"),
    ],
)
def test_several_columns_that_are_more_with_another_delimiter_fail(
    text: str, delimiter: str, here: int, columns: int, found: str
) -> None:
    reason = refused(text, dialect(ANY, delimiter=delimiter))

    assert reason.startswith(f"header: the header is {here} columns, and would be {columns} with {found} in place of")
    assert "or write each name that holds it in quotes" in reason


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("id,price;net\n", ","),
        ("id;price,net\n", ";"),
        ("id;Name, first, last, other\n", ";"),
        ('id,"a;b;c"\n', ","),
        ('id,"a;""b"";c;d"\n', ","),
        ("id,name,a|b|c\n", ","),
        ("a:b c:d\n", " "),
    ],
)
def test_several_columns_are_taken_if_they_are_as_many_as_any_delimiter_makes(text: str, delimiter: str) -> None:
    assert len(check(text, dialect(ANY, delimiter=delimiter))) > 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Name:Größe\n", "colons"),
        ("Name Größe\n", "spaces"),
        ("Name:Größe:a,b\n", "colons"),
        ("Größe;Name;net,gross\n", "semicolons"),
    ],
)
def test_another_delimiter_than_the_jobs_is_known_by_the_names_that_it_makes(text: str, found: str) -> None:
    assert f"the columns of the file are separated by {found}, and the job 'named' reads commas" in refused(text, NAMED)


@pytest.mark.parametrize("text", ["Name x\n", "Name,x:y\n", "Name;x,Größ\n"])
def test_one_name_alone_shows_no_other_delimiter(text: str) -> None:
    assert "separated by colons" not in refused(text, NAMED)
    assert "separated by spaces" not in refused(text, NAMED)


@pytest.mark.parametrize("text", ["Name,Größe\n", "Größe,Name,Preis\n", "NAME,größe\n", '"Name","Größe"\n'])
def test_another_delimiter_than_the_jobs_is_named_in_place_of_missing_names(text: str) -> None:
    reason = refused(text, dialect(NAMED, delimiter=";"))

    assert reason == (
        "header: the columns of the file are separated by commas, and the job 'named' reads semicolons: "
        "save the file with semicolons, or set the job's dialect.delimiter to ','"
    )


@pytest.mark.parametrize("text", ["Erika Mustermann,DE89370400440532013000\n", "Erika,Mu,12\n", "Erika Mustermann\n"])
def test_a_first_line_that_names_no_column_is_not_quoted(text: str) -> None:
    reason = refused(text, NAMED)

    assert "names none of the columns of the job 'named': is the header missing" in reason
    assert "the job reads 'Name', 'Größe'" in reason
    assert not any(word in reason for word in text.strip().split(","))


def test_a_first_line_that_names_no_column_is_not_quoted_for_its_quotes_or_doubles() -> None:
    assert "names none of the columns" in refused("Erika,Erika\n", NAMED)
    assert "names none of the columns" in refused('"Eri"ka,7\n', NAMED)


@pytest.mark.parametrize("text", ["NAME,SIZE\n", "nam e,x\n", "Names,x\n", "N\xe4me,x\n"])
def test_names_that_are_nearly_the_jobs_make_a_line_a_header(text: str) -> None:
    assert "unknown " in refused(text, NAMED)


@pytest.mark.parametrize("text", ["name\n", '"Price; net"\n', "Price net\n", '"a|b"\n', "a:b\n"])
def test_one_column_is_taken_if_it_is_one_or_stands_in_quotes(text: str) -> None:
    assert check(text, ANY) == (text.strip('\n"'),)


def test_one_column_of_a_job_may_hold_any_character() -> None:
    job = Job(name="one", record=One, recipients=("a@example.com",))

    assert check("a;b\n", job) == ("a;b",)


@pytest.mark.parametrize("line", ["sep=;", "sep=,", "SEP=\t", '"sep=;"', "sep="])
@pytest.mark.parametrize("job", [ANY, NAMED])
def test_a_hint_for_excel_is_no_header(line: str, job: Job) -> None:
    reason = refused(f"{line}\r\nName;Größe\r\n", job)

    assert reason == f"header: the first line, {line!r}, is a hint for Excel and no header: remove it"


# --- names -------------------------------------------------------------------------------------------------------


def test_names_are_the_same_in_composed_and_in_decomposed_letters() -> None:
    decomposed = unicodedata.normalize("NFD", "Größe")

    assert check(f"Name,{decomposed}\n", NAMED) == ("Name", "Größe"), "the job's spelling is kept"
    assert check(f"Name,{decomposed}\n", ANY) == ("Name", decomposed), "nobody's spelling is better than the file's"


@pytest.mark.parametrize("job", [ANY, NAMED])
def test_a_name_of_marks_without_an_end_costs_no_time(job: Job) -> None:
    text = f"a{'\u0301\u0323' * 100_000},Name,{'\u0301\u0323' * 100_000}\n"
    started = time.process_time()

    with contextlib.suppress(BatchFailed):
        check(text, job)

    assert time.process_time() - started < 2, "sorted by their class, they would take minutes"


def test_names_of_the_same_letters_in_another_order_cost_no_time() -> None:
    names = [f"{number:03} customer attribute of the account number".ljust(80, "-") for number in range(100)]
    fields: dict[str, Any] = {f"f{number}": (str, Field(alias=name)) for number, name in enumerate(names)}
    job = Job(name="wide", record=create_model("Wide", __base__=Record, **fields), recipients=("a@example.com",))
    started = time.process_time()

    reason = refused(",".join(name[::-1] for name in names), job)

    assert "the first line names none of the columns" in reason
    assert time.process_time() - started < 1, "each name compared with each column takes some seconds"


def test_a_name_twice_in_two_forms_is_twice() -> None:
    assert "names a column twice: 'Größe'" in refused(f"Größe,{unicodedata.normalize('NFD', 'Größe')}\n", ANY)


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        ("Name ", "'Name ' has a space where the job's 'Name' has nothing more"),
        ("Name\xa0", "has the invisible (no-break space, U+00A0) where the job's 'Name' has nothing more"),
        ("name", "'name' has 'n' where the job's 'Name' has 'N'"),
        ("N\u0430me", "has '\u0430' (cyrillic small letter a, U+0430) where the job's 'Name' has 'a'"),
        ("Nam", "'Nam' has nothing more where the job's 'Name' has 'e'"),
        ("\ufeffName", "has the invisible (zero width no-break space, U+FEFF) where"),
    ],
)
def test_names_that_look_alike_are_told_apart(found: str, difference: str) -> None:
    assert difference in refused(f"Größe,{found}\n", NAMED)


def test_a_name_of_one_letter_of_another_script_is_told_apart() -> None:
    class Letters(Record):
        A: str
        B: str

    job = Job(name="letters", record=Letters, recipients=("a@example.com",))

    assert "'\u0410' (cyrillic capital letter a, U+0410)" in refused("\u0410,B\n", job)


def test_two_names_that_are_left_over_are_not_compared_if_they_are_not_alike() -> None:
    assert refused("Konto,Größe\n", NAMED).endswith("missing 'Name'; unknown 'Konto'")


def test_names_that_have_nothing_in_common_are_not_compared() -> None:
    assert refused("Größe,Kunde,Straße\n", NAMED).endswith("missing 'Name'; unknown 'Kunde', 'Straße'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Name,Größe,,\n", "2 columns without a name at the end: its lines end in delimiters"),
        ("Name,Größe,\n", "1 column without a name at the end"),
        (",Name,Größe\n", "the header does not match the job 'named': 1 column without a name"),
    ],
)
def test_columns_without_a_name_are_said_to_be_that(text: str, words: str) -> None:
    assert words in refused(text, NAMED)


@pytest.mark.parametrize("text", ["id,name,,\n", ",id\n", "a,,b,\n"])
def test_columns_without_a_name_are_taken_where_any_header_will_do(text: str) -> None:
    assert check(text, ANY) == tuple(text.strip("\n").split(","))


@pytest.mark.parametrize("text", ["   \n", "\t\n", "\xa0 \u3000\n", "\u200b\n", "\x1a"])
@pytest.mark.parametrize("job", [ANY, NAMED])
def test_a_line_of_blanks_is_no_header(text: str, job: Job) -> None:
    assert refused(text, job).startswith("empty_file: the file begins with a line of nothing but blanks")


@pytest.mark.parametrize("text", [",,,\n", '""\n', '"",""\n', " , ,\n"])
@pytest.mark.parametrize("job", [ANY, NAMED])
def test_a_header_that_names_nothing_is_none(text: str, job: Job) -> None:
    assert refused(text, job).startswith("header: the header names no column")


# --- what a record would be rejected for -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "job"),
    [
        ('"id"x,"na"me\n', ANY),
        ('id,"na"me\n', ANY),
        ('"id"x\n', ANY),
        ('"Na"me,Größe\n', NAMED),
        ('Name,"Größe" \r\n', NAMED),
        ('"a";b\n', Job(name="one", record=One, recipients=("a@example.com",))),
    ],
)
def test_text_after_a_closing_quote_is_no_part_of_a_name(text: str, job: Job) -> None:
    reason = refused(text, job)

    assert reason.startswith("header: the header has text after a closing quote: ")
    assert 'twice ("")' in reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('id,"na\rme"\n', "a carriage return stands within quotes: 'na\\rme'; take it out of the name"),
        ("id,name\r1,2\r", "the lines of the file seem to end in CR alone, as old Macs wrote them; save it with"),
        ('id,"na\rme"\r1,2\r', "the lines of the file seem to end in CR alone, as old Macs wrote them; save it with"),
        ("id,name\r\r\n1,2\r\r\n", "the first line ends in CR CR LF, which is one carriage return too many"),
        ("id,name\r\r\n1,2\r\n", "save the file with lines that end in LF or CRLF"),
        ("id,na\0me\n", "the header holds a NUL"),
        ('id,"na\0me"\n', "the header holds a NUL"),
    ],
)
def test_carriage_returns_and_nuls_in_a_header_are_said_to_be_where_they_are(text: str, words: str) -> None:
    assert words in refused(text, ANY)


@pytest.mark.parametrize("row", ["1,2\r", "1,Größe\r"])
def test_of_a_file_of_lines_that_end_in_cr_alone_nothing_else_is_told(row: str) -> None:
    text = ("Name,Größe\r" + row * 20_000).encode("mac-roman")

    for job in (ANY, NAMED):
        assert "the lines of the file seem to end in CR alone" in refused(text, job)


def test_a_header_that_swallowed_records_is_none() -> None:
    text = 'a,b,c,"d\n1,2,3,4\n5,6,7,8\n9,1,2,3\n4,5,6,7"\n'

    assert "quotes in the header hold lines that look like records" in refused(text, ANY)
    assert len(check(text, ANY.model_copy(update={"dialect": Dialect(lines_in_fields=True)}))) == 4


def test_names_of_the_job_may_hold_lines_that_look_like_records() -> None:
    names = ("日本", "unit price", "col\nwith line", 'the "best"')
    fields: dict[str, Any] = {f"f{number}": (str, Field(alias=name)) for number, name in enumerate(names)}
    record = create_model("Spaced", __base__=Record, **fields)
    job = Job(name="spaced", record=record, recipients=("a@example.com",), dialect=Dialect(delimiter=" "))
    text = '日本 "unit price" "col\nwith line" "the ""best"""\n'

    assert check(text, job) == names
    assert "quotes in the header hold lines" in refused(text, dialect(ANY, delimiter=" "))


@pytest.mark.parametrize("text", ['"a ""b"" c",d\n', '"a\nb",c\n', '"a\r\nb",c\n', 'a "b",c\n', '"a,b"\n'])
def test_quotes_that_are_well_placed_are_taken(text: str) -> None:
    assert len(check(text, ANY)) == 2 - text.startswith('"a,b')


# --- encodings ---------------------------------------------------------------------------------------------------


def test_a_utf8_header_of_a_single_byte_job_is_named() -> None:
    reason = refused("Name,Größe\n".encode(), dialect(NAMED, encoding="cp1252"))

    assert reason == "encoding: the header is UTF-8, but the job reads cp1252: save it as cp1252"


@pytest.mark.parametrize(
    ("text", "place"),
    [(b"Na\xffme,x\n", "at 2 of the name of column 1, 'Na"), (b"Name,\xff\n", "at 0 of the name of column 2")],
)
def test_a_header_that_does_not_decode_says_where(text: bytes, place: str) -> None:
    reason = refused(text, NAMED)

    assert reason.startswith("encoding: the header is not UTF-8: byte 0xff ")
    assert place in reason
    assert reason.endswith("save the file as UTF-8, or set the job's dialect.encoding to what it is")
