"""CSV as bytes: finds where records begin and end, without ever cutting inside a quoted field.

Two passes over a file, both at several gigabytes a second: the splitter's `Scanner` finds byte ranges of whole records,
the worker's `cut` takes one range apart. `HeaderReader` and `fields` are the exact reading of single records.

What a record is:

* LF outside quotes ends a record; a CR right before it belongs to the terminator. The end of input ends the last one.
* A line without a byte, or with nothing but the CR of its CRLF, is blank: no record, not counted, anywhere.
* A quote opens a quoted field only at the start of a field. Inside, two quotes are a literal one; a quote followed by
  anything else closes the quoted part, and what follows is text up to the next delimiter or record end.
* In text, quotes are literal and a CR that is not before LF is a byte like any other. Such records have well-defined
  boundaries, but `cut` reports a lone CR and text after a closing quote as defects.
"""

from baton.csv.cutter import Cut, cut
from baton.csv.defects import DEFECT_CODES, Defect, Defects, RecordDefect
from baton.csv.header import Header, HeaderReader
from baton.csv.records import fields
from baton.csv.scanner import Range, Scan, Scanner
from baton.csv.syntax import RECORD_BYTES_MAX, CsvDefect, Syntax

__all__ = [
    "DEFECT_CODES",
    "RECORD_BYTES_MAX",
    "CsvDefect",
    "Cut",
    "Defect",
    "Defects",
    "Header",
    "HeaderReader",
    "Range",
    "RecordDefect",
    "Scan",
    "Scanner",
    "Syntax",
    "cut",
    "fields",
]
