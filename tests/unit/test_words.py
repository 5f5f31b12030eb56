"""Plain words: where AWS or SRE practice has a word, texts use it, and not one that a reader has to think about."""

import re
import tokenize
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[2]
SOURCES: Final = ("tests", "libs", "services", "jobs", "tools", "local", "infra", "proof", "bench")
PAGES: Final = ("*.md", "docs/*.md", "docs/adr/*.md")
INSTEAD: Final = {
    r"by (?:itself|themselves)": "automatically, alone, on its own",
    r"in words": "with a reason, as text",
    r"w(?:akes?|oken) up": "starts, resumes",
    r"whoever": "name who: the Region, the caller, the operator",
    r"(?:is|are|be|been|ends?|goe?s?|reads?|served) well(?![\w-])": "healthy, succeeds",
    r"useless": "unhealthy",
    r"ill|sick": "unhealthy",
    r"convict\w*|forgiv\w*|mourn\w*|s[iu]ngs?": "declare unhealthy, recover, ignore, send",
    r"forg[eo]t\w*": "delete, drop, leave out",
    r"t(?:ells?|old) of": "send, list, notify, report",
    r"(?:goe?s?|went|gone|going) on(?! (?:record|past))": "continue",
    r"for ?ever|by and by": "without an end, later",
    r"of its own accord": "automatically",
    r"voices?|testimon\w+": "vote, source",
    r"(?:becom(?:es?|ing)|c[oa]mes?) of": "happens to, the outcome, the result",
    r"work(?:ed|s|ing)? off": "processed",
    r"tried on": "tried again",
    r"put(?:s|ting)? together": "assemble, build, join, combine",
    r"told (?:from|apart)": "distinguished",
    r"dice of": "drawn separately",
    r"(?:way|goe?s?|gone|went|brings?) home": "the switch back, returns to the home Region",
    r"for good": "permanently",
    r"st(?:ands?|ood|anding) still": "makes no progress, is not updated, waits",
    r"acts? on nothing": "does nothing, ignores",
    r"(?:calls|called) (?:somebody|a human)": "notifies an operator",
}
"""Expressions, whole words, and what to write in their place."""
FOUND: Final = re.compile(rf"\b(?:{'|'.join(INSTEAD)})\b", re.IGNORECASE)
_IDENTIFIER: Final = re.compile(r"[\"']\w+[\"']")
"""A string of one word is a key or a name."""
_PARTS: Final = {tokenize.COMMENT, tokenize.STRING, tokenize.FSTRING_MIDDLE}


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield comments and strings of a module with their lines."""
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in _PARTS and not _IDENTIFIER.fullmatch(token.string):
                yield token.start[0], token.string


def _said(text: str) -> list[str]:
    """Return what of a text is to be said in other words; names of code and commands are not prose."""
    return [found.group() for found in FOUND.finditer(re.sub(r"`[^`]*`", "", text))]


def test_texts_in_code_use_plain_words() -> None:
    paths = [
        path
        for top in SOURCES
        for path in (REPOSITORY / top).rglob("*.py")
        if "build" not in path.parts
        if path != Path(__file__)
    ]
    found = [
        f"{path.relative_to(REPOSITORY)}:{line}: {words}"
        for path in paths
        for line, text in _texts(path)
        if (words := _said(text))
    ]

    assert found == []
    assert len(paths) > 300


def test_pages_use_plain_words() -> None:
    paths = list(chain.from_iterable(REPOSITORY.glob(pattern) for pattern in PAGES))
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {words}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (words := _said(line))
    ]

    assert found == []
    assert len(paths) > 20


@pytest.mark.parametrize(
    "text",
    [
        "it fails over by itself",
        "ends FAILED in words",
        "Whoever reads it",
        "the others go on",
        "a Region that is well",
        "what came of a piece",
        "what becomes of batches",
        "the parts are put together",
    ],
)
def test_what_is_to_be_said_otherwise_is_noticed(text: str) -> None:
    assert _said(text)


@pytest.mark.parametrize("text", ["it is well-formed", "as well", "it goes on record", "still", "`baton forget`"])
def test_plain_words_are_left_alone(text: str) -> None:
    assert not _said(text)
