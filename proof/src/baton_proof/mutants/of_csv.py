"""Mutants of the code that reads CSV and encodings."""

from typing import Final

from baton_proof.mutants.run import Mutant

_BATON: Final = "libs/baton/src/baton/"

MUTANTS: Final = (
    Mutant(
        "blank lines of CRLF before a header are kept",
        _BATON + "csv/header.py",
        'rb"\\n*+(?:\\r\\n\\n*+)*+"',
        'rb"\\n*+"',
        "tests/unit/csv/test_csv_header.py::test_header_is_found_behind_mark_and_blank_lines",
    ),
    Mutant(
        "a chunk holds any number of records",
        _BATON + "csv/scanner.py",
        "min(int(np.searchsorted(stops, limit)), last_by_count)",
        "int(np.searchsorted(stops, limit))",
        "tests/unit/csv/test_csv_scan.py::test_range_ends_with_the_record_that_makes_its_number",
    ),
    Mutant(
        "no range ends by its records alone",
        _BATON + "csv/scanner.py",
        "return self._records - self._records_in_ranges + found >= self._chunk_records",
        "return False",
        "tests/unit/csv/test_csv_scan.py::test_range_ends_with_the_record_that_makes_its_number",
    ),
    Mutant(
        "any line between makes a record swallow lines",
        _BATON + "csv/lines.py",
        "telling & (10 * between_like >= 9 * between)",
        "telling",
        "tests/unit/csv/test_csv_swallowed.py::test_honest_text_in_several_lines_is_left_alone",
    ),
    Mutant(
        "UTF-32 is told as UTF-16, whose mark it begins with",
        _BATON + "encoding.py",
        '    (codecs.BOM_UTF32_LE, "UTF-32"),  # before UTF-16, whose mark it begins with\n',
        "",
        "tests/unit/model/test_encoding.py::test_a_byte_order_mark_names_its_encoding",
    ),
    Mutant(
        "a byte order mark stays with the first name",
        _BATON + "csv/header.py",
        "        if not block.startswith(BOM_UTF8):\n            return block\n",
        "        return block\n",
        "tests/unit/csv/test_csv_header.py::test_header_is_found_behind_mark_and_blank_lines",
    ),
    Mutant(
        "a byte order mark does not count where the data begins",
        _BATON + "csv/header.py",
        "        self._start = len(BOM_UTF8)\n        return block[self._start :]",
        "        return block[len(BOM_UTF8) :]",
        "tests/unit/csv/test_csv_header.py::test_header_is_found_behind_mark_and_blank_lines",
    ),
    Mutant(
        "blank lines make a chunk longer than its bound",
        _BATON + "csv/scanner.py",
        "            if starts[i] >= limit:",
        "            if starts[i] < 0:",
        "tests/unit/csv/test_csv_scan.py::test_blank_lines_never_make_a_range_longer_than_its_bound",
    ),
    Mutant(
        "blank lines are records",
        _BATON + "csv/scanner.py",
        "ends = self._without_blank(block, structure.ends, has_crs=has_crs)",
        "ends = structure.ends",
        "tests/unit/csv/test_csv_scan.py::test_no_data_is_one_range_without_a_byte",
    ),
    Mutant(
        "a block without a CR ends no line that a CR began",
        _BATON + "csv/scanner.py",
        "if after_cr or (has_crs and any_set(",
        "if has_crs and (any_set(",
        "tests/unit/csv/test_csv_reference.py",
    ),
    Mutant(
        "a block's own CRs alone make a blank line",
        _BATON + "csv/scanner.py",
        "if after_cr or (has_crs and any_set(",
        "if after_cr or (False and any_set(",
        "tests/unit/csv/test_csv_scan.py::test_no_data_is_one_range_without_a_byte",
    ),
    Mutant(
        "a block has no quotes unless one stands in its first half",
        _BATON + "csv/scanner.py",
        "(data.find(byte, start, stop) >= 0 for byte",
        "(data.find(byte, start, start + (stop - start) // 2) >= 0 for byte",
        "tests/unit/csv/test_csv_reference.py",
    ),
    Mutant(
        "two lines of the right look are never a swallowed record",
        _BATON + "csv/lines.py",
        "telling = (number(edge & like) == _EDGES) &",
        "telling = (number(edge & like) > _EDGES) &",
        "tests/unit/csv/test_csv_swallowed.py::test_record_that_swallowed_lines_is_a_defect_with_their_number",
    ),
    Mutant(
        "three lines within a record of many columns tell nothing",
        _BATON + "csv/lines.py",
        "    telling |= (between_like >= _LINES_MANY) & many_columns\n",
        "",
        "tests/unit/csv/test_csv_swallowed.py::test_record_that_swallowed_lines_is_a_defect_with_their_number",
    ),
    Mutant(
        "a record with just the delimiters of two lines is not looked into",
        _BATON + "csv/lines.py",
        "    could = found >= ",
        "    could = found > ",
        "tests/unit/csv/test_csv_swallowed.py::test_record_that_swallowed_lines_is_a_defect_with_their_number",
    ),
    Mutant(
        "a defective record needs the delimiters of two lines as well",
        _BATON + "csv/lines.py",
        "np.where(defective, 1, _EDGES)",
        "_EDGES",
        "tests/unit/csv/test_csv_swallowed.py::test_one_line_in_a_record_that_is_defective_anyway_is_enough",
    ),
    Mutant(
        "a record whose writer sets blanks after commas has prose",
        _BATON + "csv/lines.py",
        "    prose[_is_spaced(quoted, records, before_blank)[owner]] = 0\n",
        "",
        "tests/unit/csv/test_csv_swallowed.py::test_record_that_swallowed_lines_is_a_defect_with_their_number",
    ),
    Mutant(
        "a dense bitmap has no positions",
        _BATON + "csv/bits.py",
        "    if 2 * at.size > octets.size:\n        return np.flatnonzero(",
        "    if 2 * at.size > octets.size:\n        return np.flatnonzero(0 & ",
        "tests/unit/csv/test_csv_reference.py",
    ),
    Mutant(
        "commas in prose count as delimiters",
        _BATON + "csv/lines.py",
        "    return found - prose\n",
        "    return found\n",
        "tests/unit/csv/test_csv_swallowed.py::test_honest_text_in_several_lines_is_left_alone",
    ),
    Mutant(
        "a range may go on past the end of a block that ends at its size",
        _BATON + "csv/scanner.py",
        "if self._range_start is None or end >= self._range_start",
        "if self._range_start is None or end > self._range_start",
        "tests/unit/csv/test_csv_scan.py",
        equivalent="the next record begins at the bound, which closes the range before it as after blank lines",
    ),
)
