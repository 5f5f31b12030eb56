"""Recognises text of other forms: messages, dumps of databases, settings, programs, uploads in their wrapping."""

import re
from typing import Final

from baton.foreign.kinds import DECODE, EXPORT, FETCH, INSTEAD, SAVE_SHEET, USUAL_DELIMITERS, Foreign, is_table

_NAME: Final = rb"[\w.`\"\[\]]+"
# Nothing of a comment is given back: else text that is no SQL would be tried with each way to divide its comments.
_SQL_COMMENTS: Final = rb"(?:(?:--[^\n]*+\n|/\*(?:(?!\*/).){,400}+\*/;?)\s*+)*"
_SQL: Final = (
    rb"--\s*(?:MySQL dump|MariaDB dump|PostgreSQL database|phpMyAdmin|Adminer|Dump(?:ing|ed) |HeidiSQL|Table structure)"
    rb"|(?:CREATE|DROP|ALTER)\s+(?:\w+\s+){,3}?(?:TABLE|DATABASE|SCHEMA)\s+"
    rb"(?:IF\s+(?:NOT\s+)?EXISTS\s|" + _NAME + rb"\s*(?:\(|;\s*[\r\n])|" + _NAME + rb"\s+(?:AS|ADD|CHARACTER)\s)"
    rb"|INSERT\s+(?:IGNORE\s+|OR\s+\w+\s+)?INTO\s+" + _NAME + rb"\s*(?:\(|VALUES|SELECT)"
    rb"|START TRANSACTION;\s|PRAGMA\s+\w+\s*=|LOCK TABLES\s+`"
    rb"|COPY\s+" + _NAME + rb"\s*(?:\([^)]*\)\s*)?FROM\s+stdin"
)
_SQL_WORDS: Final = (
    rb"(?:CREATE|DROP|ALTER)\s+(?:\w+\s+){,3}?(?:VIEW|INDEX|SEQUENCE|TYPE|FUNCTION|PROCEDURE)\s+"
    rb"(?:IF\s+(?:NOT\s+)?EXISTS\s|" + _NAME + rb"\s*(?:\(|;\s*[\r\n])|" + _NAME + rb"\s+(?:AS|ADD|CHARACTER)\s)"
    rb"|SET\s+(?:NAMES\s|(?:statement_timeout|SQL_MODE|NOCOUNT|IDENTITY_INSERT|search_path|client_encoding)\b|@)"
    rb"|BEGIN(?:\s+TRANSACTION|\s+WORK)?;\s*(?:CREATE|INSERT|PRAGMA|DROP|COPY)\s|USE\s+[`\[]\w+[`\]]"
    rb"|(?:UPDATE\s+" + _NAME + rb"\s+SET|(?:DELETE\s+FROM|TRUNCATE\s+TABLE|REPLACE\s+INTO)\s+" + _NAME + rb")\s*[\s;(]"
)
_ERROR: Final = "an error message of a program"
_MAIL: Final = "a mail"
_PROGRAM_IN_SQL: Final = "a dump of a database, or another program in SQL"
_HEADED: Final = "a mail, or an answer of a web server, with its headers"
_ATTACHED: Final = "send the file that is attached to it"
_JSON_BELOW_COMMENTS: Final = rb"(?://[^\n]*\n\s*)+(?:\{\s*\"(?:[^\"\\\n]|\\.)*\"\s*:|\[\s*\{)"
_YAML_KEY: Final = rb"[\w\"'./$-]+:"
_YAML: Final = (
    # A list of mappings, or a key with a list or a mapping of two lines at least, which a column's name never has.
    rb"(?:#[^\n]*\n\s*)*(?:- " + _YAML_KEY + rb" [^\n]*\n  " + _YAML_KEY + rb"[ \r\n]"
    rb"|(?:" + _YAML_KEY + rb" [^\n]*\n)*+" + _YAML_KEY + rb"[ ]*\r?\n"
    rb"(?:[ ]+(?:- [^\n0-9]|" + _YAML_KEY + rb"[ \r\n])[^\n]*\n?){2})"
)
_TOML: Final = rb"(?:#[^\n]*\n|\s|[\w.-]+[ \t]*=[^\n]*\n)*+\[[^\]\r\n]+\][ \t]*\r?\n\s*[\w.-]+[ \t]*="
_CERTAIN: Final = (
    (_SQL_COMMENTS + rb"(?:" + _SQL + rb")", re.IGNORECASE, _PROGRAM_IN_SQL, EXPORT),
    (rb"MIME-Version:[ ]?1\.0\s*[\r\n]|From: <Saved by ", 0, "a web archive (.mht), as Excel saves too", SAVE_SHEET),
    (rb"--[^\r\n]{1,100}\r?\nContent-[A-Z][\w-]+:", re.IGNORECASE, "an upload form as a browser sends it", INSTEAD),
    (rb"[0-9a-f]{1,8};chunk-signature=[0-9a-f]{64}\r\n", 0, "an upload whose wrapping was kept (aws-chunked)", INSTEAD),
    (rb"BEGIN:V(?:CARD|CALENDAR|EVENT)\s", re.IGNORECASE, "an address book or a calendar", EXPORT),
    (rb"(?:version:\s*1\s+)?dn::? ?\w+=", 0, "a dump of a directory (LDIF)", EXPORT),
    (rb"WARC/[0-9.]+\r?\n", 0, "a web archive (.warc)", EXPORT),
    (rb"TABLE\r?\n0,1\r?\n\"", 0, "a DIF sheet (.dif)", SAVE_SHEET),
    (rb"%YAML\s|---[ \t]*(?:#[^\n]*)?\r?\n(?:#[^\n]*\n|\s)*(?:- |[\w\"'.$/-]+:[ \r\n])", 0, "YAML", EXPORT),
    (rb"Windows Registry Editor Version|REGEDIT4\s", 0, "a part of Windows' registry", EXPORT),
    (rb"diff --git a/|(?:Index: [^\n]*\n=+\r?\n)?--- [^\n]+\n\+\+\+ [^\n]+\n@@ ", 0, "a patch", INSTEAD),
    (rb"#!\s*/(?:usr/)?(?:local/)?s?bin/|<\?(?:php\b|=)|<%@", re.IGNORECASE, "a program", INSTEAD),
    (rb"Traceback \(most recent call last\):|Exception in thread \"", 0, _ERROR, FETCH),
    (_JSON_BELOW_COMMENTS, 0, "JSON below comments", EXPORT),
    (rb"(?:%[^\n]*\n|\s)*@relation\s[^\n]*\n\s*@attribute\s", re.IGNORECASE, "a data set of Weka (ARFF)", EXPORT),
    (rb"\\(?:documentclass\b|begin\{[a-z]+\*?\})", 0, "a document in LaTeX", EXPORT),
    (rb"UNA.{5,6}\s*UN[BGH][+:]|UNB\+UNO[A-Z]|ISA([*|~^])[0-9]{2}\1.{10}\1|MSH\|\^~\\&\|", 0, "an EDI message", EXPORT),
    (rb"data:[\w/.+-]*(?:;[\w.=-]+)*;base64,", 0, "text in Base64", DECODE),
    (rb"(?:H4sI|UEsDB|JVBERi0|UEFSMQ|0M8R4KGx)[A-Za-z0-9+/]{40}", 0, "a packed file in Base64", DECODE),
    (rb"begin(?:-base64)? [0-7]{3} [^\n]+\n[ -`]{1,61}\r?\n", 0, "a file in uuencode", DECODE),
)
"""Begins no table, whatever follows."""
_HEADERS: Final = (
    rb"(?:Received|Return-Path|Delivered-To|Message-ID|From|To|Subject|Date|Reply-To|Content-Type|Content-Disposition"
    rb"|Content-Transfer-Encoding|Content-Length|DKIM-Signature|Authentication-Results|MIME-Version|Server|Set-Cookie"
    rb"|Cache-Control|Location|Sender|Cc|Bcc|In-Reply-To|References|User-Agent|(?:X|ARC|List|Thread)-[\w-]+)"
)
_UNLESS_TABLE: Final = (
    (_SQL_COMMENTS + rb"(?:" + _SQL_WORDS + rb")", re.IGNORECASE, _PROGRAM_IN_SQL, EXPORT),
    (rb">?From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,]", 0, _MAIL, _ATTACHED),
    (rb"HTTP/[0-9.]+ [1-5][0-9]{2}[ \r\n]", 0, "an answer of a web server with its headers", FETCH),
    (rb"(?:PHP )?(?:Warning|Fatal error|Notice|Deprecated):[^\n]* on line [0-9]", 0, _ERROR, FETCH),
    (_HEADERS + rb": [^\n]*\n(?:[ \t][^\n]*\n)*[A-Z][\w-]*:[ \r\n]", re.IGNORECASE, _HEADED, FETCH),
    (
        rb"(?:[;#][^\n]*\n\s*)*\[[^\]\r\n]+\][ \t]*\r?\n(?:\s*[;#][^\n]*\n)*\s*[^=\s\[][^=\n]*=",
        0,
        "a file of settings (INI)",
        EXPORT,
    ),
    (_TOML, 0, "a file of settings (TOML)", EXPORT),
    (_YAML, 0, "YAML", EXPORT),
)
"""Begins tables too: `Use [kWh],Cost [EUR]`, `From: a;To: b`, a column `[x]` of values `a=1`."""
_TOLD, _TOLD_UNLESS_TABLE = (
    tuple((re.compile(form, re.DOTALL | flags), Foreign(what, remedy)) for form, flags, what, remedy in forms)
    for forms in (_CERTAIN, _UNLESS_TABLE)
)


def form_of(text: bytes, *, delimiter: int) -> Foreign | None:
    """Return what a text is that begins like this, without white space before it; None if it may be CSV."""
    told = next((foreign for form, foreign in _TOLD if form.match(text)), None)
    if told:
        return told
    told = next((foreign for form, foreign in _TOLD_UNLESS_TABLE if form.match(text)), None)
    return None if told is None or is_table(text, bytes([delimiter]) + USUAL_DELIMITERS) else told
