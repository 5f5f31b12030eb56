"""Mutants of the splitter."""

from typing import Final

from baton_proof.mutants.run import Mutant

_SPLITTER: Final = "services/splitter/src/splitter/"

MUTANTS: Final = (
    Mutant(
        "names are compared as they are written",
        _SPLITTER + "header.py",
        "spelling.get(composed(name), name)",
        "spelling.get(name, name)",
        "tests/unit/splitter/test_header.py::test_names_are_the_same_in_composed_and_in_decomposed_letters",
    ),
    Mutant(
        "a byte order mark is not looked at",
        _SPLITTER + "look.py",
        "        _check_mark(head, self._dialect)\n",
        "",
        "tests/unit/splitter/test_look.py::test_a_mark_of_another_encoding_fails_the_file",
    ),
    Mutant(
        "UTF-8 is read as one byte per character",
        _SPLITTER + "look.py",
        "told = self._utf8.told() if self._utf8 else None",
        "told = self._utf8.told() if self._utf8 and self._head else None",
        "tests/unit/splitter/test_look.py::test_a_character_cut_by_the_blocks_is_one_character",
    ),
    Mutant(
        "whatever is valid UTF-8 is taken for UTF-8",
        _SPLITTER + "look.py",
        "or as_utf8 > as_due:",
        "or as_utf8 > as_utf8 + as_due:",
        "tests/unit/splitter/test_look.py::test_words_that_are_valid_utf8_by_chance_are_let_through",
    ),
    Mutant(
        "a broken byte refutes a whole file of UTF-8",
        _SPLITTER + "look.py",
        "if not self._as_utf8.decoded or as_utf8 > as_due:",
        "if not self._as_utf8.decoded or self._as_utf8.undecoded or as_utf8 > as_due:",
        "tests/unit/splitter/test_look.py::test_what_is_utf8_for_the_most_part_is_refused",
    ),
    Mutant(
        "the beginning of a file decides on its encoding",
        _SPLITTER + "look.py",
        "self._every *= 2",
        "self._every = 2**40",
        "tests/unit/splitter/test_look.py::test_most_of_a_file_decides_wherever_it_stands",
    ),
    Mutant(
        "a header in the job's encoding does not show the encoding",
        _SPLITTER + "domain.py",
        "if self._job.columns is not None and not header.line.isascii():",
        "if self._job.columns is None and not header.line.isascii():",
        "tests/unit/splitter/test_splitter_planner.py::test_a_header_that_names_the_columns_shows_the_encoding",
    ),
    Mutant(
        "a chunk is as large as its file needs",
        _SPLITTER + "domain.py",
        "if self._chunk_bytes > max(chunk_bytes, chunk_bytes_max):",
        "if self._chunk_bytes < 0:",
        "tests/unit/splitter/test_splitter_planner.py::test_file_whose_chunks_no_worker_could_hold_fails_before_it_is_read",
    ),
    Mutant(
        "what is no CSV text is read all the same",
        _SPLITTER + "look.py",
        "if foreign and not self._begins_with_header(first):",
        "if foreign and not head:",
        "tests/pipeline/test_odd_files.py::test_it_fails_with_its_reason_and_nothing_is_published",
    ),
    Mutant(
        "a header that looks like something else is none",
        _SPLITTER + "look.py",
        "if foreign and not self._begins_with_header(first):",
        "if foreign:",
        "tests/unit/splitter/test_look.py::test_a_header_that_names_the_columns_is_a_header_whatever_it_looks_like",
    ),
    Mutant(
        "blank lines hide what is no CSV text",
        _SPLITTER + "look.py",
        "seen_bytes = len(_behind_blank_lines(self._head))",
        "seen_bytes = len(self._head)",
        "tests/unit/splitter/test_look.py::test_blank_lines_are_no_part_of_what_is_looked_at",
    ),
    Mutant(
        "a list of tokens is taken for Base64",
        "libs/baton/src/baton/foreign/encoded.py",
        "return _BASE64 if _is_text(",
        "return _BASE64 if bool(",
        "tests/unit/csv/test_foreign_encoded.py::test_a_list_of_tokens_without_a_header_is_taken_for_nothing_else",
    ),
    Mutant(
        "old Cyrillic text is taken for a mainframe's",
        "libs/baton/src/baton/foreign/binary.py",
        'head[:-1].count(b"\\r") == head.count(b"\\r\\x25")',
        "True",
        "tests/unit/csv/test_foreign_encoded.py"
        "::test_old_cyrillic_text_that_ends_its_lines_in_cr_alone_is_not_of_a_mainframe",
    ),
    Mutant(
        "whatever begins with a bracket is JSON",
        "libs/baton/src/baton/foreign/json_text.py",
        "return _End.BROKEN, at, values",
        "return _End.CUT, at, values",
        "tests/unit/csv/test_foreign_text.py::test_a_csv_file_is_taken_for_nothing_else",
    ),
    Mutant(
        "the job's delimiter in one name hides that the file has another",
        _SPLITTER + "separators.py",
        "return most if most.columns > columns else None",
        "return None",
        "tests/unit/splitter/test_header.py::test_several_columns_that_are_more_with_another_delimiter_fail",
    ),
    Mutant(
        "a comma in prose separates columns",
        _SPLITTER + "separators.py",
        'rb",(?! )"',
        'rb","',
        "tests/unit/splitter/test_header.py::test_several_columns_are_taken_if_they_are_as_many_as_any_delimiter_makes",
    ),
    Mutant(
        "a plan rests on reference data that is still on its way",
        _SPLITTER + "handler.py",
        "if version not in self._complete and await self._reference.is_complete(version):",
        "if version not in self._complete:",
        "tests/pipeline/test_takeover.py::test_rows_of_reference_data_that_are_not_here_are_waited_for_rather_than_taken_for_missing",
    ),
    Mutant(
        "a published batch is planned anew",
        _SPLITTER + "handler.py",
        "if batch.published and elsewhere and plan.plan_id != batch.plan_id:",
        "if batch.published and not elsewhere and plan.plan_id != batch.plan_id:",
        "tests/pipeline/test_takeover.py::test_a_published_batch_whose_plan_is_not_here_waits_for_it_rather_than_use_another",
    ),
    Mutant(
        "what is left to the other Region is not noted",
        "libs/baton/src/baton/admission.py",
        "            await self._arrivals.note(info, at=now)",
        "            pass",
        "tests/pipeline/test_activation.py::test_what_was_announced_is_admitted_at_once_among_ten_million_inputs",
    ),
    Mutant(
        "the trigger that noted a file does not check again which Region is active",
        "libs/baton/src/baton/admission.py",
        "            control = await self._left(info)",
        "            await self._left(info)",
        "tests/pipeline/test_activation.py::test_a_file_that_is_noted_when_its_region_has_become_active_is_admitted_by_its_event",
    ),
)
