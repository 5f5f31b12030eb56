"""Mutants of the merger and the notifier."""

from typing import Final

from baton_proof.mutants.run import Mutant

_NOTIFIER: Final = "services/notifier/src/notifier/"
_MERGER: Final = "services/merger/src/merger/"

MUTANTS: Final = (
    Mutant(
        "each lane merges as many large batches at a time as a process may",
        _MERGER + "main.py",
        "bounds=own_bounds if lane == CANARY else bounds",
        "bounds=Bounds()",
        "tests/pipeline/test_lanes_share.py::test_large_batches_of_all_lanes_are_merged_by_some_at_a_time",
    ),
    Mutant(
        "each lane joins as many pieces at a time as a process may",
        _MERGER + "main.py",
        "objects=own_objects if lane == CANARY else objects",
        "objects=ports.objects()",
        "tests/pipeline/test_lanes_share.py::test_users_share_the_store_that_bounds_what_is_joined_and_canaries_have_another",
    ),
    Mutant(
        "a result over its limit of rejects is published",
        _MERGER + "handler.py",
        "        check_rejects(batch, limits, await self._offload(lambda: counted(done)))\n",
        "",
        "tests/pipeline/test_merging.py::test_a_retry_does_not_publish_a_batch_over_its_limit",
    ),
    Mutant(
        "a result of another size than its parts is published",
        _MERGER + "handler.py",
        "        _check_size(written, joint.size_bytes)\n",
        "        del written\n",
        "tests/pipeline/test_merging.py::test_a_result_of_another_size_than_its_parts_is_not_published",
    ),
    Mutant(
        "the checksum of joined parts leaves out their sizes",
        _MERGER + "domain.py",
        "combine(crc, part.crc64nvme or 0, part.size_bytes)",
        "combine(crc, part.crc64nvme or 0, 0)",
        "tests/unit/merger/test_merger_domain.py::test_the_checksum_of_the_result_comes_from_those_of_its_parts",
    ),
    Mutant(
        "a chunk that took in other records than planned is published",
        _MERGER + "domain.py",
        "counts.records_in != planned[chunk.index] or not counts.balanced",
        "not counts.balanced",
        "tests/unit/merger/test_merger_domain.py::test_books_that_do_not_balance_fail_with_the_numbers",
    ),
    Mutant(
        "every mail goes to the operators",
        _NOTIFIER + "handler.py",
        "return loaded.job.addresses if loaded else self._settings.operators",
        "return self._settings.operators",
        "tests/pipeline/test_mails.py::test_a_mail_goes_to_the_people_of_its_job_or_else_to_the_operators",
    ),
    Mutant(
        "two send the same mail",
        _NOTIFIER + "handler.py",
        "        if left > 0:\n",
        "        if left > 1_000_000:\n",
        "tests/pipeline/test_mails.py::test_a_claim_of_a_faster_clock_is_waited_for_no_longer_than_a_lease",
    ),
    Mutant(
        "the claim of an earlier run holds the next one's mail up",
        _NOTIFIER + "handler.py",
        "if held is None or held.run != batch.run:",
        "if held is None:",
        "tests/pipeline/test_mails.py::test_a_claim_of_an_earlier_run_holds_up_no_mail_of_the_next",
    ),
    Mutant(
        "a claim is kept though nothing was sent",
        _NOTIFIER + "handler.py",
        "            await self._batches.move(batch, batch.state, mail_claim=None)\n",
        "",
        "tests/pipeline/test_mails.py::test_a_throttled_mail_comes_back_at_once_when_the_rate_is_over",
    ),
    Mutant(
        "a mail is sent although no time is left for it",
        _NOTIFIER + "handler.py",
        "        if seconds <= 0:\n",
        "        if seconds <= -1_000_000:\n",
        "tests/pipeline/test_mails.py::test_nothing_is_sent_under_a_claim_that_is_nearly_over",
    ),
    Mutant(
        "every reject goes into the table for queries",
        _MERGER + "domain.py",
        "            left -= rows\n",
        "",
        "tests/unit/merger/test_merger_domain.py::test_the_first_thousand_rejects_are_looked_for_where_they_are",
    ),
    Mutant(
        "a claim of a fast clock holds longer than a lease",
        _NOTIFIER + "handler.py",
        "min(lease_seconds, lease_seconds - (self._clock.now() - held.claimed_at).total_seconds())",
        "lease_seconds - (self._clock.now() - held.claimed_at).total_seconds()",
        "tests/pipeline/test_mails.py::test_a_claim_of_a_faster_clock_is_waited_for_no_longer_than_a_lease",
    ),
    Mutant(
        "the mail about a row that cannot be read is sent again",
        _NOTIFIER + "notice.py",
        "from refused\n        await self._heartbeats.notice_sent(batch_id, at=self._clock.now())\n",
        "from refused\n",
        "tests/pipeline/test_unreadable_rows.py::test_the_people_of_its_job_are_told_once_however_often_it_is_swept",
    ),
    Mutant(
        "a mail that may not be sent keeps its claim",
        _NOTIFIER + "handler.py",
        "except (NotSent, Refused) as refused:",
        "except NotSent as refused:",
        "tests/pipeline/test_refused_calls.py::test_what_is_forbidden_for_ever_ends_in_words_or_stands_where_it_is_seen",
    ),
    Mutant(
        "no failure is told without a link",
        _NOTIFIER + "handler.py",
        "            if batch.state is not BatchState.FAILED:\n                raise\n",
        "            raise\n",
        "tests/pipeline/test_refused_calls.py::test_what_is_forbidden_for_ever_ends_in_words_or_stands_where_it_is_seen",
    ),
)
