"""Mutants of what all services share."""

from typing import Final

from mutants.run import Mutant

_BATON: Final = "libs/baton/src/baton/"

MUTANTS: Final = (
    Mutant(
        "a reason of any length goes into the ledger",
        _BATON + "batches.py",
        "shown(failed.reason, most=REASON_CHARACTERS_MAX)",
        "failed.reason",
        "tests/unit/test_bounds.py::test_a_reason_that_quotes_a_value_is_one_line_of_a_page_at_most",
    ),
    Mutant(
        "more recipients than SES takes",
        _BATON + "address.py",
        "RECIPIENTS_MAX: Final = 50",
        "RECIPIENTS_MAX: Final = 51",
        "tests/unit/model/test_address.py::test_a_job_has_at_most_as_many_recipients_as_one_mail",
    ),
    Mutant(
        "lines are joined below the floor of a piece",
        _BATON + "assembly.py",
        "        if run_bytes >= PART_BYTES_MIN:",
        "        if run_bytes > PART_BYTES_MIN:",
        "tests/unit/model/test_assembly.py::test_pieces_keep_order_lose_nothing_and_meet_floor_and_ceiling",
    ),
    Mutant(
        "a success does not clear earlier failures",
        _BATON + "runner.py",
        "                self._failed.clear()\n",
        "",
        "tests/unit/runner/test_runner.py::test_bugs_with_a_success_between_never_stop_the_consumer",
    ),
    Mutant(
        "a bug on a batch that moved on leaves no dead letter",
        _BATON + "runner.py",
        "            if outcome is not Outcome.BUG:\n",
        "            if outcome:\n",
        "tests/unit/runner/test_runner.py::test_a_bug_is_dead_lettered_even_if_its_batch_went_on_without_it",
    ),
    Mutant(
        "all slots try what is down",
        _BATON + "runner.py",
        "free = 1 if self._pause_seconds else self._settings.slots - len(self._running)",
        "free = self._settings.slots - len(self._running)",
        "tests/unit/runner/test_runner.py::test_an_outage_of_a_dependency_slows_the_consumer_and_dead_letters_nothing_at_once",
    ),
    Mutant(
        "a message in hand is not kept",
        _BATON + "runner.py",
        "            await self._set_visibility(delivery, self._settings.visibility_seconds)\n",
        "",
        "tests/unit/runner/test_runner.py::test_a_message_worked_on_for_an_hour_is_not_delivered_twice",
    ),
    Mutant(
        "a message in hand gives no sign of life",
        _BATON + "runner.py",
        "            await self._tell_alive(message, 0)\n",
        "",
        "tests/unit/runner/test_runner.py::test_a_message_in_hand_gives_a_sign_of_life_at_every_third_of_its_visibility",
    ),
    Mutant(
        "what is late is not handed back",
        _BATON + "runner.py",
        "        await self._hand_back(list(late.values()))\n",
        "",
        "tests/unit/runner/test_runner.py::test_what_does_not_finish_within_the_grace_is_handed_back",
    ),
    Mutant(
        "what cannot be read is not buried",
        _BATON + "runner.py",
        "            await self._bury(delivery)\n",
        "            pass\n",
        "tests/unit/runner/test_runner.py::test_an_unreadable_message_is_dead_lettered_at_once_and_stops_nothing",
    ),
    Mutant(
        "a message unreadable to us counts as our failure",
        _BATON + "runner.py",
        "                pass  # it says nothing about us, nor about what we depend on\n",
        "                self._failed.add(delivery.body)\n",
        "tests/unit/runner/test_runner.py::test_unreadable_messages_are_no_bug_of_ours_however_many_there_are",
    ),
    Mutant(
        "a message of another epoch is worked on",
        _BATON + "batches.py",
        "if batch.owner_epoch != message.owner_epoch:",
        "if batch.owner_epoch < 0:",
        "tests/pipeline/test_takeover.py::test_messages_of_the_old_region_change_nothing",
    ),
    Mutant(
        "the limit of rejects is worked out as a float",
        _BATON + "job.py",
        "Fraction(str(self.max_rejects_percent)) * records_total / 100",
        "self.max_rejects_percent * records_total / 100",
        "tests/unit/test_bounds.py::test_two_point_three_percent_of_a_hundred_thousand",
    ),
    Mutant(
        "all chunks of a file of any size are bounded by their records",
        _BATON + "model/plan.py",
        "return max(chunk_records, -(-records_max // left) if left > 0 else records_max)",
        "return chunk_records",
        "tests/unit/splitter/test_splitter_planner.py::test_no_file_needs_more_chunks_than_are_to_be_had",
    ),
    Mutant(
        "libraries that a job imports are no part of its version",
        _BATON + "catalog.py",
        '"libraries": libraries})',
        '"libraries": b""})',
        "tests/unit/jobs/test_sources.py::test_another_version_of_a_library_that_a_job_imports_is_another_version",
    ),
    Mutant(
        "more is done at once than the bound",
        _BATON + "bounded.py",
        "for _ in range(limit)]",
        "for _ in range(limit + 1)]",
        "tests/unit/test_bounded.py::test_as_many_as_the_bound_are_in_work_at_once_and_never_more",
    ),
    Mutant(
        "work goes on after an error",
        _BATON + "bounded.py",
        "                failed = True\n",
        "                pass\n",
        "tests/unit/test_bounded.py::test_the_first_error_ends_the_rest_and_is_raised_as_it_is",
    ),
    Mutant(
        "a queue that may not be received from ends the consumer",
        _BATON + "runner.py",
        "except (Unavailable, Refused) as error:  # a process",
        "except Unavailable as error:  # a process",
        "tests/unit/runner/test_runner.py::test_a_queue_that_cannot_be_received_from_is_polled_again_with_pauses",
    ),
    Mutant(
        "a delete that is refused ends the consumer",
        _BATON + "runner.py",
        "            except (Unavailable, Refused) as error:\n",
        "            except Unavailable as error:\n",
        "tests/unit/runner/test_runner.py::test_deletes_that_are_refused_end_no_consumer",
    ),
    Mutant(
        "what is forbidden for ten minutes is given up",
        _BATON + "runner.py",
        "_REFUSED_BACKOFF_SECONDS: Final = 60",
        "_REFUSED_BACKOFF_SECONDS: Final = 30",
        "tests/pipeline/test_refused_calls.py::test_what_is_forbidden_for_ten_minutes_comes_to_the_same_end",
    ),
)
