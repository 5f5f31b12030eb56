"""A name is shown completely, with no character that hides others."""

import pytest

from baton.shown import NAME_CHARACTERS_MAX, shown


@pytest.mark.parametrize(
    "letter",
    [
        *("\u00ad", "\u034f", "\u061c", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180e", "\u180f", "\u200b"),
        *("\u202e", "\u2060", "\u2065", "\u2800", "\u3164", "\ufe00", "\ufe0f", "\ufeff", "\uffa0", "\ufff0"),
        *("\U0001bca0", "\U0001d173", "\U000e0001", "\U000e0100", "\U000e01ef", "\n", "\x1b", "\xa0"),
    ],
    ids=ascii,
)
def test_a_character_that_hides_itself_is_shown_as_python_writes_it(letter: str) -> None:
    assert shown(f"x{letter}y.csv") == f"x{ascii(letter)[1:-1]}y.csv"


@pytest.mark.parametrize("name", ["Müller & Söhne.csv", "e\u0301te\u0301.csv", "東京.csv", "한국어.csv", "😀.csv"])
def test_what_is_seen_is_shown_as_it_is(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize("letter", ["x", "\u202e", "😀"], ids=ascii)
def test_a_name_is_as_long_as_a_line_has_room_for(letter: str) -> None:
    whole, cut = shown(letter * 10_000, most=None), shown(letter * 10_000)

    assert len(whole) == 10_000 * len(shown(letter))
    assert (len(cut), cut[-1]) == (NAME_CHARACTERS_MAX, "…")
    assert whole.startswith(cut[:-1])
    assert shown("x" * NAME_CHARACTERS_MAX) == "x" * NAME_CHARACTERS_MAX
