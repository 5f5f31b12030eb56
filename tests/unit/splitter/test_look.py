"""Text of another encoding than the job's is noticed however the file arrives, and honest text is let through."""

import unicodedata

import pytest

from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES
from baton.job import Dialect
from splitter.look import Look


def look(body: bytes, *, encoding: str = "cp1252", block_bytes: int = 1_000) -> bytes:
    """Return what a look lets through of a whole file."""
    seen = Look(Dialect(encoding=encoding))
    blocks = [body[at : at + block_bytes] for at in range(0, len(body), block_bytes)]
    return b"".join(map(seen.feed, blocks)) + seen.finish()


def refused(body: bytes, *, encoding: str = "cp1252", block_bytes: int = 1_000) -> str:
    with pytest.raises(BatchFailed) as failed:
        look(body, encoding=encoding, block_bytes=block_bytes)
    return f"{failed.value.code}: {failed.value}"


FAR_BELOW = b"id;name\n" + b"1;Meyer\n" * 10_000


@pytest.mark.parametrize("block_bytes", [1, 7, 1_000, 1_000_000])
@pytest.mark.parametrize("body", [b"", b"a", b"a,b\n1,2\n", b"x" * HEAD_BYTES, b"a;b\n" * HEAD_BYTES])
def test_every_byte_comes_through_once_and_in_order(body: bytes, block_bytes: int) -> None:
    assert look(body, block_bytes=block_bytes) == body


@pytest.mark.parametrize("text", ["Müller", "Łódź", "Ελλάδα", "Москва", "東京", "5 °C", "10 €", "10 Ω", "😀", "שלום"])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp1250", "koi8-r", "mac-roman"])
def test_utf8_without_a_mark_is_named_though_it_decodes(encoding: str, text: str) -> None:
    reason = refused(FAR_BELOW + f"1;{text}\n".encode(), encoding=encoding)

    assert reason.startswith("encoding: the file is UTF-8 throughout, but the job reads ")
    assert reason.endswith("or set the job's dialect.encoding to utf-8")


@pytest.mark.parametrize("block_bytes", range(1, 9))
def test_a_character_cut_by_the_blocks_is_one_character(block_bytes: int) -> None:
    assert "UTF-8 throughout" in refused("a;b\n1;😀é\n".encode(), block_bytes=block_bytes)


def test_a_character_cut_by_the_end_of_the_file_does_not_make_it_another_encoding() -> None:
    assert "UTF-8 throughout" in refused("a;b\n1;Müller\n2;Österreich".encode()[:-8] + b"\xc3")


@pytest.mark.parametrize("block_bytes", [*range(1, 9), 1_000_000])
@pytest.mark.parametrize("text", ["Iași", "Rəna", "3 Ștefan, Ștefan, Ștefan"])
def test_letters_that_stand_alone_show_it_inside_a_word_or_before_three(text: str, block_bytes: int) -> None:
    assert "UTF-8 throughout" in refused(f"id;oras\n1;{text}\n".encode(), block_bytes=block_bytes)


@pytest.mark.parametrize("block_bytes", [*range(1, 9), 1_000_000])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "iso8859-15", "cp1250", "iso8859-2"])
@pytest.mark.parametrize("text", ["José", "Genève è", "Dvořák", "Zoë", "Iñaki", "Garça", "Škoda Å sů"])
def test_decomposed_accents_show_it_wherever_they_stand(text: str, encoding: str, block_bytes: int) -> None:
    body = unicodedata.normalize("NFD", f"id;name\n1;{text}\n").encode()

    assert "UTF-8 throughout" in refused(body, encoding=encoding, block_bytes=block_bytes)


@pytest.mark.parametrize("end", ["", "\n", "\r\n", ";2\n", " x\n", ".\n"])
@pytest.mark.parametrize("text", ["Bucureș", "Galaț", "Jose\u0301", "Andre\u0300"])
def test_a_letter_that_ends_a_word_shows_it(text: str, end: str) -> None:
    for encoding in ("cp1252", "latin-1"):
        assert "UTF-8 throughout" in refused(f"id;oras\n1;{text}{end}".encode(), encoding=encoding)


@pytest.mark.parametrize("text", ["Spaß®", "groß“", "Fuß»", "4x\xd7°", "n\xd7¼", "aÇš", "E®", "Ø\xa020"])
def test_no_capital_with_a_sign_behind_a_small_letter_shows_nothing(text: str) -> None:
    body = ("a;b\n" + f"1;{text}\n" * 100).encode("cp1252")

    assert look(body) == body


def test_a_character_that_a_block_begins_and_text_goes_on_without_refutes_it() -> None:
    seen = Look(Dialect(encoding="cp1252"))
    blocks = ["a;b\n1;Müller\n2;".encode() + b"\xc3", b"\n3;x\n"]

    assert b"".join(map(seen.feed, blocks)) + seen.finish() == b"".join(blocks)


@pytest.mark.parametrize("block_bytes", [1, 3, 1_000_000])
@pytest.mark.parametrize("text", ["NESTLÉ®", "Ø\xa020", "Ø\xa0ext. 20", "QUALITÉ\xa0PREMIUM", "«\xa0É»"])
def test_a_sign_after_a_letter_is_let_through_however_often(text: str, block_bytes: int) -> None:
    body = ("a;b\n" + f"1;{text}\n" * 100).encode("cp1252")

    assert look(body, block_bytes=block_bytes) == body


@pytest.mark.parametrize(
    "text", ["Müller", "CAFÉ®", "Ø\xa020", "4\xd7\xa05 mm", "«\xa0été\xa0»", "5 °C", "10 €", "„groß“", "É»"]
)
def test_honest_text_of_one_byte_per_character_is_let_through(text: str) -> None:
    body = FAR_BELOW + f"1;{text}\n".encode("cp1252")

    assert look(body) == body


@pytest.mark.parametrize(
    "encoding", ["cp1250", "cp1251", "cp1253", "cp1255", "cp1257", "koi8-r", "iso8859-9", "cp850", "cp874"]
)
def test_every_letter_of_a_code_page_is_let_through(encoding: str) -> None:
    letters = [c for c in bytes(range(128, 256)).decode(encoding, "ignore") if c.isalpha()]
    body = ("a;b\n" + "".join(f"1;x{letter}y\n" for letter in letters)).encode(encoding)

    assert look(body, encoding=encoding) == body


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_utf8_is_nothing_to_say_where_it_cannot_be_misread(encoding: str) -> None:
    body = "a;b\n1;Müller\n".encode()

    assert look(body, encoding=encoding) == body


@pytest.mark.parametrize("mark", ["utf-16", "utf-32"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_mark_of_another_encoding_fails_the_file(mark: str, encoding: str) -> None:
    reason = refused("a;b\n1;2\n".encode(mark), encoding=encoding, block_bytes=1)

    assert reason == f"encoding: a byte order mark says that the file is {mark.upper()}: save it as {encoding}"


def test_a_utf8_mark_contradicts_a_job_of_one_byte_per_character() -> None:
    reason = refused(b"\xef\xbb\xbfa;b\n1;2\n", block_bytes=1)

    assert reason.startswith("encoding: a byte order mark says that the file is UTF-8, but the job reads cp1252")


def test_a_utf8_mark_is_left_to_the_header_of_a_utf8_job() -> None:
    assert look(b"\xef\xbb\xbfa;b\n", encoding="utf-8") == b"\xef\xbb\xbfa;b\n"
