"""Object names that S3 accepts, and that software on the way might not."""

from typing import Final

from baton.model.paths import INPUT

_CONTROLS: Final = "".join(map(chr, (*range(0x01, 0x20), 0x7F, 0x85, 0x9F)))
_NAMES: Final = {
    "controls": f"all {_CONTROLS}.csv",
    "bell": "bell\a.csv",
    "tab": "tab\t.csv",
    "line feed last": "end\n",
    "percent": "100%.csv",
    "percent twice": "%2525%41.csv",
    "plus and blank": "a+b c.csv",
    "only a blank": " ",
    "ampersand": "a&b=c;d.csv",
    "question": "what?versionId=null.csv",
    "fragment": "a#b.csv",
    "dots": "a/../b/./c.csv",
    "dots first": "../up.csv",
    "empty folders": "a//b///c.csv",
    "slash first": "/lead.csv",
    "blank last": "trail .csv ",
    "dot last": "trail.",
    "backslash": "a\\b.csv",
    "markup": "<b>&amp;]]>'\".csv",
    "composed": "\u00fc.csv",
    "decomposed": "u\u0308.csv",
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f3f3\ufe0f.csv",
    "right to left": "\u202egpj.csv",
    "line separators": "a\u2028b\u2029c.csv",
    "line ends": "a\r\nb\nc\rd.csv",
    "no character": "\ufffe\uffff.csv",
    "private": "\ue007\U000f0000.csv",
    "byte order mark": "\ufeffa.csv",
    "braces": "{a}|^`~[b]$,@:!*().csv",
    "soft hyphen": "a\u00adb.csv",
}


def odd_keys(job: str) -> list[str]:
    """Return input keys of that job: each kind of name once, and one of as many bytes as S3 takes."""
    below = f"{INPUT}{job}/"
    longest = "\u00e9" * ((1_024 - len(below)) // 2)
    return [below + name for name in (*_NAMES.values(), longest)]
