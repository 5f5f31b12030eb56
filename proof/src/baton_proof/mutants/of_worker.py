"""Mutants of the worker."""

from typing import Final

from baton_proof.mutants.run import Mutant

_WORKER: Final = "services/worker/src/worker/"

MUTANTS: Final = (
    Mutant(
        "keys of reference data are compared as they came",
        _WORKER + "reference.py",
        'return keys.str.normalize("NFC")',
        "return keys",
        "tests/pipeline/test_enrichment.py::test_keys_are_compared_in_composed_form_and_come_out_as_they_came",
    ),
    Mutant(
        "a computation that ends takes away the end of another one",
        "services/worker/src/worker/compute.py",
        "        if self._ends:\n",
        "        if len(self._ends) > 1:\n",
        "tests/integration/test_lanes_of_a_worker.py::test_one_computation_that_ends_leaves_the_end_of_another_as_it_is",
    ),
    Mutant(
        "a chunk's text has no mark before it",
        _WORKER + "parse.py",
        "Text(BOM_UTF8 + text, quoted",
        "Text(text, quoted",
        "tests/unit/worker/test_worker_domain.py::test_byte_order_mark_below_the_header_is_content",
    ),
    Mutant(
        "what does not decode is judged by the rules",
        _WORKER + "domain.py",
        "            frame = frame.filter(~pl.col(_RECORD).is_in(unreadable[_RECORD].implode()))\n",
        "",
        "tests/unit/worker/test_worker_domain.py::test_record_that_cannot_be_read_is_a_reject_and_its_neighbours_are_not",
    ),
    Mutant(
        "reject counts outgrow S3's metadata",
        _WORKER + "done.py",
        "        if room < 0:\n            break\n",
        "",
        "tests/unit/worker/test_worker_done.py::test_metadata_fits_what_s3_takes_however_many_and_long_the_reasons",
    ),
    Mutant(
        "rejects of another size pass for finished",
        _WORKER + "handler.py",
        "return rejects is not None and rejects.size_bytes == done.rejects_bytes",
        "return rejects is not None",
        "tests/pipeline/test_late_messages.py::test_a_chunk_delivered_again_finds_its_part_unless_that_lacks_its_rejects",
    ),
    Mutant(
        "a chunk of an earlier plan is worked off",
        _WORKER + "handler.py",
        "nudge(batch)\n        if batch.state is not BatchState.SPLIT or batch.plan_id != message.plan_id:\n",
        "nudge(batch)\n        if batch.state is not BatchState.SPLIT:\n",
        "tests/pipeline/test_late_messages.py::test_a_late_chunk_of_an_old_plan_is_left",
    ),
    Mutant(
        "nobody calls the merger if the last worker died",
        _WORKER + "handler.py",
        "            await self._batches.nudge(batch)\n        if batch",
        "            pass\n        if batch",
        "tests/pipeline/test_late_messages.py::test_the_last_chunk_delivered_again_calls_the_merger_that_nobody_called",
    ),
    Mutant(
        "a second attempt makes its part anew",
        _WORKER + "handler.py",
        "if message.resume or attempt > 1 else None",
        "if message.resume else None",
        "tests/pipeline/test_late_messages.py::test_a_chunk_delivered_again_finds_its_part_unless_that_lacks_its_rejects",
    ),
    Mutant(
        "rejects of form come before those of rules",
        _WORKER + "domain.py",
        "told = pl.concat([rejects, broken.told]).sort(_RECORD)",
        "told = pl.concat([rejects, broken.told])",
        "tests/unit/worker/test_worker_domain.py::test_rejects_of_form_and_of_rules_stand_in_record_order_without_a_lookup",
    ),
    Mutant(
        "records without their reference row come behind all rejects",
        _WORKER + "domain.py",
        "told = pl.concat([rejects.told, missing]).sort(_RECORD) if missing.height",
        "told = pl.concat([rejects.told, missing]) if missing.height",
        "tests/unit/worker/test_worker_domain.py::test_rejects_of_all_kinds_stand_in_record_order",
    ),
    Mutant(
        "every reject over the limit is told",
        _WORKER + "domain.py",
        "told = rejects.told.head(REJECTS_TOLD_MAX) if too_many else rejects.told",
        "told = rejects.told",
        "tests/unit/worker/test_worker_pieces.py::test_rejects_are_told_in_full_up_to_the_limit_and_over_it_the_first_ones",
    ),
    Mutant(
        "a chunk of any number of records is one piece",
        _WORKER + "pieces.py",
        "        and records <= by_records * PIECE_RECORDS\n",
        "",
        "tests/unit/worker/test_worker_pieces.py::test_many_short_records_are_cut_by_their_number_alone",
    ),
    Mutant(
        "a chunk of any number of fields is one piece",
        _WORKER + "pieces.py",
        "        and fields <= by_fields * PIECE_FIELDS\n",
        "",
        "tests/unit/worker/test_worker_pieces.py::test_chunk_is_cut_by_fields",
    ),
    Mutant(
        "short fields are as few to a piece as long ones",
        _WORKER + "pieces.py",
        "by_fields = _WHOLE_BY_FIELDS if size_bytes >= _WHOLE_FIELD_BYTES * fields else 1",
        "by_fields = _WHOLE_BY_FIELDS",
        "tests/unit/worker/test_worker_pieces.py::test_short_fields_are_cut_by_their_number_alone",
    ),
    Mutant(
        "each piece of a chunk may have all rejects that the job allows",
        _WORKER + "handler.py",
        "rejects_left=allowed - whole.rejects",
        "rejects_left=allowed",
        "tests/pipeline/test_many_rejects.py::test_rejects_of_a_chunks_pieces_count_together_towards_the_limit",
    ),
    Mutant(
        "two slots load one table twice",
        _WORKER + "recent.py",
        "        task = self._in_the_making.get(key)\n",
        "        task = None\n",
        "tests/unit/worker/test_worker_recent.py::test_two_that_ask_at_once_share_one_making",
    ),
    Mutant(
        "a job's rules of another version are used on a plan",
        _WORKER + "handler.py",
        "return plan if loaded and loaded.version == plan.job_version else None",
        "return plan if loaded else None",
        "tests/pipeline/test_late_messages.py::test_a_batch_that_the_old_version_planned_is_planned_anew_and_not_failed",
    ),
    Mutant(
        "what hangs is retried endlessly",
        _WORKER + "handler.py",
        "            if attempt == 1:\n                raise  # this",
        "            if attempt:\n                raise  # this",
        "tests/pipeline/test_hanging_rules.py::test_it_ends_failed_with_the_jobs_name",
    ),
    Mutant(
        "chunks of a batch go on after its limit of rejects",
        _WORKER + "handler.py",
        "            check_rejects(batch, self._catalog[batch.job].job.limits, tally.counts)\n",
        "",
        "tests/pipeline/test_many_rejects.py::test_a_batch_ends_with_the_chunk_that_breaks_its_limit_and_the_others_are_left",
    ),
    Mutant(
        "a plan that may not be read keeps a chunk from being given up",
        _WORKER + "handler.py",
        "        except (NotFound, Refused):\n",
        "        except NotFound:\n",
        "tests/pipeline/test_refused_calls.py::test_what_is_forbidden_for_ever_ends_in_words_or_stands_where_it_is_seen",
    ),
)
