"""Keys of reference data are the same for who loads a table and for who looks them up."""

import unicodedata
from typing import Final

import polars as pl

from baton.encoding import composed_key
from baton.job import Lookup
from worker.reference import composed_keys, prepare_reference

_SURROGATES: Final = range(0xD800, 0xE000)


def _decomposed_by_polars() -> pl.Series:
    """Return every character as polars takes it apart, which may know a later Unicode than Python does."""
    characters = [chr(number) for number in range(0x110000) if number not in _SURROGATES]
    return pl.Series(characters).str.normalize("NFD")


def test_every_character_is_composed_as_it_is_where_tables_are_loaded() -> None:
    keys = _decomposed_by_polars()

    found = composed_keys(keys)

    assert [hex(ord(key[0])) for key, wanted in zip(found, map(composed_key, keys), strict=True) if key != wanted] == []


def test_keys_that_were_loaded_as_two_stay_two() -> None:
    keys = _decomposed_by_polars()
    later = keys.filter(keys.str.normalize("NFC") != pl.Series(map(composed_key, keys), dtype=pl.String)).to_list()
    rows = {form: {"name": form} for apart in later for form in (apart, *pl.Series([apart]).str.normalize("NFC"))}

    frame = prepare_reference(rows, Lookup(dataset="d", key="k", columns=("name",))).frame

    assert dict(frame.select("key", "r0").iter_rows()) == {key: row["name"] for key, row in rows.items()}


def test_the_keys_that_were_given_stay_as_they_were() -> None:
    apart = unicodedata.normalize("NFD", "Köln")
    keys = pl.Series(["Bonn", apart, None, apart * 2_000], dtype=pl.String)

    found = composed_keys(keys)

    assert found.to_list()[:3] == ["Bonn", "Köln", None]
    assert keys.to_list() == ["Bonn", apart, None, apart * 2_000]
