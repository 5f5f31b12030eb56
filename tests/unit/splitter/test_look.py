"""Text of another encoding than the job's is noticed however the file arrives, and honest text is let through."""

import time
import unicodedata

import pytest

from baton.errors import BatchFailed
from baton.foreign import HEAD_BYTES
from baton.job import Dialect
from splitter.look import HeadInspector


def look(body: bytes, *, encoding: str = "cp1252", block_bytes: int = 1_000) -> bytes:
    """Return what a look lets through of a whole file."""
    seen = HeadInspector(Dialect(encoding=encoding))
    blocks = [body[at : at + block_bytes] for at in range(0, len(body), block_bytes)]
    through = b"".join(map(seen.feed, blocks)) + seen.finish()
    seen.check_encoding()
    return through


def refused(body: bytes, *, encoding: str = "cp1252", block_bytes: int = 1_000) -> str:
    with pytest.raises(BatchFailed) as failed:
        look(body, encoding=encoding, block_bytes=block_bytes)
    return f"{failed.value.code}: {failed.value}"


VALID_BY_CHANCE = {
    "cp1250": "RÓŻOWY,PÓŁKA,RÓŻNE,VÝŽIVA,VÝŠKA,CÂŞTIG,NÍŽE,ROVNĚŽ,SÍŤ,PÍŠE,ZESPÓŁ,POZNAŃ\u2013BAR",
    "iso8859-2": "RÓŻNE,NÍŽE,ROVNĚŽ,PÍŠE,PÓŁKA,VÝŠKA",
    "cp1251": "ЕЁ,дії,её…",
    "cp1252": "NESTLÉ\u2019S,CAFÉ\u2013BAR,CAFÉ\u2019S,PIÙ\u2013BAR,PERCHÉ\u2019S,SANTÉ®",
    "cp866": "чек,чай,ёлка",
    "iso8859-5": "\u0425\u0410\u0422\u0410,ЯЛТА",
    "koi8-r": "её",
    "mac-roman": "Rue de l\u2019École,Pont de l\u2019École et rue de l\u2019Église",
}
"""Files with no other letters beyond ASCII are valid UTF-8 as well: `RÓŻNE` in cp1250 is `RӯNE`."""
_WEST = "Müller Größe Übung l\u2019École Noël à forêt garçon España mañana ¿Qué? camión Città è più"
_NORTH = "Malmö Åre Älvsjö öra Ærø København São Maçã Informação Ação"
_EAST = "Příbram Žluťoučký kůň ďábelské Škoda Čech město žena Győr tűz őr Székesfehérvár žitný Čadca"
_POLISH = "Różowy Zespół żółć Łódź Gdańsk Ściana Życie Źródło są być wąż Ósmy"
_RUSSIAN = "чек хата Москва ёлка моё Сочи кафе Привет мир Россия объект Ещё ПОДЪЁМ чай хляб"
_SIGNS = " 5\xa0°C 12°C 10\xa0000 £10 ±5"
WORDS = {
    "cp1250": f"{_EAST} {_POLISH}{_SIGNS} 10\xa0€".replace("£10 ", ""),
    "iso8859-2": f"{_EAST} {_POLISH} 12°C",
    "cp852": f"{_EAST} {_POLISH} 12°C",
    "cp1251": f"{_RUSSIAN} Київ Їжак рік Європа №5 ±5 12°C 10\xa0€",
    "cp866": f"{_RUSSIAN} №5 12°C",
    "iso8859-5": f"{_RUSSIAN} №5",
    "koi8-r": f"{_RUSSIAN} 12°C",
    "cp1252": f"{_WEST} {_NORTH}{_SIGNS} 10\xa0€",
    "iso8859-1": f"{_WEST.replace('\u2019', '')} {_NORTH}{_SIGNS}",
    "iso8859-15": f"{_WEST.replace('\u2019', '')} {_NORTH} 5\xa0°C 10\xa0€",
    "mac-roman": f"{_WEST} {_NORTH}{_SIGNS} 10\xa0€",
    "cp437": f"{_WEST.replace('\u2019', '').replace('ã', '')} Malmö Åre Älvsjö 12°C",
    "cp850": f"{_WEST.replace('\u2019', '')} {_NORTH} 12°C",
    "cp1253": "Ελλάδα Αθήνα Όλα Ύψος και Ήπειρος ΝΈΑ μήλο 12°C 10\xa0€",
    "iso8859-7": "Ελλάδα Αθήνα Όλα Ύψος και Ήπειρος ΝΈΑ μήλο 12°C",
    "cp1254": "İstanbul Çanakkale Şişli Ağa GÜL Gümüş DAĞ GÜÇ 10\xa0€ 12°C",
    "iso8859-9": "İstanbul Çanakkale Şişli Ağa GÜL Gümüş DAĞ GÜÇ 12°C",
    "cp1257": "Šiauliai Panevėžys Žemaitija ąžuolas ūkis įmonė Rīga Ķekava ēka Tõrva Põlva 12°C",
}


def variants(words: str, encoding: str) -> set[str]:
    """Return each word as it is and in capitals, with a sign behind it, as far as the encoding has it."""
    found = {f"{case}{sign}" for word in words.split(" ") for case in (word, word.upper()) for sign in ("", *SIGNS)}
    writable = {word for word in found if word.encode(encoding, "ignore").decode(encoding) == word}
    return {word for word in writable if not word.isascii()}


SIGNS = ("\u2026", "\u201d", "\xa020", "%", "\u2019s", "\u2013")
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
    assert "or set the job's dialect.encoding to utf-8" in reason
    assert "dialect.encoding_is_certain" in reason


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


UTF8_LINES = "1;Müller Österreich\n".encode() * 200


@pytest.mark.parametrize("block_bytes", [1, 7, 1_000_000])
@pytest.mark.parametrize(
    ("other", "places"),
    [(b"2;\xff\n", 1), ("2;Größe\n".encode("cp1252"), 2), ("2;Größe\n".encode("cp1252") * 100, 200), (b"2;\xc3\n", 1)],
)
def test_what_is_utf8_for_the_most_part_is_refused(other: bytes, places: int, block_bytes: int) -> None:
    reason = refused(b"a;b\n" + UTF8_LINES + other + b"3;x\n", block_bytes=block_bytes)

    assert f"the file is UTF-8 but for {places} place{'s' if places > 1 else ''} that cannot be decoded" in reason
    assert "dialect.encoding_is_certain" in reason


def test_a_few_lines_of_utf8_among_many_of_the_jobs_own_fail_nothing() -> None:
    body = b"a;b\n" + "1;Müller Österreich\n".encode("cp1252") * 200 + "2;Größe\n".encode()

    assert look(body) == body


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


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 1_000_000])
@pytest.mark.parametrize(("encoding", "words"), VALID_BY_CHANCE.items())
def test_words_that_are_valid_utf8_by_chance_are_let_through(encoding: str, words: str, block_bytes: int) -> None:
    for word in words.split(","):
        body = f"id;name\n1;ABC\n2;{word}\n3;abc\n".encode(encoding)

        assert body.decode("utf-8"), "it is no chance otherwise"
        assert look(body, encoding=encoding, block_bytes=block_bytes) == body, word


@pytest.mark.parametrize(("encoding", "words"), WORDS.items())
def test_words_are_let_through_in_the_jobs_encoding_and_refused_in_utf8(encoding: str, words: str) -> None:
    for word in variants(words, encoding):
        text = f"id;name\n1;ABC\n2;{word}\n3;abc\n"

        assert look(text.encode(encoding), encoding=encoding), word
        assert "UTF-8 throughout" in refused(text.encode(), encoding=encoding), word


@pytest.mark.parametrize("words", WORDS.values())
@pytest.mark.parametrize("encoding", WORDS)
def test_words_of_any_language_are_refused_in_utf8(encoding: str, words: str) -> None:
    assert "UTF-8 throughout" in refused("a\n{}\n".format("\n".join(words.split())).encode(), encoding=encoding)


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("cp1250", "DĹŽKA"), ("cp1252", "LÃ®"), ("cp1252", "PÅ\u2019S"), ("iso8859-5", "\u0422\u0410")],
)
def test_what_reads_as_well_either_way_is_refused_unless_the_job_is_certain(encoding: str, word: str) -> None:
    body = f"id;name\n1;{word}\n".encode(encoding)
    certain = HeadInspector(Dialect(encoding=encoding, encoding_is_certain=True))

    assert "dialect.encoding_is_certain" in refused(body, encoding=encoding)
    assert certain.feed(body) + certain.finish() == body
    certain.check_encoding()


def test_one_word_that_is_no_utf8_outweighs_all_others() -> None:
    body = ("a;b\n" + "1;DĹŽKA\n" * 1_000 + "2;KÔŇ\n").encode("cp1250")

    assert look(body, encoding="cp1250") == body


def test_words_add_up() -> None:
    body = "a;b\n1;Müller\n2;Größe\n".encode() + "3;CAFÉ\u2013BAR\n".encode("cp1252")

    assert "UTF-8 throughout" in refused(body)


def test_weighing_is_bounded_however_much_there_is() -> None:
    body = "Größe".encode() * 1_000_000
    started = time.process_time()

    assert "UTF-8 throughout" in refused(body, block_bytes=1_000_000)
    assert time.process_time() - started < 5, "to weigh all of it would take half a minute"


_LINES = "1;Müller;Größe;5 °C\n"


@pytest.mark.parametrize("block_bytes", [1_000, 100_003, 4 * 1024**2])
def test_most_of_a_file_decides_wherever_it_stands(block_bytes: int) -> None:
    due, other = _LINES.encode("cp1252"), _LINES.encode()
    begins, ends = due * 10_000 + other * 50_000, other * 10_000 + due * 50_000

    assert "UTF-8 for the most part" in refused(begins, block_bytes=block_bytes)
    assert look(ends, block_bytes=block_bytes) == ends


def test_what_a_sample_cuts_off_is_not_taken_for_broken() -> None:
    one_line = ("1;" + "Größe Müller " * 100_000).encode()

    for body in (_LINES.encode() * 100_000, one_line):
        assert "UTF-8 throughout" in refused(body, block_bytes=4 * 1024**2)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_utf8_is_nothing_to_say_where_it_cannot_be_misread(encoding: str) -> None:
    body = "a;b\n1;Müller\n".encode()

    assert look(body, encoding=encoding) == body


@pytest.mark.parametrize("mark", ["utf-16", "utf-32"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_mark_of_another_encoding_fails_the_file(mark: str, encoding: str) -> None:
    reason = refused("a;b\n1;2\n".encode(mark), encoding=encoding, block_bytes=1)

    name = encoding.replace("utf", "UTF")
    assert reason == f"encoding: a byte order mark says that the file is {mark.upper()}: save it as {name}"


def test_a_utf8_mark_contradicts_a_job_of_one_byte_per_character() -> None:
    reason = refused(b"\xef\xbb\xbfa;b\n1;2\n", block_bytes=1)

    assert reason.startswith("encoding: a byte order mark says that the file is UTF-8, but the job reads cp1252")


def test_a_utf8_mark_is_left_to_the_header_of_a_utf8_job() -> None:
    assert look(b"\xef\xbb\xbfa;b\n", encoding="utf-8") == b"\xef\xbb\xbfa;b\n"


@pytest.mark.parametrize("blank", [b"\n", b"\r\n" * 10_000, b"\n" * 4_090, b"\xef\xbb\xbf" + b"\n" * 5_000])
@pytest.mark.parametrize("block_bytes", [1, 1_000, 2**20])
def test_what_is_no_csv_is_told_behind_blank_lines(blank: bytes, block_bytes: int) -> None:
    assert refused(blank + b'{"a":1}\n' * 9, encoding="utf-8", block_bytes=block_bytes).startswith("not_csv")


@pytest.mark.parametrize("block_bytes", [7, 2**20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_blank_lines_are_not_held_back(block_bytes: int, mark: bytes) -> None:
    seen = HeadInspector(Dialect())
    assert not seen.feed(mark[:2])
    assert seen.feed(mark[2:] + b"\n" * 5_000) == mark + b"\n" * 5_000

    body = mark + b"\r\n" * 10_000 + b"a,b\n1,2\n"

    assert look(body, encoding="utf-8", block_bytes=block_bytes) == body


@pytest.mark.parametrize(
    ("body", "columns"),
    [
        (b'"text"', ["text"]),
        (b"[x]\na=1\n", ["[x]"]),
        (b"\xef\xbb\xbf\r\n<x>\r\n<y>1</y>\r\n", ["<x>"]),
        (b"null", ["null"]),
        (b'{"a": 1},b\n1,2\n', ["b", '{"a": 1}']),
    ],
)
def test_a_header_that_names_the_columns_is_a_header_whatever_it_looks_like(body: bytes, columns: list[str]) -> None:
    due = HeadInspector(Dialect(), columns)
    assert due.feed(body) + due.finish() == body

    other = HeadInspector(Dialect(), ["other"])
    with pytest.raises(BatchFailed, match="this is not CSV text"):
        assert not other.feed(body) + other.finish()


def test_blank_lines_are_no_part_of_what_is_looked_at() -> None:
    assert refused(b"\n" * HEAD_BYTES + b'{"a":1}', encoding="utf-8", block_bytes=HEAD_BYTES + 1).startswith("not_csv")
